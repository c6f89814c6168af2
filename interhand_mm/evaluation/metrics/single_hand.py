"""Metrics of data sets with one hand per sample; left and right hands are pooled."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...registry import METRICS
from ...structures.joints import HAND_JOINT_NAMES, NUM_HAND_JOINTS, RIGHT_WRIST
from ..functional import single_hand as S
from ..functional.pose_3d import joint_errors_mm, wrist_relative_mm
from .base import RunningMetric

_BESIDE_WRIST = np.arange(NUM_HAND_JOINTS) != RIGHT_WRIST


def root_aligned_errors(batch: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Return the wrist-relative errors of the annotated hand's joints (B, 21) in mm, and their validity (B, 21)."""
    relative = wrist_relative_mm(batch["pred_keypoints"], batch["abs_depth"], batch["focal"], batch["principal_pt"])
    errors = joint_errors_mm(relative, batch["keypoints_cam"])
    side = batch["hand_type"].argmax(-1)
    return S.select_present_hand(errors, side), S.select_present_hand(batch["keypoints_visible"], side)


@METRICS.register_module()
class EPE(RunningMetric):
    """InterNet's end-point error on RHD and STB in mm, relative to joint 0 (docs/spec/datasets.md, section 4.1).

    "EPE" is the published metric: the mean over the 21 joints' mean errors, with the root, whose error is always 0.
    "EPE_micro" is the mean over all joints pooled. "EPE_no_wrist" is like "EPE", over the other 20 joints.
    """

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Return sums (21,) and counts (21,)."""
        errors, visible = root_aligned_errors(batch)
        return np.concatenate([np.where(visible > 0, errors, 0.0).sum(0), (visible > 0).sum(0)])

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """Return means in mm; NaN without joints."""
        totals, counts = sums.reshape(2, NUM_HAND_JOINTS)
        with np.errstate(invalid="ignore"):
            means = totals / counts
            pooled = float(totals.sum() / counts.sum())
        numbers = {"EPE": _mean(means), "EPE_micro": pooled, "EPE_no_wrist": _mean(means[_BESIDE_WRIST])}
        per_joint = {name: float(value) for name, value in zip(HAND_JOINT_NAMES, means, strict=True)}
        return numbers, {"per_joint": per_joint, "counts": {"joints": int(counts.sum())}}


def _mean(values: np.ndarray) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


@METRICS.register_module()
class HandAUC(RunningMetric):
    """Root-aligned PCK, the share of keypoints within a distance, and the area under its curve (AUC).

    The formulas are given in docs/spec/datasets.md, section 4.5.

    The root counts, as published. "AUC_0-50" and "AUC_20-50" are Zimmermann & Brox's: 20 thresholds from 0 to 50 mm,
    and of these the ones from 21.05 mm on. "AUC_20-50_dense" has 100 thresholds from 20 to 50 mm, as most later papers.

    Args:
        pck_mm: Thresholds in mm whose PCK is reported.
        **kwargs: Arguments of `RunningMetric`.
    """

    def __init__(self, pck_mm: tuple[float, ...] = (20.0, 30.0), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.pck_mm = tuple(pck_mm)
        self.thresholds = np.concatenate([S.ZB_MM, S.DENSE_MM, self.pck_mm])

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Return hits (T, 21) and counts (21,), flattened."""
        errors, visible = root_aligned_errors(batch)
        hits = S.count_hits(errors, visible, self.thresholds)
        return np.concatenate([hits.ravel(), (visible > 0).sum(0)])

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """Return fractions and areas between 0 and 1."""
        table = sums.reshape(len(self.thresholds) + 1, NUM_HAND_JOINTS)
        curve = S.pck_curve(table[:-1], table[-1])
        zb, dense, chosen = np.split(curve, [len(S.ZB_MM), len(S.ZB_MM) + len(S.DENSE_MM)])
        numbers = {
            "AUC_0-50": S.area_under(zb, S.ZB_MM),
            "AUC_20-50": S.area_under(zb[S.ZB_FROM :], S.ZB_MM[S.ZB_FROM :]),
            "AUC_20-50_dense": S.area_under(dense, S.DENSE_MM),
        }
        numbers |= {f"PCK@{limit:g}mm": float(share) for limit, share in zip(self.pck_mm, chosen, strict=True)}
        return numbers, {}
