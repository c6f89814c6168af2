"""Text on images, in the TrueType font that OpenCV contains."""

from __future__ import annotations

import cv2
import numpy as np

_WEIGHT = 500  # weight of the variable font: slightly bolder than regular, which is easier to read at small sizes
_BACK = 0.72  # opacity of the dark strip behind text


def text_size(text: str, size_px: int) -> tuple[int, int]:
    """Return width and height in px of the strip that `draw_text` paints."""
    _, _, width, _ = cv2.getTextSize((0, 0), text, (0, 0), cv2.FontFace("sans"), size_px, _WEIGHT)
    return width + size_px, size_px + 2 * (size_px // 3)


def draw_text(
    canvas: np.ndarray, text: str, left: int, top: int, size_px: int, color: tuple[int, int, int] = (255, 255, 255)
) -> None:
    """Write one line of text on a dark, half-transparent strip. Parts outside the image are cut off.

    Args:
        canvas: (H, W, 3) uint8 BGR, drawn on in place.
        text: The text.
        left: Left side of the strip, px.
        top: Top of the strip, px.
        size_px: Font size, px.
        color: Text color, BGR.
    """
    width, height = text_size(text, size_px)
    strip = canvas[max(top, 0) : max(top + height, 0), max(left, 0) : max(left + width, 0)]
    strip[:] = (strip * (1 - _BACK)).astype(np.uint8)
    baseline = (left + size_px // 2, top + size_px // 3 + round(size_px * 0.86))
    cv2.putText(canvas, text, baseline, color, cv2.FontFace("sans"), size_px, _WEIGHT)
