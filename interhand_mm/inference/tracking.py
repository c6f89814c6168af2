"""Follow hands over the frames of a video: Kalman tracks (norfair), and where to crop in every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..structures.boxes import box_iou, joints_bbox
from ..structures.joints import HANDS
from .grouping import interaction_bbox

# Number of frames for which a track, or one hand of a pair, continues without being seen; about a third of a second.
COAST_FRAMES = 10
# Number of runs of the detector in a row that may miss a track which the pose network sees.
_MAX_MISSES = 3
_LEAST_IOU = 0.3
# If an unseen track overlaps a seen one by more than this share, it is the same hands in a new grouping.
_SAME_SHARE = 0.5


@dataclass(frozen=True)
class Region:
    """A region to crop, and where it comes from.

    Attributes:
        box: (4,) px, x1 y1 x2 y2, as InterHand2.6M annotates: the joints' box times `BBOX_ENLARGE`, not yet square.
        detections: (N, 4) px, the detector's boxes that it consists of; N = 0 if the box was given, or followed from
            the previous frame.
        score: Lowest score of the detections; for a followed box, the score of the last detection.
        num_hands: 1 or 2 as the detector counted, or None if unknown.
        track_id: Id of the track, from 1; None for images.
    """

    box: np.ndarray
    detections: np.ndarray
    score: float
    num_hands: int | None
    track_id: int | None = None


class HandTracker:
    """Assign track ids to the regions of one video, and continue tracks in frames without detections.

    The frames in which the detector runs decide which tracks exist. In the other frames, the crop of a track follows
    the keypoints of the previous frame (`follow`). A track that neither the detector nor the pose network sees moves
    with its Kalman filter for `COAST_FRAMES` frames and then ends. A track that only the pose network sees is followed
    until the detector has missed it `_MAX_MISSES` times in a row. A hand of a pair that is not shown keeps its part of
    the crop for `COAST_FRAMES` frames.

    Attributes:
        needs_detection: Whether the detector should run in the next frame, whatever its turn is: there are no tracks,
            one has ended, or the detector has just missed one.
    """

    def __init__(self) -> None:
        from norfair import Tracker  # imported late, because images need no tracker
        from norfair.distances import VectorizedDistance

        self._tracker = Tracker("iou", 1 - _LEAST_IOU, hit_counter_max=COAST_FRAMES, initialization_delay=0)
        # The constructor accepts only names and slow scalar functions, and norfair's own IoU warns about boxes that a
        # Kalman filter has turned inside out, so the distance is set afterwards.
        self._tracker.distance_function = VectorizedDistance(_distance)
        self._followed: dict[int, Region] = {}
        self._misses: dict[int, int] = {}  # runs of the detector in a row that did not find a track
        self._hands: dict[int, dict[int, tuple[np.ndarray, int]]] = {}  # last box of each hand of a track, and when
        self._frame = 0
        self.needs_detection = True

    @property
    def alive(self) -> set[int]:
        """Ids of tracks that have not ended."""
        return {track.id for track in self._tracker.tracked_objects if track.id is not None}

    def step(self, found: Sequence[Region] | None) -> list[Region]:
        """Advance by one frame.

        Args:
            found: The detector's regions of this frame, or None if the detector did not run.

        Returns:
            The regions to crop in this frame, each with the id of its track.
        """
        seen = list(self._followed.values()) if found is None else list(found)
        self._followed, before, self._frame = {}, self.alive, self._frame + 1
        updated = self._tracker.update([_as_detection(region) for region in seen] or None)
        # `update` returns a new track only from its second update on; this includes it from the first one.
        tracks = {track.id: track for track in [*updated, *self._tracker.tracked_objects]}.values()
        fresh = {id(region) for region in seen}
        matched = [replace(_last(track), track_id=track.id) for track in tracks if id(_last(track)) in fresh]
        coasting = [_coasted(track) for track in tracks if id(_last(track)) not in fresh]
        alive = self.alive
        if found is not None:
            hit = {region.track_id for region in matched}
            self._misses = {each: 0 if each in hit else self._misses.get(each, 0) + 1 for each in alive}
        self._hands = {each: boxes for each, boxes in self._hands.items() if each in alive}
        missed = any(0 < self._misses.get(each, 0) < _MAX_MISSES for each in alive)
        self.needs_detection = not alive or bool(before - alive) or missed
        coasting = [region for region in coasting if has_size(region.box)]
        return matched + [region for region in coasting if not _inside_any(region.box, matched)]

    def follow(self, region: Region, points: np.ndarray) -> None:
        """Record where the hands of a region are in this frame, for the next frame in which the detector does not run.

        Args:
            region: A region from `step`. Tracks that the detector misses again and again are ignored; otherwise the
                track of a hand that has left the image might never end.
            points: (42, 2) px, keypoints; NaN for hands that are not shown.
        """
        track_id = region.track_id
        if track_id is None or self._misses.get(track_id, 0) >= _MAX_MISSES:
            return
        boxes = {side: joints_bbox(points[hand]) for side, hand in enumerate(HANDS)}
        boxes = {side: box for side, box in boxes.items() if has_size(box)}
        if not boxes:
            return
        known = {} if region.num_hands == 1 else self._hands.setdefault(track_id, {})
        known.update({side: (box, self._frame) for side, box in boxes.items()})
        recent = [box for box, frame in known.values() if self._frame - frame < COAST_FRAMES]
        self._followed[track_id] = replace(region, box=interaction_bbox(np.array(recent)), detections=np.zeros((0, 4)))


def has_size(box: np.ndarray) -> bool:
    """Return True for a box (4,) of at least one pixel. Smaller boxes cannot be cropped."""
    return float((box[2:] - box[:2]).max()) >= 1.0


def _distance(found: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """Return 1 - IoU of boxes (N, 4) and (M, 4).

    The Kalman filter of an unseen track may move its corners past each other. Such a box counts as empty.
    """
    return 1 - box_iou(found, np.concatenate([tracks[:, :2], np.maximum(tracks[:, 2:], tracks[:, :2])], axis=1))


def _as_detection(region: Region) -> Any:
    from norfair import Detection

    # Tracks have labels, so that a pair of hands does not continue the track of a single hand.
    return Detection(points=region.box.reshape(2, 2), data=region, label=str(region.num_hands))


def _last(track: Any) -> Region:
    region: Region = track.last_detection.data
    return region


def _coasted(track: Any) -> Region:
    return replace(_last(track), box=track.estimate.reshape(4), detections=np.zeros((0, 4)), track_id=track.id)


def _inside_any(box: np.ndarray, regions: Sequence[Region]) -> bool:
    return any(shared_part(box, region.box) > _SAME_SHARE for region in regions)


def shared_part(first: np.ndarray, second: np.ndarray) -> float:
    """Return the intersection of two boxes (4,) divided by the area of the smaller one, 0 to 1.

    Example:
        >>> shared_part(np.array([0.0, 0, 10, 10]), np.array([5.0, 0, 9, 10]))
        1.0
    """
    overlap = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    smaller = min(np.prod(first[2:] - first[:2]), np.prod(second[2:] - second[:2]))
    return float(np.prod(np.maximum(overlap, 0)) / max(smaller, 1e-9))
