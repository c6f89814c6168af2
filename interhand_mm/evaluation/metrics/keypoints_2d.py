"""2D pose metrics of one hand, in pixels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...errors import EvaluationError
from ...registry import METRICS
from ...structures.joints import NUM_JOINTS
from ...structures.sample import present_hand_slice
from ..functional.keypoints_2d import longer_side_px, scores_2d, sums_2d
from .base import RunningMetric

NORMS = ("joints", "bbox")


@METRICS.register_module()
class Keypoints2D(RunningMetric):
    """PCK, AUC up to 30 px and EPE (px) of the one hand of each sample, in the full image, with all joints pooled.

    A network predicts the `keypoints` (1, 21, 2) of that hand, or all 42, from which the hand's own are taken.

    Args:
        thr: PCK threshold, as a fraction of the hand's size.
        norm: The hand's size. "joints": the longer side of the tight box of the annotated joints. "bbox": the longer
            side of the sample's box, as in mmpose (whose FreiHAND box is the whole image, so that 0.2 is 44.8 px).
        prefix: Prefix of every number's name.
    """

    def __init__(self, thr: float = 0.2, norm: str = "joints", prefix: str | None = None) -> None:
        if norm not in NORMS:
            raise EvaluationError("Keypoints2D: norm is unknown", got=norm, want=" or ".join(NORMS))
        super().__init__(prefix=prefix)
        self.thr, self.norm = thr, norm

    def stack(self, data_samples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Return predicted and true joints (B, 21, 2) px, their visibility (B, 21), and boxes (B, 4)."""
        columns: dict[str, list[np.ndarray]] = {"predicted": [], "truth": [], "visible": [], "bbox": []}
        for sample in data_samples:
            truth, predicted = sample["gt_instances"], np.asarray(sample["pred_instances"]["keypoints"][0])
            slots = present_hand_slice(truth["hand_type"][0], str(sample.get("img_path")))
            columns["truth"].append(truth["keypoints"][0, slots, :2])
            columns["predicted"].append((predicted[slots] if len(predicted) == NUM_JOINTS else predicted)[:, :2])
            columns["visible"].append(truth["keypoints_visible"][0, slots])
            columns["bbox"].append(truth["bboxes"][0])
        return {key: np.stack(values) for key, values in columns.items()}

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Return the sums of `sums_2d`."""
        box, truth, visible = batch["bbox"], batch["truth"], batch["visible"]
        size = longer_side_px(truth, visible) if self.norm == "joints" else (box[:, 2:] - box[:, :2]).max(-1)
        return sums_2d(batch["predicted"], truth, visible, size, self.thr)

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """Return the numbers of `scores_2d`."""
        return scores_2d(sums, self.thr), {"counts": {"joints": int(sums[0])}}
