"""Bounding boxes, x1 y1 x2 y2 in px."""

from __future__ import annotations

import numpy as np

# InterHand2.6M's bbox is the tight box of the valid joints times this (docs/spec/datasets.md, section 1.3).
BBOX_ENLARGE = 1.2


def corners_of(boxes: np.ndarray) -> np.ndarray:
    """Return (..., 4) boxes x, y, width, height as x1 y1 x2 y2.

    Examples:
        >>> corners_of(np.array([10.0, 20.0, 5.0, 6.0])).tolist()
        [10.0, 20.0, 15.0, 26.0]
    """
    boxes = np.asarray(boxes, np.float64)
    return np.concatenate([boxes[..., :2], boxes[..., :2] + boxes[..., 2:]], axis=-1)


def scale_boxes(boxes: np.ndarray, factor: float) -> np.ndarray:
    """Scale (..., 4) boxes about their centers.

    Examples:
        >>> scale_boxes(np.array([10.0, 10.0, 20.0, 30.0]), 2.0).tolist()
        [5.0, 0.0, 25.0, 40.0]
    """
    boxes = np.asarray(boxes, np.float64)
    center, half = (boxes[..., :2] + boxes[..., 2:]) / 2, (boxes[..., 2:] - boxes[..., :2]) / 2 * factor
    return np.concatenate([center - half, center + half], axis=-1)


def box_faults(boxes: np.ndarray, image_size: np.ndarray) -> list[tuple[np.ndarray, str]]:
    """Find boxes that no crop can be cut by.

    Args:
        boxes: (N, 4) px, x1 y1 x2 y2.
        image_size: (N, 2) px, width and height of their images.

    Returns:
        For each fault, the boxes that have it, (N,) bool, and its description.

    Examples:
        >>> boxes = np.array([[0, 0, 9, 9], [3, 3, 3, 9], [1, 1, 1.5, 1.5], [70, 0, 90, 9]])
        >>> for has, fault in box_faults(boxes, np.full((4, 2), 64)):
        ...     print(has.tolist(), fault)
        [False, True, False, False] has no area
        [False, False, True, False] is smaller than 1 px
        [False, False, False, True] lies outside the image
    """
    boxes = np.asarray(boxes, np.float64)
    sides = boxes[:, 2:] - boxes[:, :2]
    empty = ~(np.isfinite(boxes).all(axis=1) & (sides > 0).all(axis=1))
    with np.errstate(invalid="ignore"):
        outside = ((boxes[:, 2:] <= 0) | (boxes[:, :2] >= np.asarray(image_size))).any(axis=1)
        tiny = sides.max(axis=1) < 1
    return [
        (empty, "has no area"),
        (tiny & ~empty, "is smaller than 1 px"),
        (outside & ~tiny & ~empty, "lies outside the image"),
    ]


def joints_bbox(points: np.ndarray, visible: np.ndarray | None = None) -> np.ndarray:
    """Return InterHand2.6M's box of joints: their tight box, enlarged by `BBOX_ENLARGE` about its center.

    Args:
        points: (..., K, 2) px. Joints that are not finite do not count.
        visible: (..., K) bool or 0 and 1: joints that count. None: all.

    Returns:
        (..., 4) float64 px, x1 y1 x2 y2; zeros where no joint counts.

    Examples:
        >>> joints_bbox(np.array([[10.0, 10.0], [20.0, 30.0], [99.0, 99.0]]), np.array([1, 1, 0])).tolist()
        [9.0, 8.0, 21.0, 32.0]
    """
    points = np.asarray(points, np.float64)
    counted = np.isfinite(points)
    if visible is not None:
        counted &= np.asarray(visible, bool)[..., None]
    low = np.where(counted, points, np.inf).min(axis=-2)
    high = np.where(counted, points, -np.inf).max(axis=-2)
    tight = np.concatenate([low, high], axis=-1)
    return scale_boxes(np.where(np.isfinite(tight), tight, 0.0), BBOX_ENLARGE)


def box_iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the intersection over union of (N, 4) and (M, 4) boxes as (N, M); 0 for boxes without area.

    Examples:
        >>> box_iou(np.array([[0, 0, 2, 2]]), np.array([[1, 0, 3, 2], [5, 5, 6, 6]])).round(3).tolist()
        [[0.333, 0.0]]
    """
    a, b = np.asarray(a, np.float64)[:, None], np.asarray(b, np.float64)[None]
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    inter = np.maximum(sides, 0).prod(axis=-1)
    union = (a[..., 2:] - a[..., :2]).prod(axis=-1) + (b[..., 2:] - b[..., :2]).prod(axis=-1) - inter
    return np.divide(inter, union, out=np.zeros_like(inter), where=union > 0)


def square_bbox(bbox_xyxy: np.ndarray, padding: float = 1.25, aspect: float = 1.0) -> np.ndarray:
    """Enlarge a box about its center to the crop's aspect ratio, then by `padding`.

    The rule is InterHand2.6M's (docs/spec/datasets.md, section 1.10).

    Args:
        bbox_xyxy: (4,) px, x1 y1 x2 y2.
        padding: Factor on both sides. Use 1.0 for RootNet's boxes, which are squared and enlarged already.
        aspect: Width / height of the network's input.

    Returns:
        (4,) px, x1 y1 x2 y2, not clipped to the image.

    Examples:
        >>> square_bbox(np.array([0.0, 0.0, 80.0, 40.0])).tolist()
        [-10.0, -30.0, 90.0, 70.0]
    """
    x1, y1, x2, y2 = (float(value) for value in bbox_xyxy)
    width, height = x2 - x1, y2 - y1
    center_x, center_y = x1 + width / 2, y1 + height / 2
    width, height = max(width, height * aspect) * padding, max(height, width / aspect) * padding
    return np.array([center_x - width / 2, center_y - height / 2, center_x + width / 2, center_y + height / 2])
