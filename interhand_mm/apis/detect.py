"""Detect the hands of a data set, for testing a pose network on detected boxes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..datasets.annotations.index import HandIndex, find_annotations, open_index
from ..inference.grouping import crop_bbox, group_hands, match_boxes
from ..inference.inferencer import Detector
from ..structures.boxes import square_bbox
from ..utils.files import write_json
from ..utils.images import read_image
from ..utils.provenance import provenance


def detect_split(
    detector: Detector,
    data_root: str,
    split: str,
    annot_subset: str = "all",
    batch_size: int = 16,
    progress: bool = True,
) -> dict[str, Any]:
    """Detect and group the hands of an InterHand2.6M-format split, and match the groups to the annotations.

    In each image, the boxes of the groups are matched one to one to the boxes of the annotations. Both are compared
    as the square that is cropped, and match if they overlap by at least `grouping.MIN_MATCH_IOU`.

    Args:
        detector: Hand detector, such as a `HandDetector`.
        data_root: Folder with images/ and annotations/.
        split: "train", "val" or "test".
        annot_subset: Annotation subset of InterHand2.6M's older layout.
        batch_size: Number of images that are read and detected at once.
        progress: Show a progress bar.

    Returns:
        "boxes": one entry per matched annotation, with "annot_id", "bbox" (the enlarged square, [x, y, w, h] px),
        "score" and "hands" (number of detections); "missed": ids of the annotations without a match; "counts": images,
        annotations, found, missed, hands, groups, unmatched_groups.
    """
    index = open_index(find_annotations(data_root, split, annot_subset))
    folder = Path(data_root) / "images" / split
    boxes: list[dict[str, Any]] = []
    counts = dict(images=0, annotations=len(index), found=0, missed=0, hands=0, groups=0, unmatched_groups=0)
    for batch in tqdm(list(_batches(index, batch_size)), desc="detecting", disable=not progress):
        found = detector([read_image(folder / name) for name, _ in batch])
        for (_, rows), hands in zip(batch, found, strict=True):
            groups = group_hands(hands.boxes, hands.scores, hands.sides)
            crops = [crop_bbox(hands.boxes[group]) for group in groups]
            matched = match_boxes(crops, np.array([_annotated_crop(index, row) for row in rows]))
            for number, g in matched.items():
                boxes.append(_record(index, rows[number], crops[g], hands.scores[groups[g]]))
            counts["images"] += 1
            counts["hands"] += len(hands.boxes)
            counts["groups"] += len(groups)
            counts["unmatched_groups"] += len(groups) - len(matched)
    missed = np.setdiff1d(index.ann_id, [record["annot_id"] for record in boxes]).tolist()
    counts.update(found=len(boxes), missed=len(missed))
    return {"boxes": boxes, "missed": missed, "counts": counts}


def _batches(index: HandIndex, size: int) -> Iterator[list[tuple[str, list[int]]]]:
    """Yield the images in batches, each image with the rows of its annotations."""
    rows: dict[str, list[int]] = {}
    for row in range(len(index)):
        rows.setdefault(index.file_name(row), []).append(row)
    images = list(rows.items())
    for start in range(0, len(images), size):
        yield images[start : start + size]


def _annotated_crop(index: HandIndex, row: int) -> np.ndarray:
    x, y, w, h = index.bbox[row].astype(np.float64)
    return square_bbox(np.array([x, y, x + w, y + h]))


def _record(index: HandIndex, row: int, crop: np.ndarray, scores: np.ndarray) -> dict[str, Any]:
    x1, y1, x2, y2 = (round(float(value), 3) for value in crop)
    bbox = [x1, y1, round(x2 - x1, 3), round(y2 - y1, 3)]
    return {
        "annot_id": int(index.ann_id[row]), "bbox": bbox, "score": round(float(scores.min()), 4), "hands": len(scores)
    }  # fmt: skip


def write_boxes(path: str | Path, found: dict[str, Any], **origin: Any) -> None:
    """Write the result of `detect_split` with its provenance, for `--boxes` of `tools/test.py`."""
    write_json(path, {**found, "provenance": provenance(**origin)})
