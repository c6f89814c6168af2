"""How well hands are followed over a video: identity, side, presence, jitter and lag against exact truth."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from ...errors import ConfigError

# A shown hand can match a true one up to this mean distance of their joints, as a share of the true hand's longer side.
MATCH_DISTANCE = 0.5
MAX_LAG = 10  # frames
_MOT_METRICS = {"mota": "mota", "idf1": "idf1", "num_switches": "id_switches"}


class ShownHands(NamedTuple):
    """The N hands that a chain shows in one frame.

    Attributes:
        ids: Identity of each hand.
        sides: 0 right, 1 left.
        crops: Number of the crop of each hand within its frame; the two hands of a pair share one.
        keypoints: (N, 21, 3) u, v px and d mm relative to the own wrist.
    """

    ids: Sequence[int]
    sides: Sequence[int]
    crops: Sequence[int]
    keypoints: np.ndarray


class Followed(NamedTuple):
    """The hands that were shown for each of H true hands, over T frames.

    Attributes:
        found: (T, H) bool, whether the true hand was shown.
        ids, sides, crops: (T, H) int, fields of `ShownHands`; sides and crops are -1 where the hand was not shown.
        keypoints: (T, H, 21, 3) as in `ShownHands`; NaN where the hand was not shown.
        mot: "mota", "idf1" and "id_switches", as motmetrics computes them.
    """

    found: np.ndarray
    ids: np.ndarray
    sides: np.ndarray
    crops: np.ndarray
    keypoints: np.ndarray
    mot: dict[str, float]


def hand_distances(shown: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Return the mean distance of the joints of shown and true hands, relative to the size of the true hand.

    Args:
        shown: (N, K, 2) px.
        truth: (M, K, 2) px.

    Returns:
        (M, N); NaN above `MATCH_DISTANCE` and for hands with joints that are not finite.

    Example:
        >>> truth = np.array([[[0.0, 0.0], [10.0, 0.0]]])
        >>> hand_distances(np.concatenate([truth + 2.0, truth + 9.0]), truth).round(2).tolist()
        [[0.28, nan]]
    """
    size = np.ptp(truth, axis=1).max(axis=-1)
    apart = np.linalg.norm(shown[None] - truth[:, None], axis=-1).mean(axis=-1) / np.maximum(size, 1e-9)[:, None]
    return np.where(apart <= MATCH_DISTANCE, apart, np.nan)


def follow_hands(frames: Sequence[ShownHands], truth: np.ndarray, visible: np.ndarray) -> Followed:
    """Match the shown hands of every frame to the true ones, one to one, with motmetrics.

    A match of the previous frame is kept as long as it is possible; the others are chosen so that the distances are
    smallest. Sides play no part in the matching.

    Args:
        frames: The hands that were shown, one entry per frame.
        truth: (T, H, 21, 2) px, joints of the true hands.
        visible: (T, H) bool, whether the true hand can be seen. Other hands need not be found.

    Raises:
        ConfigError: motmetrics is not installed.
    """
    motmetrics = _motmetrics()
    score = motmetrics.MOTAccumulator(auto_id=True)
    count, hands, joints = truth.shape[:3]
    points = [np.asarray(frame.keypoints, np.float64).reshape(-1, joints, 3) for frame in frames]
    for t, frame in enumerate(frames):
        seen = np.flatnonzero(visible[t])
        score.update(seen.tolist(), list(frame.ids), hand_distances(points[t][..., :2], truth[t, seen]))
    numbers = np.full((3, count, hands), -1)
    keypoints = np.full((count, hands, joints, 3), np.nan)
    events = score.events[score.events.Type.isin(("MATCH", "SWITCH"))]
    for (t, _), hand, shown in zip(events.index, events.OId.astype(int), events.HId.astype(int), strict=True):
        k = list(frames[t].ids).index(shown)
        keypoints[t, hand] = points[t][k]
        numbers[:, t, hand] = shown, frames[t].sides[k], frames[t].crops[k]
    table = motmetrics.metrics.create().compute(score, metrics=list(_MOT_METRICS))
    mot = {name: float(table[key].iloc[0]) for key, name in _MOT_METRICS.items()}
    ids, sides, crops = numbers
    return Followed(sides >= 0, ids, sides, crops, keypoints, mot)


def _motmetrics() -> Any:
    try:
        import motmetrics
    except ImportError as error:
        raise ConfigError(
            "the evaluation over time needs the package motmetrics",
            got=error,
            fix="pip install -r requirements/tracking.txt",
        ) from error
    return motmetrics


def count_changes(values: np.ndarray, known: np.ndarray) -> int:
    """Return how often a value differs from the previous known one.

    Args:
        values: (T,) values.
        known: (T,) bool; the other frames are skipped.

    Example:
        >>> count_changes(np.array([0, 0, 7, 0, 1, 1]), np.array([1, 1, 0, 1, 1, 1], bool))
        1
    """
    kept = values[known]
    return int((kept[1:] != kept[:-1]).sum())


def acceleration_error(found: np.ndarray, truth: np.ndarray) -> float:
    """Return the mean length of the difference between found and true acceleration: the jitter.

    White noise of standard deviation s in each of two coordinates gives s sqrt(3 pi) = 3.07 s.

    Args:
        found: (T, ..., D) positions; NaN where nothing was found.
        truth: (T, ..., D) true positions.

    Returns:
        The unit of the positions, per frame squared. NaN if there are no three consecutive frames.
    """
    error = np.diff(found - truth, n=2, axis=0)
    length = np.linalg.norm(error, axis=-1)
    return float(np.nanmean(length)) if np.isfinite(length).any() else float("nan")


def lag_frames(found: np.ndarray, truth: np.ndarray, max_lag: int = MAX_LAG) -> float:
    """Return the number of frames by which a path follows the true one.

    It is the shift with the smallest squared distance, after subtraction of the mean distance, refined between
    frames by a parabola.

    Args:
        found: (T, P, D) positions of P points; NaN where nothing was found.
        truth: (T, P, D) true positions, without NaN.
        max_lag: Shifts from -max_lag to max_lag are tried.

    Returns:
        Frames; NaN if the truth moves too little to tell: the squared distance at the best shift is not below half of
        that at the worst one.
    """
    inner = found[max_lag : len(found) - max_lag]
    seen = np.isfinite(inner).all(axis=-1, keepdims=True)
    if not seen.any():
        return float("nan")
    count = np.maximum(seen.sum(axis=0), 1)
    shifts, costs = np.arange(-max_lag, max_lag + 1), []
    for shift in shifts:
        error = np.where(seen, inner - truth[max_lag - shift : len(truth) - max_lag - shift], 0.0)
        costs.append(float((np.where(seen, error - error.sum(axis=0) / count, 0.0) ** 2).sum()))
    return _parabola_minimum(shifts, np.array(costs))


def _parabola_minimum(shifts: np.ndarray, costs: np.ndarray) -> float:
    best = int(costs.argmin())
    if not costs[best] < 0.5 * costs.max():
        return float("nan")
    if best in (0, len(costs) - 1):
        return float(shifts[best])
    before, here, after = costs[best - 1 : best + 2]
    return float(shifts[best] + 0.5 * (before - after) / max(before - 2 * here + after, 1e-12))
