"""3D pose formulas of the evaluation: arrays in, floats out (docs/spec/datasets.md, section 2.5).

The only place where absolute depth and intrinsics enter: a prediction is u, v px and wrist-relative d mm; the
wrist's absolute depth is added, the point is back-projected, and its own wrist subtracted.

Three protocols, never mixed: *official* (mean over the 42 joints of each joint's mean, the wrists counting as
the 0 that they are), *micro* (all joints in one pool, as mmpose reports), *no_wrist* (official over the 40
others).
"""

from __future__ import annotations

import numpy as np

from ...structures.camera import lift_to_camera
from ...structures.joints import LEFT_WRIST, NOT_WRIST, OWN_WRIST, RIGHT_WRIST, WRISTS

PROTOCOLS = ("official", "micro", "no_wrist")


GROUPS = ("single", "interacting")


def wrist_relative_mm(
    keypoints: np.ndarray, abs_depth: np.ndarray, focal: np.ndarray, principal_pt: np.ndarray
) -> np.ndarray:
    """Lift predictions to millimeters relative to each joint's own wrist.

    Args:
        keypoints: (N, 42, 3) u, v px of the full image and d mm relative to the own wrist.
        abs_depth: (N, 2) mm of the right and left wrist.
        focal: (N, 2) px.
        principal_pt: (N, 2) px.

    Returns:
        (N, 42, 3) float64 mm, camera axes.
    """
    points = lift_to_camera(keypoints, abs_depth, focal, principal_pt)
    return points - points[:, OWN_WRIST]


def joint_errors_mm(relative_mm: np.ndarray, keypoints_cam: np.ndarray) -> np.ndarray:
    """Euclidean error of every joint, both sides relative to their own wrist.

    Args:
        relative_mm: (N, 42, 3) from `wrist_relative_mm`.
        keypoints_cam: (N, 42, 3) ground truth, mm, camera frame.

    Returns:
        (N, 42) float64 mm.
    """
    truth = keypoints_cam.astype(np.float64)
    return np.linalg.norm(relative_mm - (truth - truth[:, OWN_WRIST]), axis=-1)


def sum_joint_errors(
    errors_mm: np.ndarray, visible: np.ndarray, hand_type: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum the errors of valid joints by group and joint.

    Args:
        errors_mm: (N, 42).
        visible: (N, 42) 0 or 1.
        hand_type: (N, 2) ground truth; both hands make a sample "interacting".

    Returns:
        sums (2, 42) mm float64 and counts (2, 42) int64; row 0 single, row 1 interacting.
    """
    interacting = hand_type.min(axis=-1) > 0
    valid = visible > 0
    sums, counts = np.zeros((2, errors_mm.shape[1])), np.zeros((2, errors_mm.shape[1]), np.int64)
    for row, members in enumerate((~interacting, interacting)):
        sums[row] = np.where(valid[members], errors_mm[members], 0.0).sum(axis=0)
        counts[row] = valid[members].sum(axis=0)
    return sums, counts


def _macro(sums: np.ndarray, counts: np.ndarray) -> float:
    """Mean over the joints that occur of each one's mean; NaN where none occurs."""
    seen = counts > 0
    return float((sums[seen] / counts[seen]).mean()) if seen.any() else float("nan")


def mpjpe_protocols(sums: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    """MPJPE of all, single and interacting samples in the three protocols.

    Args:
        sums: (2, 42) mm from `sum_joint_errors`, added over the whole set.
        counts: (2, 42).

    Returns:
        "MPJPE/all", "MPJPE_micro/single", "MPJPE_no_wrist/interacting", ... mm; a group without samples is NaN.
    """
    result = {}
    rows = {"all": (sums.sum(0), counts.sum(0)), **{g: (sums[i], counts[i]) for i, g in enumerate(GROUPS)}}
    for group, (total, count) in rows.items():
        result[f"MPJPE/{group}"] = _macro(total, count)
        result[f"MPJPE_micro/{group}"] = float(total.sum() / count.sum()) if count.sum() else float("nan")
        result[f"MPJPE_no_wrist/{group}"] = _macro(total[NOT_WRIST], count[NOT_WRIST])
    return result


def mrrpe_errors_mm(
    keypoints: np.ndarray,
    rel_root_depth: np.ndarray,
    keypoints_cam: np.ndarray,
    abs_depth: np.ndarray,
    focal: np.ndarray,
    principal_pt: np.ndarray,
) -> np.ndarray:
    """Error of the left wrist's position relative to the right wrist.

    Both predicted wrists are placed from the right wrist's absolute depth; the left one at the predicted
    relative depth behind it.

    Args:
        keypoints: (N, 42, 3) u, v px and wrist-relative d mm.
        rel_root_depth: (N,) predicted z(left wrist) - z(right wrist), mm.
        keypoints_cam: (N, 42, 3) mm ground truth.
        abs_depth: (N, 2) mm right and left; the right one is used.
        focal: (N, 2) px.
        principal_pt: (N, 2) px.

    Returns:
        (N,) mm; meaningful where both hands are there and both wrists valid.
    """
    depths = abs_depth[:, :1].astype(np.float64) + np.stack([np.zeros_like(rel_root_depth), rel_root_depth], axis=-1)
    right, left = np.moveaxis(lift_to_camera(keypoints[:, list(WRISTS)], depths, focal, principal_pt), 1, 0)
    truth = keypoints_cam[:, LEFT_WRIST].astype(np.float64) - keypoints_cam[:, RIGHT_WRIST]
    return np.linalg.norm((left - right) - truth, axis=-1)


def handedness_correct(hand_prob: np.ndarray, hand_type: np.ndarray) -> np.ndarray:
    """True where both sides match: strictly above 0.5 for a hand that is there, strictly below for one not.

    Args:
        hand_prob: (N, 2) probabilities of right and left.
        hand_type: (N, 2) 0 or 1.

    Returns:
        (N,) bool; exactly 0.5 is wrong either way.
    """
    right = np.where(hand_type > 0, hand_prob > 0.5, hand_prob < 0.5)
    return np.asarray(right.all(axis=-1))
