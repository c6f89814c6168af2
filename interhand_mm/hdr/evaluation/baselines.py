"""Baselines for amodal masks and restored images. They need no network, and are given the TRUE masks."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import torch

from ..inpaint_fill import mean_colors
from ..masks import EditMasks

TELEA_RADIUS_PX = 3


def visible_masks(masks: np.ndarray) -> np.ndarray:
    """Predict that nothing is hidden: the amodal masks are the visible ones. (4, H, W) in the order of `MASK_NAMES`."""
    return masks[[1, 1, 3, 3]]


def hull_masks(masks: np.ndarray) -> np.ndarray:
    """Predict that a hand is the convex hull of its visible part. (4, H, W) in the order of `MASK_NAMES`."""
    return np.stack([convex_hull(masks[1]), masks[1], convex_hull(masks[3]), masks[3]])


def convex_hull(mask: np.ndarray) -> np.ndarray:
    """Return the filled convex hull (H, W) uint8 of a mask; empty for an empty mask."""
    hull = np.zeros(mask.shape, np.uint8)
    points = cv2.findNonZero(np.ascontiguousarray(mask, np.uint8))
    return hull if points is None else cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)


def mean_fill(image: np.ndarray, edit: EditMasks[np.ndarray]) -> np.ndarray:
    """Fill the hidden part with the visible part's mean color, and the other hand with the background's.

    Args:
        image: (3, H, W) uint8.
        edit: Masks (H, W). If nothing of the hand or of the background is visible, the mean color of everything outside
            the edited region is used instead.

    Returns:
        (3, H, W) float64.
    """
    rest = 1 - edit.edited
    target, background = (known if known.any() else rest for known in (edit.target, edit.background))
    masks = (edit.target_valid, edit.background_valid, target, background)
    tensors = [torch.from_numpy(np.asarray(mask, np.float64))[None, None] for mask in masks]
    filled: np.ndarray = mean_colors(torch.from_numpy(image.astype(np.float64))[None], *tensors)[0].numpy()
    return filled


def telea_fill(image: np.ndarray, edit: EditMasks[np.ndarray]) -> np.ndarray:
    """Fill the edited region from its border inwards (OpenCV, Telea 2004). Shapes are those of `mean_fill`."""
    where = np.ascontiguousarray(edit.edited, np.uint8)
    source = np.ascontiguousarray(image.transpose(1, 2, 0))
    return cv2.inpaint(source, where, TELEA_RADIUS_PX, cv2.INPAINT_TELEA).transpose(2, 0, 1).astype(np.float64)


MASK_BASELINES: dict[str, Callable[[np.ndarray], np.ndarray]] = {"visible": visible_masks, "hull": hull_masks}
FILL_BASELINES: dict[str, Callable[[np.ndarray, EditMasks[np.ndarray]], np.ndarray]] = {
    "mean": mean_fill,
    "telea": telea_fill,
}
