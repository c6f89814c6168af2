"""Grouping and boxes against numbers worked out by hand."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from interhand_mm.inference.grouping import crop_bbox, group_hands, interaction_bbox, match_boxes, pair_affinity
from interhand_mm.structures.boxes import box_iou, scale_boxes, square_bbox


def box(x, y, w=100.0, h=100.0):
    return [x, y, x + w, y + h]


def groups(boxes, sides=None, scores=None, **limits):
    boxes = np.array(boxes, float).reshape(-1, 4)
    sides = np.full(len(boxes), -1) if sides is None else np.array(sides)
    scores = np.linspace(0.9, 0.5, len(boxes)) if scores is None else np.array(scores)
    return group_hands(boxes, scores, sides, **limits)


def test_box_round_two_hands_is_the_annotations():
    # Joints of the right hand lie in 100..200 x 50..150, of the left in 260..320 x 90..210; each enlarged by 1.2.
    right, left = [90, 40, 210, 160], [254, 78, 326, 222]
    joints = np.array([100, 50, 320, 210])
    np.testing.assert_allclose(interaction_bbox([right, left]), scale_boxes(joints, 1.2))
    np.testing.assert_allclose(interaction_bbox([right, left]), [78, 34, 342, 226])
    np.testing.assert_allclose(crop_bbox([right, left]), square_bbox(np.array([78, 34, 342, 226])))
    np.testing.assert_allclose(crop_bbox([right, left]), [45, -35, 375, 295])


def test_box_of_one_hand_stays():
    np.testing.assert_allclose(interaction_bbox(np.array([[10, 20, 50, 100]])), [10, 20, 50, 100])


def test_iou_by_hand():
    found = box_iou([box(0, 0), box(0, 0, 0, 0)], [box(50, 0), box(0, 0), box(200, 0)])
    np.testing.assert_allclose(found, [[50 / 150, 1, 0], [0, 0, 0]])


def test_affinity_by_hand():
    boxes = [box(0, 0), box(120, 0), box(50, 0)]
    a = pair_affinity(boxes, [-1, -1, -1], max_gap=0.4)
    assert a[0, 1] == pytest.approx(1 - 0.2 / 0.4, abs=1e-5)  # 20 px apart, 100 px large, no overlap
    assert a[0, 2] == pytest.approx(1 / 3 + 1, abs=1e-5)
    np.testing.assert_array_equal(a, a.T)
    assert (np.diag(a) == 0).all()


def test_no_hands_and_one_hand():
    assert groups([]) == []
    assert groups([box(0, 0)]) == [[0]]


def test_near_hands_pair_and_far_ones_do_not():
    assert groups([box(0, 0), box(110, 0)]) == [[0, 1]]
    assert groups([box(0, 0), box(140, 0)]) == [[0], [1]]  # 0.4 of their size
    assert groups([box(0, 0), box(140, 0)], max_gap=0.5) == [[0, 1]]


def test_hands_of_other_size_do_not_pair():
    assert groups([box(0, 0), box(100, 0, 45, 45)]) == [[0], [1]]
    assert groups([box(0, 0), box(100, 0, 55, 55)]) == [[0, 1]]


def test_sides_forbid_and_order():
    assert groups([box(0, 0), box(50, 0)], sides=[0, 0]) == [[0], [1]]
    assert groups([box(0, 0), box(50, 0)], sides=[1, 0]) == [[1, 0]]  # right first
    assert groups([box(0, 0), box(50, 0)], sides=[1, -1]) == [[1, 0]]


def test_three_hands_take_the_closest_pair():
    # The middle hand overlaps the right-hand one more.
    assert groups([box(0, 0), box(105, 0), box(185, 0)]) == [[0], [1, 2]]
    # With sides the closest pair may be of one side, and another is taken.
    assert groups([box(0, 0), box(105, 0), box(185, 0)], sides=[0, 1, 1]) == [[0, 1], [2]]


def test_four_in_a_row_pair_as_a_whole():
    # Greedy would take the two in the middle (10 px apart) and leave the ends (15 px from them) alone.
    assert groups([box(0, 0), box(115, 0), box(225, 0), box(340, 0)]) == [[0, 1], [2, 3]]


@pytest.mark.parametrize("seed", range(5))
def test_pairing_is_the_best_of_all(seed):
    rng = np.random.default_rng(seed)
    boxes = np.array([box(*rng.uniform(0, 250, 2), *rng.uniform(70, 120, 2)) for _ in range(6)])
    affinity = pair_affinity(boxes, np.full(6, -1))

    def pairings(left):
        if not left:
            yield []
            return
        first, *rest = left
        yield from pairings(rest)
        for other in rest:
            yield from ([(first, other), *more] for more in pairings([i for i in rest if i != other]))

    best = max(sum(affinity[p] for p in pairs) for pairs in pairings(list(range(6))))
    found = groups(boxes)
    assert sorted(itertools.chain(*found)) == list(range(6))
    assert max(map(len, found)) <= 2
    assert sum(affinity[tuple(g)] for g in found if len(g) == 2) == pytest.approx(best)


def test_best_score_comes_first():
    assert groups([box(0, 0), box(300, 0), box(600, 0)], scores=[0.4, 0.9, 0.6]) == [[1], [2], [0]]


def test_matching_is_one_to_one_and_whole():
    truth = np.array([box(0, 0), box(30, 0)])
    # The first found box fits both; the second only the first.
    assert match_boxes([box(12, 0), box(-20, 0)], truth) == {0: 1, 1: 0}
    assert match_boxes([box(80, 0)], truth[:1]) == {}
    assert match_boxes([], truth) == {}
    assert match_boxes([box(0, 0)], np.zeros((0, 4))) == {}
