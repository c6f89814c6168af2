"""2D pose of one hand: targets for this project's and mmpose's heads, and a green screen."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from mmengine.structures import InstanceData, PixelData

from ...codecs import build_codec
from ...registry import TRANSFORMS
from ...structures.camera import apply_affine
from ...structures.sample import only_hand
from .background import RandomBackgroundReplace
from .formatting import PackHandInputs


@TRANSFORMS.register_module()
class PackHand2DInputs(PackHandInputs):
    """`PackHandInputs` and the 21 joints of the one hand as 2D labels.

    `gt_instance_labels` holds `keypoints` (1, 21, 2) px of the crop and `keypoint_weights` (1, 21), 0 for a joint that
    is not annotated or lies outside the crop.

    Args:
        encoder: mmpose's codec for one of mmpose's heads, which then finds its own labels and heatmaps too. None for
            heads that make their targets on their device (`HandHeatmapHead`): a sample stays under 1 KB.
    """

    def __init__(self, encoder: dict[str, Any] | None = None) -> None:
        self.codec = build_codec(encoder) if encoder is not None else None

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Return {"inputs", "data_samples"}."""
        packed = super().transform(results)
        slots = only_hand(results["hand_type"][0], results["img_path"])
        points = apply_affine(results["keypoints"][:, slots, :2].astype(np.float64), results["affine"])
        height, width = results["img"].shape[:2]
        inside = ((points >= 0) & (points < (width, height))).all(axis=-1)
        weights = (results["keypoints_visible"][:, slots] * inside).astype(np.float32)
        self._add_labels(packed["data_samples"], points.astype(np.float32), weights)
        return packed

    def _add_labels(self, sample: Any, points: np.ndarray, weights: np.ndarray) -> None:
        labels = InstanceData(keypoints=torch.from_numpy(points), keypoint_weights=torch.from_numpy(weights))
        if self.codec is not None:
            encoded = self.codec.encode(keypoints=points, keypoints_visible=weights)
            for key, name in self.codec.label_mapping_table.items():
                labels.set_field(torch.from_numpy(np.ascontiguousarray(encoded[key])), name)
            dense = {name: encoded[key] for key, name in self.codec.field_mapping_table.items()}
            if dense:
                sample.gt_fields = PixelData(**{name: torch.from_numpy(value) for name, value in dense.items()})
        sample.gt_instance_labels = labels


class _PlainSheets:
    """Stands for photographs: sheets of one colour, a little uneven, as light on a cloth is."""

    def __init__(self, color: tuple[int, int, int], spread: float) -> None:
        self.color, self.spread = color, spread

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, int, str]:
        """(8, 8, 3) uint8 BGR, no retries, and its name."""
        brightness = 1 + self.spread * (2 * rng.random() - 1)
        (top, bottom), (left, right) = 1 + 0.3 * self.spread * (2 * rng.random((2, 2)) - 1)
        light = np.linspace(top, bottom, 8)[:, None] * np.linspace(left, right, 8)
        sheet = np.array(self.color) * (brightness * light)[..., None]
        return np.clip(np.rint(sheet), 0, 255).astype(np.uint8), 0, "green screen"


@TRANSFORMS.register_module()
class GreenScreen(RandomBackgroundReplace):
    """A green cloth behind the hand, as in FreiHAND's first version, for data with masks.

    Args:
        prob: Share of samples that get it.
        mask: As `RandomBackgroundReplace`.
        color: BGR.
        spread: Of the brightness, in parts, from sample to sample.
        fixed_seed: As `RandomBackgroundReplace`.
    """

    def __init__(
        self,
        prob: float = 1.0,
        mask: str = "file",
        color: tuple[int, int, int] = (70, 150, 60),
        spread: float = 0.4,
        fixed_seed: int | None = None,
    ) -> None:
        super().__init__([""], prob=prob, mask=mask, fixed_seed=fixed_seed)
        self.pool = _PlainSheets(color, spread)
