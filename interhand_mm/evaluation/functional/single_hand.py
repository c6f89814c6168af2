"""Formulas for data sets with one hand per sample: RHD, STB, FreiHAND.

They are docs/spec/datasets.md, sections 4.1, 4.5 and 5.
"""

from __future__ import annotations

import numpy as np

from ...structures.joints import NUM_HAND_JOINTS

# Zimmermann & Brox: 20 points from 0 to 50 mm; their "20-50 mm" takes the same curve from its 9th point, 21.05 mm, on.
ZB_MM = np.linspace(0.0, 50.0, 20)
ZB_FROM = 8
# Most later papers: 100 points from 20 to 50 mm. On the same errors this gives another number.
DENSE_MM = np.linspace(20.0, 50.0, 100)
FREIHAND_MM = np.linspace(0.0, 50.0, 100)


def select_present_hand(values: np.ndarray, side: np.ndarray) -> np.ndarray:
    """The block of the annotated hand.

    Args:
        values: (N, 42, ...) right hand, then left.
        side: (N,) 0 right, 1 left.

    Returns:
        (N, 21, ...).
    """
    halves = values.reshape(len(values), 2, NUM_HAND_JOINTS, *values.shape[2:])
    return halves[np.arange(len(values)), np.asarray(side, np.int64)]


def count_hits(errors: np.ndarray, visible: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Count for each joint the visible samples whose error is at most each threshold.

    Args:
        errors: (N, J), unit of the thresholds.
        visible: (N, J) 0 or 1.
        thresholds: (T,).

    Returns:
        (T, J) int64; counts may be added over batches.
    """
    within = (errors[None] <= thresholds[:, None, None]) & (visible[None] > 0)
    return within.sum(axis=1)


def pck_curve(hits: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Percentage of correct keypoints, the mean over the joints that occur of each one's share.

    Args:
        hits: (T, J) from `count_hits`.
        counts: (J,) visible samples.

    Returns:
        (T,) between 0 and 1; NaN where no joint occurs.
    """
    seen = counts > 0
    if not seen.any():
        return np.full(len(hits), np.nan)
    return (hits[:, seen] / counts[seen]).mean(axis=1)


def area_under(curve: np.ndarray, thresholds: np.ndarray) -> float:
    """Area under a curve by the trapezoid rule, divided by the thresholds' span; both (T,)."""
    return float(np.trapezoid(curve, thresholds) / (thresholds[-1] - thresholds[0]))


def procrustes_aligned(joints: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Align each hand with the ground truth by translation, rotation and scale (FreiHAND's Procrustes alignment).

    The rule is docs/spec/datasets.md, section 5.

    Both are centerd and divided by their Frobenius norm; the orthogonal Procrustes matrix of the two turns the
    prediction, and the sum of its singular values scales it. Reflections are not excluded, as published.

    Args:
        joints: (N, J, 3) predicted, any unit and origin.
        truth: (N, J, 3).

    Returns:
        (N, J, 3) float64 in the truth's unit and place. A prediction of one point stays at the truth's center.
    """
    joints, truth = joints.astype(np.float64), truth.astype(np.float64)
    middle = truth.mean(axis=1, keepdims=True)
    centerd, wanted = joints - joints.mean(axis=1, keepdims=True), truth - middle
    size, length = (np.linalg.norm(points, axis=(1, 2), keepdims=True) for points in (centerd, wanted))
    with np.errstate(invalid="ignore", divide="ignore"):
        centerd = np.where(size > 0, centerd / size, 0.0)
        wanted = np.where(length > 0, wanted / length, 0.0)
    u, values, vt = np.linalg.svd(wanted.swapaxes(1, 2) @ centerd)
    turned = centerd @ (u @ vt).swapaxes(1, 2)
    return turned * values.sum(axis=1)[:, None, None] * length + middle
