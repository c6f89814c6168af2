"""Bounding boxes, x1 y1 x2 y2 in px."""

from __future__ import annotations

import numpy as np


def scale_boxes(boxes: np.ndarray, factor: float) -> np.ndarray:
    """Scale (..., 4) xyxy boxes about their centers."""
    boxes = np.asarray(boxes, np.float64)
    center, half = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2 * factor
    return np.concatenate([center - half, center + half], axis=-1)


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of (N, 4) and (M, 4) xyxy boxes, (N, M); 0 for boxes without area."""
    a, b = np.asarray(a, np.float64)[:, None], np.asarray(b, np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    inter = np.maximum(sides, 0).prod(axis=-1)
    union = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


# InterHand2.6M's bbox is the tight box of the valid joints, enlarged by this factor about its center
# (docs/spec/datasets.md, section 1.3).
BBOX_ENLARGE = 1.2


def square_bbox(bbox_xyxy: np.ndarray, padding: float = 1.25, aspect: float = 1.0) -> np.ndarray:
    """Enlarge a box about its center to the aspect ratio of the crop, then by `padding`.

    The rule is docs/spec/datasets.md, section 1.10.

    Args:
        bbox_xyxy: (4,) px, x1 y1 x2 y2.
        padding: Factor on both sides; 1.0 for RootNet's boxes, which are already squared and enlarged.
        aspect: Width / height of the network's input.

    Returns:
        (4,) px, x1 y1 x2 y2, not clipped to the image.
    """
    x1, y1, x2, y2 = (float(value) for value in bbox_xyxy)
    width, height = x2 - x1, y2 - y1
    center_x, center_y = x1 + width / 2, y1 + height / 2
    width, height = max(width, height * aspect) * padding, max(height, width / aspect) * padding
    return np.array([center_x - width / 2, center_y - height / 2, center_x + width / 2, center_y + height / 2])
