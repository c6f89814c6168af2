"""Formulas for data sets with one hand per sample: RHD, STB, FreiHAND.

They are docs/spec/datasets.md, sections 4.1, 4.5 and 5.
"""

from __future__ import annotations

import numpy as np

from ...structures.joints import NUM_HAND_JOINTS

# Zimmermann & Brox: 20 thresholds from 0 to 50 mm. Their "20-50 mm" is the same curve from its 9th threshold, 21.05 mm.
ZB_MM = np.linspace(0.0, 50.0, 20)
ZB_FROM = 8
# Most later papers: 100 thresholds from 20 to 50 mm, which gives another number for the same errors.
DENSE_MM = np.linspace(20.0, 50.0, 100)
FREIHAND_MM = np.linspace(0.0, 50.0, 100)


def select_present_hand(values: np.ndarray, side: np.ndarray) -> np.ndarray:
    """Return the joints of the annotated hand.

    Args:
        values: (N, 42, ...) values of the right hand, then of the left hand.
        side: (N,) 0 right, 1 left.

    Returns:
        (N, 21, ...).
    """
    halves = values.reshape(len(values), 2, NUM_HAND_JOINTS, *values.shape[2:])
    return halves[np.arange(len(values)), np.asarray(side, np.int64)]


def count_hits(errors: np.ndarray, visible: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """Count for each joint the visible samples whose error is at most the threshold.

    Args:
        errors: (N, J) in the unit of the thresholds.
        visible: (N, J) 0 or 1.
        thresholds: (T,) thresholds.

    Returns:
        (T, J) int64; the counts can be added up over batches.
    """
    within = (errors[None] <= thresholds[:, None, None]) & (visible[None] > 0)
    return within.sum(axis=1)


def pck_curve(hits: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the fraction of correct keypoints: the mean of the joints' fractions, over the joints that occur.

    Args:
        hits: (T, J) from `count_hits`.
        counts: (J,) number of visible samples.

    Returns:
        (T,) between 0 and 1; NaN if no joint occurs.
    """
    seen = counts > 0
    if not seen.any():
        return np.full(len(hits), np.nan)
    return (hits[:, seen] / counts[seen]).mean(axis=1)


def area_under(curve: np.ndarray, thresholds: np.ndarray) -> float:
    """Return the area under a curve (T,) by the trapezoid rule, divided by the span of the thresholds (T,).

    Examples:
        >>> area_under(np.array([0.0, 1.0, 1.0]), np.array([0.0, 10.0, 20.0]))
        0.75
    """
    return float(np.trapezoid(curve, thresholds) / (thresholds[-1] - thresholds[0]))


def procrustes_aligned(joints: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Align each hand with the ground truth by translation, rotation and scale (FreiHAND's Procrustes alignment).

    The rule is docs/spec/datasets.md, section 5.

    Both are centered and divided by their Frobenius norms. The orthogonal Procrustes matrix rotates the prediction, and
    the sum of its singular values scales it. Reflections are not excluded, as published.

    Args:
        joints: (N, J, 3) predictions in any unit, with any origin.
        truth: (N, J, 3) true joints.

    Returns:
        (N, J, 3) float64 in the frame of the truth. If all predicted joints coincide, they lie at the truth's center.
    """
    joints, truth = joints.astype(np.float64), truth.astype(np.float64)
    middle = truth.mean(axis=1, keepdims=True)
    centered, wanted = joints - joints.mean(axis=1, keepdims=True), truth - middle
    size, length = (np.linalg.norm(points, axis=(1, 2), keepdims=True) for points in (centered, wanted))
    with np.errstate(invalid="ignore", divide="ignore"):
        centered = np.where(size > 0, centered / size, 0.0)
        wanted = np.where(length > 0, wanted / length, 0.0)
    u, values, vt = np.linalg.svd(wanted.swapaxes(1, 2) @ centered)
    rotated = centered @ (u @ vt).swapaxes(1, 2)
    return rotated * values.sum(axis=1)[:, None, None] * length + middle
