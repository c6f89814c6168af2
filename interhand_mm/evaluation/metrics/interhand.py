"""The three metrics of InterHand2.6M."""

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
    """Mean per-joint position error in mm, relative to the own wrist, in three protocols.

    Each protocol has a number for all, single-hand and interacting-hand samples; see `mpjpe_protocols`.
    """

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Return sums (2, 42) and counts (2, 42), flattened."""
        relative = wrist_relative_mm(batch["pred_keypoints"], batch["abs_depth"], batch["focal"], batch["principal_pt"])
        errors = joint_errors_mm(relative, batch["keypoints_cam"])
        sums, counts = sum_joint_errors(errors, batch["keypoints_visible"], batch["hand_type"])
        return np.concatenate([sums.ravel(), counts.ravel()])

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """Return the numbers of `mpjpe_protocols`, the mean error per joint, and the numbers of joints."""
        totals, counts = sums.reshape(2, 2, NUM_JOINTS)
        numbers = mpjpe_protocols(totals, counts)
        with np.errstate(invalid="ignore"):
            means = totals.sum(0) / counts.sum(0)
        per_joint = {name: float(value) for name, value in zip(JOINT_NAMES, means, strict=True)}
        joints = {group: int(counts[i].sum()) for i, group in enumerate(GROUPS)}
        return numbers, {"per_joint": per_joint, "counts": {"joints": joints}}


@METRICS.register_module()
class MRRPE(RunningMetric):
    """Mean relative-root position error in mm: the left wrist relative to the right wrist, if both are annotated."""

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Return the sum of errors and the number of samples with two valid wrists."""
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
        """Return the mean in mm; NaN if no sample has two valid wrists."""
        total, count = sums
        return {"MRRPE": total / count if count else float("nan")}, {"counts": {"wrist_pairs": int(count)}}


@METRICS.register_module()
class HandednessAccuracy(RunningMetric):
    """Fraction of the samples with a valid hand type whose two hands are both classified correctly."""

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Return the number of correct and of valid samples."""
        valid = batch["hand_type_valid"] > 0
        correct = handedness_correct(batch["pred_hand_prob"], batch["hand_type"])
        return np.array([(correct & valid).sum(), valid.sum()])

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """Return the fraction, 0 to 1; NaN without valid samples."""
        correct, count = sums
        return {"HandednessAccuracy": correct / count if count else float("nan")}, {
            "counts": {"hand_types": int(count)}
        }
