"""Drawing hands on pictures, and contact sheets."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

from ..structures.joints import BONES, COLORS

_SHIFT = 3  # sub-pixel bits of OpenCV's drawing


def draw_hands(image: np.ndarray, points: np.ndarray, visible: np.ndarray, thickness: int = 2) -> np.ndarray:
    """Draw bones and joints of both hands, a colour a finger, the left hand lighter.

    Args:
        image: (H, W, 3) uint8 BGR; not changed.
        points: (42, 2) px.
        visible: (42,); above 0 is drawn.
        thickness: Of a bone, px.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    canvas = image.copy()
    fixed = np.rint(np.nan_to_num(np.clip(points, -1e4, 1e4)) * (1 << _SHIFT)).astype(int)
    seen = np.asarray(visible) > 0
    # Dark outlines first: a bone stays readable on skin and on any photograph.
    for outline in (True, False):
        width = thickness + 2 if outline else thickness
        for child, parent in BONES:
            if seen[child] and seen[parent]:
                color = (0, 0, 0) if outline else COLORS[child][::-1]
                cv2.line(canvas, fixed[child], fixed[parent], color, width, cv2.LINE_AA, _SHIFT)
    for joint in np.flatnonzero(seen):
        cv2.circle(canvas, fixed[joint], (thickness + 1) << _SHIFT, (0, 0, 0), -1, cv2.LINE_AA, _SHIFT)
        cv2.circle(canvas, fixed[joint], thickness << _SHIFT, COLORS[joint][::-1], -1, cv2.LINE_AA, _SHIFT)
    return canvas


def draw_label(image: np.ndarray, text: str) -> np.ndarray:
    """Write one line on a dark strip at the top; changes and returns `image`."""
    scale = max(0.35, image.shape[1] / 700)
    height = int(30 * scale) + 4
    image[:height] = image[:height] // 3
    cv2.putText(image, text, (4, height - 6), cv2.FONT_HERSHEY_SIMPLEX, scale, (255, 255, 255), 1, cv2.LINE_AA)
    return image


def contact_sheet(tiles: Sequence[np.ndarray], columns: int, gap: int = 4) -> np.ndarray:
    """Lay equally large tiles (H, W, 3) out in rows on white."""
    height, width = tiles[0].shape[:2]
    rows = -(-len(tiles) // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for i, tile in enumerate(tiles):
        top, left = gap + (i // columns) * (height + gap), gap + (i % columns) * (width + gap)
        sheet[top : top + height, left : left + width] = tile
    return sheet
