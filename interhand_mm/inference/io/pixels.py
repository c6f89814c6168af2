"""The one layout of pixels that inference works on."""

from __future__ import annotations

import cv2
import numpy as np

from ...errors import InputError


def as_bgr(image: np.ndarray) -> np.ndarray:
    """Convert a gray (H, W), BGR (H, W, 3) or BGRA (H, W, 4) uint8 array to (H, W, 3) uint8 BGR.

    Raises:
        InputError: The array has another shape or type.

    Example:
        >>> as_bgr(np.zeros((4, 5), np.uint8)).shape
        (4, 5, 3)
    """
    channels = image.shape[2] if image.ndim == 3 else {2: 1}.get(image.ndim)
    if image.dtype != np.uint8 or channels not in (1, 3, 4) or 0 in image.shape:
        raise InputError(
            "the image array has a wrong type or shape", got=f"{image.dtype} {image.shape}", want="uint8 (H, W, 3) BGR"
        )
    if channels == 3:
        return image
    return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR if channels == 1 else cv2.COLOR_BGRA2BGR)
