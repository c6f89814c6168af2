"""Metrics of a detector and a pose network together, on photographs, and the table printed from them."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from ..structures.boxes import joints_bbox, square_bbox
from ..structures.joints import NUM_HAND_JOINTS
from ..structures.photos import UNKNOWN_SIDE, AnnotatedPhoto, FoundHands, LabelledHand
from ..utils.console import TextBuffer
from .functional.found_hands import average_precision, counted_hands, is_pair_found, match_by_score
from .functional.keypoints_2d import longer_side_px
from .functional.single_hand import procrustes_aligned

# Sizes of hands for recall: square root of the area of the annotated box, px.
SIZE_LIMITS_PX = (32, 64, 128)
# The joints of a hand are compared with those of an annotated one if their boxes overlap at least this much. It is
# low, because a wrong pose should count as a large error and not as a missing hand.
POSE_IOU = 0.1
PCK_SHARE = 0.1
SCORES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
CROP_PX = 256
ALL_PARTS = "all"
DEFINITIONS = {
    "hand": "joints of a shown hand; its box is the tight box of its joints times 1.2",
    "box": "a detector's box with at least the score threshold; without a detector, the box of a hand",
    "found": "IoU of at least .5 with an annotated box of one hand, one to one, highest score first",
    "false": "found nothing; up to two hands in an annotated box around two are neither right nor false",
    "box_AP50": "COCO's average precision at IoU .5, over boxes of all scores",
    "boxes_by_score": "the metrics of the boxes with at least this score",
    "box_to_joints": "median side of a detection divided by that of the joints' tight box times 1.2, which the pose "
    "network expects; with box_scale 1, 1 divided by it is the right box_scale",
    "pairs_found": "a right and a left hand, each at least half inside an annotated box around two, whose IoU with the "
    "box around both is at least .5",
    "pairs_found_any_side": "the same, whatever the sides of the two hands",
    "pairs_boxes_found": "the same for two boxes of the detector",
    "px_256": "px after scaling the square around an annotated hand (its joints' tight box times 1.5) to 256 px",
    "PCK@0.1": "share of the annotated joints nearer than .1 times the longer side of the joints' tight box; joints of "
    "hands that were not found count as wrong",
    "errors, side_accuracy": "over annotated hands that a hand overlaps with an IoU of at least .1",
    "PA_MPJPE_mm": "after translation, rotation and scale of each hand (FreiHAND's rule)",
    "ms": "median wall time of an image, batch of one, without reading it",
}


@dataclass
class _Judged:
    """What one image adds to the metrics; `photo_metrics` explains the names."""

    hands_right: int
    hands_false: int
    found: np.ndarray  # (M,) bool, annotated boxes that a hand matches
    sizes: np.ndarray  # (M,) px
    box_scores: np.ndarray  # (D,) of the detections that count
    box_right: np.ndarray  # (D,) bool
    box_ratios: np.ndarray  # (R,) side of a detection / side of the joints' box, labelled hands with a detection
    pairs: np.ndarray  # (P, 3) bool: a right and a left hand, two hands, two boxes
    joints: int
    joints_near: int
    errors_px: np.ndarray  # (J, 2) px of the image and of the crop, joints of matched hands
    errors_mm: np.ndarray  # (J,)
    sides_right: np.ndarray  # (L,) bool, matched hands whose side is known


def photo_metrics(
    photos: Sequence[AnnotatedPhoto], found: Sequence[FoundHands], score_thr: float
) -> dict[str, dict[str, Any]]:
    """Return the metrics of every part of the photographs, and of "all"; `DEFINITIONS` explains them.

    Args:
        photos: Annotated photographs.
        found: The answer to each of them.
        score_thr: Minimum score of the detections that count as boxes in recall and precision.

    Returns:
        Name of the part -> metrics, NaN where the part has no annotations for one, and "counts".
    """
    judged = [_judge(*pair, score_thr) for pair in zip(photos, found, strict=True)]
    parts = sorted({photo.part for photo in photos})
    rows = {part: [i for i, photo in enumerate(photos) if photo.part == part] for part in parts}
    if len(parts) > 1:
        rows[ALL_PARTS] = list(range(len(photos)))
    return {
        name: _part_metrics([photos[i] for i in own], [found[i] for i in own], [judged[i] for i in own], score_thr)
        for name, own in rows.items()
    }


def _judge(photo: AnnotatedPhoto, hands: FoundHands, score_thr: float) -> _Judged:
    matched = match_by_score(hands.boxes, hands.scores, photo.boxes)
    counted = counted_hands(hands.boxes, hands.scores, matched, photo.pairs, photo.ignored)
    hit = np.zeros(len(photo.boxes), bool)
    hit[matched[matched >= 0]] = True
    boxes, scores = hands.detections, hands.detection_scores
    if boxes is None:
        boxes, scores = hands.boxes, hands.scores
    box_matched = match_by_score(boxes, scores, photo.boxes)
    box_counted = counted_hands(boxes, scores, box_matched, photo.pairs, photo.ignored)
    sure = scores >= score_thr
    pairs = [
        (
            is_pair_found(hands.boxes, region, hands.sides),
            is_pair_found(hands.boxes, region),
            is_pair_found(boxes[sure], region),
        )
        for region in photo.pairs
    ]
    return _Judged(
        int((matched >= 0).sum()),
        int((counted & (matched < 0)).sum()),
        hit,
        np.sqrt((photo.boxes[:, 2:] - photo.boxes[:, :2]).prod(axis=1)),
        scores[box_counted],
        box_matched[box_counted] >= 0,
        _box_ratios(boxes, scores, photo.labels),
        np.reshape(pairs, (-1, 3)).astype(bool),
        *_pose_errors(photo.labels, hands),
    )


def _box_ratios(boxes: np.ndarray, scores: np.ndarray, labels: Sequence[LabelledHand]) -> np.ndarray:
    truth = np.reshape([joints_bbox(label.points, label.visible) for label in labels], (-1, 4))
    matched = match_by_score(boxes, scores, truth)
    sides = [np.sqrt((each[:, 2:] - each[:, :2]).prod(axis=1)) for each in (boxes, truth)]
    return sides[0][matched >= 0] / sides[1][matched[matched >= 0]]


def _at_score(judged: Sequence[_Judged], empty: Sequence[int], total: int, score_thr: float) -> dict[str, float]:
    """Return the metrics of the boxes with at least this score."""
    sure = [row.box_scores >= score_thr for row in judged]
    right = sum(int((keep & row.box_right).sum()) for keep, row in zip(sure, judged, strict=True))
    false = sum(int((keep & ~row.box_right).sum()) for keep, row in zip(sure, judged, strict=True))
    return {
        "boxes_found": _share(right, total),
        "false_boxes_per_image": false / len(judged),
        "boxes_precision": _share(right, right + false),
        "empty_images_with_a_box": _share(sum(bool(sure[i].any()) for i in empty), len(empty)),
    }


def _pose_errors(
    labels: Sequence[LabelledHand], hands: FoundHands
) -> tuple[int, int, np.ndarray, np.ndarray, np.ndarray]:
    """Return the last five fields of `_Judged`."""
    truth = [joints_bbox(label.points, label.visible) for label in labels]
    matched = match_by_score(hands.boxes, hands.scores, np.reshape(truth, (-1, 4)), POSE_IOU)
    near, pixels, millimeters, sides = 0, [np.zeros((0, 2))], [np.zeros(0)], []
    for row, number in enumerate(matched):
        if number < 0:
            continue
        label = labels[number]
        seen = label.visible
        distance = np.linalg.norm(hands.points[row] - label.points, axis=1)[seen]
        size = float(longer_side_px(label.points[None], seen[None])[0])
        square = square_bbox(truth[number])
        near += int((distance < PCK_SHARE * size).sum())
        pixels.append(distance[:, None] * (1.0, CROP_PX / (square[2] - square[0])))
        if label.joints_mm is not None:
            aligned = procrustes_aligned(hands.joints_mm[row][None], label.joints_mm[None])[0]
            millimeters.append(np.linalg.norm(aligned - label.joints_mm, axis=1))
        if label.side != UNKNOWN_SIDE:
            sides.append(bool(hands.sides[row] == label.side))
    joints = int(sum(label.visible.sum() for label in labels))
    return joints, near, np.concatenate(pixels), np.concatenate(millimeters), np.array(sides, bool)


def _part_metrics(
    photos: Sequence[AnnotatedPhoto], found: Sequence[FoundHands], judged: Sequence[_Judged], score_thr: float
) -> dict[str, Any]:
    total = sum(len(photo.boxes) for photo in photos)
    right, false = sum(row.hands_right for row in judged), sum(row.hands_false for row in judged)
    empty = [i for i, photo in enumerate(photos) if photo.is_empty]
    pairs = np.concatenate([row.pairs for row in judged])
    pixels = np.concatenate([row.errors_px for row in judged])
    millimeters = np.concatenate([row.errors_mm for row in judged])
    sides = np.concatenate([row.sides_right for row in judged])
    scores, is_right = (np.concatenate([getattr(row, name) for row in judged]) for name in ("box_scores", "box_right"))
    joints = sum(row.joints for row in judged)
    ratios = np.concatenate([row.box_ratios for row in judged])
    hit, sizes = (np.concatenate([getattr(row, name) for row in judged]) for name in ("found", "sizes"))
    return {
        "hands_found": _share(right, total),
        "false_hands_per_image": false / len(photos),
        "hands_precision": _share(right, right + false),
        "hands_found_by_size": _by_size(hit, sizes),
        **_at_score(judged, empty, total, score_thr),
        "box_AP50": average_precision(scores, is_right, total),
        "empty_images_with_a_hand": _share(sum(judged[i].hands_false > 0 for i in empty), len(empty)),
        "box_to_joints": _median(ratios),
        **{
            name: _mean(pairs[:, column])
            for column, name in enumerate(("pairs_found", "pairs_found_any_side", "pairs_boxes_found"))
        },
        "EPE_px": _mean(pixels[:, 0]),
        "EPE_px_256": _mean(pixels[:, 1]),
        f"PCK@{PCK_SHARE}": _share(sum(row.joints_near for row in judged), joints),
        "PA_MPJPE_mm": _mean(millimeters),
        "side_accuracy": _mean(sides),
        "ms": _median(np.array([each.milliseconds for each in found])),
        "boxes_by_score": {}
        if found[0].detections is None
        else {f"{score:g}": _at_score(judged, empty, total, score) for score in SCORES},
        "counts": {
            "images": len(photos),
            "images_without_hands": len(empty),
            "hands": total,
            "pairs": len(pairs),
            "hands_with_joints": sum(len(photo.labels) for photo in photos),
            "hands_with_joints_compared": len(pixels) / NUM_HAND_JOINTS,
            "hands_with_3d_compared": len(millimeters) // NUM_HAND_JOINTS,
            "hands_with_sides_compared": len(sides),
        },
    }


def _by_size(found: np.ndarray, sizes: np.ndarray) -> dict[str, dict[str, float]]:
    limits = (0, *SIZE_LIMITS_PX, np.inf)
    rows = {}
    for low, high in itertools.pairwise(limits):
        own = (sizes >= low) & (sizes < high)
        name = f"{low}+ px" if high == np.inf else f"{low}-{high} px"
        rows[name] = {"found": _mean(found[own]), "hands": int(own.sum())}
    return rows


def _share(part: float, total: float) -> float:
    return part / total if total else float("nan")


def _median(values: np.ndarray) -> float:
    return float(np.median(values)) if len(values) else float("nan")


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else float("nan")


# Metric, its row in the table, and its digits; shares are printed in percent.
_ROWS = (
    ("hands_found", "hands found %", 1),
    ("false_hands_per_image", "false hands per image", 3),
    ("hands_precision", "precision of hands %", 1),
    ("boxes_found", "boxes found %", 1),
    ("false_boxes_per_image", "false boxes per image", 3),
    ("boxes_precision", "precision of boxes %", 1),
    ("box_AP50", "AP50 of boxes %", 1),
    ("box_to_joints", "side of a box / of the joints' box", 2),
    ("empty_images_with_a_hand", "empty images with a hand %", 1),
    ("empty_images_with_a_box", "empty images with a box %", 1),
    ("pairs_found", "pairs found, right and left %", 1),
    ("pairs_found_any_side", "pairs found, any sides %", 1),
    ("pairs_boxes_found", "pairs of boxes found %", 1),
    ("EPE_px", "2D error px of the image", 1),
    ("EPE_px_256", "2D error px of a 256 px crop", 1),
    (f"PCK@{PCK_SHARE}", f"PCK@{PCK_SHARE} %", 1),
    ("PA_MPJPE_mm", "PA-MPJPE mm", 1),
    ("side_accuracy", "right or left correct %", 1),
    ("ms", "ms per image", 1),
)


def photo_table(networks: Mapping[str, Mapping[str, Mapping[str, Any]]], width: int = 140) -> str:
    """Return the metrics as text: one table per estimator with a column per part.

    Args:
        networks: Name of each estimator -> result of `photo_metrics`.
        width: Width of the text in characters.
    """
    text = TextBuffer()
    console = Console(file=text, width=width)
    for name, parts in networks.items():
        table = Table(title=name, title_justify="left")
        table.add_column("")
        for part, block in parts.items():
            counts = block["counts"]
            table.add_column(f"{part}\n{counts['images']} images\n{counts['hands']} hands", justify="right")
        for metric, label, digits in _ROWS:
            scale = 100 if label.endswith("%") else 1
            table.add_row(label, *(_cell(scale * block[metric], digits) for block in parts.values()))
        for size in next(iter(parts.values()))["hands_found_by_size"]:
            cells = [block["hands_found_by_size"][size] for block in parts.values()]
            table.add_row(f"hands of {size} found %", *(_cell(100 * each["found"], 1, each["hands"]) for each in cells))
        console.print(table)
        if rows := list(parts.values())[-1]["boxes_by_score"]:
            console.print(_score_table(rows))
    return text.getvalue()


def _score_table(rows: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(title="boxes by minimum score", title_justify="left")
    table.add_column("")
    for score in rows:
        table.add_column(score, justify="right")
    for metric, label, digits in _ROWS:
        if all(metric in block for block in rows.values()):
            scale = 100 if label.endswith("%") else 1
            table.add_row(label, *(_cell(scale * block[metric], digits) for block in rows.values()))
    return table


def _cell(value: float, digits: int, count: int | None = None) -> str:
    if value != value:
        return "-"
    return f"{value:.{digits}f}" + ("" if count is None else f" of {count}")
