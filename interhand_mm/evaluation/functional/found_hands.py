"""Formulas for hands that were found in photographs: which of them are right, and which annotated ones were missed."""

from __future__ import annotations

import numpy as np

from ...structures.boxes import box_iou
from ...structures.photos import UNKNOWN_SIDE

MIN_IOU = 0.5
# A hand belongs to a box around two hands if this share of its own box lies inside.
INSIDE_SHARE = 0.5
HANDS_OF_A_PAIR = 2
_RECALLS = np.linspace(0, 1, 101)  # COCO's


def match_by_score(boxes: np.ndarray, scores: np.ndarray, truth: np.ndarray, min_iou: float = MIN_IOU) -> np.ndarray:
    """Match found boxes to annotated ones: the one with the highest score chooses first, as in COCO.

    Args:
        boxes: (N, 4) px, x1 y1 x2 y2.
        scores: (N,) confidences.
        truth: (M, 4) px.
        min_iou: Minimum IoU of a match.

    Returns:
        (N,) index of the annotated box, -1 without one.

    Examples:
        >>> boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]])
        >>> match_by_score(boxes, np.array([0.5, 0.9, 0.8]), np.array([[0, 0, 10, 10]])).tolist()
        [-1, 0, -1]
    """
    overlap = box_iou(np.reshape(boxes, (-1, 4)), np.reshape(truth, (-1, 4)))
    matched = np.full(len(overlap), -1)
    if not overlap.size:
        return matched
    for row in np.argsort(-np.asarray(scores), kind="stable"):
        best = int(overlap[row].argmax())
        if overlap[row, best] >= min_iou:
            matched[row] = best
            overlap[:, best] = 0
    return matched


def inside_share(boxes: np.ndarray, region: np.ndarray) -> np.ndarray:
    """Return the share (N,) of the area of each box (N, 4) that lies in a region (4,).

    Examples:
        >>> inside_share(np.array([[0, 0, 10, 10], [20, 0, 30, 10]]), np.array([5, 0, 25, 10])).tolist()
        [0.5, 0.5]
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    sides = np.minimum(boxes[:, 2:], region[2:]) - np.maximum(boxes[:, :2], region[:2])
    area = np.maximum(boxes[:, 2:] - boxes[:, :2], 0).prod(axis=1)
    inner = np.maximum(sides, 0).prod(axis=1)
    return np.divide(inner, area, out=np.zeros_like(inner), where=area > 0)


def counted_hands(
    boxes: np.ndarray, scores: np.ndarray, matched: np.ndarray, pairs: np.ndarray, ignored: np.ndarray
) -> np.ndarray:
    """Return which found hands (N,) count as right or wrong.

    A hand without a match that lies in a box around two hands does not count, because its own box is not annotated.
    This holds for the two hands with the highest scores in each such box; a third one there is wrong. Hands in an
    ignored box never count.

    Args:
        boxes: (N, 4) px.
        scores: (N,) confidences.
        matched: (N,) result of `match_by_score` with the boxes of single hands.
        pairs: (P, 4) px, boxes around two hands.
        ignored: (Q, 4) px.
    """
    counted = np.ones(len(matched), bool)
    for region in ignored:
        counted &= ~((inside_share(boxes, region) >= INSIDE_SHARE) & (matched < 0))
    for region in pairs:
        free = np.flatnonzero((inside_share(boxes, region) >= INSIDE_SHARE) & (matched < 0) & counted)
        counted[free[np.argsort(-np.asarray(scores)[free], kind="stable")][:HANDS_OF_A_PAIR]] = False
    return counted


def is_pair_found(boxes: np.ndarray, region: np.ndarray, sides: np.ndarray | None = None) -> bool:
    """Return whether two found hands are the two in a box around both.

    At least half of each of their boxes lies inside, and the box around both has an IoU of at least 0.5 with it.

    Args:
        boxes: (N, 4) px, boxes of the found hands.
        region: (4,) px, annotated box around two hands.
        sides: (N,) 0 right, 1 left. If given, one hand has to be a right one and the other a left one.

    Examples:
        >>> boxes, both = np.array([[0, 0, 10, 10], [10, 0, 20, 10]]), np.array([0, 0, 20, 10])
        >>> is_pair_found(boxes, both), is_pair_found(boxes, both, np.array([1, 1]))
        (True, False)
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    inside = np.flatnonzero(inside_share(boxes, region) >= INSIDE_SHARE)
    for first in inside:
        for second in inside[inside > first]:
            if sides is not None and (sides[first] == sides[second] or UNKNOWN_SIDE in (sides[first], sides[second])):
                continue
            around = np.concatenate([boxes[[first, second], :2].min(0), boxes[[first, second], 2:].max(0)])
            if box_iou(around[None], np.asarray(region)[None])[0, 0] >= MIN_IOU:
                return True
    return False


def average_precision(scores: np.ndarray, is_right: np.ndarray, total: int) -> float:
    """Return COCO's average precision: the mean over 101 recalls of the best precision at that recall or a higher one.

    Args:
        scores: (N,) confidences of the found boxes of all images.
        is_right: (N,) True where the box matches an annotated one.
        total: Number of annotated boxes.

    Returns:
        Between 0 and 1; NaN without annotated boxes.

    Examples:
        >>> round(average_precision(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 2), 3)
        0.835
    """
    if not total:
        return float("nan")
    hits = np.cumsum(np.asarray(is_right, bool)[np.argsort(-np.asarray(scores), kind="stable")])
    precision = hits / np.arange(1, len(hits) + 1)
    best = np.maximum.accumulate(precision[::-1])[::-1]
    at = np.searchsorted(hits / total, _RECALLS, side="left")
    return float(np.append(best, 0.0)[np.minimum(at, len(best))].mean())
