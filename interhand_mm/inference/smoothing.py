"""Smoothing of tracked hands over time: One-Euro filters (Casiez, Roussel and Vogel, CHI 2012), and bone lengths."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from ..structures.boxes import joints_bbox
from ..structures.joints import HAND_PARENTS, KNUCKLES, RIGHT_WRIST

# Cutoff at rest in Hz, and its increase in Hz per mm/s. At 0.5 m/s the cutoff is 6 Hz.
MIN_CUTOFF_HZ, BETA = 1.0, 0.01
_SPEED_CUTOFF_HZ = 1.0
# Speeds in px are converted to mm as if the longer side of the hand's box were this long in every frame, so that one
# BETA fits all images, and a hand that comes nearer is smoothed as before.
_BOX_MM = 250.0
_SHORTEST_STEP_S, _LONGEST_GAP_S = 1e-3, 0.5
# A joint whose score is this share of the hand's usual score or more is trusted fully; others lean on their history.
_FULL_TRUST, _LEAST_TRUST = 0.7, 0.05
_NEW_SCORE_SHARE = 0.05  # of the newest frame in the hand's usual score
# Number of frames from which the bone lengths of a track are used, and over which they are averaged at most.
_FIRST_BONES, _MOST_BONES = 5, 150


class _Filter:
    """One-Euro filters for an array of numbers. After a long gap they start anew."""

    def __init__(self) -> None:
        self.last: np.ndarray | None = None
        self._speed, self._time_s = np.zeros(0), 0.0

    def history(self, time_s: float) -> np.ndarray | None:
        """Return the last filtered values, or None if there are none or they are too old."""
        return None if time_s - self._time_s > _LONGEST_GAP_S else self.last

    def __call__(self, values: np.ndarray, time_s: float, unit_mm: np.ndarray | float) -> np.ndarray:
        """Return filtered values; `unit_mm` is the length of one unit of each value in mm."""
        if self.history(time_s) is None or self.last is None:
            self.last, self._speed = values.astype(np.float64), np.zeros(values.shape)
        else:
            step = max(time_s - self._time_s, _SHORTEST_STEP_S)
            speed = (values - self.last) / step
            self._speed = self._speed + _weight(_SPEED_CUTOFF_HZ, step) * (speed - self._speed)
            cutoff = MIN_CUTOFF_HZ + BETA * unit_mm * np.abs(self._speed)
            self.last = self.last + _weight(cutoff, step) * (values - self.last)
        self._time_s = time_s
        return self.last


def _weight(cutoff_hz: np.ndarray | float, step_s: float) -> np.ndarray | float:
    return 1 / (1 + 1 / (2 * np.pi * cutoff_hz * step_s))


class _Bones:
    """The mean bone lengths of one hand, in units of its palm."""

    def __init__(self) -> None:
        self.count, self.lengths = 0, np.zeros(RIGHT_WRIST)

    def learn(self, xyz: np.ndarray) -> None:
        bones = np.linalg.norm(xyz[:RIGHT_WRIST] - xyz[list(HAND_PARENTS[:RIGHT_WRIST])], axis=1)
        palm = float(np.sqrt(np.square(bones[list(KNUCKLES)]).mean()))
        if not (np.isfinite(bones).all() and palm > 0):
            return
        self.count += 1
        self.lengths += (bones / palm - self.lengths) / min(self.count, _MOST_BONES)


class TrackSmoother:
    """Smooths the boxes, joints and relative root depths of tracked hands, and remembers their bone lengths.

    Everything belongs to a hand's track, so it does not matter which side it has or whether it is part of a pair. A
    hand that was missing for half a second starts anew.

    The boxes matter most: a crop that shakes by 3 % of its side moves the keypoints ten times as much as the noise of
    the sensor does.

    Example:
        >>> smoother, scores = TrackSmoother(), np.ones(21)
        >>> _ = smoother.joints(1, np.zeros((21, 3)), scores, time_s=0.0)
        >>> smooth = smoother.joints(1, np.ones((21, 3)), scores, time_s=1 / 30)
        >>> bool((0 < smooth).all() and (smooth < 1).all())
        True
    """

    def __init__(self) -> None:
        self._filters: dict[tuple[str, int, int], _Filter] = {}
        self._scores: dict[int, float] = {}
        self._bones: dict[int, _Bones] = {}

    def joints(self, track_id: int, points: np.ndarray, scores: np.ndarray, time_s: float) -> np.ndarray:
        """Smooth the joints of a hand.

        A joint of low score moves with the rest of the hand and follows its own position slowly.

        Args:
            track_id: Id of the track.
            points: (21, 3) u, v px and d mm.
            scores: (21,) confidences, 0 to 1.
            time_s: Time of the frame in seconds.

        Returns:
            (21, 3) smoothed points. If a number is not finite, the points as they are.
        """
        key = ("joints", track_id, 0)
        if not np.isfinite(points).all():
            self._filters.pop(key, None)
            return points
        trust = self._trust(track_id, scores)[:, None]
        each = self._filters.setdefault(key, _Filter())
        last = each.history(time_s)
        if last is not None:
            shift = (trust * (points - last)).sum(axis=0) / trust.sum() * (1, 1, 0)  # d is relative to the wrist
            points = trust * points + (1 - trust) * (last + shift)
        box = joints_bbox(points[:, :2])
        mm_per_px = _BOX_MM / max(float((box[2:] - box[:2]).max()), 1.0)
        return each(points, time_s, np.array([mm_per_px, mm_per_px, 1.0]))

    def box(self, track_id: int, box: np.ndarray, time_s: float) -> np.ndarray:
        """Smooth the box (4,) px of a hand, before the crop is cut."""
        mm_per_px = _BOX_MM / max(float((box[2:] - box[:2]).max()), 1.0)
        return self._filters.setdefault(("box", track_id, 0), _Filter())(box, time_s, mm_per_px)

    def root(self, right: int, left: int, rel_root_depth_mm: float, time_s: float) -> float:
        """Smooth the relative root depth of a pair in mm, whose tracks are `right` and `left`."""
        key = ("root", right, left)
        if not np.isfinite(rel_root_depth_mm):
            self._filters.pop(key, None)
            return rel_root_depth_mm
        each = self._filters.setdefault(key, _Filter())
        return float(each(np.array([rel_root_depth_mm]), time_s, 1.0)[0])

    def learn_bones(self, track_id: int, xyz_mm: np.ndarray) -> None:
        """Add the joints (21, 3) in mm of a frame to the mean bone lengths of a track."""
        self._bones.setdefault(track_id, _Bones()).learn(xyz_mm)

    def bone_lengths(self, track_id: int, palm_mm: np.ndarray) -> np.ndarray | None:
        """Return the lengths of the bones from each joint to its parent.

        Args:
            track_id: Id of a track.
            palm_mm: (4,) lengths of the bones from `KNUCKLES` to the wrist, which set the scale.

        Returns:
            (21,) mm, NaN for the wrist; None until the track was seen in enough frames.
        """
        bones = self._bones.get(track_id)
        if bones is None or bones.count < _FIRST_BONES:
            return None
        return np.append(bones.lengths * np.sqrt(np.square(palm_mm).mean()), np.nan)

    def keep(self, alive: Iterable[int]) -> None:
        """Forget all tracks except these."""
        alive = {0, *alive}
        self._filters = {key: each for key, each in self._filters.items() if key[1] in alive and key[2] in alive}
        self._scores = {key: each for key, each in self._scores.items() if key in alive}
        self._bones = {key: each for key, each in self._bones.items() if key in alive}

    def _trust(self, track_id: int, scores: np.ndarray) -> np.ndarray:
        now = float(np.median(scores))
        usual = self._scores.get(track_id, now)
        self._scores[track_id] = usual + _NEW_SCORE_SHARE * (now - usual)
        return np.clip(np.square(scores / max(_FULL_TRUST * usual, 1e-6)), _LEAST_TRUST, 1.0)
