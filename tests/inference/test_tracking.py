"""Hands over time: one hand has one id and one side from the first frame to the last."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from interhand_mm.structures.boxes import BBOX_ENLARGE, scale_boxes
from interhand_mm.structures.results import Detections
from tests.inference.conftest import Clip, FakeDetector, FakeNetwork, PairNetwork, inferencer, scene, track_ids

FPS = 30.0
RIGHT, LEFT = (0.9, 0.1), (0.1, 0.9)


class Noisy(FakeDetector):
    """A detector with the margin of the annotations, whose boxes shake by a share of their size, and which misses hands."""

    def __init__(self, shake=0.0, misses=0.0, side=-1):
        super().__init__()
        self.shake, self.misses, self.side, self.rng = shake, misses, side, np.random.default_rng(0)

    def __call__(self, images):
        found = []
        for each in super().__call__(images):
            each = replace(each, boxes=scale_boxes(each.boxes, BBOX_ENLARGE))
            size = (each.boxes[:, 2:] - each.boxes[:, :2])[:, [0, 1, 0, 1]]
            boxes = each.boxes + self.rng.normal(0, 1, each.boxes.shape) * self.shake * size
            kept = self.rng.random(len(boxes)) >= self.misses
            found.append(Detections(boxes[kept], each.scores[kept], np.full(int(kept.sum()), self.side)))
        return found


class Unsure(FakeNetwork):
    """A network whose logit of "right, not left" has a mean and noise of 1."""

    def __init__(self, mean):
        super().__init__()
        self.mean = mean if callable(mean) else lambda frame: mean
        self.frame = -1

    def predict(self, crop):
        self.frame += 1
        right = expit(self.mean(self.frame) + self.rng.normal())
        self.hand_prob = np.array([right, 1 - right])
        found = super().predict(crop)
        found["keypoints"][21:] = found["keypoints"][:21]  # the network sees one hand, and cannot tell which
        return found


def run(tiny_pose, images, network, detector=None, **options):
    options = dict(batch_size=1, detector=None if "bbox" in options else detector or Noisy()) | options
    made = inferencer(tiny_pose, **options)
    made.pose.network = network
    clip = Clip(images, FPS)
    network.clip = clip
    if made.detector is not None:
        made.detector.clip = clip
    return list(made.infer(clip)), made


def changes(values):
    return sum(a != b for a, b in itertools.pairwise(values))


def sides(results):
    """The side of the only hand in every frame that shows one."""
    return [hands.presence[0] == "no" for result in results for hands in result.hands]


def resting(gap, size=80):
    """Two hands whose boxes are 80 px large and `gap` times that apart."""
    joints, step = round(size / BBOX_ENLARGE), round((1 + gap) * size)
    return scene((60, 70, 60 + joints, 70 + joints), (60 + step, 70, 60 + step + joints, 70 + joints), size=(420, 220))


# --- pairs ---


@pytest.mark.parametrize("gap", [0.25, 0.3, 0.33, 0.35, 0.38, 0.45])
def test_resting_hands_stay_what_they_are(tiny_pose, gap):
    results, _ = run(tiny_pose, [resting(gap)] * 300, PairNetwork(), Noisy(shake=0.03), smooth=True)
    assert changes([len(result.hands) for result in results]) == 0
    assert len({each for result in results for each in track_ids(result)}) == 2


# --- sides ---


@pytest.mark.parametrize("options", [{}, {"detect_every": 5}, {"bbox": [40, 20, 160, 170]}])
def test_a_hand_whose_side_is_uncertain_keeps_it(tiny_pose, options):
    results, _ = run(tiny_pose, [scene((60, 40, 140, 150))] * 300, Unsure(1.0), **options)
    assert sum(len(result.hands) for result in results) > 290
    assert changes(sides(results)) <= 1
    assert sides(results)[-1] is False
    assert changes([hands.presence for result in results for hands in result.hands]) <= 10


# --- the detector's turn ---


def shown_frames(results):
    return sum(len(track_ids(result)) for result in results) if results else 0


class Absent(PairNetwork):
    """The right hand is taken for absent in frame 40."""

    def predict(self, crop):
        found = super().predict(crop)
        if self.clip.frame == 40:
            found["hand_prob"][0] = 0.1
        return found


def test_a_rare_detector_loses_nothing(tiny_pose):
    """Two hands, one of which walks, and a detector that misses 4 % of them."""
    images = []
    for i in range(300):
        x = 160 + round(60 * np.sin(i / 25))
        images.append(scene((30, 60, 90, 120), (x, 140, x + 60, 200), size=(320, 240)))
    shown, ids, calls = {}, {}, {}
    for every in (1, 5, 15):
        results, made = run(tiny_pose, images, Absent(), Noisy(misses=0.04), detect_every=every)
        shown[every] = sum(presence != "no" for r in results for h in r.hands for presence in h.presence)
        ids[every] = len({each for result in results for each in track_ids(result)})
        calls[every] = len(made.detector.calls)
    assert shown[1] >= 598
    assert shown[5] >= 0.99 * shown[1]
    assert shown[15] >= 0.99 * shown[1]
    assert set(ids.values()) == {2}
    assert calls[15] < 40


def test_a_hand_that_enters_is_shown_at_once(tiny_pose):
    empty, here = scene(size=(480, 240)), scene((20, 30, 80, 90), size=(480, 240))
    results, _ = run(tiny_pose, [empty] * 2 + [here] * 10, FakeNetwork(RIGHT), detect_every=15)
    assert [len(result.hands) for result in results] == [0] * 2 + [1] * 10


# --- more of pairs, sides and lost hands ---


def meeting(num=120):
    """Two hands that come together, stay, and part again."""
    images = []
    for i in range(num):
        apart = round(100 + 100 * np.cos(2 * np.pi * i / (num - 1)))
        images.append(scene((230 - apart, 80, 290 - apart, 150), (300 + apart, 80, 360 + apart, 150), size=(600, 240)))
    return images


@pytest.mark.parametrize("every", [1, 6])
def test_hands_that_meet_and_part_keep_ids_presence_and_filters(tiny_pose, every):
    truth = meeting()
    results, _ = run(tiny_pose, truth, PairNetwork(), Noisy(shake=0.02), detect_every=every, smooth=True)
    crops = [len(result.hands) for result in results]
    assert crops == [2] * crops.index(1) + [1] * crops.count(1) + [2] * (120 - crops.index(1) - crops.count(1))
    assert 10 < crops.count(1) < 80
    position = np.full((120, 2), np.nan)
    for i, result in enumerate(results):
        assert track_ids(result) == [1, 2]
        for hands in result.hands:
            for side, track_id in enumerate(hands.track_ids):
                assert (hands.presence[side] == "yes") == (track_id is not None)
                if track_id is not None:
                    position[i, track_id - 1] = hands.keypoints[21 * side : 21 * side + 21, 0].mean()
    # A filter that starts anew jumps to the newest value. The path is smooth where a pair forms and where it ends.
    jerk = np.abs(np.diff(position, 2, axis=0)).max(axis=1)
    for change in (crops.index(1), crops.index(1) + crops.count(1)):
        assert jerk[change - 2 : change + 2].max() < 3
    relative = [hands.rel_root_depth_mm for result in results for hands in result.hands if len(result.hands) == 1]
    assert np.isfinite(relative).all()


def test_the_side_changes_once_when_the_evidence_turns(tiny_pose):
    network = Unsure(lambda frame: 2.0 if frame < 90 else -2.0)
    results, _ = run(tiny_pose, [scene((60, 40, 140, 150))] * 200, network)
    left = sides(results)
    assert changes(left) == 1
    assert 93 <= left.index(True) <= 105
    assert {each for result in results for each in track_ids(result)} == {1}


@pytest.mark.parametrize(("detected", "left"), [(-1, False), (0, False), (1, True)])
def test_the_side_of_the_detector_counts(tiny_pose, detected, left):
    """The pose network believes in a right hand at 0.55, in every frame."""
    network = FakeNetwork((0.55, 0.45))
    results, _ = run(tiny_pose, [scene((60, 40, 140, 150))] * 30, network, Noisy(side=detected))
    assert sides(results) == [left] * 30


class Exchanging(PairNetwork):
    """Puts both hands into the wrong slots in frames 10 and 11."""

    def predict(self, crop):
        found = super().predict(crop)
        if self.clip.frame in (10, 11):
            order = np.roll(np.arange(42), 21)
            found["keypoints"] = found["keypoints"][order]
            found["hand_prob"] = found["hand_prob"][::-1]
            found["rel_root_depth"] = -found["rel_root_depth"]
        return found


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize(
    "boxes", [((60, 60, 140, 130), (150, 60, 230, 130)), ((20, 60, 100, 130), (200, 60, 280, 130))]
)
def test_joints_in_the_wrong_slot_belong_to_the_track_that_lies_there(tiny_pose, boxes, mirror):
    images = [scene(*boxes)] * 20
    if mirror:
        images = [np.ascontiguousarray(image[:, ::-1]) for image in images]
    results, _ = run(tiny_pose, images, Exchanging(), mirror=mirror)
    for result in results:
        by_side = {}
        for hands in result.hands:
            assert np.isnan(hands.rel_root_depth_mm) or hands.rel_root_depth_mm == 30
            for side in (0, 1):
                if hands.presence[side] == "yes":
                    assert side not in by_side
                    by_side[side] = hands.keypoints[21 * side : 21 * side + 21, 0].mean(), hands.track_ids[side]
        assert sorted(by_side) == [0, 1]
        assert (
            by_side[0][0] < by_side[1][0]
        ) != mirror  # the right hand lies on the left, and both stay where they are
        assert {each for _, each in by_side.values()} == {1, 2}


def test_two_hands_of_one_side_share_no_crop(tiny_pose):
    """A detector that tells sides sees two right hands beside each other, those of two people."""
    results, _ = run(tiny_pose, [resting(0.1)] * 20, PairNetwork(), Noisy(shake=0.02, side=0))
    assert [len(result.hands) for result in results] == [2] * 20


def test_a_track_that_was_lost_is_taken_up_again(tiny_pose):
    """The network takes the hand for absent in frames 20 to 25, and the detector misses it there."""

    class Blind(FakeNetwork):
        def predict(self, crop):
            found = super().predict(crop)
            return {**found, "hand_prob": np.full(2, 0.02)} if 20 <= self.clip.frame < 26 else found

    class Misses(Noisy):
        def __call__(self, images):
            (found,) = super().__call__(images)
            blind = 20 <= self.clip.frame < 26
            return [Detections(np.zeros((0, 4)), np.zeros(0), np.zeros(0, int)) if blind else found]

    moving = [scene((20 + 3 * i, 40, 80 + 3 * i, 110)) for i in range(60)]
    for every, detector in ((1, Noisy()), (15, Misses())):
        results, _ = run(tiny_pose, moving, Blind(RIGHT), detector, detect_every=every)
        assert [len(result.hands) for result in results] == [1] * 20 + [0] * 6 + [1] * 34
        assert {each for result in results for each in track_ids(result)} == {1}


def test_a_hand_that_leaves_the_image_ends_and_one_that_comes_is_found(tiny_pose):
    leaving = [scene((max(0, 240 + 8 * i), 40, 300 + 8 * i, 110)) for i in range(10)]
    coming = [scene((20, 40, 80, 110))] * 10
    results, made = run(tiny_pose, leaving + coming, FakeNetwork(RIGHT), detect_every=50)
    assert [track_ids(result) for result in results[-10:]] == [[]] + [[2]] * 9
    assert len(made.detector.calls) < 12


class OneOfTwo(Noisy):
    """A detector that finds only the first of two hands that hold each other."""

    def __call__(self, images):
        return [Detections(each.boxes[:1], each.scores[:1], each.sides[:1]) for each in super().__call__(images)]


@pytest.mark.parametrize("every", [1, 5])
def test_a_hand_that_only_the_network_sees_has_one_track(tiny_pose, every):
    clasped = scene((60, 60, 140, 130), (100, 80, 190, 150))
    results, _ = run(tiny_pose, [clasped] * 40, PairNetwork(), OneOfTwo(), detect_every=every)
    assert [track_ids(result) for result in results] == [[1, 2]] * 40
    assert all(hands.presence == ("yes", "yes") for result in results for hands in result.hands)
