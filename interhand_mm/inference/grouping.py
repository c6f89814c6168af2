"""From boxes of hands to crops for the pose network: which two hands belong together, and the box around them.

The box of a hand is defined as in the annotations: the tight box of its joints, enlarged by `boxes.BBOX_ENLARGE`
about its center. The box around two hands is computed from the tight boxes, so it equals the annotated one, and so
does the crop.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..structures.boxes import BBOX_ENLARGE, box_iou, scale_boxes, square_bbox

# Limits that 99 % of the pairs in rendered interactions satisfy: gap / size of the enlarged boxes, larger / smaller.
MAX_GAP = 0.35
MAX_SIZE_RATIO = 2.0
MIN_MATCH_IOU = 0.5
# In videos: limits of gap and size ratio below which two hands join, and above which a pair parts. They lie on both
# sides of the limits above, farther than the noise of a detector reaches. A change must last for `HOLD_S`.
JOIN_LIMITS, PART_LIMITS = (0.25, 1.75), (0.5, 2.5)
HOLD_S = 1 / 6
_AVERAGE_S = 0.15  # time constant of the average of boxes
_TIE = 1e-6  # keeps the affinity of pairs exactly at the limit above 0


def interaction_bbox(boxes: np.ndarray) -> np.ndarray:
    """Return the box around several hands, as it would be annotated.

    Args:
        boxes: (N, 4) px, x1 y1 x2 y2, N >= 1: for each hand the tight box of its joints times `BBOX_ENLARGE`.

    Returns:
        (4,) px, x1 y1 x2 y2: the tight box of all joints times `BBOX_ENLARGE`. `square_bbox` turns it into the crop.

    Example:
        >>> interaction_bbox(np.array([[90, 40, 210, 160], [254, 78, 326, 222]])).round().astype(int).tolist()
        [78, 34, 342, 226]
    """
    tight = scale_boxes(np.asarray(boxes).reshape(-1, 4), 1 / BBOX_ENLARGE)
    return scale_boxes(np.concatenate([tight[:, :2].min(axis=0), tight[:, 2:].max(axis=0)]), BBOX_ENLARGE)


def crop_bbox(boxes: np.ndarray, aspect: float = 1.0) -> np.ndarray:
    """Return the box (4,) px that is cropped for the pose network: `interaction_bbox`, enlarged."""
    return square_bbox(interaction_bbox(boxes), aspect=aspect)


def pair_affinity(
    boxes: np.ndarray, sides: np.ndarray, max_gap: float = MAX_GAP, max_size_ratio: float = MAX_SIZE_RATIO
) -> np.ndarray:
    """Return how well every two hands fit together as one interaction; 0 if they cannot.

    The affinity is ``(IoU + 1 - gap / max_gap) * smaller / larger``. The gap is the distance between the boxes (0 if
    they overlap) divided by the mean size of the pair, and the size of a box is the square root of its area.

    Args:
        boxes: (N, 4) px, x1 y1 x2 y2.
        sides: (N,) 0 right, 1 left, -1 unknown. Two hands of the same known side belong to two people.
        max_gap: Maximum gap of a pair.
        max_size_ratio: Maximum ratio of the larger to the smaller box. Hands whose sizes differ more are far apart in
            depth and belong to two people.

    Returns:
        (N, N) symmetric matrix with zeros on the diagonal.
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
    """Group hands into interacting pairs and single hands.

    The pairs are chosen so that the sum of their affinities is largest (maximum-weight matching). A hand between two
    others is therefore paired so that the result as a whole is best.

    Args:
        boxes: (N, 4) px, x1 y1 x2 y2.
        scores: (N,) 0 to 1.
        sides: (N,) 0 right, 1 left, -1 unknown.
        max_gap: Maximum gap of a pair, as in `pair_affinity`.
        max_size_ratio: Maximum size ratio of a pair, as in `pair_affinity`.

    Returns:
        Groups of one or two indices, highest score first. In a pair, right comes before left if the sides are known.

    Example:
        >>> boxes = np.array([[0, 0, 100, 100], [110, 0, 210, 100], [500, 0, 600, 100]])
        >>> group_hands(boxes, np.array([0.9, 0.8, 0.7]), np.array([-1, -1, -1]))
        [[0, 1], [2]]
    """
    affinity = pair_affinity(boxes, sides, max_gap, max_size_ratio)
    pairs = [sorted(pair, key=lambda i: (sides[i] == 1, sides[i] != 0, i)) for pair in _best_pairs(affinity)]
    paired = {i for pair in pairs for i in pair}
    groups = pairs + [[i] for i in range(len(affinity)) if i not in paired]
    return sorted(groups, key=lambda group: (-max(scores[i] for i in group), group))


class HandPairs:
    """The pairs of a video: which tracked hands share a crop.

    Two hands join below one limit of `pair_affinity` and part above a higher one, and either must hold for `HOLD_S`.
    Hands that rest at any distance therefore stay what they are. A hand that is new has no past, so it joins at once,
    by the limit for single images. The boxes are averaged over time before they are compared.

    Example:
        >>> pairs, sides = HandPairs(), np.array([-1, -1])
        >>> near = np.array([[0.0, 0, 100, 100], [110, 0, 210, 100]])
        >>> pairs.step([1, 2], near, sides, time_s=0.0)
        [(1, 2)]
        >>> pairs.step([1, 2], near + [[0], [90]], sides, time_s=0.1)  # apart, but not for long enough
        [(1, 2)]
        >>> pairs.step([1, 2], near + [[0], [90]], sides, time_s=0.8)
        []
    """

    def __init__(self) -> None:
        self._pairs: list[tuple[int, int]] = []
        self._since: dict[tuple[int, int], float] = {}  # since when a pair has met the condition for a change
        self._boxes: dict[int, np.ndarray] = {}
        self._time_s = 0.0

    def step(self, ids: Sequence[int], boxes: np.ndarray, sides: np.ndarray, time_s: float) -> list[tuple[int, int]]:
        """Return the pairs of the next frame.

        Args:
            ids: Ids of the N tracked hands.
            boxes: (N, 4) px, x1 y1 x2 y2.
            sides: (N,) 0 right, 1 left, -1 unknown. Two hands of the same known side do not pair.
            time_s: Time of the frame in seconds.

        Returns:
            Pairs of ids.
        """
        new = np.array([each not in self._boxes for each in ids], bool)
        steady = self._average(ids, boxes, time_s)
        row = {each: i for i, each in enumerate(ids)}
        since, self._since = self._since, {}

        def lasts(pair: tuple[int, int]) -> bool:
            self._since[pair] = since.get(pair, time_s)
            return time_s - self._since[pair] >= HOLD_S - _TIE

        near = pair_affinity(steady, sides, *PART_LIMITS) > 0 if self._pairs else np.zeros((0, 0))
        pairs = [
            (a, b) for a, b in self._pairs if a in row and b in row and (near[row[a], row[b]] or not lasts((a, b)))
        ]
        taken = {each for pair in pairs for each in pair}
        free = np.array([row[each] for each in ids if each not in taken], int)
        if len(free) > 1:
            fresh = new[free][:, None] | new[free][None]
            affinity = pair_affinity(steady[free], sides[free], *JOIN_LIMITS)
            if fresh.any():
                affinity[fresh] = pair_affinity(steady[free], sides[free])[fresh]
            for i, j in _best_pairs(affinity):
                pair = (ids[free[i]], ids[free[j]])
                if fresh[i, j] or lasts(pair):
                    pairs.append(pair)
        self._pairs = pairs
        return list(pairs)

    def _average(self, ids: Sequence[int], boxes: np.ndarray, time_s: float) -> np.ndarray:
        weight = 1 - np.exp(-max(time_s - self._time_s, 0.0) / _AVERAGE_S)
        known = [self._boxes.get(each, box) for each, box in zip(ids, boxes, strict=True)]
        steady = [old + weight * (box - old) for old, box in zip(known, boxes, strict=True)]
        self._boxes, self._time_s = dict(zip(ids, steady, strict=True)), time_s
        return np.array(steady).reshape(-1, 4)


def _best_pairs(affinity: np.ndarray) -> list[tuple[int, int]]:
    """Return the pairs of indices (i, j), i < j, whose affinities (N, N) have the largest sum."""
    edges = [(int(i), int(j), float(affinity[i, j])) for i, j in np.argwhere(np.triu(affinity) > 0)]
    if len(edges) < 2:
        return [(i, j) for i, j, _ in edges]
    import networkx

    graph = networkx.Graph()
    graph.add_weighted_edges_from(edges)
    return [(min(pair), max(pair)) for pair in networkx.max_weight_matching(graph)]


def match_boxes(
    found: Sequence[np.ndarray] | np.ndarray, truth: np.ndarray, min_iou: float = MIN_MATCH_IOU
) -> dict[int, int]:
    """Match detected boxes to true ones, one to one, so that the sum of the overlaps is largest.

    Args:
        found: (N, 4) px, x1 y1 x2 y2.
        truth: (M, 4) px, x1 y1 x2 y2.
        min_iou: Minimum IoU of a match.

    Returns:
        {index of a true box: index of the detected one}.
    """
    from scipy.optimize import linear_sum_assignment

    overlap = box_iou(np.asarray(truth).reshape(-1, 4), np.asarray(found).reshape(-1, 4))
    overlap[overlap < min_iou] = 0
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if overlap[r, c] > 0}
