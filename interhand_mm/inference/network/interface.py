"""The interface of a pose network, whatever runs it."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from ...models.plugin import HandPlugin

OUTPUTS = ("keypoints", "keypoint_scores", "bins", "rel_root_depth", "hand_prob")


BACKENDS = ("torch", "onnxruntime", "openvino")


class Network(Protocol):
    """A network ready to run.

    Attributes:
        input_size: (width, height) px of a crop.
        temperature: Calibrates `hand_prob`; see `at_temperature`.
        plugin: The model's plugin, or None.
    """

    input_size: tuple[int, int]
    temperature: float
    plugin: HandPlugin | None

    def __call__(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Crops (B, 3, h, w) uint8 BGR to the arrays that `HandHead.infer` names, float32, crop coordinates."""
