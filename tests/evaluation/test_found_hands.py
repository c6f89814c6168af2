"""Hands found in photographs: planted answers with numbers computed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from interhand_mm.evaluation.functional.found_hands import average_precision, counted_hands, match_by_score
from interhand_mm.evaluation.photo_report import photo_metrics, photo_table
from interhand_mm.structures.boxes import joints_bbox
from interhand_mm.structures.photos import AnnotatedPhoto, FoundHands, LabelledHand

NOTHING = np.zeros((0, 4))
BOX = np.array([100.0, 100, 200, 200])


def moved(box: np.ndarray, x: float, y: float) -> np.ndarray:
    return box + np.array([x, y, x, y])


def joints(box: np.ndarray = BOX) -> np.ndarray:
    """(21, 2) px along the diagonal of a box, whose `joints_bbox` is that box."""
    low, high = box[:2] + (box[2:] - box[:2]) / 12, box[2:] - (box[2:] - box[:2]) / 12
    return low + np.linspace(0, 1, 21)[:, None] * (high - low)


def photo(boxes: Any = NOTHING, pairs: Any = NOTHING, labels: Any = (), part: str = "a") -> AnnotatedPhoto:
    return AnnotatedPhoto(
        "a/1.jpg", part, (640, 480), np.reshape(boxes, (-1, 4)), np.reshape(pairs, (-1, 4)), NOTHING, tuple(labels)
    )


def found(*boxes: Any, scores: Any = None, sides: Any = None, shift: float = 0.0) -> FoundHands:
    """Hands in these boxes, their joints shifted to the right."""
    if not boxes:
        return FoundHands.nothing(5.0)
    points = np.stack([joints(np.array(box, float)) for box in boxes]) + np.array([shift, 0])
    count = len(boxes)
    return FoundHands(
        points, joints_bbox(points), np.array(scores or [0.9] * count), np.array(sides or [0] * count),
        np.concatenate([points, np.zeros((count, 21, 1))], axis=2), 5.0,
    )  # fmt: skip


def metrics(annotated: AnnotatedPhoto, hands: FoundHands) -> dict[str, Any]:
    return photo_metrics([annotated], [hands], 0.3)["a"]


def test_a_box_is_matched_once_by_the_best_score() -> None:
    boxes = np.array([BOX, BOX + 5, BOX + 80])
    assert match_by_score(boxes, np.array([0.5, 0.7, 0.9]), BOX[None]).tolist() == [-1, 0, -1]
    assert match_by_score(boxes[:0], np.zeros(0), BOX[None]).tolist() == []
    assert match_by_score(boxes, np.ones(3), NOTHING).tolist() == [-1, -1, -1]


def test_one_hand_found_one_missed_and_one_false() -> None:
    other, away = moved(BOX, 150, 0), moved(BOX, 0, 250)
    row = metrics(photo([BOX, other]), found(BOX, away))
    assert (row["hands_found"], row["false_hands_per_image"], row["hands_precision"]) == (0.5, 1.0, 0.5)
    assert row["hands_found_by_size"]["64-128 px"] == {"found": 0.5, "hands": 2}
    assert row["counts"]["hands"] == 2


def test_two_hands_in_a_box_around_two_are_not_false_but_a_third_is() -> None:
    pair = np.array([100.0, 100, 300, 200])
    two = found(BOX, moved(BOX, 100, 0), sides=[0, 1])
    row = metrics(photo(pairs=pair), two)
    assert row["false_hands_per_image"] == 0
    assert row["pairs_found"] == row["pairs_found_any_side"] == 1
    assert np.isnan(row["hands_found"])
    three = np.array([[100, 100, 200, 200], [200, 100, 300, 200], [150, 100, 250, 200]], float)
    counted = counted_hands(three, np.array([0.9, 0.8, 0.7]), np.full(3, -1), pair[None], NOTHING)
    assert counted.tolist() == [False, False, True]


@pytest.mark.parametrize(
    ("boxes", "sides", "any_side", "right_and_left"),
    [
        ([[100, 100, 200, 200], [200, 100, 300, 200]], [0, 0], 1, 0),  # both of one side
        ([[100, 100, 200, 200]], [0], 0, 0),  # one hand
        ([[100, 100, 140, 140], [110, 110, 150, 150]], [0, 1], 0, 0),  # both small, in a corner
        ([[100, 100, 200, 200], [300, 100, 400, 200]], [0, 1], 0, 0),  # one of them outside
    ],
)
def test_what_is_no_pair(boxes: Any, sides: Any, any_side: float, right_and_left: float) -> None:
    row = metrics(photo(pairs=[100, 100, 300, 200]), found(*boxes, sides=sides))
    assert (row["pairs_found_any_side"], row["pairs_found"]) == (any_side, right_and_left)


def test_images_without_hands() -> None:
    photos, hands = (
        [photo(part="empty"), photo(part="empty"), photo(BOX, part="people")],
        [found(BOX), found(), found()],
    )
    rows = photo_metrics(photos, hands, 0.3)
    assert rows["empty"]["empty_images_with_a_hand"] == 0.5
    assert rows["empty"]["counts"]["images_without_hands"] == 2
    assert rows["all"]["false_hands_per_image"] == pytest.approx(1 / 3)
    assert rows["people"]["hands_found"] == 0
    assert np.isnan(rows["people"]["empty_images_with_a_hand"])


def test_errors_of_the_joints_in_pixels_of_the_image_and_of_the_crop() -> None:
    label = LabelledHand(1, joints(), np.ones(21, bool), np.concatenate([joints(), np.zeros((21, 1))], axis=1))
    row = metrics(photo(BOX, labels=[label]), found(BOX, sides=[1], shift=5.0))
    assert row["EPE_px"] == pytest.approx(5.0)
    # The joints' box is 100 px wide, the crop around it 125 px.
    assert row["EPE_px_256"] == pytest.approx(5.0 * 256 / 125)
    assert row["PCK@0.1"] == 1  # 5 px are less than a tenth of 83 px
    assert row["PA_MPJPE_mm"] == pytest.approx(0, abs=1e-6)  # a shift is aligned away
    assert row["side_accuracy"] == 1
    assert metrics(photo(BOX, labels=[label]), found(BOX, sides=[0], shift=9.0))["PCK@0.1"] == 0


def test_a_missed_hand_lowers_the_pck_and_not_the_error() -> None:
    far = moved(BOX, 300, 0)
    labels = [LabelledHand(-1, joints(box), np.ones(21, bool)) for box in (BOX, far)]
    row = metrics(photo([BOX, far], labels=labels), found(BOX))
    assert (row["PCK@0.1"], row["EPE_px"]) == (0.5, pytest.approx(0, abs=1e-9))
    assert np.isnan(row["side_accuracy"])  # the side is not annotated
    assert np.isnan(row["PA_MPJPE_mm"])
    assert row["counts"]["hands_with_joints_compared"] == 1


def test_a_wrong_pose_is_a_large_error_and_no_missing_hand() -> None:
    label = LabelledHand(0, joints(), np.ones(21, bool))
    row = metrics(photo(BOX, labels=[label]), found(BOX, shift=50.0))  # IoU 1/3
    assert row["hands_found"] == 0
    assert row["EPE_px"] == pytest.approx(50)


def test_the_threshold_divides_recall_and_average_precision_of_boxes() -> None:
    detections = np.stack([BOX, BOX + 200])
    hands = replace(found(), detections=detections, detection_scores=np.array([0.2, 0.1]))
    row = metrics(photo(BOX), hands)
    assert (row["boxes_found"], row["false_boxes_per_image"]) == (0, 0)  # both below .3
    assert row["box_AP50"] == 1  # the right one has the higher score
    low, middle = (row["boxes_by_score"][score] for score in ("0.1", "0.2"))
    assert (low["boxes_found"], low["false_boxes_per_image"], low["boxes_precision"]) == (1, 1, 0.5)
    assert (middle["boxes_found"], middle["false_boxes_per_image"]) == (1, 0)
    assert "boxes by minimum score" in photo_table({"mine": {"a": row}})


def test_the_size_of_boxes_is_compared_with_the_joints() -> None:
    label = LabelledHand(0, joints(), np.ones(21, bool))
    large = np.array([[90.0, 90, 210, 210]])  # 120 px; the joints' box has 100 px
    hands = replace(found(), detections=large, detection_scores=np.array([0.9]))
    assert metrics(photo(BOX, labels=[label]), hands)["box_to_joints"] == pytest.approx(1.2)


def test_average_precision_is_that_of_coco() -> None:
    rng = np.random.default_rng(0)
    scores, right = rng.uniform(size=40), rng.uniform(size=40) < 0.6
    total = int(right.sum()) + 5
    order = np.argsort(-scores)
    hits = np.cumsum(right[order])
    precision, recall = hits / np.arange(1, 41), hits / total
    slow = np.mean([max(precision[recall >= at], default=0.0) for at in np.linspace(0, 1, 101)])
    assert average_precision(scores, right, total) == pytest.approx(slow)
    assert average_precision(np.zeros(0), np.zeros(0, bool), 3) == 0
    assert np.isnan(average_precision(np.zeros(0), np.zeros(0, bool), 0))


def test_the_table_has_a_column_per_part_and_a_dash_where_nothing_is_annotated() -> None:
    rows = photo_metrics([photo(BOX), photo(part="empty")], [found(BOX), found()], 0.3)
    text = photo_table({"mine": rows})
    assert "mine" in text
    found_line = next(line for line in text.splitlines() if "hands found" in line)
    cells = [cell.strip() for cell in found_line.replace("|", "│").split("│")][2:5]
    assert cells == ["100.0", "-", "100.0"]
