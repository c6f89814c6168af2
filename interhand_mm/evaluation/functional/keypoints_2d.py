"""2D keypoint metrics from NumPy arrays: end-point error, PCK and its AUC."""

from __future__ import annotations

import numpy as np

# px; mmpose counts distances below 0, 1.5, ... 28.5.
AUC_PX = np.arange(0.0, 30.0, 1.5)


def longer_side_px(points: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Return the longer side of the tight box of the visible points.

    Args:
        points: (N, K, 2) px.
        visible: (N, K) 0 or 1.

    Returns:
        (N,) px; 0 where no point is visible.
    """
    seen = visible[..., None] > 0
    sides = np.where(seen, points, -np.inf).max(1) - np.where(seen, points, np.inf).min(1)
    return np.maximum(sides.max(-1), 0.0)


def sums_2d(
    predicted: np.ndarray, truth: np.ndarray, visible: np.ndarray, size_px: np.ndarray, thr: float
) -> np.ndarray:
    """Return the sums for `scores_2d`; they can be added up over batches.

    Args:
        predicted: (N, K, 2) px of the full image.
        truth: (N, K, 2) px of the full image.
        visible: (N, K) 0 or 1.
        size_px: (N,) size of each hand.
        thr: PCK threshold, as a fraction of `size_px`.

    Returns:
        (23,) float64: number of joints; sum of their distances, px; number nearer than ``thr * size_px``; numbers
        nearer than each of `AUC_PX`.
    """
    seen = visible > 0
    distance = np.linalg.norm(predicted.astype(np.float64) - truth, axis=-1)
    near = (distance < thr * size_px[:, None])[seen].sum()
    curve = (distance[seen][:, None] < AUC_PX).sum(0)
    return np.array([seen.sum(), distance[seen].sum(), near, *curve], np.float64)


def scores_2d(sums: np.ndarray, thr: float) -> dict[str, float]:
    """Return PCK and AUC (0 to 1) and EPE (px) over all joints pooled; NaN without joints.

    Args:
        sums: (23,) from `sums_2d`.
        thr: Threshold that `sums_2d` used; it becomes part of the names.
    """
    joints, total, near = (float(value) for value in sums[:3])
    if not joints:
        return {f"PCK@{thr:g}": float("nan"), "AUC": float("nan"), "EPE_px": float("nan")}
    return {f"PCK@{thr:g}": near / joints, "AUC": float(sums[3:].mean()) / joints, "EPE_px": total / joints}
