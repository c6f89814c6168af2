"""A hand that lies in the crops of two regions is one hand."""

from __future__ import annotations

import numpy as np
import pytest

from interhand_mm.inference.repeats import MAX_DISTANCE, repeated_hands
from interhand_mm.structures.joints import HANDS

RIGHT, LEFT = 0, 1
RNG = np.random.default_rng(0)
HAND = RNG.uniform(0, 100, (21, 2))
SIZE = float(np.ptp(HAND, axis=0).max())


def region(right=None, left=None) -> np.ndarray:
    """Joints of one region; a hand that is not given lies anywhere."""
    uv = RNG.uniform(500, 900, (42, 2))
    for side, hand in ((RIGHT, right), (LEFT, left)):
        if hand is not None:
            uv[HANDS[side]] = hand
    return uv


def test_the_region_of_two_hands_keeps_them_although_its_score_is_lower():
    uv = np.stack([region(right=HAND + 2), region(right=HAND, left=HAND + np.array([150, 0]))])
    shown = np.array([[True, False], [True, True]])
    assert repeated_hands(uv, shown, np.array([0.9, 0.4])).tolist() == [[True, False], [False, False]]


def test_among_single_hands_the_higher_score_stays_whatever_its_side():
    uv = np.stack([region(right=HAND), region(left=HAND + 3)])
    shown = np.array([[True, False], [False, True]])
    assert repeated_hands(uv, shown, np.array([0.4, 0.9])).tolist() == [[True, False], [False, False]]


@pytest.mark.parametrize(("share", "same"), [(0.9, True), (1.1, False)])
def test_hands_are_the_same_up_to_a_distance_relative_to_their_size(share, same):
    uv = np.stack([region(right=HAND), region(right=HAND + np.array([share * MAX_DISTANCE * SIZE, 0]))])
    shown = np.array([[True, False], [True, False]])
    assert repeated_hands(uv, shown, np.array([0.9, 0.8])).tolist() == [[False, False], [same, False]]


def test_two_hands_of_one_crop_may_lie_on_each_other_and_hidden_ones_do_not_count():
    uv = np.stack([region(right=HAND, left=HAND + 1), region(right=HAND, left=HAND)])
    shown = np.array([[True, True], [False, False]])
    assert not repeated_hands(uv, shown, np.array([0.9, 0.8])).any()
