"""The interface of a pose network, independent of the runtime."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ...models.plugin import HandPlugin

OUTPUTS = ("keypoints", "keypoint_scores", "bins", "rel_root_depth", "hand_prob")


class Network(Protocol):
    """A pose network that is ready to run.

    Attributes:
        input_size: (width, height) of a crop in px.
        temperature: Temperature that calibrates `hand_prob`, see `at_temperature`.
        plugin: The model's plugin, or None.
    """

    input_size: tuple[int, int]
    temperature: float
    plugin: HandPlugin | None

    def __call__(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Predict the joints in crops.

        Args:
            crops: (B, 3, h, w) uint8 BGR.

        Returns:
            The float32 arrays that `HandHead.infer` names, in crop coordinates.
        """
