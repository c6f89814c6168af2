"""From boxes of hands to the crops that the pose network sees: which two hands belong together, and their box.

A hand's box is the annotation's: the tight box of its joints, enlarged by `camera.BBOX_ENLARGE` about its center.
Taken back to the tight boxes, the box round two hands is therefore exactly the data set's, and so is the crop.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..structures.boxes import BBOX_ENLARGE, box_iou, scale_boxes, square_bbox

# On rendered interactions 99 % of the pairs lie within these (gap / size of enlarged boxes, larger / smaller).
MAX_GAP = 0.35
MAX_SIZE_RATIO = 2.0
MIN_MATCH_IOU = 0.5
_TIE = 1e-6  # pairs that only just qualify still count for something


def interaction_bbox(boxes: np.ndarray) -> np.ndarray:
    """The annotation's box of the hands whose own boxes are given.

    Args:
        boxes: (N, 4) px, x1 y1 x2 y2: each the tight box of a hand's joints x `BBOX_ENLARGE`; N >= 1.

    Returns:
        (4,) px, x1 y1 x2 y2: the tight box of all joints x `BBOX_ENLARGE`. `square_bbox` makes the crop of it.
    """
    tight = scale_boxes(np.asarray(boxes).reshape(-1, 4), 1 / BBOX_ENLARGE)
    return scale_boxes(np.concatenate([tight[:, :2].min(axis=0), tight[:, 2:].max(axis=0)]), BBOX_ENLARGE)


def crop_bbox(boxes: np.ndarray, aspect: float = 1.0) -> np.ndarray:
    """The box that is cropped for the pose network, (4,) px, as the data sets make it; see `interaction_bbox`."""
    return square_bbox(interaction_bbox(boxes), aspect=aspect)


def pair_affinity(
    boxes: np.ndarray, sides: np.ndarray, max_gap: float = MAX_GAP, max_size_ratio: float = MAX_SIZE_RATIO
) -> np.ndarray:
    """How much two hands look like one interaction, 0 where they cannot be one.

    ``(IoU + 1 - gap / max_gap) * smaller / larger``, where gap is the distance between the boxes (0 where they
    overlap) over the pair's mean size, and a box's size is the root of its area.

    Args:
        boxes: (N, 4) px, x1 y1 x2 y2.
        sides: (N,) 0 right, 1 left, -1 unknown. Two hands of one known side are of two persons.
        max_gap: Largest gap.
        max_size_ratio: Largest larger / smaller: hands further apart in depth are of two persons.

    Returns:
        (N, N) symmetric, zeros on the diagonal.
    """
    boxes, sides = np.asarray(boxes, np.float64).reshape(-1, 4), np.asarray(sides)
    size = np.sqrt(np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-12))
    apart = np.maximum(boxes[:, None, :2] - boxes[None, :, 2:], boxes[None, :, :2] - boxes[:, None, 2:])
    gap = np.linalg.norm(np.maximum(apart, 0), axis=-1) / ((size[:, None] + size[None]) / 2)
    ratio = np.minimum(size[:, None], size[None]) / np.maximum(size[:, None], size[None])
    affinity = (box_iou(boxes, boxes) + np.maximum(1 - gap / max_gap, 0) + _TIE) * ratio
    same = (sides[:, None] == sides[None]) & (sides[:, None] >= 0)
    affinity[(gap > max_gap) | (ratio < 1 / max_size_ratio) | same] = 0
    np.fill_diagonal(affinity, 0)
    return affinity


def group_hands(
    boxes: np.ndarray,
    scores: np.ndarray,
    sides: np.ndarray,
    max_gap: float = MAX_GAP,
    max_size_ratio: float = MAX_SIZE_RATIO,
) -> list[list[int]]:
    """Group hands into interactions of two and single hands.

    Of all ways to pair the hands the one with the largest sum of affinities is taken (maximum-weight matching),
    so a hand near two others goes where the whole fits best.

    Args:
        boxes: (N, 4) px, x1 y1 x2 y2.
        scores: (N,) 0 to 1.
        sides: (N,) 0 right, 1 left, -1 unknown.
        max_gap: See `pair_affinity`.
        max_size_ratio: See `pair_affinity`.

    Returns:
        Indices of one or two hands each, right before left where known, else as given; the highest score first.
    """
    import networkx

    affinity = pair_affinity(boxes, sides, max_gap, max_size_ratio)
    graph = networkx.Graph()
    graph.add_weighted_edges_from((int(i), int(j), affinity[i, j]) for i, j in np.argwhere(np.triu(affinity) > 0))
    pairs = [
        sorted(pair, key=lambda i: (sides[i] == 1, sides[i] != 0, i)) for pair in networkx.max_weight_matching(graph)
    ]
    paired = {i for pair in pairs for i in pair}
    groups = pairs + [[i] for i in range(len(affinity)) if i not in paired]
    return sorted(groups, key=lambda group: (-max(scores[i] for i in group), group))


def match_boxes(
    found: Sequence[np.ndarray] | np.ndarray, truth: np.ndarray, min_iou: float = MIN_MATCH_IOU
) -> dict[int, int]:
    """Match found boxes to true ones, one to one, so that the sum of the overlaps is largest.

    Args:
        found: (N, 4) px, x1 y1 x2 y2.
        truth: (M, 4) px.
        min_iou: Below it nothing is matched.

    Returns:
        {index of a true box: index of the found one}.
    """
    from scipy.optimize import linear_sum_assignment

    overlap = box_iou(np.asarray(truth).reshape(-1, 4), np.asarray(found).reshape(-1, 4))
    overlap[overlap < min_iou] = 0
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if overlap[r, c] > 0}
