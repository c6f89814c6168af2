"""Hands over time: hand-made cases with known answers."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from interhand_mm.errors import ConfigError
from interhand_mm.evaluation.functional.over_time import (
    ShownHands,
    acceleration_error,
    count_changes,
    follow_hands,
    hand_distances,
    lag_frames,
)

SHAPE = np.stack([np.linspace(0, 40, 21), np.linspace(0, 60, 21)], axis=-1)
CENTERS = np.array([[100.0, 100.0], [300.0, 100.0]])


def truth(count=10):
    """Return (T, 2, 21, 2) px: two hands at rest."""
    return np.tile(CENTERS[:, None] + SHAPE, (count, 1, 1, 1))


def shown(uv, ids, sides=(0, 1), crops=(0, 0)):
    keypoints = np.concatenate([uv, np.zeros((*uv.shape[:-1], 1))], axis=-1)
    return ShownHands(ids, sides[: len(ids)], crops[: len(ids)], keypoints)


def test_perfect_hands():
    pytest.importorskip("motmetrics")
    uv = truth()
    followed = follow_hands([shown(each, (5, 9)) for each in uv], uv, np.ones((10, 2), bool))
    assert followed.mot == {"mota": 1.0, "idf1": 1.0, "id_switches": 0.0}
    assert followed.found.all()
    assert (followed.ids == (5, 9)).all()
    assert (followed.sides == (0, 1)).all()
    np.testing.assert_array_equal(followed.keypoints[..., :2], uv)


def test_a_swap_of_ids_counts_for_both_hands_and_halves_idf1():
    pytest.importorskip("motmetrics")
    uv = truth()
    frames = [shown(each, (1, 2) if t < 5 else (2, 1)) for t, each in enumerate(uv)]
    followed = follow_hands(frames, uv, np.ones((10, 2), bool))
    # 20 true hands: two switches cost 2 / 20 of MOTA; each id belongs to each hand in half of the frames.
    assert followed.mot == {"mota": pytest.approx(0.9), "idf1": pytest.approx(0.5), "id_switches": 2.0}


def test_a_miss_and_a_false_hand():
    pytest.importorskip("motmetrics")
    uv = truth()
    frames = [shown(each, (1, 2)) for each in uv]
    frames[3] = shown(uv[3, :1], (1,))  # the second hand is missed once
    far = np.concatenate([uv[6], uv[6, :1] + 500.0])
    frames[6] = shown(far, (1, 2, 7), (0, 1, 0), (0, 0, 1))
    followed = follow_hands(frames, uv, np.ones((10, 2), bool))
    assert followed.mot["mota"] == pytest.approx(1 - 2 / 20)
    assert followed.mot["id_switches"] == 0
    assert np.argwhere(~followed.found).tolist() == [[3, 1]]
    assert np.isnan(followed.keypoints[3, 1]).all()
    assert followed.sides[3].tolist() == [0, -1]


def test_an_invisible_hand_need_not_be_found():
    pytest.importorskip("motmetrics")
    uv, visible = truth(), np.ones((10, 2), bool)
    visible[4:, 1] = False
    frames = [shown(each, (1, 2)) if t < 4 else shown(each[:1], (1,)) for t, each in enumerate(uv)]
    assert follow_hands(frames, uv, visible).mot["mota"] == 1.0


def test_no_hands_at_all():
    pytest.importorskip("motmetrics")
    empty = ShownHands((), (), (), np.zeros((0, 21, 3)))
    followed = follow_hands([empty] * 10, truth(), np.ones((10, 2), bool))
    assert not followed.found.any()
    assert followed.mot["mota"] == 0.0


def test_without_motmetrics_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "motmetrics", None)
    with pytest.raises(ConfigError, match=r"requirements/tracking\.txt"):
        follow_hands([], truth(0), np.ones((0, 2), bool))


def test_distances_are_relative_to_the_true_hand():
    uv = truth(1)[0]
    moved = uv + np.array([30.0, 0.0])
    moved[1, 0] = np.nan
    distances = hand_distances(moved, uv)
    assert distances[0, 0] == pytest.approx(30 / 60)  # 60 px is the hand's longer side
    assert np.isnan(distances[[0, 1, 1], [1, 0, 1]]).all()  # too far, too far, not finite


def test_changes_skip_unknown_frames():
    assert count_changes(np.array([0, 1, 0, 1]), np.ones(4, bool)) == 3
    assert count_changes(np.array([0, 1, 0, 0]), np.array([1, 0, 1, 1], bool)) == 0
    assert count_changes(np.array([0, 1, 1, 1]), np.array([1, 0, 1, 1], bool)) == 1
    assert count_changes(np.array([], int), np.array([], bool)) == 0


def test_jitter_of_noise_of_known_size():
    rng = np.random.default_rng(0)
    path = np.cumsum(rng.normal(size=(400, 1, 2)), axis=0) + np.zeros((1, 50, 1))
    noisy = path + 2.0 * rng.standard_normal(path.shape)
    # The second difference of noise has 1 + 4 + 1 times its variance; the mean length of two normal numbers is
    # sqrt(pi / 2) standard deviations.
    assert acceleration_error(noisy, path) == pytest.approx(2.0 * np.sqrt(6) * np.sqrt(np.pi / 2), rel=0.02)
    assert acceleration_error(path + 7.0, path) == pytest.approx(0.0, abs=1e-9)  # an offset is no jitter


def test_jitter_needs_three_frames_in_a_row():
    path = np.zeros((6, 1, 2))
    gaps = path.copy()
    gaps[[2, 5]] = np.nan
    assert np.isnan(acceleration_error(gaps, path))


def swing(count=120):
    t = np.arange(count)
    return np.stack([200 + 80 * np.sin(t / 11), 150 + 50 * np.cos(t / 7)], axis=-1)[:, None] + SHAPE


@pytest.mark.parametrize("delay", [0, 2, 5, -1])
def test_lag_of_a_shift(delay):
    path = swing()
    assert lag_frames(np.roll(path, delay, axis=0), path) == pytest.approx(delay, abs=0.01)


def test_lag_between_frames_with_offset_gaps_and_noise():
    t = np.arange(120.0)
    path = swing()
    late = np.stack([np.interp(t - 1.5, t, path[:, p, d]) for p in range(21) for d in range(2)], axis=-1)
    late = late.reshape(120, 21, 2) + 10.0 + np.random.default_rng(0).normal(0, 1, (120, 21, 2))
    late[40:55] = np.nan
    assert lag_frames(late, path) == pytest.approx(1.5, abs=0.1)


def test_hands_at_rest_have_no_lag():
    still = np.tile(SHAPE, (60, 1, 1))
    assert np.isnan(lag_frames(still + np.random.default_rng(0).normal(0, 1, still.shape), still))
    assert np.isnan(lag_frames(np.full_like(still, np.nan), still))
