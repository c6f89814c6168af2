"""COCO files for training a detector on photographs of hands, with photographs without hands as negatives."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.coco_check import read_coco
from ..datasets.coco_hand import in_validation
from ..errors import AnnotationError
from ..structures.boxes import joints_bbox
from ..utils.coco import coco_detection
from ..utils.files import write_json
from ..utils.images import find_images, shown_size

_HAND = "hand"
_SPLITS = ("train", "val")


def prepare_hand_photos(
    ann_file: str, negatives: Sequence[str], out: str, label_prefix: str = "", val_share: float = 0.1
) -> list[str]:
    """Write `hands_{train,val}.json` and `negatives_{train,val}.json`, whose images are divided by their names.

    A box around two hands teaches a detector of single hands nothing; where the file lists both hands in it, their
    joints give two boxes, otherwise the image is left out.

    Args:
        ann_file: COCO file with the categories "hand" and "two_hands"; see `datasets.coco_hand`.
        negatives: Folders of photographs without hands.
        out: Folder for the files. Paths of negatives are absolute.
        label_prefix: Prefix of the keypoints in the file; see `datasets.coco_hand`.
        val_share: Share of the images in "val".

    Returns:
        Lines of a report.

    Raises:
        AnnotationError: The file is missing or broken, or a folder contains no images.
        ImageError: An image cannot be read.
    """
    hands, left_out = single_hand_boxes(read_coco(Path(ann_file)), label_prefix)
    empty = coco_detection(_images_in(negatives), [], [_HAND])
    lines = [f"left out: {count} images ({reason})" for reason, count in left_out.items()]
    for name, coco in (("hands", hands), ("negatives", empty)):
        for split in _SPLITS:
            part = _part(coco, split, val_share)
            write_json(Path(out) / f"{name}_{split}.json", part)
            lines.append(f"{name}_{split}.json: {len(part['images'])} images, {len(part['annotations'])} boxes")
    return lines


def single_hand_boxes(content: dict[str, Any], prefix: str = "") -> tuple[dict[str, Any], Counter[str]]:
    """Return a COCO file with one box per hand, and the numbers of images that were left out, by reason.

    Args:
        content: COCO file with the categories "hand" and "two_hands".
        prefix: Prefix of the list of the hands in a box around two.

    Raises:
        AnnotationError: An annotation belongs to no image or to no category.
    """
    names = {category["id"]: category["name"] for category in content["categories"]}
    boxes: dict[int, list[list[float]]] = {image["id"]: [] for image in content["images"]}
    unusable: dict[int, str] = {}
    for record in content["annotations"]:
        image, name = record["image_id"], names.get(record["category_id"])
        if image not in boxes or name is None:
            raise AnnotationError("an annotation belongs to no image or to no category", got=record)
        if name == _HAND:
            boxes[image].append(record["bbox"])
            continue
        inside = record.get(f"{prefix}hands", [])
        if len(inside) != 2:
            unusable[image] = "two hands in one box"
        boxes[image] += [_box_of(hand["keypoints"]) for hand in inside]
    images = [image for image in content["images"] if image["id"] not in unusable]
    rows = [(image["id"], box) for image in images for box in boxes[image["id"]]]
    records = [
        {"image_id": image, "category": 0, "bbox": box, "area": box[2] * box[3], "iscrowd": 0} for image, box in rows
    ]
    return coco_detection(images, records, [_HAND]), Counter(unusable.values())


def _box_of(keypoints: Sequence[float]) -> list[float]:
    x1, y1, x2, y2 = joints_bbox(np.asarray(keypoints, float).reshape(-1, 3)[:, :2]).tolist()
    return [x1, y1, x2 - x1, y2 - y1]


def _images_in(folders: Sequence[str]) -> list[dict[str, Any]]:
    images: list[dict[str, Any]] = []
    for folder in folders:
        files = find_images(folder)
        if not files:
            raise AnnotationError(f"no images in {folder}")
        for file in files:
            (width, height), _ = shown_size(file)
            path = str(Path(file).resolve())
            images.append({"id": len(images) + 1, "file_name": path, "width": width, "height": height})
    return images


def _part(coco: dict[str, Any], split: str, val_share: float) -> dict[str, Any]:
    wanted = split == "val"
    images = [image for image in coco["images"] if in_validation(image["file_name"], val_share) == wanted]
    chosen = {image["id"] for image in images}
    return {
        "images": images,
        "annotations": [row for row in coco["annotations"] if row["image_id"] in chosen],
        "categories": coco["categories"],
    }
