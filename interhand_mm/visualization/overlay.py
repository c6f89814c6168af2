"""Draw hands on images, and lay out contact sheets."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..structures.joints import BONES, COLORS, NUM_HAND_JOINTS, NUM_JOINTS, SIDES
from ..structures.results import FrameResult, HandsResult
from .text import draw_text, text_size

_SHIFT = 3  # sub-pixel bits of OpenCV's drawing
_FAR_PX = 1e6  # larger than any image; keeps wild predictions within the range of OpenCV's integers
# A dark rim around the right hand and a light rim around the left hand tell them apart, and keep bones visible on
# skin and on any photograph.
_RIMS = ((25, 25, 25), (255, 255, 255))
_BOX, _DETECTION = (255, 255, 255), (235, 206, 90)  # BGR
_UNSURE_OPACITY = 0.45


@dataclass(frozen=True)
class DrawStyle:
    """Sizes of what is drawn on an image. The defaults grow with the hand and with the image.

    Attributes:
        line_px: Thickness of a bone, px. Default: 1/110 of the side of the hand's crop, but at most 1/150 of the longer
            side of the image.
        point_px: Diameter of a joint, px. Default: the thickness of a bone, plus a third of it on each side.
    """

    line_px: float | None = None
    point_px: float | None = None

    def scaled(self, factor: float) -> DrawStyle:
        """Return the style for an image that was resized by `factor`."""
        sizes = (None if size is None else size * factor for size in (self.line_px, self.point_px))
        return DrawStyle(*sizes)

    def thickness(self, side_px: float, image_px: int) -> int:
        """Return the thickness of bones.

        Args:
            side_px: Side of the hand's crop.
            image_px: Longer side of the image.
        """
        if self.line_px is not None:
            return max(1, round(self.line_px))
        return int(np.clip(round(side_px / 110), 1, max(2, image_px // 150)))

    def radius(self, thickness: int) -> float:
        """Return the radius of joints, px, beside bones of a thickness."""
        return thickness * 0.5 + _rim(thickness) if self.point_px is None else self.point_px / 2


DEFAULT_STYLE = DrawStyle()


def draw_hands(image: np.ndarray, points: np.ndarray, visible: np.ndarray, thickness: int = 2) -> np.ndarray:
    """Draw the bones and joints of both hands, one color per finger.

    The right hand has a dark rim and the left hand a light one.

    Args:
        image: (H, W, 3) uint8 BGR; not changed.
        points: (42, 2) px. Joints that are not finite are left out.
        visible: (42,). Joints above 0 are drawn.
        thickness: Thickness of a bone, px.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    canvas = image.copy()
    _paint_hands(canvas, points, visible, thickness, DEFAULT_STYLE.radius(thickness))
    return canvas


def _rim(thickness: int) -> int:
    return max(1, round(thickness / 3))


def _paint_hands(canvas: np.ndarray, points: np.ndarray, visible: np.ndarray, thickness: int, radius_px: float) -> None:
    points = np.asarray(points, np.float64)
    seen = (np.asarray(visible) > 0) & np.isfinite(points).all(axis=-1)
    fixed = np.rint(np.clip(np.nan_to_num(points), -_FAR_PX, _FAR_PX) * (1 << _SHIFT)).astype(int)
    rim, radius = _rim(thickness), radius_px * (1 << _SHIFT)
    for side in range(len(SIDES)):
        own = range(side * NUM_HAND_JOINTS, (side + 1) * NUM_HAND_JOINTS)
        bones = [(a, b) for a, b in BONES if a in own and seen[a] and seen[b]]
        joints = [j for j in own if seen[j]]
        # Draw all rims first, so that none of them covers a neighboring finger.
        for a, b in bones:
            cv2.line(canvas, fixed[a], fixed[b], _RIMS[side], thickness + 2 * rim, cv2.LINE_AA, _SHIFT)
        for j in joints:
            cv2.circle(canvas, fixed[j], round(radius + rim * (1 << _SHIFT)), _RIMS[side], -1, cv2.LINE_AA, _SHIFT)
        for a, b in bones:
            cv2.line(canvas, fixed[a], fixed[b], COLORS[a][::-1], thickness, cv2.LINE_AA, _SHIFT)
        for j in joints:
            cv2.circle(canvas, fixed[j], round(radius), COLORS[j][::-1], -1, cv2.LINE_AA, _SHIFT)


def draw_frame(
    frame: FrameResult, boxes: bool = True, labels: bool = True, style: DrawStyle = DEFAULT_STYLE
) -> np.ndarray:
    """Draw everything that inference found in a frame.

    The square of each crop is white and thin, the detector's boxes are blue, and hands that the network is unsure
    about are faint. Labels name the hands with their probabilities, and with a question mark if unsure, such as
    "R .98 · L? .55". The thickness of bones depends on the size of the hand, that of boxes and text on the image.

    Args:
        frame: Result of inference.
        boxes: Draw the squares of the crops and the detections.
        labels: Draw the labels.
        style: Sizes of bones and joints.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    canvas = frame.image.copy()
    line = max(1, round(max(canvas.shape[:2]) / 700))
    if boxes:
        for hands in frame.hands:
            for box in hands.detections:
                _rectangle(canvas, box, _DETECTION, line)
            _rectangle(canvas, hands.bbox, _BOX, line)
    for hands in frame.hands:
        _draw_crop(canvas, hands, style)
    if labels:
        _draw_labels(canvas, frame.hands)
    return canvas


def presence_label(hands: HandsResult) -> str:
    """Return the label of a crop: each hand with its track, if any, and probability, such as "R #3 .98 · L? #4 .55"."""
    parts = []
    for i, letter in enumerate("RL"):
        if hands.presence[i] != "no":
            mark = "?" if hands.presence[i] == "unsure" else ""
            track = "" if hands.track_ids[i] is None else f" #{hands.track_ids[i]}"
            parts.append(f"{letter}{mark}{track} {hands.hand_prob[i]:.2f}".replace(" 0.", " ."))
    return " · ".join(parts) or "no hand"


def _rectangle(canvas: np.ndarray, box: np.ndarray, color: tuple[int, int, int], width: int) -> None:
    if not np.isfinite(box).all():
        return
    x1, y1, x2, y2 = np.rint(np.clip(box, -_FAR_PX, _FAR_PX)).astype(int).tolist()
    cv2.rectangle(canvas, (x1, y1), (x2, y2), (25, 25, 25), width + 2 * max(1, width // 2), cv2.LINE_AA)
    cv2.rectangle(canvas, (x1, y1), (x2, y2), color, width, cv2.LINE_AA)


def _draw_crop(canvas: np.ndarray, hands: HandsResult, style: DrawStyle) -> None:
    side_px = float(np.nan_to_num(hands.bbox[2] - hands.bbox[0]))
    thickness = style.thickness(side_px, max(canvas.shape[:2]))
    sizes = thickness, style.radius(thickness)
    for side, presence in enumerate(hands.presence):
        visible = np.zeros(NUM_JOINTS)
        visible[side * NUM_HAND_JOINTS : (side + 1) * NUM_HAND_JOINTS] = presence != "no"
        if presence == "unsure":
            _paint_faint(canvas, hands.keypoints[:, :2], visible, *sizes)
        else:
            _paint_hands(canvas, hands.keypoints[:, :2], visible, *sizes)


def _paint_faint(canvas: np.ndarray, points: np.ndarray, visible: np.ndarray, thickness: int, radius_px: float) -> None:
    """Blend a hand in, copying only the part of a large image that it covers."""
    height, width = canvas.shape[:2]
    own = points[(visible > 0) & np.isfinite(points).all(axis=-1)]
    if not len(own):
        return
    margin = math.ceil(max(2 * thickness, radius_px + _rim(thickness))) + 2
    left, top = np.clip(own.min(axis=0) - margin, 0, (width, height)).astype(int)
    right, bottom = np.clip(np.ceil(own.max(axis=0)) + margin, 0, (width, height)).astype(int)
    part = canvas[top:bottom, left:right]
    if part.size:
        drawn = part.copy()
        _paint_hands(drawn, points - (left, top), visible, thickness, radius_px)
        part[:] = cv2.addWeighted(drawn, _UNSURE_OPACITY, part, 1 - _UNSURE_OPACITY, 0)


def _draw_labels(canvas: np.ndarray, crops: Sequence[HandsResult]) -> None:
    """Draw each label above its box, or below an earlier label that overlaps it, always inside the image."""
    height, width = canvas.shape[:2]
    taken: list[tuple[int, int, int, int]] = []
    for hands in crops:
        text = presence_label(hands)
        size = max(8, round(max(height, width) / 45))
        while size > 5 and text_size(text, size)[0] > width:
            size -= 1
        wide, high = text_size(text, size)
        anchor = np.clip(np.nan_to_num(hands.bbox[:2]), -_FAR_PX, _FAR_PX).astype(int)
        left = int(np.clip(anchor[0], 0, max(width - wide, 0)))
        top = int(np.clip(anchor[1] - high, 0, max(height - high, 0)))
        for other_left, other_top, other_wide, other_high in sorted(taken, key=lambda spot: spot[1]):
            beside = left >= other_left + other_wide or left + wide <= other_left
            if not beside and top < other_top + other_high and other_top < top + high:
                top = other_top + other_high
        draw_text(canvas, text, left, min(top, max(height - high, 0)), size)
        taken.append((left, top, wide, high))


def draw_label(image: np.ndarray, text: str) -> np.ndarray:
    """Write one line of text on a dark strip at the top of `image`, in place, and return `image`."""
    width = image.shape[1]
    size = max(11, round(width / 24))
    while size > 6 and text_size(text, size)[0] > width:
        size -= 1
    draw_text(image, text, 0, 0, size)
    return image


def contact_sheet(tiles: Sequence[np.ndarray], columns: int, gap: int = 4) -> np.ndarray:
    """Lay out tiles (H, W, 3) of equal size in rows, on white.

    Example:
        >>> contact_sheet([np.zeros((10, 20, 3), np.uint8)] * 3, columns=2, gap=1).shape
        (23, 43, 3)
    """
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = gap + (i // columns) * (height + gap), gap + (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet
