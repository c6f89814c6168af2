"""Smoothing of tracked hands: how much calmer, how late, and how it treats joints that the network hardly sees."""

from __future__ import annotations

import numpy as np
import pytest

from interhand_mm.inference.smoothing import TrackSmoother
from interhand_mm.structures.joints import HAND_PARENTS
from tests.fixtures.tiny import hand_world

FPS, SCORES = 30.0, np.full(21, 0.8)
PALM = np.array([85.0, 84.0, 79.0, 75.0])


def hand_px(size=200.0):
    """A flat hand (21, 3) in px and mm, whose box has a longer side of `size`."""
    points = hand_world(np.random.default_rng(0), False)
    points[:, :2] *= size / 1.2 / np.ptp(points[:, :2], axis=0).max()
    return points - points[20]


def smoothed(points, scores=None, smoother=None):
    """Filter (T, 21, 3) points of one track at 30 frames per second."""
    smoother = smoother or TrackSmoother()
    scores = np.broadcast_to(SCORES, points.shape[:2]) if scores is None else scores
    return np.array([smoother.joints(1, each, scores[i], i / FPS) for i, each in enumerate(points)])


def lag_s(truth, found):
    """Return the delay in seconds at which two signals (T,) agree best."""
    shifts = np.arange(0, 0.4, 0.002)
    times = np.arange(len(truth)) / FPS
    errors = [np.square(np.interp(times - shift, times, truth) - found)[30:].mean() for shift in shifts]
    return float(shifts[np.argmin(errors)])


@pytest.mark.parametrize(("speed_mm_s", "latest_s"), [(200.0, 0.085), (800.0, 0.045)])
def test_lag_and_jitter(speed_mm_s, latest_s):
    """A hand that swings by 100 mm, and one at rest, with joints that shake by 1.5 mm."""
    rng, size = np.random.default_rng(0), 200.0
    px = size / 250  # per mm
    frames = 300
    swing = 100 * px * np.sin(np.arange(frames) / FPS * speed_mm_s / 100)
    moving = np.tile(hand_px(size), (frames, 1, 1))
    moving[..., 0] += swing[:, None]
    noise = rng.normal(0, 1.5, moving.shape) * (px, px, 1)
    assert lag_s(swing, smoothed(moving + noise)[:, :, 0].mean(axis=1)) <= latest_s
    still = np.tile(hand_px(size), (frames, 1, 1)) + noise
    jitter = [np.diff(each[30:], 2, axis=0).std() for each in (smoothed(still), still)]
    assert jitter[0] < 0.15 * jitter[1]


def test_a_hand_that_comes_nearer_is_smoothed_as_much():
    """The same motion in mm, seen from near and from far."""
    motion = np.random.default_rng(0).normal(0, 8, (40, 3)).cumsum(axis=0)[:, None]
    near, far = (smoothed(hand_px(size) + motion * (size / 250, size / 250, 1)) for size in (300.0, 100.0))
    middle_near, middle_far = near.mean(axis=1)[:, :2], far.mean(axis=1)[:, :2]
    offset = (hand_px(300.0) - 3 * hand_px(100.0)).mean(axis=0)[:2]
    assert middle_near - offset == pytest.approx(3 * middle_far, abs=1e-6)


def test_a_joint_of_low_score_moves_with_the_hand_and_does_not_jump():
    """The tip of the thumb is hidden in frames 20 to 39: its score falls, and the network guesses 60 px beside it."""
    points = np.tile(hand_px(), (60, 1, 1))
    points[..., 0] += 2.0 * np.arange(60)[:, None]
    truth, scores = points.copy(), np.tile(SCORES, (60, 1))
    points[20:40, 0, 1] += 60
    scores[20:40, 0] = 0.1
    hidden, trusted = smoothed(points, scores), smoothed(points)
    assert np.abs(hidden[25:40, 0, 1] - truth[25:40, 0, 1]).max() < 20
    assert np.abs(trusted[25:40, 0, 1] - truth[25:40, 0, 1]).max() > 50
    plain = smoothed(truth)
    assert np.abs(hidden[:40, 0, 0] - plain[:40, 0, 0]).max() < 2  # it goes on with the hand


def test_filters_belong_to_tracks_and_start_anew_after_half_a_second():
    smoother, points = TrackSmoother(), hand_px()
    smoother.joints(1, points, SCORES, 0.0)
    moved = smoother.joints(1, points + 9, SCORES, 0.1)
    assert (moved < points + 9).all()
    assert smoother.joints(2, points + 9, SCORES, 0.1).tolist() == (points + 9).tolist()
    assert smoother.joints(1, points + 50, SCORES, 0.7).tolist() == (points + 50).tolist()
    broken = np.where(np.arange(21)[:, None] == 3, np.nan, points)
    assert np.array_equal(smoother.joints(1, broken, SCORES, 0.8), broken, equal_nan=True)
    assert smoother.root(1, 2, 30.0, 0.0) == 30.0
    assert 30 < smoother.root(1, 2, 40.0, 0.1) < 40
    smoother.keep([1])
    assert smoother.root(1, 2, 40.0, 0.2) == 40.0


def test_bone_lengths_of_a_track_converge_to_their_mean():
    rng, smoother = np.random.default_rng(1), TrackSmoother()
    hand = hand_world(rng, False)
    bones = np.linalg.norm(hand[:20] - hand[list(HAND_PARENTS[:20])], axis=1)
    palm = np.sqrt(np.square(bones[[7, 11, 15, 19]]).mean())
    known = []
    for _ in range(150):
        smoother.learn_bones(1, (hand + rng.normal(0, 2, hand.shape)) * rng.uniform(0.8, 1.2))
        known.append(smoother.bone_lengths(1, PALM))
    assert known[3] is None
    assert np.isnan(known[4][20])
    want = bones / palm * np.sqrt(np.square(PALM).mean())
    assert np.abs(known[-1][:20] - want).max() < 1.0
    late = np.array(known[100:])[:, :20]
    assert np.ptp(late, axis=0).max() < 0.5
