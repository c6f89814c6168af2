from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from interhand_mm.structures.joints import COLORS, LEFT_WRIST, RIGHT_WRIST
from interhand_mm.visualization import overlay
from interhand_mm.visualization.overlay import DrawStyle, draw_frame, draw_hands, presence_label
from interhand_mm.visualization.text import draw_text, text_size
from tests.fixtures.frames import make_frame, make_hands

GRAY = 90


def changed(image: np.ndarray) -> np.ndarray:
    return (image != GRAY).any(axis=-1)


def test_without_hands_the_image_is_as_it_was():
    frame = make_frame()
    assert np.array_equal(draw_frame(frame), frame.image)


def test_joints_are_where_they_should_be_and_the_input_stays():
    hands = make_hands()
    frame = make_frame(hands)
    drawn = draw_frame(frame)
    assert (frame.image == GRAY).all()
    for joint in (0, 7, RIGHT_WRIST, 21, 30, LEFT_WRIST):
        u, v = np.rint(hands.keypoints[joint, :2]).astype(int)
        assert tuple(drawn[v, u][::-1].tolist()) == COLORS[joint]


def test_right_is_rimmed_dark_and_left_light():
    points = np.full((42, 2), np.nan)
    points[RIGHT_WRIST], points[LEFT_WRIST] = (30, 40), (70, 40)
    drawn = draw_hands(np.full((80, 100, 3), GRAY, np.uint8), points, np.ones(42), thickness=6)
    right, left = drawn[40, 23].mean(), drawn[40, 63].mean()
    assert right < 50 < 230 < left


def test_absent_hands_and_nan_joints_are_not_drawn():
    both = make_hands()
    right_only = replace(both, presence=("yes", "no"))  # the left one's joints are there, and must not show
    frame = make_frame(right_only)
    drawn = draw_frame(frame, boxes=False, labels=False)
    assert changed(drawn)[:, :310].any()
    assert not changed(drawn)[:, 340:].any()
    gone = replace(both, keypoints=np.full((42, 3), np.nan))
    assert not changed(draw_frame(make_frame(gone), boxes=False, labels=False)).any()


def test_an_unsure_hand_is_fainter():
    sure, unsure = (
        draw_frame(make_frame(make_hands(presence=("yes", kind))), boxes=False, labels=False).astype(int)
        for kind in ("yes", "unsure")
    )
    assert np.array_equal(sure[:, :310], unsure[:, :310])
    strength = np.abs(unsure[:, 340:] - GRAY).sum() / np.abs(sure[:, 340:] - GRAY).sum()
    assert 0.4 < strength < 0.5


@pytest.mark.parametrize("value", [-50.0, 1e9, -1e9, np.nan])
def test_what_lies_outside_is_cut_off(value):
    hands = make_hands(presence=("yes", "unsure"))
    points = hands.keypoints.copy()
    points[[0, 20, 25, 41], 0] = value
    hands = replace(hands, keypoints=points, bbox=np.array([-300.0, -200, 900, 800]))
    drawn = draw_frame(make_frame(hands))
    assert drawn.shape == (480, 640, 3)
    assert changed(drawn).any()
    far = replace(hands, bbox=np.full(4, value), detections=np.full((1, 4), value))
    assert draw_frame(make_frame(far)).shape == (480, 640, 3)


def width_at(hands, size, style, point) -> int:
    """Width in px of what is drawn at a point, along its row."""
    drawn = draw_frame(make_frame(hands, size=size), boxes=False, labels=False, style=style)
    row = changed(drawn)[round(point[1])]
    left = right = round(point[0])
    while row[left]:
        left -= 1
    while row[right]:
        right += 1
    return right - left - 1


def test_lines_grow_with_the_image():
    widths = []
    for size in ((800, 600), (3200, 2400)):
        hands = make_hands(size)
        middle = hands.keypoints[[8, 9], :2].mean(axis=0)  # near the tip of the middle finger
        widths.append(width_at(hands, size, DrawStyle(), middle))
    assert widths[0] <= 12  # of 600 px
    assert widths[1] / widths[0] == pytest.approx(4, rel=0.3)


@pytest.mark.parametrize("presence", ["yes", "unsure"])
def test_lines_and_points_may_be_chosen(presence):
    size = (1600, 1200)
    hands = make_hands(size, presence=(presence, "no"))
    bone, tip = hands.keypoints[[8, 9], :2].mean(axis=0), hands.keypoints[8, :2]
    thin, thick = (width_at(hands, size, DrawStyle(line_px=line, point_px=1), bone) for line in (2, 12))
    assert thick - thin == pytest.approx(10 + 2 * 3, abs=3)  # the bone, and a rim of a third on each side
    # The row of a fingertip crosses its disk, with a rim of 1 px on each side.
    assert width_at(hands, size, DrawStyle(line_px=2, point_px=40), tip) == pytest.approx(42, abs=4)  # softened edges
    assert DrawStyle(8, None).scaled(0.5) == DrawStyle(4, None)


@pytest.mark.parametrize(
    ("presence", "prob", "tracks", "text"),
    [
        (("yes", "yes"), (0.98, 0.951), (None, None), "R .98 · L .95"),
        (("yes", "unsure"), (1.0, 0.55), (3, 4), "R #3 1.00 · L? #4 .55"),
        (("no", "yes"), (0.1, 0.9), (None, None), "L .90"),
        (("no", "no"), (0.1, 0.1), (None, None), "no hand"),
    ],
)
def test_labels(presence, prob, tracks, text):
    assert presence_label(make_hands(presence=presence, hand_prob=prob, track_ids=tracks)) == text


@pytest.mark.parametrize("size", [(100, 100), (60, 200), (640, 480)])
def test_labels_stay_inside_and_apart(monkeypatch, size):
    spots = []

    def record(canvas, text, left, top, size_px):
        spots.append((left, top, *text_size(text, size_px)))

    monkeypatch.setattr(overlay, "draw_text", record)
    crops = [make_hands(size, track_ids=(2 * i, 2 * i + 1)) for i in range(4)]
    draw_frame(make_frame(*crops, size=size))
    assert len(spots) == 4
    for i, (left, top, wide, high) in enumerate(spots):
        assert left >= 0
        assert top >= 0
        assert left + wide <= size[0]
        assert top + high <= size[1]
        for other in spots[:i]:
            assert top >= other[1] + other[3] or other[1] >= top + high


def test_text_outside_is_cut_off():
    canvas = np.full((40, 60, 3), 200, np.uint8)
    for left, top in ((-30, -5), (50, 30), (500, 500), (-500, -500)):
        draw_text(canvas, "R .98", left, top, 14)
    assert canvas.shape == (40, 60, 3)
    assert (canvas[:8, :8] != 200).any()
    assert (canvas[20, 30] == 200).all()
