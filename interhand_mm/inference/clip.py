"""The hands of one video or camera from frame to frame: where to crop, which hand is which, and smoothing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..structures.joints import HANDS, NUM_JOINTS
from ..structures.results import ABSENT, PRESENT, Detections, Presence
from .grouping import HandPairs, interaction_bbox
from .options import InferenceOptions
from .pose import Pose
from .repeats import CropHands, hide_repeats, same_joints
from .slots import SlotMatch, exchange_slots, match_slots, slot_boxes, unknown_hand
from .smoothing import TrackSmoother
from .tracking import HandTrack, HandTracker, Region, has_size, shared_part

# If an unseen hand overlaps a seen one by more than this share, it is the same hand.
_SAME_SHARE = 0.5


class _Crop(NamedTuple):
    region: Region
    pose: Pose
    hands: tuple[HandTrack, ...]
    match: SlotMatch


class ClipHands:
    """State that lasts over the frames of one video or camera.

    Call `step` and then `settle` for every frame, in order.

    Args:
        options: The fields `smooth` and `detect_every` are used.
    """

    def __init__(self, options: InferenceOptions) -> None:
        self.tracker, self.pairs = HandTracker(), HandPairs()
        self.smoother = TrackSmoother() if options.smooth else None
        self.detect_every, self._turn = options.detect_every, 0

    def detector_is_due(self) -> bool:
        """Return True n frames after the last run of the detector, or sooner if the tracker asks for it.

        Call once per frame, or once per chunk if the detector runs in every frame.
        """
        self._turn += 1
        due = self._turn >= self.detect_every or self.tracker.needs_detection
        if due:
            self._turn = 0
        return due

    def step(self, found: Detections | None, size: tuple[int, int], time_s: float) -> list[Region]:
        """Return the regions to crop in the next frame: pairs of tracked hands, and single ones.

        Args:
            found: The detector's hands, or None if it did not run.
            size: (width, height) of the image in px.
            time_s: Time of the frame in seconds.
        """
        hands = self.tracker.step(found, size)
        if self.smoother is not None:
            self.smoother.keep([hand.id for hand in hands])
            for hand in hands:
                hand.box = self.smoother.box(hand.id, hand.box, time_s)
        boxes = np.array([hand.box for hand in hands]).reshape(-1, 4)
        sides = np.array([hand.detected_side for hand in hands], int)
        pairs = self.pairs.step([hand.id for hand in hands], boxes, sides, time_s)
        by_id = {hand.id: hand for hand in hands}
        groups: list[tuple[HandTrack, ...]] = [(by_id[a], by_id[b]) for a, b in pairs]
        paired = {each for pair in pairs for each in pair}
        # Without a detection, a hand that was seen in the previous frame counts as seen.
        coasting = [hand for hand in hands if hand.unseen > (found is None)]
        seen = [hand for hand in hands if hand not in coasting]
        for hand in hands:
            if hand.id not in paired and not (hand in coasting and _inside_any(hand, seen)):
                groups.append((hand,))
        regions = [_region(group) for group in groups]
        regions.sort(key=lambda region: (-region.score, region.track_ids))
        return [region for region in regions if has_size(region.box)]

    def settle(self, found: Sequence[tuple[Region, Pose]], size: tuple[int, int]) -> list[CropHands]:
        """Decide which hands a frame shows, and let their tracks follow them.

        Args:
            found: The regions of the frame, from `step` or given by the user, and the predictions for them.
            size: (width, height) of the image in px.

        Returns:
            What every crop shows. Each hand is in the slot of the side that its track has decided for.
        """
        crops = [self._match(region, pose, size) for region, pose in found]
        # A crop whose hands were not seen lately is more likely to show the hand of another crop.
        lately = [
            region.score - max((hand.hidden for hand in crop.hands), default=0)
            for (region, _), crop in zip(found, crops, strict=True)
        ]
        shown = hide_repeats([_decide(crop) for crop in crops], lately)
        for crop, each in zip(crops, shown, strict=True):
            for hand in crop.hands:
                if hand.id in each.track_ids:
                    own = each.pose.keypoints[HANDS[each.track_ids.index(hand.id)], :2]
                    partner = next((other for other in crop.hands if other is not hand), None)
                    self.tracker.follow(hand, own, partner)
        return shown

    def smooth(
        self, hands: CropHands, keypoints: np.ndarray, rel_root_depth_mm: float, time_s: float
    ) -> tuple[np.ndarray, float]:
        """Return keypoints (42, 3) and relative root depth of a crop, smoothed if smoothing is on."""
        if self.smoother is None:
            return keypoints, rel_root_depth_mm
        smooth = keypoints.copy()
        for part, track_id in zip(HANDS, hands.track_ids, strict=True):
            if track_id is not None:
                scores = hands.pose.keypoint_scores[part]
                smooth[part] = self.smoother.joints(track_id, keypoints[part], scores, time_s)
        right, left = hands.track_ids
        if right is None or left is None:
            return smooth, rel_root_depth_mm
        return smooth, self.smoother.root(right, left, rel_root_depth_mm, time_s)

    def bone_lengths(self, hands: CropHands, palm_mm: np.ndarray) -> np.ndarray | None:
        """Return the mean lengths (42,) in mm of the bones of a crop's hands, NaN where unknown.

        Without smoothing, return None.

        Args:
            hands: A crop.
            palm_mm: (4,) lengths of the bones from `KNUCKLES` to the wrist, which set the scale.
        """
        if self.smoother is None:
            return None
        lengths = np.full(NUM_JOINTS, np.nan)
        for part, track_id in zip(HANDS, hands.track_ids, strict=True):
            known = None if track_id is None else self.smoother.bone_lengths(track_id, palm_mm)
            if known is not None:
                lengths[part] = known
        return lengths

    def learn_bones(self, hands: CropHands, keypoints_mm: np.ndarray) -> None:
        """Add the joints (42, 3) in mm of a crop to the mean bone lengths of its hands."""
        for part, track_id in zip(HANDS, hands.track_ids, strict=True):
            if self.smoother is not None and track_id is not None:
                self.smoother.learn_bones(track_id, keypoints_mm[part])

    def _match(self, region: Region, pose: Pose, size: tuple[int, int]) -> _Crop:
        """Find the tracked hands of a crop in the slots of its prediction. New hands get tracks."""
        if region.num_hands is None:
            hands = self._hands_of_given(pose, size)
        else:
            by_id = {hand.id: hand for hand in self.tracker.hands}
            hands = [by_id[each] for each in region.track_ids]
        if not hands:
            return _Crop(region, pose, (), SlotMatch((), (), ()))
        match = match_slots(hands, pose)
        if len(hands) == 1 and region.num_hands is not None:
            box = unknown_hand(hands[0], match.slots[0], pose, self.tracker.hands)
            if box is not None:
                hands.append(self.tracker.add(box, hands[0].score, by_network=True))
                match = match_slots(hands, pose)
        return _Crop(region, pose, tuple(hands), match)

    def _hands_of_given(self, pose: Pose, size: tuple[int, int]) -> list[HandTrack]:
        """Return the tracks of a video whose box is given. Nobody counts the hands, so the network alone does."""
        hands = self.tracker.step(None, size)
        boxes = slot_boxes(pose)
        boxes[~np.isfinite(boxes)] = 0.0
        same = same_joints(pose.keypoints[HANDS[0], :2], pose.keypoints[HANDS[1], :2])
        likely = pose.hand_prob > ABSENT
        if same and pose.hand_prob.min() < PRESENT:  # one hand that fills both slots
            likely[int(pose.hand_prob.argmin())] = False
        if not hands and likely.any():
            hands = [self.tracker.add(boxes[slot]) for slot in np.flatnonzero(likely)]
        elif len(hands) == 1 and likely.all():
            hands = [*hands, self.tracker.add(boxes[1 - match_slots(hands, pose).slots[0]])]
        return list(hands)


def _region(hands: tuple[HandTrack, ...]) -> Region:
    detections = [hand.detection for hand in hands if hand.detection is not None]
    return Region(
        box=interaction_bbox(np.array([hand.box for hand in hands])),
        detections=np.array(detections).reshape(-1, 4),
        score=min(hand.score for hand in hands),
        num_hands=len(hands),
        track_ids=tuple(hand.id for hand in hands),
    )


def _decide(crop: _Crop) -> CropHands:
    """Add the evidence of a frame to the tracks of a crop, and decide sides and presence."""
    hands, match = crop.hands, crop.match
    if not hands:
        return CropHands(crop.region, crop.pose, ("no", "no"))
    for hand, evidence, seen in zip(hands, match.evidence, match.seen, strict=True):
        if seen and crop.pose.hand_prob.max() > ABSENT:
            hand.side.add(evidence)
    sides = hands[0].side.decide_with(hands[1].side) if len(hands) == 2 else (hands[0].side.decide(),)
    pose = crop.pose if sides[0] == match.slots[0] else exchange_slots(crop.pose)
    presence: list[Presence] = ["no", "no"]
    track_ids: list[int | None] = [None, None]
    for hand, side, seen in zip(hands, sides, match.seen, strict=True):
        presence[side] = hand.presence.decide(float(pose.hand_prob[side]) if seen else 0.0)
        track_ids[side] = None if presence[side] == "no" else hand.id
    return CropHands(crop.region, pose, (presence[0], presence[1]), (track_ids[0], track_ids[1]))


def _inside_any(hand: HandTrack, seen: Sequence[HandTrack]) -> bool:
    return any(shared_part(hand.box, other.box) > _SAME_SHARE for other in seen if other is not hand)
