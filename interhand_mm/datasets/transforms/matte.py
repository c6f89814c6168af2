"""Foreground masks: which pixels of an image are hand and forearm.

`threshold_background` is the published recipe. `hand_matte` is ours, because brightness alone fails in both directions:
real images are not black behind the hands (shirts, lamps), and dark skin or shadow is as black as the studio.
"""

from __future__ import annotations

import cv2
import numpy as np

from ...structures.joints import BONES, FINGERTIPS, HANDS, KNUCKLES, NUM_HAND_JOINTS, PALM, RIGHT_WRIST

# Half the thickness of a finger, and how far from the bones and the wrist skin may be, mm.
_CORE_MM, _REACH_MM, _WRIST_MM = 6.0, 13.0, 30.0
# The forearm is searched in a trapezium behind the wrist: length and half-widths at its two ends, mm. Because a wrist
# bends, it is wide in color images, where color separates skin from cloth, and narrower in gray images.
_ARM_MM, _ARM_NEAR_MM, _ARM_FAR_MM, _ARM_FAR_GRAY_MM = 260.0, 42.0, 240.0, 90.0
_COLORFUL = 4.0  # standard deviation of chroma above which a crop counts as a color image
_DARK = 14  # darker pixels belong to the studio, except in the core
_CHILDREN, _PARENTS = np.array(BONES[: NUM_HAND_JOINTS - 1]).T


def threshold_background(image: np.ndarray, low: int = 30, high: int = 230) -> np.ndarray:
    """Find the background by brightness: all channels < `low`, or all > `high` (docs/spec/background_augmentation.md).

    Args:
        image: (H, W, 3) uint8.
        low: Exclusive upper bound of dark background.
        high: Exclusive lower bound of lamps.

    Returns:
        (H, W) uint8, 255 for background.
    """
    dark = cv2.inRange(image, (0, 0, 0), (low - 1,) * 3)
    return cv2.bitwise_or(dark, cv2.inRange(image, (high + 1,) * 3, (255, 255, 255)))


def hand_matte(crop: np.ndarray, points: np.ndarray, visible: np.ndarray, px_per_mm: np.ndarray) -> np.ndarray:
    """Return a soft foreground mask of the annotated hands and their forearms.

    A core drawn from the joints is always foreground, which closes the holes of dark skin and shadow. Around it, and in
    a corridor behind each wrist, pixels are kept that look like the skin of the core and are connected to it. All other
    pixels, shirts and lamps included, are background.

    Args:
        crop: (H, W, 3) uint8 BGR.
        points: (42, 2) joints, px of the crop.
        visible: (42,) 0 or 1; joints that are annotated, whether or not their wrist is.
        px_per_mm: (2,) scale of the right and the left hand.

    Returns:
        (H, W) uint8, 255 for foreground, feathered by about one pixel; all 0 if no joint is visible.
    """
    core, reach = np.zeros(crop.shape[:2], np.uint8), np.zeros(crop.shape[:2], np.uint8)
    ycc = cv2.cvtColor(crop, cv2.COLOR_BGR2YCrCb)
    arm_mm = _ARM_FAR_MM if ycc[::4, ::4, 1].std() > _COLORFUL else _ARM_FAR_GRAY_MM
    scale = 0.0
    for side, own in enumerate(HANDS):
        if visible[own].any():
            scale = max(scale, float(px_per_mm[side]))
            draw_hand(core, reach, points[own], visible[own] > 0, float(px_per_mm[side]), arm_mm)
    sure = nonzero_pixels(core)
    if not len(sure):
        return core
    kept = cv2.bitwise_and(_looks_like(ycc, sure), reach)
    kept = cv2.morphologyEx(kept, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    kept = connected_to(cv2.bitwise_or(kept, core), sure)
    # Close gaps of hair and shadow, but not the black gaps between fingers.
    close_px = int(np.clip(7 * scale, 3, 15)) | 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (close_px, close_px))
    bridged = cv2.bitwise_and(cv2.morphologyEx(kept, cv2.MORPH_CLOSE, kernel), reach)
    kept = cv2.bitwise_or(kept, cv2.bitwise_and(bridged, cv2.inRange(ycc[..., 0], _DARK, 255)))
    return cv2.GaussianBlur(kept, (5, 5), 0)


def can_be_drawn(annotated: np.ndarray) -> np.ndarray:
    """Return (2,) bool: whether the right and the left hand have a bone with two annotated ends.

    Args:
        annotated: (42,) 0 or 1.

    Examples:
        >>> can_be_drawn(np.repeat([1, 0], 21)).tolist()
        [True, False]
    """
    shown = np.stack([annotated[own] > 0 for own in HANDS])
    return np.any(shown[:, _CHILDREN] & shown[:, _PARENTS], axis=1)


def draw_hand(
    core: np.ndarray, reach: np.ndarray, points: np.ndarray, visible: np.ndarray, scale: float, arm_mm: float
) -> None:
    """Draw one hand of 21 joints into the certain region `core` and the possible region `reach`."""
    pixels = np.rint(points).astype(np.int32)

    def width(radius_mm: float) -> int:
        return max(1, round(2 * radius_mm * scale))

    drawn = visible[_CHILDREN] & visible[_PARENTS]
    children, parents = _CHILDREN[drawn], _PARENTS[drawn]
    bones = np.stack([pixels[children], pixels[parents]], axis=1)
    cv2.polylines(reach, list(bones), False, 255, width(_REACH_MM))
    # The tip joint is the very end of the finger, so a round core around it would be larger than the finger.
    tips = np.isin(children, FINGERTIPS)
    bones[tips, 0] = bones[tips, 1] + (bones[tips, 0] - bones[tips, 1]) * 7 // 10
    cv2.polylines(core, list(bones), False, 255, width(_CORE_MM))
    palm = [j for j in PALM if visible[j]]
    if len(palm) >= 3:
        hull = cv2.convexHull(pixels[palm])
        cv2.fillConvexPoly(core, hull, 255)
        cv2.fillConvexPoly(reach, hull, 255)
        cv2.polylines(reach, [hull], True, 255, width(_REACH_MM))
    if visible[RIGHT_WRIST]:
        cv2.circle(reach, pixels[RIGHT_WRIST], width(_WRIST_MM) // 2, 255, -1)
        knuckles = [j for j in KNUCKLES if visible[j]]
        if knuckles:
            _draw_forearm(
                reach, points[RIGHT_WRIST], points[RIGHT_WRIST] - points[knuckles].mean(axis=0), scale, arm_mm
            )


def _draw_forearm(reach: np.ndarray, wrist: np.ndarray, direction: np.ndarray, scale: float, arm_mm: float) -> None:
    length = float(np.linalg.norm(direction))
    if length < 1e-3:
        return
    along = direction / length
    across = np.array([-along[1], along[0]])
    far = wrist + along * _ARM_MM * scale
    near_half, far_half = across * _ARM_NEAR_MM * scale, across * arm_mm * scale
    corners = np.array([wrist - near_half, wrist + near_half, far + far_half, far - far_half])
    cv2.fillConvexPoly(reach, np.rint(corners).astype(np.int32), 255)


def _looks_like(ycc: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Return the pixels (H, W), 255 or 0, whose brightness and chroma are in the range of the pixels `core` (N,)."""
    skin = ycc.reshape(-1, 3).take(core[::5], axis=0)
    low, middle, high = uint8_percentiles(skin, (8, 50, 92))
    spread = np.maximum(np.maximum(high - middle, middle - low) * 1.4, (0.0, 9.0, 9.0))
    lower = np.array([max(_DARK, low[0] * 0.55), *(middle - spread)[1:]])
    upper = np.array([min(250.0, high[0] * 1.3 + 10), *(middle + spread)[1:]])
    return cv2.inRange(ycc, lower, upper)


def uint8_percentiles(values: np.ndarray, percents: tuple[int, ...]) -> np.ndarray:
    """Return `np.percentile(values, percents, axis=0)` of (N, C) uint8 by counting, in a tenth of the time."""
    at = np.array(percents) / 100 * (len(values) - 1)
    below = np.floor(at)
    columns = []
    for column in values.T:
        ranks = np.bincount(column, minlength=256).cumsum()
        low, high = (np.searchsorted(ranks, rank, side="right") for rank in (below, np.ceil(at)))
        part = at - below  # rounded as in NumPy, so that the results are equal to the bit
        columns.append(np.where(part < 0.5, low + (high - low) * part, high - (high - low) * (1 - part)))
    return np.stack(columns, axis=1)


def connected_to(mask: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Keep the connected parts of `mask` (H, W) that contain one of the pixels `core` (N,), given as flat indices."""
    count, labels = cv2.connectedComponents(mask, connectivity=4, ltype=cv2.CV_16U)
    keep = np.zeros(max(count, 256), np.uint8)
    keep[labels.reshape(-1).take(core)] = 255
    keep[0] = 0
    return cv2.LUT(labels.astype(np.uint8), keep) if count <= 256 else keep[labels]


def nonzero_pixels(mask: np.ndarray) -> np.ndarray:
    """Return the flat indices of the nonzero pixels of an (H, W) uint8 mask, twice as fast as `np.flatnonzero`."""
    found = cv2.findNonZero(mask)
    if found is None:
        return np.zeros(0, np.int32)
    x, y = found.reshape(-1, 2).T  # OpenCV 4 has an axis more than 5
    return y * mask.shape[1] + x
