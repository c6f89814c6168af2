"""Smoothing of tracks over time with One-Euro filters (Casiez, Roussel and Vogel, CHI 2012), one per number."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from OneEuroFilter import OneEuroFilter

from ..structures.joints import NUM_HAND_JOINTS

# Cutoff at rest in Hz, and its increase in Hz per mm/s. At 0.5 m/s the cutoff is 6 Hz.
MIN_CUTOFF_HZ, BETA = 1.0, 0.01
# Speeds in px are converted to mm as if the longer side of the track's box were this long in every frame, so that one
# BETA fits all images, and a hand that comes nearer is smoothed as before.
_BOX_MM = 250.0
_TIME_OFFSET_S = 1.0  # the filter treats a time of 0 as missing


class _Filters:
    """One-Euro filters for an array of numbers."""

    def __init__(self, size: int, rate: float) -> None:
        self._filters = [OneEuroFilter(rate, MIN_CUTOFF_HZ, BETA) for _ in range(size)]

    def __call__(self, values: np.ndarray, time_s: float, unit_mm: np.ndarray) -> np.ndarray:
        smooth = []
        for each, value, mm in zip(self._filters, values.ravel(), unit_mm.ravel(), strict=True):
            each.setBeta(BETA * float(mm))
            smooth.append(each(float(value), time_s + _TIME_OFFSET_S))
        return np.array(smooth).reshape(values.shape)


class TrackSmoother:
    """Smooths the crop boxes, keypoints and relative root depths of tracks. A hand that was missing starts anew.

    The boxes matter most: a crop that shakes by 3 % of its side moves the keypoints ten times as much as the noise of
    the sensor does.

    Args:
        rate: Frame rate in Hz.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self._filters: dict[tuple[int, str], _Filters] = {}

    def __call__(
        self, track_id: int, keypoints: np.ndarray, rel_root_depth_mm: float, side_px: float, time_s: float
    ) -> tuple[np.ndarray, float]:
        """Smooth one frame of a track.

        Args:
            track_id: Id of the track.
            keypoints: (42, 3) u, v px and d mm; NaN for hands that are not shown.
            rel_root_depth_mm: Relative root depth; NaN unless both hands are shown.
            side_px: Longer side of the track's box in this frame, px.
            time_s: Time of the frame in seconds.

        Returns:
            Keypoints and relative root depth, smoothed.
        """
        mm_per_px = _BOX_MM / max(side_px, 1.0)
        units = np.tile([mm_per_px, mm_per_px, 1.0], (NUM_HAND_JOINTS, 1))
        smooth = keypoints.astype(np.float64)
        for name, first in (("right", 0), ("left", NUM_HAND_JOINTS)):
            hand = slice(first, first + NUM_HAND_JOINTS)
            smooth[hand] = self._filter((track_id, name), smooth[hand], time_s, units)
        root = self._filter((track_id, "root"), np.array([rel_root_depth_mm]), time_s, np.ones(1))
        return smooth, float(root[0])

    def box(self, track_id: int, box: np.ndarray, time_s: float) -> np.ndarray:
        """Smooth the box (4,) px of a track, before the crop is cut."""
        mm_per_px = _BOX_MM / max(float((box[2:] - box[:2]).max()), 1.0)
        return self._filter((track_id, "box"), box, time_s, np.full(4, mm_per_px))

    def _filter(self, key: tuple[int, str], values: np.ndarray, time_s: float, unit_mm: np.ndarray) -> np.ndarray:
        if np.isnan(values).any():
            self._filters.pop(key, None)
            return values
        if key not in self._filters:
            self._filters[key] = _Filters(values.size, self.rate)
        return self._filters[key](values, time_s, unit_mm)

    def keep(self, alive: Iterable[int]) -> None:
        """Forget all tracks except these."""
        alive = set(alive)
        self._filters = {key: value for key, value in self._filters.items() if key[0] in alive}
