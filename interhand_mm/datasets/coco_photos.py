"""Read photographs of hands in COCO form for testing the detector and the pose network together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import AnnotationError
from ..structures.boxes import corners_of
from ..structures.joints import NUM_HAND_JOINTS, SIDES
from ..structures.photos import UNKNOWN_SIDE, AnnotatedPhoto, LabelledHand
from .coco_check import read_coco
from .coco_hand import COCO_FILE_FIX, TWO_HANDS, joint_order

_NO_FOLDER = "images"


def read_photos(ann_file: str | Path, label_prefix: str = "") -> list[AnnotatedPhoto]:
    """Read a COCO file of docs/datasets/photographs.md, whatever of it is annotated: boxes, sides, joints in 2D or 3D.

    Boxes of the category "two_hands" become pairs, boxes with `iscrowd` or `ignore` are ignored, and those of other
    categories with "hand", "right" or "left" in their names are single hands. Further categories are left out. The part
    of an image is the first folder of its name; without folders it is its `source`.

    Args:
        ann_file: COCO file.
        label_prefix: Prefix of `keypoints`, `side` and `hands` in the file, such as "pseudo_".

    Returns:
        One record per image, in the order of the file.

    Raises:
        AnnotationError: The file is missing or broken, has no image or no category of hands, or an annotation cannot
            be read.
    """
    path = Path(ann_file)
    content = read_coco(path, COCO_FILE_FIX)
    names = {category["id"]: category["name"] for category in content["categories"]}
    has_joints = any(category.get("keypoints") for category in content["categories"])
    order = joint_order(content["categories"], path) if has_joints else None
    of_image: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in content["images"]}
    if not of_image or not any(map(_is_hand, names.values())):
        got = f"{len(of_image)} images, categories {sorted(names.values())}"
        raise AnnotationError(f"{path} has no images or no category of hands", got=got, fix=COCO_FILE_FIX)
    for number, record in enumerate(content["annotations"]):
        if record["image_id"] not in of_image or record["category_id"] not in names:
            raise AnnotationError(f"{path}: annotations[{number}] belongs to no image or to no category", got=record)
        name = names[record["category_id"]]
        if _is_hand(name):
            of_image[record["image_id"]].append({**record, "category": name, "number": number})
    return [_photo(image, of_image[image["id"]], label_prefix, order, path) for image in content["images"]]


def _is_hand(category: str) -> bool:
    return any(word in category.lower() for word in ("hand", *SIDES))


def _photo(
    image: dict[str, Any], records: Sequence[dict[str, Any]], prefix: str, order: np.ndarray | None, path: Path
) -> AnnotatedPhoto:
    boxes: dict[str, list[np.ndarray]] = {"single": [], "pair": [], "ignored": []}
    labels: list[LabelledHand] = []
    for record in records:
        try:
            kind, found = _read_record(record, prefix, order)
            boxes[kind].append(_box(record["bbox"]))
        except (ValueError, TypeError, KeyError) as error:
            got = f"{type(error).__name__}: {error}"
            raise AnnotationError(f"{path}: annotations[{record['number']}] cannot be read", got=got) from error
        labels += found
    folders = Path(image["file_name"]).parts[:-1]
    camera = None
    if "focal" in image and "principal_pt" in image:
        camera = (np.asarray(image["focal"], float), np.asarray(image["principal_pt"], float))
    single, pair, ignored = (np.reshape(each, (-1, 4)).astype(float) for each in boxes.values())
    part = folders[0] if folders else str(image.get("source", _NO_FOLDER))
    size = (int(image["width"]), int(image["height"]))
    return AnnotatedPhoto(image["file_name"], part, size, single, pair, ignored, tuple(labels), camera)


def _box(xywh: Sequence[float]) -> np.ndarray:
    box = np.array([float(value) for value in xywh])
    if box.shape != (4,) or not np.isfinite(box).all() or (box[2:] <= 0).any():
        raise ValueError(f"bbox {list(xywh)} is not x, y and a positive width and height")
    return corners_of(box)


def _read_record(record: dict[str, Any], prefix: str, order: np.ndarray | None) -> tuple[str, list[LabelledHand]]:
    """Return the kind of a box, and the hands in it whose joints are annotated."""
    if record.get("iscrowd") or record.get("ignore"):
        return "ignored", []
    parts = record.get(f"{prefix}hands")
    if record["category"] == TWO_HANDS or parts:
        # Joints of one hand alone do not say whose they are in a comparison with two hands.
        found = [_label(part, "", "", order) for part in parts or []]
        hands = [hand for hand in found if hand is not None]
        return "pair", hands if {hand.side for hand in hands} == {0, 1} and len(hands) == len(SIDES) else []
    hand = _label(record, prefix, record["category"], order)
    return "single", [] if hand is None else [hand]


def _label(record: dict[str, Any], prefix: str, category: str, order: np.ndarray | None) -> LabelledHand | None:
    keypoints = record.get(f"{prefix}keypoints")
    if not keypoints or order is None:
        return None
    points = np.asarray(keypoints, float).reshape(NUM_HAND_JOINTS, 3)[order]
    joints = record.get("keypoints_3d")
    side = record.get(f"{prefix}side", category)
    return LabelledHand(
        SIDES.index(side) if side in SIDES else UNKNOWN_SIDE,
        points[:, :2],
        points[:, 2] > 0,
        None if joints is None else np.asarray(joints, float).reshape(NUM_HAND_JOINTS, 3)[order],
    )
