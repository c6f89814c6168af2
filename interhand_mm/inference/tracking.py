"""The same hands over the frames of a video: norfair's Kalman tracks, and where to crop in every frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from ..structures.boxes import box_iou, joints_bbox

# A track that is not seen lives on for at most so many frames, about a third of a second.
COAST_FRAMES = 10
_LEAST_IOU = 0.3
# An unseen track that lies this much inside a seen one is the same hands under their new grouping.
_SAME_SHARE = 0.5


@dataclass(frozen=True)
class Region:
    """Where to crop, and why.

    Attributes:
        box: (4,) px, x1 y1 x2 y2, as InterHand2.6M annotates: the joints' box times `BBOX_ENLARGE`, not yet square.
        detections: (N, 4) px, the detector's boxes it is made of; N = 0 where the box was given or followed.
        score: The lowest of their scores; that of the last detection where the box was followed.
        num_hands: 1 or 2 as the detector counted, None where nobody knows.
        track_id: From 1; None for pictures.
    """

    box: np.ndarray
    detections: np.ndarray
    score: float
    num_hands: int | None
    track_id: int | None = None


class HandTracker:
    """Give regions of one video their track ids, and find tracks again in frames without a detector.

    A detector's frame decides which tracks are real. In the frames between, a track's crop is where the
    keypoints of the frame before lay (`follow`); a track that the detector or the pose network no longer sees
    moves on with its Kalman filter for `COAST_FRAMES` and ends.
    """

    def __init__(self) -> None:
        from norfair import Tracker  # late: pictures need no tracker
        from norfair.distances import VectorizedDistance

        self._tracker = Tracker("iou", 1 - _LEAST_IOU, hit_counter_max=COAST_FRAMES, initialization_delay=0)
        # Its constructor takes names and slow scalar functions only; its own IoU complains about `_distance`'s case.
        self._tracker.distance_function = VectorizedDistance(_distance)
        self._followed: dict[int, Region] = {}
        self._regions: list[Region] = []

    @property
    def alive(self) -> set[int]:
        """Ids of tracks that have not ended."""
        return {track.id for track in self._tracker.tracked_objects}

    def step(self, found: Sequence[Region] | None) -> list[Region]:
        """Go one frame on.

        Args:
            found: The detector's regions of this frame; None where it did not run.

        Returns:
            Regions to crop in this frame, each with its track's id.
        """
        seen = list(self._followed.values()) if found is None else list(found)
        self._followed = {}
        tracks = self._tracker.update([_as_detection(region) for region in seen] or None)
        # A new track is given back from its second update on; it is asked for here in its first.
        tracks = {track.id: track for track in [*tracks, *self._tracker.tracked_objects]}.values()
        fresh = {id(region) for region in seen}
        matched = [replace(_last(track), track_id=track.id) for track in tracks if id(_last(track)) in fresh]
        coasting = [_coasted(track) for track in tracks if id(_last(track)) not in fresh]
        self._seen = {region.track_id for region in matched}
        coasting = [region for region in coasting if has_size(region.box)]
        return matched + [region for region in coasting if not _inside_any(region.box, matched)]

    def follow(self, region: Region, points: np.ndarray) -> None:
        """Say where the hands of a region of this frame turned out to be, for the next frame without a detector.

        Args:
            region: From `step`; one that only coasts is not followed, or a hand that left could stay for ever.
            points: (K, 2) px, the keypoints of the hands that are shown.
        """
        if region.track_id is not None and region.track_id in self._seen:
            box = joints_bbox(points)
            if not has_size(box):
                return
            self._followed[region.track_id] = replace(region, box=box, detections=np.zeros((0, 4)))


def has_size(box: np.ndarray) -> bool:
    """True for a box (4,) of at least a pixel across: one without size cannot be cropped."""
    return float((box[2:] - box[:2]).max()) >= 1.0


def _distance(found: np.ndarray, tracks: np.ndarray) -> np.ndarray:
    """1 - IoU of (N, 4) and (M, 4); the corners of a track that coasts may pass one another, and then it has none."""
    return 1 - box_iou(found, np.concatenate([tracks[:, :2], np.maximum(tracks[:, 2:], tracks[:, :2])], axis=1))


def _as_detection(region: Region) -> Any:
    from norfair import Detection

    # The label keeps a pair of hands from going on as one hand's track.
    return Detection(points=region.box.reshape(2, 2), data=region, label=str(region.num_hands))


def _last(track: Any) -> Region:
    region: Region = track.last_detection.data
    return region


def _coasted(track: Any) -> Region:
    return replace(_last(track), box=track.estimate.reshape(4), detections=np.zeros((0, 4)), track_id=track.id)


def _inside_any(box: np.ndarray, regions: Sequence[Region]) -> bool:
    return any(shared_part(box, region.box) > _SAME_SHARE for region in regions)


def shared_part(first: np.ndarray, second: np.ndarray) -> float:
    """Intersection over the smaller of two boxes (4,), 0 to 1."""
    overlap = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    smaller = min(np.prod(first[2:] - first[:2]), np.prod(second[2:] - second[:2]))
    return float(np.prod(np.maximum(overlap, 0)) / max(smaller, 1e-9))
