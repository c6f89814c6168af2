"""Formulas of the HDR metrics for single-hand joints, amodal masks and restored images (docs/spec/hdr.md)."""

from __future__ import annotations

import numpy as np

_BONE_EPSILON = 1e-6  # as published


def bone_scaled(joints: np.ndarray, truth: np.ndarray, root: int, reference: int) -> np.ndarray:
    """Align joints by the root's position and the true length of one bone, as published (docs/spec/hdr.md, section 6).

    ``J' = J_root + (|J_ref - J_root| / |P_ref - P_root|) (P - P_root)``, with 1e-6 added to both lengths.

    Args:
        joints: (N, J, 3), one hand each, in any unit and with any origin.
        truth: (N, J, 3), mm.
        root: Index of the wrist.
        reference: Index of the base of the middle finger.

    Returns:
        (N, J, 3) float64 mm.
    """
    joints, truth = joints.astype(np.float64), truth.astype(np.float64)
    relative = joints - joints[:, root : root + 1]
    length = np.linalg.norm(relative[:, reference], axis=-1) + _BONE_EPSILON
    wanted = np.linalg.norm(truth[:, reference] - truth[:, root], axis=-1) + _BONE_EPSILON
    return truth[:, root : root + 1] + (wanted / length)[:, None, None] * relative


def root_aligned(joints: np.ndarray, truth: np.ndarray, root: int) -> np.ndarray:
    """Move joints (N, J, 3) so that their root is the true one; float64, in the unit of the arguments."""
    return joints.astype(np.float64) - joints[:, root : root + 1] + truth[:, root : root + 1].astype(np.float64)


def mask_confusion(predicted: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Count the pixels of predicted and true masks (..., H, W), 0 or 1.

    Returns:
        (..., 4) int64: true positives, false positives, false negatives, true negatives. Counts of several images
        may be added.
    """
    p, t = np.asarray(predicted) > 0, np.asarray(truth) > 0
    return np.stack([(a & b).sum(axis=(-2, -1)) for a, b in ((p, t), (p, ~t), (~p, t), (~p, ~t))], axis=-1)


def iou(confusion: np.ndarray) -> tuple[float, float]:
    """Return the IoU of a mask, and the mean with the background's IoU (mIoU), from (4,) counts.

    The IoU is NaN where no pixel is predicted and none is true.

    >>> iou(np.array([6, 2, 2, 90]))[0]
    0.6
    """
    hit, false, missed, empty = (float(value) for value in confusion)
    front = hit / (hit + false + missed) if hit + false + missed else float("nan")
    back = empty / (empty + false + missed) if empty + false + missed else float("nan")
    return front, (front + back) / 2


def image_sums(predicted: np.ndarray, truth: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return sums over a region. Sums of several images may be added; `image_scores` turns them into scores.

    SSIM is that of Wang et al. (Gaussian window, sigma 1.5). Its map is computed for the whole image, and summed inside
    the region.

    Args:
        predicted: (H, W, 3), clipped to 0 to 255.
        truth: (H, W, 3), uint8.
        region: (H, W), 0 or 1.

    Returns:
        (4,) float64: the number of pixels, and the sums over them of the channels' mean absolute difference, mean
        squared difference and mean SSIM.
    """
    inside = np.asarray(region) > 0
    if not inside.any():
        return np.zeros(4)
    from skimage.metrics import structural_similarity  # late, because it takes half a second to import

    shown, wanted = np.clip(predicted, 0, 255).astype(np.float64), truth.astype(np.float64)
    difference = (shown - wanted)[inside]
    _, similarity = structural_similarity(
        shown, wanted, channel_axis=-1, data_range=255, gaussian_weights=True, use_sample_covariance=False, full=True
    )
    means = np.abs(difference).mean(-1), np.square(difference).mean(-1), similarity[inside].mean(-1)
    return np.array([inside.sum(), *(values.sum() for values in means)])


def image_scores(sums: np.ndarray) -> dict[str, float]:
    """Return L1 (0 to 255), PSNR (dB, of the pooled squared error; infinite for equal images) and SSIM from sums.

    All are NaN where there are no pixels.
    """
    pixels, absolute, squared, similarity = (float(value) for value in sums)
    if not pixels:
        return {"L1": float("nan"), "PSNR": float("nan"), "SSIM": float("nan")}
    psnr = 10 * float(np.log10(255.0**2 / (squared / pixels))) if squared else float("inf")
    return {"L1": absolute / pixels, "PSNR": psnr, "SSIM": similarity / pixels}
