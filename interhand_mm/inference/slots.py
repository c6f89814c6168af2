"""Which of a crop's tracked hands the pose network put into its right and its left slot.

The network returns a right and a left hand for every crop. A track knows better which hand it is, because it has seen
more frames. A slot is therefore only a place: the hand in it belongs to the nearest track, and the track decides the
side.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import logit

from ..structures.boxes import joints_bbox
from ..structures.joints import HANDS, NUM_HAND_JOINTS
from ..structures.results import ABSENT, PRESENT
from .grouping import pair_affinity
from .handedness import MAX_EVIDENCE
from .pose import Pose
from .repeats import same_joints
from .tracking import HandTrack, center_distances, shared_part

# Log odds that a distance of one hand's size between a slot and its track costs. Probabilities of 0.95 and 0.05 differ
# by 5.9, so the more probable slot holds the hand unless both are probable.
_DISTANCE_COST = 2.0
_UNKNOWN_DISTANCE = 1.0  # of joints that are not numbers
# Distances that differ by less than this do not tell two hands apart, and the sides of the tracks decide.
_TIE = 0.1
_SMALLEST_PROB = 1e-4


@dataclass(frozen=True)
class SlotMatch:
    """The slots of one crop.

    Attributes:
        slots: For each tracked hand of the crop, the slot of its joints: 0 right, 1 left.
        evidence: For each tracked hand, log odds from this frame that it is a right hand.
        seen: For each tracked hand, whether the slot shows it and not its partner once more.
    """

    slots: tuple[int, ...]
    evidence: tuple[float, ...]
    seen: tuple[bool, ...]


def match_slots(hands: Sequence[HandTrack], pose: Pose) -> SlotMatch:
    """Match the slots of a crop to the one or two tracked hands that it was cut for.

    Args:
        hands: One or two tracks, with their boxes in this frame.
        pose: The network's prediction for the crop.
    """
    distance = center_distances(slot_boxes(pose), np.array([hand.box for hand in hands]))
    distance = np.minimum(np.where(np.isfinite(distance), distance, _UNKNOWN_DISTANCE), 2.0)
    if len(hands) == 1:
        score = logit(np.clip(pose.hand_prob, _SMALLEST_PROB, 1 - _SMALLEST_PROB)) - _DISTANCE_COST * distance[:, 0]
        lead = float(score[0] - score[1]) / 2
        if abs(lead) < _TIE and hands[0].side.side is not None:
            return SlotMatch((hands[0].side.side,), (lead,), (True,))
        return SlotMatch((int(lead < 0),), (lead,), (True,))
    return _match_pair(hands, pose, distance)


def _match_pair(hands: Sequence[HandTrack], pose: Pose, distance: np.ndarray) -> SlotMatch:
    weight = np.asarray(pose.hand_prob > ABSENT, float)  # the joints in the slot of an absent hand mean nothing
    as_they_are = weight[0] * distance[0, 0] + weight[1] * distance[1, 1]
    exchanged = weight[0] * distance[0, 1] + weight[1] * distance[1, 0]
    lead = float(exchanged - as_they_are)  # above 0 if the first hand is in the right slot
    evidence = float(np.clip(MAX_EVIDENCE * lead, -MAX_EVIDENCE, MAX_EVIDENCE))
    first = int(lead < 0)
    if abs(lead) < _TIE and hands[0].side.side is not None:
        first = hands[0].side.side
    slots = (first, 1 - first)
    seen = [True, True]
    if pose.hand_prob.min() > ABSENT and _same_hand(pose, 0, 1):
        far = [distance[slot, i] for i, slot in enumerate(slots)]
        worse = int(far[1] > far[0])
        seen[worse] = far[worse] < 1
    return SlotMatch(slots, (evidence, -evidence), (seen[0], seen[1]))


def slot_boxes(pose: Pose) -> np.ndarray:
    """Return the boxes (2, 4) px of the joints in both slots; NaN where no joint is a number."""
    boxes = joints_bbox(np.stack([pose.keypoints[hand, :2] for hand in HANDS]))
    return np.where(boxes.any(axis=1, keepdims=True), boxes, np.nan)


def _same_hand(pose: Pose, first: int, second: int) -> bool:
    return same_joints(pose.keypoints[HANDS[first], :2], pose.keypoints[HANDS[second], :2])


def exchange_slots(pose: Pose) -> Pose:
    """Return a prediction with its right and left hands exchanged."""
    order = np.roll(np.arange(2 * NUM_HAND_JOINTS), NUM_HAND_JOINTS)
    return pose._replace(
        keypoints=pose.keypoints[order],
        keypoint_scores=pose.keypoint_scores[order],
        rel_root_depth_mm=-pose.rel_root_depth_mm,
        hand_prob=pose.hand_prob[::-1],
        restored=(pose.restored[1], pose.restored[0]),
    )


def unknown_hand(hand: HandTrack, slot: int, pose: Pose, others: Sequence[HandTrack]) -> np.ndarray | None:
    """Return the box (4,) px of a second hand in the crop of a single one, or None.

    The network must be sure of both hands, the second one must fit the first one as a pair, and it must not be a hand
    that is tracked already.

    Args:
        hand: The tracked hand that the crop was cut for.
        slot: Its slot.
        pose: The network's prediction for the crop.
        others: All tracked hands.
    """
    boxes = slot_boxes(pose)
    box = boxes[1 - slot]
    if pose.hand_prob.min() < PRESENT or not np.isfinite(boxes).all() or _same_hand(pose, 0, 1):
        return None
    if any(shared_part(box, other.box) > 0.5 for other in others if other is not hand):
        return None
    fits = pair_affinity(np.stack([hand.box, box]), np.array([-1, -1]))[0, 1] > 0
    return box if fits else None
