"""Follow hands over the frames of a video. A track is one hand, whether it is alone or part of a pair."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..structures.boxes import joints_bbox
from ..structures.results import Detections
from .handedness import MAX_EVIDENCE, PresenceBelief, SideBelief

# Number of frames for which a track continues without being seen; about a third of a second.
COAST_FRAMES = 10
# Number of runs of the detector in a row that may miss a hand which the pose network sees.
_MAX_MISSES = 3
# A detection continues a track if their centers differ by less than this share of their size, and their sizes by less
# than this factor. A detection whose side contradicts the track is farther away by `_WRONG_SIDE`.
_MAX_SHIFT, _MAX_SIZE_CHANGE, _WRONG_SIDE = 0.8, 2.0, 0.2
# Share of the newest displacement in the velocity of a track, and of the velocity that is left after an unseen frame.
_NEW_VELOCITY, _KEEP_VELOCITY = 0.3, 0.8


@dataclass(frozen=True)
class Region:
    """A region to crop, and where it comes from.

    Attributes:
        box: (4,) px, x1 y1 x2 y2, as InterHand2.6M annotates: the joints' box times `BBOX_ENLARGE`, not yet square.
        detections: (N, 4) px, the detector's boxes that it consists of; N = 0 if the box was given, or followed from
            the previous frame.
        score: Lowest score of the detections; for a followed box, the score of the last detection.
        num_hands: 1 or 2 as the detector counted, or None if unknown.
        track_ids: Ids of the tracked hands that it was built for; empty for images and for given boxes.
    """

    box: np.ndarray
    detections: np.ndarray
    score: float
    num_hands: int | None
    track_ids: tuple[int, ...] = ()


class HandTrack:
    """One hand of a video.

    Attributes:
        id: Number of the track, from 1.
        box: (4,) px, where the hand is in this frame: its detection, or the last box moved on by its velocity.
        detection: (4,) px, the detector's box in this frame, or None.
        score: Score of the last detection.
        side: Which hand it is, decided over time.
        presence: Whether it is present, decided over time.
        unseen: Number of frames in a row that neither the detector nor the pose network saw it in.
        hidden: Number of frames in a row that the pose network did not see it in.
        misses: Number of runs of the detector in a row that missed it.
    """

    def __init__(self, track_id: int, box: np.ndarray, score: float = 1.0) -> None:
        self.id, self.box, self.score = track_id, np.asarray(box, np.float64), score
        self.detection: np.ndarray | None = None
        self.side, self.presence = SideBelief(), PresenceBelief()
        self.unseen = self.hidden = self.misses = 0
        self._velocity, self._frames = np.zeros(2), 1  # px per frame; number of frames that it was seen in
        self._last, self._age = self.box, 0  # the last box that was seen, and how many frames ago
        self._detected_side = 0.0

    @property
    def detected_side(self) -> int:
        """The side that the detector sees: 0 right, 1 left, -1 if it tells no sides or contradicts itself."""
        return -1 if abs(self._detected_side) < 1 else int(self._detected_side < 0)

    @property
    def ended(self) -> bool:
        """Whether the hand was unseen for too long. A hand that was seen in few frames ends sooner."""
        return self.unseen > min(COAST_FRAMES, self._frames)

    @property
    def lost_now(self) -> bool:
        """Whether the detector should look for the hand: when it is lost, and then more and more rarely."""
        return self.hidden > 0 and self.hidden & (self.hidden - 1) == 0

    def predict(self) -> None:
        """Begin the next frame: move the box on."""
        if self.unseen:
            self._velocity *= _KEEP_VELOCITY
        self.box, self.detection = self.box + np.tile(self._velocity, 2), None
        self.unseen, self.hidden, self._age = self.unseen + 1, self.hidden + 1, self._age + 1

    def detect(self, box: np.ndarray, score: float, side: int) -> None:
        """Take the detector's box, score and side (0 right, 1 left, -1 unknown) of this frame."""
        self.detection, self.score, self.misses = box, score, 0
        self._see(box)
        if side >= 0:
            sign = 1 if side == 0 else -1
            self._detected_side = float(np.clip(0.9 * self._detected_side + sign, -5, 5))
            odds = float(np.log(max(score, 0.5) / max(1 - score, 1e-6)))
            self.side.add(sign * min(odds, MAX_EVIDENCE))

    def follow(self, points: np.ndarray) -> None:
        """Take the joints (21, 2) px that the pose network found in this frame. A detection is the better box."""
        self.hidden = 0
        box = joints_bbox(points)
        if self.detection is None and has_size(box):
            self._see(box)

    def _see(self, box: np.ndarray) -> None:
        if self._age:
            moved = (box[:2] + box[2:] - self._last[:2] - self._last[2:]) / 2 / self._age
            self._velocity += _NEW_VELOCITY * (moved - self._velocity)
            self._frames += 1
        self.box = self._last = np.asarray(box, np.float64)
        self.unseen = self._age = 0


class HandTracker:
    """The tracked hands of one video.

    Call `step` once per frame, then `follow` for every hand that the pose network shows. A track that neither the
    detector nor the pose network sees moves on with its velocity for `COAST_FRAMES` frames and then ends, or when it
    leaves the image. A track that only the pose network sees is followed until the detector has missed it
    `_MAX_MISSES` times in a row; if the detector sees its partner, it is followed longer, because hands that hold each
    other are often detected as one.

    Attributes:
        hands: Tracks that have not ended, in the order of their ids.
    """

    def __init__(self) -> None:
        self.hands: list[HandTrack] = []
        self._count, self._lost_one = 0, False

    @property
    def needs_detection(self) -> bool:
        """Whether the detector should run in the next frame, whatever its turn is.

        There are no tracks, one has just ended or is lost, or the detector has just missed one.
        """
        missed = any(0 < hand.misses < _MAX_MISSES or hand.lost_now for hand in self.hands)
        return not self.hands or self._lost_one or missed

    def step(self, found: Detections | None, size: tuple[int, int]) -> list[HandTrack]:
        """Advance by one frame.

        Args:
            found: The detector's hands of this frame, or None if the detector did not run.
            size: (width, height) of the image in px.

        Returns:
            `hands`, with their boxes in this frame.
        """
        for hand in self.hands:
            hand.predict()
        if found is not None:
            self._detect(found)
        alive = [hand for hand in self.hands if not hand.ended and _inside(hand, size)]
        self._lost_one = len(alive) < len(self.hands)
        self.hands = alive
        return alive

    def _detect(self, found: Detections) -> None:
        usable = [i for i, box in enumerate(found.boxes) if has_size(box)]
        matches = _match(self.hands, found.boxes[usable], found.sides[usable])
        for column, hand in enumerate(self.hands):
            if column not in matches.values():
                hand.misses += 1
        tracks = list(self.hands)
        for row, i in enumerate(usable):
            hand = tracks[matches[row]] if row in matches else self.add(found.boxes[i])
            hand.detect(found.boxes[i], float(found.scores[i]), int(found.sides[i]))

    def add(self, box: np.ndarray, score: float = 1.0, by_network: bool = False) -> HandTrack:
        """Begin a track and return it.

        Args:
            box: (4,) px.
            score: Score of the detection, or of the partner's.
            by_network: Whether the detector did not see it, but only the pose network.
        """
        self._count += 1
        hand = HandTrack(self._count, box, score)
        hand.misses = _MAX_MISSES if by_network else 0
        self.hands.append(hand)
        return hand

    def follow(self, hand: HandTrack, points: np.ndarray, partner: HandTrack | None = None) -> None:
        """Record where the pose network sees a hand in this frame.

        Args:
            hand: A track.
            points: (21, 2) px, its joints.
            partner: The other hand in its crop.
        """
        if hand.misses < _MAX_MISSES or (partner is not None and partner.misses < _MAX_MISSES):
            hand.follow(points)


def has_size(box: np.ndarray) -> bool:
    """Return True for a box (4,) of at least one pixel. Smaller boxes cannot be cropped."""
    return float((box[2:] - box[:2]).max()) >= 1.0


def center_distances(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the distances (N, M) of the centers of boxes (N, 4) and (M, 4), as shares of the mean of their sizes.

    The size of a box is the square root of its area. The distance of boxes without numbers is NaN.

    Example:
        >>> center_distances(np.array([[0.0, 0, 10, 10]]), np.array([[5.0, 0, 15, 10]])).tolist()
        [[0.5]]
    """
    shift = (first[:, None, :2] + first[:, None, 2:] - second[None, :, :2] - second[None, :, 2:]) / 2
    mean = (_size(first)[:, None] + _size(second)[None]) / 2
    return np.asarray(np.linalg.norm(shift, axis=-1) / np.maximum(mean, 1e-6))


def _size(boxes: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(np.maximum((boxes[:, 2:] - boxes[:, :2]).prod(axis=1), 1e-12)))


def _match(hands: Sequence[HandTrack], boxes: np.ndarray, sides: np.ndarray) -> dict[int, int]:
    """Return {index of a box: index of the hand that it continues} with the smallest sum of distances."""
    from scipy.optimize import linear_sum_assignment

    if not hands or not len(boxes):
        return {}
    tracked = np.array([hand.box for hand in hands])
    known = np.array([hand.detected_side for hand in hands])
    distance = center_distances(boxes, tracked)
    ratio = _size(boxes)[:, None] / _size(tracked)[None]
    possible = (distance < _MAX_SHIFT) & (np.abs(np.log(ratio)) < np.log(_MAX_SIZE_CHANGE))
    distance = distance + _WRONG_SIDE * ((sides[:, None] + known[None]) == 1) * (sides[:, None] >= 0)
    # A pair that is not possible costs more than all others together.
    rows, columns = linear_sum_assignment(np.where(possible, distance, 1e3))
    return {int(r): int(c) for r, c in zip(rows, columns, strict=True) if possible[r, c]}


def _inside(hand: HandTrack, size: tuple[int, int]) -> bool:
    """Return whether a hand is in the image. A detection is, wherever its center lies."""
    center = (hand.box[:2] + hand.box[2:]) / 2
    return hand.detection is not None or bool((center >= 0).all() and (center < size).all())


def shared_part(first: np.ndarray, second: np.ndarray) -> float:
    """Return the intersection of two boxes (4,) divided by the area of the smaller one, 0 to 1.

    Example:
        >>> shared_part(np.array([0.0, 0, 10, 10]), np.array([5.0, 0, 9, 10]))
        1.0
    """
    overlap = np.minimum(first[2:], second[2:]) - np.maximum(first[:2], second[:2])
    smaller = min(np.prod(first[2:] - first[:2]), np.prod(second[2:] - second[:2]))
    return float(np.prod(np.maximum(overlap, 0)) / max(smaller, 1e-9))
