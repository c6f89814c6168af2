"""InterHand2.6M's three metrics as thin shells over `functional`."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...registry import METRICS
from ...structures.joints import JOINT_NAMES, NUM_JOINTS, WRISTS
from ..functional.pose_3d import (
    GROUPS,
    handedness_correct,
    joint_errors_mm,
    mpjpe_protocols,
    mrrpe_errors_mm,
    sum_joint_errors,
    wrist_relative_mm,
)
from .base import RunningMetric


@METRICS.register_module()
class MPJPE(RunningMetric):
    """Mean per-joint position error, mm, wrist-relative; all, single, interacting; three protocols."""

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Sums (2, 42) and counts (2, 42), flattened."""
        relative = wrist_relative_mm(batch["pred_keypoints"], batch["abs_depth"], batch["focal"], batch["principal_pt"])
        errors = joint_errors_mm(relative, batch["keypoints_cam"])
        sums, counts = sum_joint_errors(errors, batch["keypoints_visible"], batch["hand_type"])
        return np.concatenate([sums.ravel(), counts.ravel()])

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """See `functional.mpjpe_protocols`."""
        totals, counts = sums.reshape(2, 2, NUM_JOINTS)
        numbers = mpjpe_protocols(totals, counts)
        with np.errstate(invalid="ignore"):
            means = totals.sum(0) / counts.sum(0)
        per_joint = {name: float(value) for name, value in zip(JOINT_NAMES, means, strict=True)}
        joints = {group: int(counts[i].sum()) for i, group in enumerate(GROUPS)}
        return numbers, {"per_joint": per_joint, "counts": {"joints": joints}}


@METRICS.register_module()
class MRRPE(RunningMetric):
    """Mean relative-root position error, mm: the left wrist relative to the right, both known, two hands."""

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Sum of errors and number of samples with both wrists."""
        valid = (batch["hand_type"].min(-1) > 0) & (batch["keypoints_visible"][:, list(WRISTS)].min(-1) > 0)
        errors = mrrpe_errors_mm(
            batch["pred_keypoints"],
            batch["pred_rel_root_depth"],
            batch["keypoints_cam"],
            batch["abs_depth"],
            batch["focal"],
            batch["principal_pt"],
        )
        return np.array([errors[valid].sum(), valid.sum()])

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """Mean in mm; NaN where no sample has two valid wrists."""
        total, count = sums
        return {"MRRPE": total / count if count else float("nan")}, {"counts": {"wrist_pairs": int(count)}}


@METRICS.register_module()
class HandednessAccuracy(RunningMetric):
    """Share of samples with a valid hand type whose right and left are both right."""

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Number correct and number valid."""
        valid = batch["hand_type_valid"] > 0
        correct = handedness_correct(batch["pred_hand_prob"], batch["hand_type"])
        return np.array([(correct & valid).sum(), valid.sum()])

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """Fraction between 0 and 1."""
        correct, count = sums
        return {"HandednessAccuracy": correct / count if count else float("nan")}, {
            "counts": {"hand_types": int(count)}
        }
