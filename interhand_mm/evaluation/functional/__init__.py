"""Formulas of the evaluation: arrays in, floats out (datasets.md 2.5; amodal masks and pictures: hdr.md 6).

The only place where absolute depth and intrinsics enter: a prediction is u, v px and wrist-relative d mm; the
wrist's absolute depth is added, the point is back-projected, and its own wrist subtracted.

Three protocols, never mixed: *official* (mean over the 42 joints of each joint's mean, the wrists counting as
the 0 that they are), *micro* (all joints in one pool, as mmpose reports), *no_wrist* (official over the 40
others).
"""

from __future__ import annotations

import numpy as np

from ...structures.camera import pixel_to_camera
from ...structures.joints import LEFT_WRIST, NOT_WRIST, NUM_HAND_JOINTS, OWN_WRIST, RIGHT_WRIST

PROTOCOLS = ("official", "micro", "no_wrist")
GROUPS = ("single", "interacting")
_BONE_EPSILON = 1e-6  # as published


def wrist_relative_mm(
    keypoints: np.ndarray, abs_depth: np.ndarray, focal: np.ndarray, principal_pt: np.ndarray
) -> np.ndarray:
    """Lift predictions to millimetres relative to each joint's own wrist.

    Args:
        keypoints: (N, 42, 3) u, v px of the full image and d mm relative to the own wrist.
        abs_depth: (N, 2) mm of the right and left wrist.
        focal: (N, 2) px.
        principal_pt: (N, 2) px.

    Returns:
        (N, 42, 3) float64 mm, camera axes.
    """
    points = keypoints.astype(np.float64)
    points[..., 2] += np.repeat(abs_depth.astype(np.float64), NUM_HAND_JOINTS, axis=-1)
    points = pixel_to_camera(points, focal[:, None].astype(np.float64), principal_pt[:, None].astype(np.float64))
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
    wrists = keypoints[:, [RIGHT_WRIST, LEFT_WRIST]].astype(np.float64)
    wrists[..., 2] += abs_depth[:, :1]
    wrists[:, 1, 2] += rel_root_depth
    right, left = np.moveaxis(pixel_to_camera(wrists, focal[:, None], principal_pt[:, None]), 1, 0)
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


def bone_scaled(joints: np.ndarray, truth: np.ndarray, root: int, reference: int) -> np.ndarray:
    """HDR's published alignment: root translation and the true length of one bone (hdr.md 6).

    ``J' = J_root + (|J_ref - J_root| / |P_ref - P_root|) (P - P_root)``, 1e-6 added to either length.

    Args:
        joints: (N, J, 3) one hand each, any unit and origin.
        truth: (N, J, 3) mm.
        root: The wrist.
        reference: Base of the middle finger.

    Returns:
        (N, J, 3) float64 mm.
    """
    joints, truth = joints.astype(np.float64), truth.astype(np.float64)
    relative = joints - joints[:, root : root + 1]
    length = np.linalg.norm(relative[:, reference], axis=-1) + _BONE_EPSILON
    wanted = np.linalg.norm(truth[:, reference] - truth[:, root], axis=-1) + _BONE_EPSILON
    return truth[:, root : root + 1] + (wanted / length)[:, None, None] * relative


def root_aligned(joints: np.ndarray, truth: np.ndarray, root: int) -> np.ndarray:
    """Move joints (N, J, 3) so that the root is the true one; (N, J, 3) float64, unit of the arguments."""
    return joints.astype(np.float64) - joints[:, root : root + 1] + truth[:, root : root + 1].astype(np.float64)


def mask_confusion(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Count pixels of masks (..., H, W), 0 or 1.

    Returns:
        (..., 4) int64: hit, false, missed, rightly empty. Counts may be added over pictures.
    """
    p, t = np.asarray(predicted) > 0, np.asarray(truth) > 0
    return np.stack([(a & b).sum(axis=(-2, -1)) for a, b in ((p, t), (p, ~t), (~p, t), (~p, ~t))], axis=-1)


def iou(confusion: np.ndarray) -> tuple[float, float]:
    """Intersection over union of the mask, and of its mean with the background's (mIoU), from (4,) counts.

    NaN where a union is empty: no pixel was predicted and none is there.
    """
    hit, false, missed, empty = (float(value) for value in confusion)
    front = hit / (hit + false + missed) if hit + false + missed else float("nan")
    back = empty / (empty + false + missed) if empty + false + missed else float("nan")
    return front, (front + back) / 2


def image_sums(predicted: np.ndarray, truth: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Sums over a region, to be added over pictures and given to `image_scores`.

    SSIM is Wang's (Gaussian window, sigma 1.5), its map taken over the whole picture and summed in the region.

    Args:
        predicted: (H, W, 3) values between 0 and 255; others are clipped.
        truth: (H, W, 3) uint8.
        region: (H, W) 0 or 1.

    Returns:
        (4,) float64: pixels; sums over them of the channels' mean absolute and squared difference and mean SSIM.
    """
    inside = np.asarray(region) > 0
    if not inside.any():
        return np.zeros(4)
    from skimage.metrics import structural_similarity  # late: half a second to import

    shown, wanted = np.clip(predicted, 0, 255).astype(np.float64), truth.astype(np.float64)
    difference = (shown - wanted)[inside]
    _, similarity = structural_similarity(
        shown, wanted, channel_axis=-1, data_range=255, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    means = np.abs(difference).mean(-1), np.square(difference).mean(-1), similarity[inside].mean(-1)
    return np.array([inside.sum(), *(values.sum() for values in means)])


def image_scores(sums: np.ndarray) -> dict[str, float]:
    """L1 (0..255), PSNR (dB, of the pooled squared error; infinite where all is exact), SSIM; NaN without pixels."""
    pixels, absolute, squared, similarity = (float(value) for value in sums)
    if not pixels:
        return {"L1": float("nan"), "PSNR": float("nan"), "SSIM": float("nan")}
    psnr = 10 * float(np.log10(255.0**2 / (squared / pixels))) if squared else float("inf")
    return {"L1": absolute / pixels, "PSNR": psnr, "SSIM": similarity / pixels}


AUC_PX = 30 * np.arange(20) / 20  # px; mmpose's: distances below 0, 1.5, ... 28.5


def longer_side_px(points: np.ndarray, visible: np.ndarray) -> np.ndarray:
    """Longer side of the tight box of the visible points.

    Args:
        points: (N, K, 2) px.
        visible: (N, K) 0 or 1.

    Returns:
        (N,) px; 0 where none is visible.
    """
    seen = visible[..., None] > 0
    sides = np.where(seen, points, -np.inf).max(1) - np.where(seen, points, np.inf).min(1)
    return np.maximum(sides.max(-1), 0.0)


def sums_2d(
    predicted: np.ndarray, truth: np.ndarray, visible: np.ndarray, size_px: np.ndarray, thr: float
) -> np.ndarray:
    """Sums for `scores_2d`, to be added over batches.

    Args:
        predicted: (N, K, 2) px of the full image.
        truth: (N, K, 2) px.
        visible: (N, K) 0 or 1.
        size_px: (N,) what `thr` is a part of.
        thr: Of PCK.

    Returns:
        (23,) float64: joints; their summed distance, px; those nearer than ``thr * size_px``; than each of `AUC_PX`.
    """
    seen = visible > 0
    distance = np.linalg.norm(predicted.astype(np.float64) - truth, axis=-1)
    near = (distance < thr * size_px[:, None])[seen].sum()
    curve = (distance[seen][:, None] < AUC_PX).sum(0)
    return np.array([seen.sum(), distance[seen].sum(), near, *curve], np.float64)


def scores_2d(sums: np.ndarray, thr: float) -> dict[str, float]:
    """PCK and AUC (0 to 1) and EPE (px), all joints in one pool; NaN without joints."""
    joints, total, near = (float(value) for value in sums[:3])
    if not joints:
        return {f"PCK@{thr:g}": float("nan"), "AUC": float("nan"), "EPE_px": float("nan")}
    return {f"PCK@{thr:g}": near / joints, "AUC": float(sums[3:].mean()) / joints, "EPE_px": total / joints}
