from __future__ import annotations

import numpy as np
import pytest

from interhand_mm.inference.lifting import (
    FARTHEST_WRIST_MM,
    wrist_depths_from_size,
    wrist_depths_given,
)
from interhand_mm.structures.camera import camera_to_pixel, lift_to_camera
from interhand_mm.structures.joints import KNUCKLES, NUM_HAND_JOINTS, OWN_WRIST, PARENTS
from tests.fixtures.tiny import hand_world

FOCAL, PRINCIPAL = np.array([1200.0, 1210.0]), np.array([300.0, 260.0])
ALL = np.ones(42, bool)
RIGHT, LEFT = np.arange(42) < 21, np.arange(42) >= 21


def two_hands(seed=0):
    """(42, 3) mm in the camera's frame, tilted so that depths differ, and the palm's lengths (4,)."""
    rng = np.random.default_rng(seed)
    hands = [
        hand_world(rng, mirrored) + np.array(wrist) for mirrored, wrist in ((0, (-70, 60, 820)), (1, (80, 55, 905)))
    ]
    for hand in hands:
        hand[:20, 2] += rng.normal(size=20) * 12
        for knuckle, length in zip(KNUCKLES, (85.0, 84.0, 79.0, 75.0), strict=True):
            bone = hand[knuckle] - hand[20]
            hand[knuckle] = hand[20] + bone / np.linalg.norm(bone) * length
    return np.concatenate(hands), np.array([85.0, 84.0, 79.0, 75.0])


def project(points):
    uv = camera_to_pixel(points, FOCAL, PRINCIPAL)
    return np.column_stack([uv, points[:, 2] - points[OWN_WRIST, 2]])


@pytest.mark.parametrize("shown", [ALL, RIGHT, LEFT])
@pytest.mark.parametrize("seed", range(5))
def test_a_hand_of_the_assumed_size_comes_back_exactly(seed, shown):
    truth, palm = two_hands(seed)
    points = project(truth)
    rel = truth[41, 2] - truth[20, 2]
    depths = wrist_depths_from_size(points, shown, rel, FOCAL, PRINCIPAL, palm)
    lifted = lift_to_camera(points, depths, FOCAL, PRINCIPAL)
    assert np.abs(lifted - truth)[shown].max() < 1e-6


def test_a_child_and_a_giant_are_both_read_as_average():
    truth, palm = two_hands()
    for factor in (0.7, 1.3):
        # The image is the same, and the depths grow with the hand.
        points = project(truth * factor)
        depths = wrist_depths_from_size(points, ALL, factor * 85.0, FOCAL, PRINCIPAL, palm * factor)
        assert depths[0] == pytest.approx(820 * factor)
        guessed = wrist_depths_from_size(points, ALL, factor * 85.0, FOCAL, PRINCIPAL, palm)
        # Nearer for a giant, further for a child than where they are, though not quite by the factor:
        # the relative depths stay as they were measured.
        assert (guessed[0] < 820 * factor) == (factor > 1)


def test_given_depths():
    truth, _ = two_hands(1)
    points, rel = project(truth), truth[41, 2] - truth[20, 2]
    for given in (float(truth[20, 2]), (float(truth[20, 2]), float(truth[41, 2]))):
        depths = wrist_depths_given(given, ALL, rel)
        assert np.abs(lift_to_camera(points, depths, FOCAL, PRINCIPAL) - truth).max() < 1e-6
    assert wrist_depths_given(900.0, LEFT, np.nan).tolist() == [900.0, 900.0]


def test_a_hand_not_shown_stays_nan_and_does_not_disturb_the_other():
    truth, palm = two_hands(2)
    points = project(truth)
    points[21:] = np.nan
    lifted = lift_to_camera(
        points, wrist_depths_from_size(points, RIGHT, np.nan, FOCAL, PRINCIPAL, palm), FOCAL, PRINCIPAL
    )
    assert np.abs(lifted[:NUM_HAND_JOINTS] - truth[:NUM_HAND_JOINTS]).max() < 1e-6
    assert np.isnan(lifted[NUM_HAND_JOINTS:]).all()


def test_impossible_predictions_give_bounded_depths():
    palm = np.array([85.0, 84.0, 79.0, 75.0])
    same = np.tile([300.0, 260.0, 0.0], (42, 1))
    assert wrist_depths_from_size(same, ALL, 0.0, FOCAL, PRINCIPAL, palm)[0] == FARTHEST_WRIST_MM
    deep = project(two_hands()[0])
    deep[:, 2] = np.where(np.arange(42) % 4 == 3, 190.0, -190.0)  # depths alone are longer than the palms
    depths = wrist_depths_from_size(deep, ALL, 0.0, FOCAL, PRINCIPAL, palm)
    lifted = lift_to_camera(deep, depths, FOCAL, PRINCIPAL)
    assert np.isfinite(lifted).all()
    assert lifted[:, 2].min() > 0


def test_known_bone_lengths_calm_the_depth_and_do_not_move_it():
    truth, palm = two_hands(3)
    exact, rel, rng = project(truth), truth[41, 2] - truth[20, 2], np.random.default_rng(0)
    parents = np.array(PARENTS)
    bones = np.where(parents < 0, np.nan, np.linalg.norm(truth - truth[parents], axis=1))
    depths = {"palm": [], "bones": []}
    for _ in range(200):
        points = exact + rng.normal(0, 1, exact.shape) * (3.0, 3.0, 4.0)
        points[:, 2] -= points[OWN_WRIST, 2]
        for name, known in (("palm", None), ("bones", bones)):
            found = wrist_depths_from_size(points, ALL, rel, FOCAL, PRINCIPAL, palm, known)
            depths[name].append(found[0])
    assert np.std(depths["bones"]) < 0.85 * np.std(depths["palm"])
    assert wrist_depths_from_size(exact, ALL, rel, FOCAL, PRINCIPAL, palm, bones)[0] == pytest.approx(truth[20, 2])
