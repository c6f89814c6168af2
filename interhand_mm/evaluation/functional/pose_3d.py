"""3D pose metrics of two hands, from NumPy arrays (docs/spec/datasets.md, section 2.5).

A prediction is u, v px and wrist-relative d mm. To measure it in mm, the absolute depth of the wrist is added, the
point is back-projected, and its own wrist is subtracted.

There are three protocols, which are never mixed:

- *official*: mean over the 42 joints of each joint's mean error. A wrist's error is always 0 and counts.
- *micro*: mean error of all valid joints pooled, as mmpose reports it.
- *no_wrist*: the official mean over the other 40 joints.
"""

from __future__ import annotations

import numpy as np

from ...structures.camera import lift_to_camera
from ...structures.joints import LEFT_WRIST, NOT_WRIST, OWN_WRIST, RIGHT_WRIST, WRISTS

GROUPS = ("single", "interacting")


def wrist_relative_mm(
    keypoints: np.ndarray, abs_depth: np.ndarray, focal: np.ndarray, principal_pt: np.ndarray
) -> np.ndarray:
    """Return predictions in millimeters relative to each joint's own wrist.

    Args:
        keypoints: (N, 42, 3) u, v px of the full image and d mm relative to the own wrist.
        abs_depth: (N, 2) mm, absolute depth of the right and the left wrist.
        focal: (N, 2) px.
        principal_pt: (N, 2) px.

    Returns:
        (N, 42, 3) float64 mm, camera axes.
    """
    points = lift_to_camera(keypoints, abs_depth, focal, principal_pt)
    return points - points[:, OWN_WRIST]


def joint_errors_mm(relative_mm: np.ndarray, keypoints_cam: np.ndarray) -> np.ndarray:
    """Return the Euclidean error of every joint, with prediction and truth relative to their own wrists.

    Args:
        relative_mm: (N, 42, 3) predictions from `wrist_relative_mm`.
        keypoints_cam: (N, 42, 3) ground truth, mm, camera frame.

    Returns:
        (N, 42) float64 mm.
    """
    truth = keypoints_cam.astype(np.float64)
    return np.linalg.norm(relative_mm - (truth - truth[:, OWN_WRIST]), axis=-1)


def sum_joint_errors(
    errors_mm: np.ndarray, visible: np.ndarray, hand_type: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Sum the errors of the valid joints by group and joint.

    Args:
        errors_mm: (N, 42) errors.
        visible: (N, 42) 0 or 1.
        hand_type: (N, 2) true presence of the right and the left hand; with both, a sample is "interacting".

    Returns:
        Sums (2, 42) mm float64 and counts (2, 42) int64; row 0 is "single", row 1 "interacting".
    """
    interacting = hand_type.min(axis=-1) > 0
    valid = visible > 0
    sums, counts = np.zeros((2, errors_mm.shape[1])), np.zeros((2, errors_mm.shape[1]), np.int64)
    for row, members in enumerate((~interacting, interacting)):
        sums[row] = np.where(valid[members], errors_mm[members], 0.0).sum(axis=0)
        counts[row] = valid[members].sum(axis=0)
    return sums, counts


def _macro(sums: np.ndarray, counts: np.ndarray) -> float:
    """Return the mean of the joints' means, over the joints that occur; NaN if none occurs."""
    seen = counts > 0
    return float((sums[seen] / counts[seen]).mean()) if seen.any() else float("nan")


def mpjpe_protocols(sums: np.ndarray, counts: np.ndarray) -> dict[str, float]:
    """Return the MPJPE of all, single and interacting samples in the three protocols.

    Args:
        sums: (2, 42) mm from `sum_joint_errors`, added up over the data set.
        counts: (2, 42) numbers of joints, added up in the same way.

    Returns:
        Values in mm of "MPJPE/all", "MPJPE_micro/single", "MPJPE_no_wrist/interacting", ...; NaN without samples.
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
    """Return the error of the left wrist's position relative to the right wrist.

    The right wrist gets its true absolute depth, the left wrist the same depth plus the predicted relative depth.

    Args:
        keypoints: (N, 42, 3) u, v px and wrist-relative d mm.
        rel_root_depth: (N,) predicted z(left wrist) - z(right wrist), mm.
        keypoints_cam: (N, 42, 3) mm ground truth.
        abs_depth: (N, 2) mm, right and left wrist; only the right one is used.
        focal: (N, 2) px.
        principal_pt: (N, 2) px.

    Returns:
        (N,) mm. Only samples with two valid wrists have a meaningful value.
    """
    depths = abs_depth[:, :1].astype(np.float64) + np.stack([np.zeros_like(rel_root_depth), rel_root_depth], axis=-1)
    right, left = np.moveaxis(lift_to_camera(keypoints[:, list(WRISTS)], depths, focal, principal_pt), 1, 0)
    truth = keypoints_cam[:, LEFT_WRIST].astype(np.float64) - keypoints_cam[:, RIGHT_WRIST]
    return np.linalg.norm((left - right) - truth, axis=-1)


def handedness_correct(hand_prob: np.ndarray, hand_type: np.ndarray) -> np.ndarray:
    """Return whether both hands are classified correctly: probability > 0.5 if present, < 0.5 if absent.

    Args:
        hand_prob: (N, 2) probabilities of the right and the left hand.
        hand_type: (N, 2) 0 or 1, true presence.

    Returns:
        (N,) bool. A probability of exactly 0.5 counts as wrong.

    Examples:
        >>> handedness_correct(np.array([[0.9, 0.2], [0.9, 0.5]]), np.array([[1, 0], [1, 0]])).tolist()
        [True, False]
    """
    right = np.where(hand_type > 0, hand_prob > 0.5, hand_prob < 0.5)
    return np.asarray(right.all(axis=-1))
