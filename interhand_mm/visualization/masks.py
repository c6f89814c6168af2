"""Drawing samples with amodal masks."""

from __future__ import annotations

import cv2
import numpy as np

from .overlay import draw_label

_VISIBLE, _HIDDEN = (90, 190, 90), (60, 60, 230)  # BGR


def amodal_tile(
    image: np.ndarray,
    masks: np.ndarray,
    clean: np.ndarray,
    masks_valid: np.ndarray,
    clean_valid: np.ndarray,
    label: str = "",
    tile_px: int = 192,
) -> np.ndarray:
    """Seven squares side by side: picture, the four masks on it, and the right, the left hand alone.

    On an amodal mask the hidden part is red. What is not known is gray and says so.

    Args:
        image: (H, W, 3) uint8 BGR.
        masks: (4, H, W) 0 or 1: right amodal, right visible, left amodal, left visible.
        clean: (2, H, W, 3) uint8 BGR.
        masks_valid: (4,) 0 or 1.
        clean_valid: (2,) 0 or 1.
        label: Written on the picture.
        tile_px: Side of a square.

    Returns:
        (tile_px, 7 * tile_px, 3) uint8.
    """
    size = (tile_px, tile_px)
    shown = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    squares = [draw_label(shown.copy(), label) if label else shown]
    small = [cv2.resize(m.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0 for m in masks]
    for i, text in enumerate(("right, all of it", "right, visible", "left, all of it", "left, visible")):
        if not masks_valid[i]:
            squares.append(draw_label(np.full((*size, 3), 60, np.uint8), text + ": not known"))
            continue
        square = shown // 2
        square[small[i]] = square[small[i]] // 2 + np.array(_VISIBLE, np.uint8) // 2
        if i % 2 == 0:
            hidden = small[i] & ~small[i + 1]
            square[hidden] = shown[hidden] // 3 + np.array(_HIDDEN, np.uint8) // 2
        squares.append(draw_label(square, text))
    for picture, known, text in zip(clean, clean_valid, ("right alone", "left alone"), strict=True):
        square = cv2.resize(picture, size, interpolation=cv2.INTER_AREA) if known else np.full((*size, 3), 60, np.uint8)
        squares.append(draw_label(square, text if known else text + ": none"))
    return np.hstack(squares)
