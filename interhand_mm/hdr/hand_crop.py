"""The crop of one hand inside a crop of two: its box by the amodal mask, and the affine there and back.

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
    """Return the largest connected part of a mask (H, W) uint8, so that distant specks do not enlarge its box."""
    count, labels, stats, _ = cv2.connectedComponentsWithStats(np.ascontiguousarray(mask, np.uint8), connectivity=8)
    if count <= 2:
        return np.ascontiguousarray(mask > 0, np.uint8)
    return (labels == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax())).astype(np.uint8)


def hand_bbox(mask: np.ndarray, enlarge: float = PUBLISHED_ENLARGE) -> np.ndarray | None:
    """Return the square that is cut out for one hand.

    Args:
        mask: (H, W), the amodal mask, 0 or 1.
        enlarge: Factor on the tight box. Published: 2.0.

    Returns:
        (4,) xyxy px, not clipped to the image, at least `enlarge` px wide; None for an empty mask.
    """
    box = mask_bbox(mask)
    if box is None:
        return None
    box[2:] = np.maximum(box[2:], box[:2] + 1.0)
    return square_bbox(box, enlarge)


def hand_affine(bbox: np.ndarray, size_px: int, mirrored: bool, width_px: int) -> np.ndarray:
    """Return the affine from the image to one hand's crop; `invert_affine` gives the way back.

    For a left hand the whole image is mirrored, x -> W - 1 - x, before the crop, as `flip_sample` and `crop_sample` do
    in training. Its crop therefore looks exactly like that of a right hand.

    Args:
        bbox: (4,) xyxy px of the image, a square.
        size_px: Side of the crop in px.
        mirrored: Whether it is a left hand.
        width_px: Width of the image in px.

    Returns:
        (2, 3) float64.
    """
    if not mirrored:
        return crop_affine(bbox, (size_px, size_px))
    x1, y1, x2, y2 = bbox
    mirrored_bbox = np.array([width_px - 1 - x2, y1, width_px - 1 - x1, y2])
    return compose_affine(crop_affine(mirrored_bbox, (size_px, size_px)), mirror_affine(width_px))


def scale_affine(factor: float) -> np.ndarray:
    """Return the affine (2, 3) from a crop to one with `factor` times as many pixels, without half-pixel offsets."""
    return np.array([[factor, 0.0, 0.0], [0.0, factor, 0.0]])


def warp_images(images: Tensor, affines: np.ndarray, size_px: int, padding: str = "zeros") -> Tensor:
    """Resample a batch of images bilinearly, as `cv2.warpAffine` does for one image.

    Args:
        images: (N, C, H, W), float.
        affines: (N, 2, 3), from each image to its crop, or (2, 3) for all of them.
        size_px: Side of the crops in px.
        padding: Values outside the image: "zeros", or "border" to repeat its edge.

    Returns:
        (N, C, size_px, size_px).
    """
    import torch

    height, width = images.shape[-2:]
    # The affines from the crops to grid_sample's coordinates, -1 to 1. Only they are computed on the CPU.
    back = np.broadcast_to(invert_affine(np.asarray(affines, np.float64)), (len(images), 2, 3))
    back = back * (2 / np.maximum([[width - 1], [height - 1]], 1))
    back[..., 2] -= 1
    columns, rows, offsets = torch.from_numpy(back).float().to(images.device)[:, None, None].unbind(-1)
    steps = torch.arange(size_px, device=images.device, dtype=torch.float32)
    # Not a matrix product, in which autocast would round positions to 8 bits.
    grid = columns * steps[:, None] + rows * steps[:, None, None] + offsets
    with torch.autocast(images.device.type, enabled=False):
        return torch.nn.functional.grid_sample(
            images.float(),
            grid,
            mode="bilinear",
            padding_mode=padding,
            align_corners=True,
        )
