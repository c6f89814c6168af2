"""Draw samples with amodal masks."""

from __future__ import annotations

import cv2
import numpy as np

from ..utils.images import resize_image
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
    """Draw seven squares side by side: the image, the four masks on it, the right hand alone, and the left hand alone.

    The hidden part of an amodal mask is red. Squares without data are gray and labeled.

    Args:
        image: (H, W, 3) uint8 BGR.
        masks: (4, H, W) 0 or 1: right amodal, right visible, left amodal, left visible.
        clean: (2, H, W, 3) uint8 BGR: the right and the left hand alone.
        masks_valid: (4,) 1 where the mask is known, else 0.
        clean_valid: (2,) 1 where the image is known, else 0.
        label: Text on the image.
        tile_px: Side of a square, px.

    Returns:
        (tile_px, 7 * tile_px, 3) uint8 BGR.
    """
    size = (tile_px, tile_px)
    shown = resize_image(image, size)
    squares = [draw_label(shown.copy(), label) if label else shown]
    small = [cv2.resize(m.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0 for m in masks]
    for i, text in enumerate(("right, amodal", "right, visible", "left, amodal", "left, visible")):
        if not masks_valid[i]:
            squares.append(draw_label(np.full((*size, 3), 60, np.uint8), text + ": unknown"))
            continue
        square = shown // 2
        square[small[i]] = square[small[i]] // 2 + np.array(_VISIBLE, np.uint8) // 2
        if i % 2 == 0:
            hidden = small[i] & ~small[i + 1]
            square[hidden] = shown[hidden] // 3 + np.array(_HIDDEN, np.uint8) // 2
        squares.append(draw_label(square, text))
    for alone, known, text in zip(clean, clean_valid, ("right alone", "left alone"), strict=True):
        square = resize_image(alone, size) if known else np.full((*size, 3), 60, np.uint8)
        squares.append(draw_label(square, text if known else text + ": unknown"))
    return np.hstack(squares)
