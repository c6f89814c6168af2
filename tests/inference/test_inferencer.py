from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from interhand_mm.checkpoints.io import read_checkpoint
from interhand_mm.engine.runner import build_model
from interhand_mm.errors import CheckpointError, ConfigError, InputError
from interhand_mm.inference.handedness import at_temperature, calibrate, decide_presence
from interhand_mm.inference.inferencer import ADULT_PALM_MM
from interhand_mm.inference.io.frames import Frame
from interhand_mm.registry import DATASETS
from interhand_mm.structures.camera import camera_to_pixel, relative_to_wrists
from interhand_mm.structures.joints import OWN_WRIST
from interhand_mm.structures.results import Detections
from interhand_mm.utils.config import load_config
from tests.conftest import ROOT
from tests.fixtures.tiny import write_set
from tests.fixtures.tiny_pose import CODEC
from tests.inference.conftest import Clip, FakeDetector, PairNetwork, inferencer, scene, track_ids

RIGHT, LEFT, BOTH = (0.9, 0.1), (0.1, 0.9), (0.9, 0.9)


def test_the_same_numbers_as_the_data_set_and_model_give(tmp_path, tiny_pose):
    """Boxes as annotated, through the inferencer and through the test pipeline."""
    root = write_set(tmp_path / "tiny", num=4)
    pipeline = [
        dict(type="LoadHandImage"), dict(type="HandCrop", encoder=CODEC), dict(type="PackHandInputs")
    ]  # fmt: skip
    init_default_scope("interhand_mm")
    dataset = DATASETS.build(dict(type="InterHandDataset", data_root=str(root), pipeline=pipeline, test_mode=True))
    model = build_model(load_config(tiny_pose[0])).eval()
    model.load_state_dict(read_checkpoint(tiny_pose[1])["state_dict"])
    for i in range(4):
        item = dataset[i]
        with torch.no_grad():
            want = model.test_step({key: [value] for key, value in item.items()})[0].pred_instances
        x, y, w, h = dataset.index.bbox[i]
        camera = dict(focal=tuple(item["data_samples"].metainfo["focal"].tolist()))
        made = inferencer(tiny_pose, bbox=[x, y, x + w, y + h], **camera)
        found = next(made.infer(item["data_samples"].img_path))
        assert found.intrinsics.source == "user"
        hands = found.hands[0]
        shown = hands.shown
        assert shown.any()
        assert np.abs(hands.bbox - want.bboxes[0]).max() < 1e-3
        assert np.abs(hands.keypoints - relative_to_wrists(want.keypoints[0]))[shown].max() < 1e-3
        assert np.abs(hands.keypoint_scores - want.keypoint_scores[0])[shown].max() < 1e-5
        assert np.abs(hands.hand_prob - want.hand_prob[0]).max() < 1e-5


def test_results_hold_together(tiny_pose):
    image = scene((60, 40, 140, 150), (150, 50, 230, 160))
    (result,) = inferencer(tiny_pose, BOTH, detector=FakeDetector()).infer(image)
    (hands,) = result.hands
    assert hands.presence == ("yes", "yes")
    assert hands.detections.tolist() == [[60, 40, 140, 150], [150, 50, 230, 160]]
    assert (hands.bbox_score, hands.track_ids, hands.rel_root_depth_mm) == (0.9, (None, None), 30.0)
    uv = camera_to_pixel(hands.keypoints_mm, result.intrinsics.focal, result.intrinsics.principal_pt)
    assert np.abs(uv - hands.keypoints[:, :2]).max() < 1e-6
    assert np.allclose(
        hands.keypoints_mm[:, 2] - hands.keypoints_mm[OWN_WRIST, 2],
        hands.keypoints[:, 2] - hands.keypoints[OWN_WRIST, 2],
    )
    # The network's own d at the wrists is not 0 here, and their depths still differ by exactly 30 mm.
    assert hands.keypoints[[20, 41], 2].tolist() == [0, 0]
    assert hands.keypoints_mm[41, 2] - hands.keypoints_mm[20, 2] == pytest.approx(30)
    assert hands.depth_source == "hand_size"
    knuckles = [7, 11, 15, 19, 28, 32, 36, 40]
    bones = np.linalg.norm(hands.keypoints_mm[knuckles] - hands.keypoints_mm[OWN_WRIST[knuckles]], axis=1)
    assert (bones**2).sum() == pytest.approx((np.tile(ADULT_PALM_MM, 2) ** 2).sum())


def test_given_depth_is_metric_and_says_so(tiny_pose):
    image = scene((60, 40, 140, 150), (150, 50, 230, 160))
    made = inferencer(
        tiny_pose,
        BOTH,
        detector=FakeDetector(),
        depth_mm=(700.0, 800.0),
        focal=(400.0, 410.0),
        principal_pt=(150.0, 110.0),
    )
    (hands,) = next(made.infer(image)).hands
    assert hands.depth_source == "given"
    u, v, d = hands.keypoints[30]
    z = 800 + d
    assert hands.keypoints_mm[[20, 41], 2].tolist() == [700, 800]  # although the network's d at the wrists is not 0
    assert hands.keypoints_mm[30] == pytest.approx([(u - 150) / 400 * z, (v - 110) / 410 * z, z])


def test_one_given_depth_is_that_of_the_right_wrist(tiny_pose):
    image = scene((60, 40, 140, 150), (150, 50, 230, 160))
    (hands,) = next(inferencer(tiny_pose, BOTH, detector=FakeDetector(), depth_mm=700.0).infer(image)).hands
    assert hands.keypoints_mm[[20, 41], 2] == pytest.approx([700, 700 + hands.rel_root_depth_mm])


@pytest.mark.parametrize(
    ("hand_prob", "presence"), [(RIGHT, ("yes", "no")), (LEFT, ("no", "yes")), ((0.6, 0.5), ("unsure", "no"))]
)
def test_one_box_shows_one_hand(tiny_pose, hand_prob, presence):
    (result,) = inferencer(tiny_pose, hand_prob, detector=FakeDetector()).infer(scene((60, 40, 140, 150)))
    (hands,) = result.hands
    assert hands.presence == presence
    hidden = ~hands.shown
    assert hidden.sum() == 21
    assert np.isnan(hands.keypoints[hidden]).all()
    assert np.isnan(hands.keypoints_mm[hidden]).all()
    assert np.isfinite(hands.keypoints_mm[hands.shown]).all()
    assert (hands.keypoint_scores[hidden] == 0).all()
    assert np.isnan(hands.rel_root_depth_mm)


def test_a_hand_that_is_not_shown_was_not_restored(tiny_pose):
    made = inferencer(tiny_pose, RIGHT, detector=FakeDetector())
    plain = made.pose.network.predict
    made.pose.network.predict = lambda crop: {**plain(crop), "replaced": np.ones(2)}
    (result,) = made.infer(scene((60, 40, 140, 150)))
    assert result.hands[0].presence == ("yes", "no")
    assert result.hands[0].restored == (True, False)


def test_decisions():
    assert decide_presence(np.array([0.9, 0.8]), 1) == ("yes", "yes")  # sure of both, whatever the detector saw
    assert decide_presence(np.array([0.9, 0.6]), 1) == ("yes", "no")
    assert decide_presence(np.array([0.9, 0.6]), 2) == ("yes", "unsure")
    assert decide_presence(np.array([0.9, 0.6]), None) == ("yes", "unsure")
    assert decide_presence(np.array([0.2, 0.1]), 2) == ("no", "no")


def test_calibration_finds_the_temperature():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 2, (20000, 2))
    truth = rng.random((20000, 2)) < 1 / (1 + np.exp(-logits))
    assert calibrate(1 / (1 + np.exp(-logits * 3)), truth) == pytest.approx(3, rel=0.05)  # three times too sure
    assert at_temperature(np.array([0.5, 1 / (1 + np.exp(-6))]), 3.0) == pytest.approx([0.5, 1 / (1 + np.exp(-2))])


def test_temperature_of_the_checkpoint_is_used(tmp_path, tiny_pose):
    weights = torch.load(tiny_pose[1], weights_only=True)
    image = scene((60, 40, 140, 150))
    plain = inferencer(tiny_pose).pose.predict(
        [image], [np.array([0.0, 0, 320, 240])], [1.0], inferencer(tiny_pose).watch
    )
    torch.save({**weights, "meta": {"handedness_temperature": 2.0}}, tmp_path / "warm.pth")
    made = inferencer((tiny_pose[0], tmp_path / "warm.pth"))
    warm = made.pose.predict([image], [np.array([0.0, 0, 320, 240])], [1.0], made.watch)
    assert warm[0].hand_prob == pytest.approx(at_temperature(plain[0].hand_prob, 2.0))
    torch.save({**weights, "meta": {"handedness_temperature": -1}}, tmp_path / "bad.pth")
    with pytest.raises(CheckpointError, match="handedness_temperature"):
        inferencer((tiny_pose[0], tmp_path / "bad.pth"))


def test_no_hand_no_result(tiny_pose):
    assert next(inferencer(tiny_pose, (0.1, 0.2), detector=FakeDetector()).infer(scene((60, 40, 140, 150)))).hands == ()
    assert next(inferencer(tiny_pose, RIGHT, detector=FakeDetector()).infer(scene())).hands == ()


@pytest.mark.parametrize("bbox", [None, [60, 40, 150, 160]])
def test_mirror_gives_the_same_hands_in_the_mirrored_image(tiny_pose, bbox):
    rng = np.random.default_rng(3)
    image = cv2.resize(rng.integers(0, 255, (12, 16, 3), dtype=np.uint8), (320, 240), interpolation=cv2.INTER_CUBIC)
    camera = dict(focal=400.0, principal_pt=(150.0, 110.0))
    (plain,) = inferencer(tiny_pose, bbox=bbox, **camera).infer(image)
    other = bbox and [319 - bbox[2], bbox[1], 319 - bbox[0], bbox[3]]
    camera["principal_pt"] = (319 - 150.0, 110.0)
    (selfie,) = inferencer(tiny_pose, bbox=other, mirror=True, **camera).infer(np.ascontiguousarray(image[:, ::-1]))
    a, b = plain.hands[0], selfie.hands[0]
    assert a.presence == b.presence  # right stays right
    assert a.hand_prob == pytest.approx(b.hand_prob)
    assert np.nan_to_num(b.keypoints[:, 0]) == pytest.approx(np.nan_to_num(319 - a.keypoints[:, 0]), abs=1e-3)
    assert np.nan_to_num(b.keypoints[:, 1:]) == pytest.approx(np.nan_to_num(a.keypoints[:, 1:]), abs=1e-3)
    assert np.nan_to_num(b.keypoints_mm * [-1, 1, 1]) == pytest.approx(np.nan_to_num(a.keypoints_mm), abs=1e-2)
    assert b.bbox[0] == pytest.approx(319 - a.bbox[2])


@pytest.mark.parametrize(
    "bbox",
    [
        [100, 40, 80, 60],
        [0, 0, 0, 10],
        [0.1, 0.1, 0.9, 0.9],
        [10, 10, 17, 90],
        [1, 2, 3],
        [float("nan"), 0, 1, 1],
        [270, 100, 400, 200],
        [-50, 0, 20, 20],
    ],
)
def test_boxes_by_hand_are_checked(tiny_pose, bbox):
    with pytest.raises(InputError, match="bbox"):
        next(inferencer(tiny_pose, bbox=bbox).infer(scene()))


def test_arguments_are_checked(tiny_pose):
    for wrong in (
        dict(batch_size=0),
        dict(detect_every=0),
        dict(amp="int8"),
        dict(device="cuda:77"),
        dict(device="toaster"),
    ):
        with pytest.raises(ConfigError):
            inferencer(tiny_pose, **wrong)
    with pytest.raises(ConfigError, match="detector and a bbox"):
        inferencer(tiny_pose, detector=FakeDetector(), bbox=[0, 0, 50, 50])
    with pytest.raises(InputError):
        inferencer(tiny_pose).infer("/no/such/file")  # at once, not with the first frame


class Recording:
    """A network that notes the size of every batch."""

    def __init__(self, network, sizes):
        self.network, self.sizes = network, sizes
        self.input_size, self.temperature, self.plugin = network.input_size, network.temperature, None

    def __call__(self, crops):
        self.sizes.append(len(crops))
        return self.network(crops)


def test_crops_share_batches_over_hands_and_images(tmp_path, tiny_pose):
    for i in range(5):
        cv2.imwrite(str(tmp_path / f"{i}.png"), scene((20, 30, 80, 100), (240, 130, 300, 200)))
    made = inferencer(tiny_pose, detector=FakeDetector(), batch_size=4)
    sizes = []
    made.pose.network = Recording(made.pose.network, sizes)
    results = list(made.infer(tmp_path))
    assert [len(result.hands) for result in results] == [2] * 5
    assert made.detector.calls == [4, 1]
    assert sizes == [4, 4, 2]  # eight crops of four images, two of the last
    alone = inferencer(tiny_pose, detector=FakeDetector(), batch_size=1)
    for one, many in zip(alone.infer(tmp_path), results, strict=True):
        assert one.source == many.source
        assert np.nan_to_num(one.hands[1].keypoints) == pytest.approx(np.nan_to_num(many.hands[1].keypoints), abs=1e-2)


# --- videos ---


def walk(num=30, step=4):
    """A blob that walks to the right, and one that stays."""
    return [scene((20 + step * i, 30, 70 + step * i, 90), (20, 170, 80, 230), size=(480, 240)) for i in range(num)]


@pytest.mark.parametrize("every", [1, 5])
def test_tracks_keep_their_numbers_and_crops_follow(tiny_pose, every):
    made = inferencer(tiny_pose, RIGHT, detector=FakeDetector(), detect_every=every)
    results = list(made.infer(Clip(walk())))
    assert sum(made.detector.calls) == 30 // every
    assert [len(result.hands) for result in results] == [2] * 30
    for i, result in enumerate(results):
        assert track_ids(result) == [1, 2]
        walker = min(result.hands, key=lambda hands: hands.bbox[1])
        assert walker.track_ids == min(results[0].hands, key=lambda hands: hands.bbox[1]).track_ids
        # The crop's middle lies on the blob, at most one step behind.
        assert (walker.bbox[0] + walker.bbox[2]) / 2 == pytest.approx(45 + 4 * i, abs=8)
        assert len(walker.detections) == (1 if i % every == 0 else 0)


def test_a_missed_detection_does_not_end_a_track_and_a_lost_hand_does(tiny_pose):
    frames = walk(12) + [scene(size=(480, 240))] * 14 + walk(4)
    made = inferencer(tiny_pose, RIGHT, detector=FakeDetector(blind={5, 6}))
    results = list(made.infer(Clip(frames)))
    ids = [track_ids(result) for result in results]
    assert ids[4] == ids[5] == ids[6] == ids[7] == [1, 2]
    assert ids[13] == []  # the network sees nothing there any more
    assert ids[-1] == [3, 4]


def test_a_hand_that_is_no_for_a_frame_stays_in_the_crop(tiny_pose):
    """The left hand is missing in frame 3 alone, and the detector looks for it in frame 4."""
    made = inferencer(tiny_pose, detector=FakeDetector(), detect_every=15)
    made.pose.network = PairNetwork({1: {3}})
    results = list(made.infer(Clip([scene((60, 60, 140, 110), (162, 60, 242, 110))] * 14)))
    assert made.detector.calls == [1, 1]
    presence = [result.hands[0].presence for result in results]
    assert presence == [("yes", "no" if i == 3 else "yes") for i in range(14)]
    assert all(result.hands[0].bbox[2] > 242 for result in results)  # the whole left hand, in frame 4 too
    assert [track_ids(result) for result in results] == [[1] if i == 3 else [1, 2] for i in range(14)]


def test_a_hand_that_the_detector_misses_once_is_followed(tiny_pose):
    """The detector misses the second hand in frame 30, its second turn, and is asked again at once."""

    class Missing(FakeDetector):
        def __call__(self, images):
            (found,) = super().__call__(images)
            return [found if len(self.calls) != 2 else Detections(found.boxes[:1], found.scores[:1], found.sides[:1])]

    made = inferencer(tiny_pose, RIGHT, detector=Missing(), detect_every=30)
    results = list(made.infer(Clip(walk(60, step=1))))
    assert [track_ids(result) for result in results] == [[1, 2]] * 60
    assert len(made.detector.calls) == 3


def test_a_hand_that_enters_an_empty_video_or_replaces_another_is_found_at_once(tiny_pose):
    empty, here = scene(size=(480, 240)), scene((20, 30, 80, 90), size=(480, 240))
    there = scene((300, 130, 360, 190), size=(480, 240))
    made = inferencer(tiny_pose, RIGHT, detector=FakeDetector(), detect_every=100)
    results = list(made.infer(Clip([empty] * 2 + [here] * 10 + [there] * 20)))
    shown = [len(result.hands) for result in results]
    assert shown[:12] == [0] * 2 + [1] * 10
    # In frame 12 the first hand is lost, so the detector looks for it in frame 13 and finds the second one. It looks for
    # the first one again a few times, and then no more.
    assert shown[12:] == [0] + [1] * 19
    assert len(made.detector.calls) <= 10


def test_a_track_that_the_detector_never_finds_again_ends(tiny_pose):
    """The pose network sees hands where there are none, so the detector has the last word."""
    made = inferencer(tiny_pose, RIGHT, detector=FakeDetector(blind=range(1, 99)), detect_every=5)
    results = list(made.infer(Clip([scene((20, 30, 80, 90))] * 40)))
    assert len(results[8].hands) == 1
    assert results[30].hands == ()


def test_joints_that_are_not_numbers_do_not_end_a_video(tmp_path, tiny_pose, monkeypatch):
    """float16 overflows to infinity, which turns into NaN."""
    logged = []
    monkeypatch.setattr("interhand_mm.inference.pose.print_log", lambda message, *_: logged.append(message))

    class Overflowing(PairNetwork):
        def predict(self, crop):
            found = super().predict(crop)
            if 2 <= self.frame < 5:
                found["keypoints"][:] = (np.nan, np.inf, np.nan)[self.frame - 2]
                found["hand_prob"][0] = (np.nan, 0.9, 0.9)[self.frame - 2]
            if self.frame == 6:
                found["keypoints"][:21] = np.inf
            return found

    for every in (1, 4):
        made = inferencer(tiny_pose, detector=FakeDetector(), detect_every=every, smooth=True, batch_size=1)
        made.pose.network = Overflowing()
        results = list(made.infer(Clip([scene((60, 40, 140, 150), (150, 50, 230, 160))] * 10)))
        assert len(results) == 10
        for i in (2, 3, 4):
            assert np.isnan(results[i].hands[0].keypoints).all()
            assert np.isnan(results[i].hands[0].keypoints_mm).all()
            assert np.isfinite(results[i].hands[0].hand_prob).all()
        assert np.isfinite(results[6].hands[0].keypoints_mm).all(axis=-1).tolist() == [False] * 21 + [True] * 21
        assert np.isfinite(results[9].hands[0].keypoints_mm).all()
    assert len(logged) == 2  # once per network


def test_boxes_without_size_are_left_out(tiny_pose):
    class Dot(FakeDetector):
        def __call__(self, images):
            return [Detections(np.array([[5.0, 5, 5, 5]]), np.ones(1), np.array([-1])) for _ in images]

    assert next(inferencer(tiny_pose, detector=Dot()).infer(scene())).hands == ()
    clip = Clip([scene()] * 2)
    assert all(result.hands == () for result in inferencer(tiny_pose, detector=Dot()).infer(clip))


def test_without_detector_the_box_stays_and_batches_are_full(tiny_pose):
    made = inferencer(tiny_pose, RIGHT, bbox=[10, 10, 470, 230], detect_every=7, batch_size=8)
    results = list(made.infer(Clip(walk(20))))
    assert made.pose.network.batches == [8, 8, 4]
    assert {each for result in results for each in track_ids(result)} == {1}
    assert len({tuple(hands.bbox) for result in results for hands in result.hands}) == 1


def test_smoothing_calms_a_still_hand_and_follows_a_moving_one(tiny_pose):
    still = [scene((60, 40, 140, 150))] * 60
    rough = {}
    for smooth in (False, True):
        made = inferencer(tiny_pose, RIGHT, detector=FakeDetector(), smooth=smooth)
        made.pose.network.noise_px = 1.5
        points = np.array([result.hands[0].keypoints_mm[:21] for result in made.infer(Clip(still))])[20:]
        rough[smooth] = np.sqrt((np.diff(points, 2, axis=0) ** 2).mean())
    assert rough[True] < rough[False] / 3
    made = inferencer(tiny_pose, RIGHT, detector=FakeDetector(), smooth=True)
    moving = [result.hands for result in made.infer(Clip(walk(30, step=8)))]
    walker = min(moving[-1], key=lambda hands: hands.bbox[1]).keypoints
    assert walker[:21, 0].mean() == pytest.approx(20 + 8 * 29 + 25, abs=30)  # 80 px/s at 10 frames a second


def test_smoothing_calms_the_crop(tiny_pose):
    class Shaky(FakeDetector):
        def __call__(self, images):
            shake = np.random.default_rng(self.seen)
            return [
                replace(each, boxes=each.boxes + shake.normal(0, 3, each.boxes.shape))
                for each in super().__call__(images)
            ]

    shaking = {}
    for smooth in (False, True):
        made = inferencer(tiny_pose, RIGHT, detector=Shaky(), smooth=smooth, batch_size=1)
        boxes = np.array([result.hands[0].bbox for result in made.infer(Clip([scene((60, 40, 140, 150))] * 50))])
        shaking[smooth] = np.abs(np.diff(boxes[10:], 2, axis=0)).mean()
    assert shaking[True] < 0.4 * shaking[False]


@pytest.mark.parametrize("every", [1, 3])
def test_a_long_video_holds_few_frames(tiny_pose, every):
    import weakref

    held = []

    class Counting(Clip):
        def __iter__(self):
            for i in range(60):
                image = scene((60, 40, 140, 150))
                held.append(weakref.ref(image))
                yield Frame(self.name, i, i / 10, image)

    made = inferencer(tiny_pose, RIGHT, detector=FakeDetector(), detect_every=every, batch_size=4)
    most = 0
    for result in made.infer(Counting([])):
        del result
        most = max(most, sum(reference() is not None for reference in held))
    assert len(held) == 60
    assert most <= 9  # the chunk at hand, the one before it at most, and the frame the source still names


_LARGE = """
import resource, sys
import cv2, numpy as np, torch
torch.set_num_threads(1)
from interhand_mm.inference.tracking import HandTracker, Region
from interhand_mm import InferenceOptions, InterHandInferencer
made = InterHandInferencer(sys.argv[1], sys.argv[2], options=InferenceOptions(bbox=[9000, 7000, 11000, 8300]))
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
result = next(made.infer(sys.argv[3]))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
hands = result.hands[0]
print(*result.image.shape[:2], (after - before) // 1024, *np.nanmean(hands.keypoints[:, :2], axis=0), sep=" ")
"""


def test_a_hundred_megapixels_at_full_size_in_less_than_a_gigabyte(tmp_path, tiny_pose):
    rows = cv2.resize(np.random.default_rng(0).integers(0, 255, (9, 12, 3), dtype=np.uint8), (1200, 850))
    cv2.imwrite(str(tmp_path / "large.jpg"), cv2.resize(rows, (12000, 8500), interpolation=cv2.INTER_NEAREST))
    command = [sys.executable, "-c", _LARGE, *tiny_pose, str(tmp_path / "large.jpg")]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT)
    height, width, grown_mb, u, v = (float(x) for x in done.stdout.split()[-5:])
    assert (width, height) == (12000, 8500)
    assert grown_mb < 1000
    assert 8700 < u < 11300  # coordinates of the full image
    assert 6300 < v < 9000
