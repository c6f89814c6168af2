"""Geometry of one hand's crop out of a crop of two: its box from its amodal mask, in, out, left hands mirrored.

Pixels are those of the image that the mask belongs to. The published procedure is docs/spec/hdr.md, section 1.1,
steps 8 to 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from ..structures.boxes import square_bbox
from ..structures.camera import compose_affine, crop_affine, invert_affine, mirror_affine
from .masks import mask_bbox

if TYPE_CHECKING:
    from torch import Tensor

PUBLISHED_ENLARGE = 2.0


def largest_part(mask: np.ndarray) -> np.ndarray:
    """The largest connected part of a mask (H, W), uint8: a predicted speck far away must not blow up the box."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(mask, np.uint8), connectivity=8)
    if count <= 2:
        return np.ascontiguousarray(mask > 0, np.uint8)
    return (labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)


def hand_bbox(mask: np.ndarray, enlarge: float = PUBLISHED_ENLARGE) -> np.ndarray | None:
    """The square to cut out for one hand.

    Args:
        mask: (H, W) amodal, 0 or 1.
        enlarge: Factor of the tight box; 2.0 as published.

    Returns:
        (4,) px, x1 y1 x2 y2, not clipped to the picture, at least `enlarge` px wide; None for an empty mask.
    """
    box = mask_bbox(mask)
    if box is None:
        return None
    box[2:] = np.maximum(box[2:], box[:2] + 1.0)
    return square_bbox(box, enlarge)


def hand_affine(bbox: np.ndarray, size_px: int, mirrored: bool, width_px: int) -> np.ndarray:
    """Affine from the picture to one hand's crop; `invert_affine` is the way back.

    A left hand is mirrored with the whole picture, x -> W - 1 - x, and then cut out, as `flip_sample` and
    `crop_sample` do in training, so that its crop is a right hand's to the pixel.

    Args:
        bbox: (4,) px of the picture, a square.
        size_px: Side of the crop.
        mirrored: Whether it is a left hand.
        width_px: Of the picture.

    Returns:
        (2, 3) float64.
    """
    if not mirrored:
        return crop_affine(bbox, (size_px, size_px))
    x1, y1, x2, y2 = bbox
    mirrored_bbox = np.array([width_px - 1 - x2, y1, width_px - 1 - x1, y2])
    return compose_affine(crop_affine(mirrored_bbox, (size_px, size_px)), mirror_affine(width_px))


def scale_affine(factor: float) -> np.ndarray:
    """(2, 3) affine from a crop to the same crop with `factor` times as many pixels (no half-pixel offsets)."""
    return np.array([[factor, 0.0, 0.0], [0.0, factor, 0.0]])


def warp_images(images: Tensor, affines: np.ndarray, size_px: int, padding: str = "zeros") -> Tensor:
    """Resample a batch bilinearly, as `cv2.warpAffine` does one image.

    Args:
        images: (N, C, H, W) float.
        affines: (N, 2, 3) from each image to its crop, or (2, 3) for all.
        size_px: Side of the crops.
        padding: What lies outside: "zeros", or "border", which repeats the edge.

    Returns:
        (N, C, size_px, size_px).
    """
    import torch

    height, width = images.shape[-2:]
    # In float64 and by hand: under autocast a matrix product would round positions to 8 bits.
    back = np.broadcast_to(invert_affine(np.asarray(affines, np.float64)), (len(images), 2, 3))
    steps = np.arange(size_px, dtype=np.float64)
    x = back[:, 0, 0, None, None] * steps + back[:, 0, 1, None, None] * steps[:, None] + back[:, 0, 2, None, None]
    y = back[:, 1, 0, None, None] * steps + back[:, 1, 1, None, None] * steps[:, None] + back[:, 1, 2, None, None]
    grid = np.stack([2 * x / max(width - 1, 1) - 1, 2 * y / max(height - 1, 1) - 1], axis=-1)
    with torch.autocast(images.device.type, enabled=False):
        return torch.nn.functional.grid_sample(
            images.float(),
            torch.from_numpy(grid).to(images.device, torch.float32),
            mode="bilinear",
            padding_mode=padding,
            align_corners=True,
        )
