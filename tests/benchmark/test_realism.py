from __future__ import annotations

import cv2
import numpy as np
import pytest

from interhand_mm.benchmark.realism import flexion, hand_region, hand_statistics, mediapipe_finds, octave_energy
from interhand_mm.errors import EvaluationError
from interhand_mm.structures.joints import FINGERS, RIGHT_WRIST


def open_hand(size: float = 200.0) -> np.ndarray:
    """(21, 2) px of a flat hand with straight fingers, which point up."""
    points = np.zeros((21, 2))
    for finger in range(len(FINGERS)):
        x = size * (0.1 + 0.2 * finger)
        points[4 * finger : 4 * finger + 4] = [(x, size * y) for y in (0.1, 0.25, 0.4, 0.55)]
    points[RIGHT_WRIST] = (size / 2, size)
    return points


def test_inside_and_border_do_not_overlap() -> None:
    points = open_hand()
    inside, border = hand_region(points)
    assert not (inside & border).any()
    assert all(inside[round(y), round(x)] for x, y in points[:20])
    assert border.sum() > 500


def test_flexion_of_straight_and_folded_fingers() -> None:
    points = open_hand()
    assert flexion(points) == pytest.approx(0.0, abs=1e-6)
    for finger in range(1, len(FINGERS)):
        points[4 * finger] = points[4 * finger + 3]  # the tips at the bases
    assert flexion(points) == pytest.approx(1.0)


@pytest.mark.parametrize(("wave", "octave"), [(2.5, 0), (5.2, 1), (10.5, 2), (21.0, 3)])
def test_energy_is_in_the_octave_of_its_wave(wave: float, octave: int) -> None:
    x = np.arange(256)
    gray = np.tile(np.sin(2 * np.pi * x / wave), (256, 1)).astype(np.float32) * 50
    energies = octave_energy(gray, np.ones((256, 256), bool))
    assert int(np.argmax(energies)) == octave


def test_statistics_do_not_depend_on_the_size_of_the_image() -> None:
    rng = np.random.default_rng(0)
    fine = cv2.resize(rng.integers(60, 200, (60, 60, 3)).astype(np.uint8), (960, 960), interpolation=cv2.INTER_CUBIC)
    half = cv2.resize(fine, (480, 480), interpolation=cv2.INTER_AREA)
    large, small = (
        hand_statistics(fine, open_hand(800.0) + 60),
        hand_statistics(half, (open_hand(800.0) + 60) / 2 - 0.25),
    )
    assert large is not None
    assert small is not None
    for name in ("brightness", "saturation", "flexion", "hand / image", "inside, 3.2 px"):
        assert small[name] == pytest.approx(large[name], rel=0.05, abs=0.01), name


def test_blur_lowers_the_fine_octaves() -> None:
    rng = np.random.default_rng(0)
    sharp = rng.integers(60, 200, (300, 300, 3)).astype(np.uint8)
    rows = [hand_statistics(image, open_hand(240.0) + 20) for image in (sharp, cv2.GaussianBlur(sharp, (0, 0), 1.0))]
    assert rows[1]["inside, 0.8 px"] < 0.5 * rows[0]["inside, 0.8 px"]


def test_small_hands_have_no_statistics() -> None:
    assert hand_statistics(np.zeros((200, 200, 3), np.uint8), open_hand(60.0)) is None


def test_missing_mediapipe_is_named() -> None:
    with pytest.raises(EvaluationError, match="MediaPipe Hands failed"):
        mediapipe_finds("/bin/false", ["a.jpg"])
