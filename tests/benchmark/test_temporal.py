"""The benchmark over time: clips with exact truth, stand-ins for the networks, and the numbers of one chain."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from interhand_mm.benchmark.scripted import (
    ClipSource,
    Noise,
    ScriptedDetector,
    ScriptedPose,
    crossing_hands,
    entering_hand,
    frame_number,
    resting_hands,
    uncertain_side,
)
from interhand_mm.benchmark.temporal import benchmark_temporal, read_sequences, score_clip, shown_hands
from interhand_mm.errors import AnnotationError
from interhand_mm.evaluation.functional.over_time import ShownHands
from interhand_mm.inference.grouping import pair_affinity
from interhand_mm.inference.inferencer import InterHandInferencer
from interhand_mm.inference.options import InferenceOptions
from interhand_mm.inference.timing import Stopwatch
from interhand_mm.structures.boxes import joints_bbox
from interhand_mm.structures.joints import HANDS
from interhand_mm.synthesis.generate import generate
from interhand_mm.synthesis.plan import SynthesisOptions

EXACT = Noise(box=0.0, miss=0.0, joint=0.0, depth_mm=0.0, logit=4.0, logit_std=0.0)


def short(clip, frames=40, noise=EXACT):
    cut = {name: getattr(clip, name)[:frames] for name in ("keypoints", "visible", "wrist_depth_mm")}
    return replace(clip, noise=noise, **cut)


def perfect(clip):
    """Return what a perfect chain shows of a clip whose hands are always visible."""
    hands = range(len(clip.sides))
    return [ShownHands([7 + h for h in hands], clip.sides, [0 for _ in hands], points) for points in clip.keypoints]


def test_resting_hands_have_the_gap_that_was_asked_for():
    boxes = joints_bbox(resting_hands(0.35).keypoints[0, :, :, :2])
    sides = np.array([-1, -1])
    assert pair_affinity(boxes, sides, max_gap=0.36)[0, 1] > 0
    assert pair_affinity(boxes, sides, max_gap=0.34)[0, 1] == 0


def test_frames_carry_their_number():
    frames = list(ClipSource(crossing_hands()))
    assert [frame_number(frame.image) for frame in frames[254:259]] == [254, 255, 256, 257, 258]
    assert frames[30].time_s == 1.0


def test_the_hand_that_enters_is_invisible_at_first_and_at_last():
    clip = entering_hand()
    assert clip.visible[:, 0].all()
    changes = np.flatnonzero(np.diff(clip.visible[:, 1]))
    assert len(changes) == 2
    assert not clip.visible[0, 1]


def test_stand_ins_without_noise_tell_the_truth():
    clip = short(crossing_hands(), 3)
    [frame, *_] = ClipSource(clip)
    [found] = ScriptedDetector(clip)([frame.image])
    np.testing.assert_allclose(found.boxes, joints_bbox(clip.keypoints[0, :, :, :2]))
    poses = ScriptedPose(clip).predict([frame.image] * 2, list(found.boxes), [1.25] * 2, Stopwatch())
    for hand, pose in enumerate(poses):
        np.testing.assert_allclose(pose.keypoints[HANDS[hand]], clip.keypoints[0, hand])
        assert pose.hand_prob[hand] == pytest.approx(1 / (1 + np.exp(-4)))
        assert pose.hand_prob[1 - hand] == pytest.approx(1 / (1 + np.exp(4)))


def test_a_crop_beside_the_hands_shows_no_hand():
    clip = short(crossing_hands(), 1)
    [frame] = ClipSource(clip)
    [pose] = ScriptedPose(clip).predict([frame.image], [np.array([0.0, 0, 30, 30])], [1.25], Stopwatch())
    assert (pose.hand_prob < 0.05).all()


def test_the_stand_ins_noise_depends_on_the_frame_alone():
    clip = uncertain_side()
    images = [frame.image for frame in ClipSource(short(clip, 6, clip.noise))]
    together = ScriptedDetector(clip)(images)
    alone = ScriptedDetector(clip)(images[4:5])[0]
    np.testing.assert_array_equal(together[4].boxes, alone.boxes)
    assert not np.array_equal(together[3].boxes, together[4].boxes)


def test_score_of_a_perfect_chain():
    pytest.importorskip("motmetrics")
    clip = short(crossing_hands(), 150)
    row = score_clip(perfect(clip), clip)
    assert {key: row[key] for key in ("found", "mota", "idf1")} == dict.fromkeys(("found", "mota", "idf1"), 1.0)
    changes = ("id_switches", "side_changes", "presence_changes", "pair_changes", "wrong_side")
    assert {key: row[key] for key in changes} == dict.fromkeys(changes, 0)
    assert row["ids"] == 2
    assert row["error_mm"] == row["jitter_px"] == pytest.approx(0.0, abs=1e-9)
    assert row["lag"] == pytest.approx(0.0, abs=1e-3)


def test_score_counts_what_happened():
    pytest.importorskip("motmetrics")
    clip = short(resting_hands(0.35))
    frames = perfect(clip)
    frames[10] = frames[10]._replace(sides=[1, 1])  # the right hand is shown as a left one once
    frames[20] = ShownHands([8], [1], [0], clip.keypoints[20, 1:])  # the right hand is not shown once
    for t in range(30, 40):
        frames[t] = frames[t]._replace(crops=[0, 1])  # the pair parts and stays apart
    row = score_clip(frames, clip)
    assert row["side_changes"] == 2
    assert row["wrong_side"] == pytest.approx(1 / 79)
    assert row["presence_changes"] == 2
    assert row["found"] == pytest.approx(79 / 80)
    assert row["pair_changes"] == 1
    assert row["lag"] is None  # nothing moves


def test_millimeters_are_measured_at_the_true_depth():
    pytest.importorskip("motmetrics")
    clip = short(resting_hands(0.35))
    frames = [each._replace(keypoints=each.keypoints + np.array([5.5, 0.0, 0.0])) for each in perfect(clip)]
    row = score_clip(frames, clip)
    assert row["error_px"] == pytest.approx(5.5)
    assert row["error_mm"] == pytest.approx(5.5 * 900 / 550)


def test_the_benchmark_runs_the_chain(tiny_pose, monkeypatch):
    pytest.importorskip("motmetrics")
    clips = {"uncertain_side": short(uncertain_side()), "crossing_hands": short(crossing_hands(), 15)}
    for name, clip in clips.items():
        monkeypatch.setattr(f"interhand_mm.benchmark.temporal.{name}", lambda clip=clip: clip)
    monkeypatch.setattr("interhand_mm.benchmark.temporal.entering_hand", lambda: short(entering_hand(), 10))
    monkeypatch.setattr("interhand_mm.benchmark.temporal._RESTING_GAPS", ())
    inferencer = InterHandInferencer(*tiny_pose, lambda images: [], InferenceOptions(batch_size=3))
    detector, pose = inferencer.detector, inferencer.pose
    result = benchmark_temporal(inferencer, [], detect_every=(1, 4))
    assert len(result["rows"]) == 3 * 4
    for row in (row for row in result["rows"].values() if "side" in row["clip"]):
        assert row["found"] == 1.0
        assert row["id_switches"] == row["side_changes"] == 0
        # Without noise the raw joints are exact; the filter makes them late.
        assert row["error_px"] == pytest.approx(0, abs=1e-6) if not row["smooth"] else row["lag"] > 0.3
    assert inferencer.options == InferenceOptions(batch_size=3)
    assert inferencer.detector is detector
    assert inferencer.pose is pose


def test_shown_hands_have_ids_sides_and_crops(tiny_pose):
    clip = short(crossing_hands(), 2)
    inferencer = InterHandInferencer(*tiny_pose, ScriptedDetector(clip))
    inferencer.pose = ScriptedPose(clip)
    frames = [shown_hands(result) for result in inferencer.infer(ClipSource(clip))]
    assert sorted(frames[0].sides) == [0, 1]
    assert sorted(frames[0].crops) == [0, 1]  # far apart, so each has its own crop
    assert set(frames[0].ids) == set(frames[1].ids)
    assert frames[0].keypoints.shape == (2, 21, 3)


def test_rendered_sequences_become_clips(tmp_path):
    options = SynthesisOptions(num=6, views=2, sequence=3, subjects=1, interacting=1.0, size="128x96", seed=6)
    generate(tmp_path / "set", options, progress=False)
    clips = read_sequences(tmp_path / "set", least=3)
    assert len(clips) == 2  # 3 time steps by 2 cameras
    assert clips[0].size == (128, 96)
    assert clips[0].keypoints.shape == (3, 2, 21, 3)
    assert [path.name for path in clips[0].paths] == sorted(path.name for path in clips[0].paths)
    assert all(frame.image.shape == (96, 128, 3) for frame in ClipSource(clips[0], images=True))
    steps = np.linalg.norm(np.diff(clips[0].keypoints[..., :2], axis=0), axis=-1)
    assert steps.mean() < 0.2 * np.ptp(clips[0].keypoints[0, 0, :, 0])  # consecutive frames, in order
    with pytest.raises(AnnotationError, match="at least 4 frames"):
        read_sequences(tmp_path / "set", least=4)
