"""Photographs of hands in COCO form, with 2D or 3D keypoints of one or two hands (docs/how-to/dataset.md)."""

from __future__ import annotations

import logging
import zlib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from mmengine.logging import print_log

from ..errors import AnnotationError, ConfigError
from ..registry import DATASETS
from ..structures.boxes import joints_bbox, square_bbox
from ..structures.camera import camera_to_pixel, pixel_to_camera
from ..structures.joints import HAND_JOINT_NAMES, HANDS, NUM_HAND_JOINTS, NUM_JOINTS, OWN_WRIST, SIDES, WRISTS
from .base import HandDataset
from .coco_check import read_coco
from .single_hand import named_metainfo

PARTS = ("all", "train", "val")
# Depth of a hand whose annotation has no depths. No loss and no metric uses it, because `depth_valid` is 0.
_UNKNOWN_MM = 700.0
TWO_HANDS = "two_hands"
COCO_FILE_FIX = "docs/datasets/photographs.md describes the file"
# With more than this share of another hand inside the crop, it is unclear whether the sample shows one hand or two.
_FOREIGN_SHARE = 0.3
# Weak perspective: the focal length of a photograph without a known camera, in units of its longer side (53 degrees).
_FOCAL_OF_UNKNOWN_CAMERA = 1.0


class Hand(NamedTuple):
    """One annotated hand of an image.

    Attributes:
        side: 0 for a right hand, 1 for a left one.
        pixels: (21, 2) px in this project's joint order.
        visible: (21,) bool, True where the joint is annotated.
        joints_cam: (21, 3) mm in the camera frame, or None.
        bbox: (4,) xyxy px, the annotated tight box.
    """

    side: int
    pixels: np.ndarray
    visible: np.ndarray
    joints_cam: np.ndarray | None
    bbox: np.ndarray


class _Row(NamedTuple):
    """One sample: a hand, or the right and the left hand of an image."""

    ann_id: int
    image: int
    hands: tuple[Hand, ...]
    side_known: bool


@DATASETS.register_module()
class CocoHandDataset(HandDataset):
    """Hands in COCO form: a sample is one hand, or the right and the left hand of a pair.

    An annotation has `keypoints` (21 times x, y, v) in the order of its category's `keypoints`, and a `side` ("right"
    or "left"); the category's name can give the side instead. `keypoints_3d` (21 times x, y, z in mm, camera frame) is
    optional, as are `focal` and `principal_pt` of an image; samples without it supervise u and v alone. An annotation
    of the category "two_hands" has `hands`, a list of such records, in place of keypoints. Annotations whose side is
    unknown or doubtful, without keypoints, or with other than one right and one left hand in `hands` are left out and
    counted in the log.

    Args:
        ann_file: COCO file.
        img_dir: Folder that the file names are relative to.
        label_prefix: Prefix of `keypoints`, `side`, `side_score` and `hands` in the file, such as "pseudo_" for labels
            that a network made.
        min_side_score: Annotations whose `side_score` is lower are left out.
        pair_reach: The only right and the only left hand of an image become one sample if the square around both is at
            most this many times as wide as that around the larger hand. 0: never.
        part: "train" and "val" divide the images by a hash of their names, "all" takes both.
        val_share: Share of the images that "val" contains.
        padding: Factor on the square around a tight box.
        dataset_name: Name in metrics and predictions.
        **kwargs: Options of `HandDataset`.

    Raises:
        AnnotationError: The file is missing or broken, its joints are unknown, or no sample is left.
        ConfigError: An option has a value that does not exist.
    """

    METAINFO = named_metainfo("coco_hand")

    def __init__(
        self,
        ann_file: str,
        img_dir: str,
        label_prefix: str = "",
        min_side_score: float = 0.0,
        pair_reach: float = 0.0,
        part: str = "all",
        val_share: float = 0.1,
        padding: float = 1.5,
        dataset_name: str = "coco_hand",
        **kwargs: Any,
    ) -> None:
        if part not in PARTS:
            raise ConfigError("part of CocoHandDataset is unknown", got=part, want=" or ".join(PARTS))
        super().__init__(**kwargs)
        self._metainfo["dataset_name"] = dataset_name
        self.img_dir, self.padding = Path(img_dir), padding
        self.images, self.rows, left_out = read_coco_hands(
            Path(ann_file), label_prefix, min_side_score, pair_reach, padding
        )
        if part != "all":
            names = {number: image["file_name"] for number, image in self.images.items()}
            self.rows = [row for row in self.rows if in_validation(names[row.image], val_share) == (part == "val")]
        if not self.rows:
            raise AnnotationError(f"no sample is left in {ann_file}", got=f"left out: {dict(left_out) or 'none'}")
        pairs = sum(len(row.hands) == 2 for row in self.rows)
        counted = "".join(f", {count} left out ({reason})" for reason, count in left_out.items())
        print_log(f"{ann_file}: {len(self.rows)} samples, {pairs} of them pairs{counted}", "current", logging.INFO)

    @property
    def protocol(self) -> dict[str, str]:
        """Source of the boxes and of the absolute depths, printed above every table of results."""
        return {"box": "gt", "depth": "gt"}

    def __len__(self) -> int:
        """Return the number of samples."""
        return len(self.rows)

    def load_item(self, idx: int) -> dict[str, Any]:
        """Return sample `idx` without its image; `structures/sample.py` lists its fields and units."""
        row = self.rows[idx]
        image = self.images[row.image]
        focal, principal_pt = camera_of(image)
        cam, visible = joints_of_hands(row.hands, focal, principal_pt)
        hand_type = np.zeros((1, 2), np.float32)
        hand_type[0, [hand.side for hand in row.hands]] = 1
        has_depth = all(hand.joints_cam is not None for hand in row.hands)
        relative = cam[:, 2] - cam[OWN_WRIST, 2]
        uv = camera_to_pixel(cam, focal, principal_pt)
        right, left = (cam[wrist, 2] for wrist in WRISTS)
        name = self._metainfo["dataset_name"]
        return {
            "img_path": str(self.img_dir / image["file_name"]),
            "sample_id": f"{name}/{image['file_name']}/{row.ann_id}",
            "ann_id": row.ann_id,
            "dataset_name": name,
            "image_size": (int(image["width"]), int(image["height"])),
            "bbox": sample_square(row.hands, self.padding).astype(np.float32),
            "keypoints": np.concatenate([uv, relative[:, None]], axis=1)[None].astype(np.float32),
            "keypoints_visible": visible[None].astype(np.float32),
            "keypoints_cam": cam[None].astype(np.float32),
            "depth_valid": np.float32(has_depth),
            "hand_type": hand_type,
            "hand_type_valid": np.float32(row.side_known),
            "rel_root_depth": np.float32(left - right if has_depth and len(row.hands) == 2 else 0),
            "rel_root_valid": np.float32(has_depth and len(row.hands) == 2),
            "abs_depth": np.array([right, left], np.float32),
            "focal": focal.astype(np.float32),
            "principal_pt": principal_pt.astype(np.float32),
        }


def in_validation(file_name: str, share: float) -> bool:
    """Return whether an image belongs to the validation part, by a hash of its name without the folder.

    Args:
        file_name: Path of the image.
        share: Share of all images that belong to the part.
    """
    return zlib.crc32(Path(file_name).name.encode()) / 2**32 < share


def camera_of(image: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return focal lengths (2,) and principal point (2,) in px of a COCO image; guesses where it gives none."""
    size = np.array([image["width"], image["height"]], float)
    focal = np.asarray(image.get("focal", np.full(2, size.max() * _FOCAL_OF_UNKNOWN_CAMERA)), float)
    return focal, np.asarray(image.get("principal_pt", size / 2), float)


def joints_of_hands(
    hands: Sequence[Hand], focal: np.ndarray, principal_pt: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return 42 joints in the camera frame (42, 3) mm, and which of them are annotated (42,) bool.

    Joints without depths lie in one plane, joints that are not annotated at a wrist.
    """
    cam, visible = np.zeros((NUM_JOINTS, 3)), np.zeros(NUM_JOINTS, bool)
    for hand in hands:
        own = HANDS[hand.side]
        if hand.joints_cam is None:
            plane = np.full((NUM_HAND_JOINTS, 1), _UNKNOWN_MM)
            cam[own] = pixel_to_camera(np.concatenate([hand.pixels, plane], axis=1), focal, principal_pt)
        else:
            cam[own] = hand.joints_cam
        visible[own] = hand.visible & hand.visible[-1]  # the wrist is the last joint; depths are relative to it
    for other in {0, 1} - {hand.side for hand in hands}:
        cam[HANDS[other]] = cam[WRISTS[1 - other]]
    return cam, visible


def sample_square(hands: Sequence[Hand], padding: float) -> np.ndarray:
    """Return the square to crop (4,) xyxy px, around the boxes of all hands."""
    boxes = np.stack([hand.bbox for hand in hands])
    return square_bbox(np.concatenate([boxes[:, :2].min(0), boxes[:, 2:].max(0)]), padding)


def read_coco_hands(
    path: Path, prefix: str = "", min_side_score: float = 0.0, pair_reach: float = 0.0, padding: float = 1.5
) -> tuple[dict[int, dict[str, Any]], list[_Row], Counter[str]]:
    """Read a COCO file; the arguments are those of `CocoHandDataset`.

    Returns:
        The images by id, one row per sample in the order of the file, and the numbers of annotations left out, by
        reason.

    Raises:
        AnnotationError: The file is missing or broken, or its joints are unknown.
    """
    content = read_coco(path, COCO_FILE_FIX)
    images = {image["id"]: image for image in content["images"]}
    categories = {category["id"]: category for category in content["categories"]}
    order = joint_order(content["categories"], path)
    left_out: Counter[str] = Counter()
    by_image: dict[int, list[tuple[int, tuple[Hand, ...] | None, np.ndarray]]] = {}
    for record in content["annotations"]:
        if record["image_id"] not in images or "id" not in record:
            raise AnnotationError(f"{path}: an annotation has no id, or belongs to no image", got=record)
        category = categories.get(record["category_id"], {}).get("name", "")
        try:
            found = _hands_of(record, category, prefix, min_side_score, order)
        except (ValueError, TypeError, KeyError) as error:
            got = f"{type(error).__name__}: {error}"
            raise AnnotationError(f"{path}: annotation {record['id']} cannot be read", got=got) from error
        if isinstance(found, str):
            left_out[found] += 1
        hands = None if isinstance(found, str) else found
        by_image.setdefault(record["image_id"], []).append((record["id"], hands, _xyxy(record["bbox"])))
    rows = [row for image, found in by_image.items() for row in _rows_of(image, found, pair_reach, padding)]
    return images, rows, left_out


def joint_order(categories: Sequence[dict[str, Any]], path: Path) -> np.ndarray:
    """Return the positions (21,) of this project's joints in the `keypoints` of the first category that names them.

    Raises:
        AnnotationError: No category names the 21 joints.
    """
    names = next((list(category["keypoints"]) for category in categories if category.get("keypoints")), [])
    if sorted(names) != sorted(HAND_JOINT_NAMES):
        raise AnnotationError(
            f"{path} does not name the 21 joints of a hand",
            got=names[:6], want=f"categories with 'keypoints': {list(HAND_JOINT_NAMES)} in any order",
            fix="write their names into the category; 4 is the fingertip, 1 the joint next to the palm",
        )  # fmt: skip
    return np.array([names.index(name) for name in HAND_JOINT_NAMES])


def _xyxy(xywh: Sequence[float]) -> np.ndarray:
    x, y, width, height = (float(value) for value in xywh)
    return np.array([x, y, x + width, y + height])


def _hands_of(
    record: dict[str, Any], category: str, prefix: str, min_side_score: float, order: np.ndarray
) -> tuple[Hand, ...] | str:
    """Return the hands of an annotation, or the reason why it is left out."""
    parts = record.get(f"{prefix}hands")
    if category == TWO_HANDS or parts:
        # Inside the list names have no prefix. The boxes are those of the joints, because the annotated one is of both.
        found = [_hand_of(part, "", "", min_side_score, order) for part in parts or []]
        hands = tuple(hand for hand in found if isinstance(hand, Hand))
        if len(found) != 2 or {hand.side for hand in hands} != {0, 1}:
            return "not one right and one left hand"
        return tuple(sorted(hands, key=lambda hand: hand.side))
    hand = _hand_of(record, category, prefix, min_side_score, order)
    return hand if isinstance(hand, str) else (hand,)


def _hand_of(
    record: dict[str, Any], category: str, prefix: str, min_side_score: float, order: np.ndarray
) -> Hand | str:
    keypoints = record.get(f"{prefix}keypoints")
    if not keypoints:
        return "no keypoints"
    side = record.get(f"{prefix}side", category)
    if side not in SIDES:
        return "side unknown"
    if record.get(f"{prefix}side_score", 1.0) < min_side_score:
        return "side doubtful"
    points = np.asarray(keypoints, float).reshape(-1, 3)
    if points.shape != (NUM_HAND_JOINTS, 3):
        return "not 21 keypoints"
    points = points[order]
    joints = record.get("keypoints_3d")
    cam = None if joints is None else np.asarray(joints, float).reshape(NUM_HAND_JOINTS, 3)[order]
    visible = points[:, 2] > 0
    box = _xyxy(record["bbox"]) if "bbox" in record else joints_bbox(points[:, :2], visible)
    return Hand(SIDES.index(side), points[:, :2], visible, cam, box)


def _rows_of(
    image: int,
    found: Sequence[tuple[int, tuple[Hand, ...] | None, np.ndarray]],
    pair_reach: float,
    padding: float,
) -> list[_Row]:
    """Return the samples of one image: its pair, or each annotation on its own."""
    usable = [(ann_id, hands) for ann_id, hands, _ in found if hands is not None]
    pair = tuple(sorted((hand for _, hands in usable for hand in hands), key=lambda hand: hand.side))
    if len(found) == len(usable) == 2 and {hand.side for hand in pair} == {0, 1} and len(pair) == 2:
        widths = [np.diff(sample_square(part, 1.0)[[0, 2]])[0] for part in ((pair[0],), (pair[1],), pair)]
        if widths[2] <= pair_reach * max(widths[:2]):
            return [_Row(usable[0][0], image, pair, True)]
    rows = []
    for position, (ann_id, hands, _) in enumerate(found):
        if hands is not None:
            others = [box for index, (_, _, box) in enumerate(found) if index != position]
            clear = _foreign_share(sample_square(hands, padding), others) <= _FOREIGN_SHARE
            rows.append(_Row(ann_id, image, hands, clear))
    return rows


def _foreign_share(square: np.ndarray, boxes: Sequence[np.ndarray]) -> float:
    """Return the largest share of a box that lies in the square."""
    shares = [0.0]
    for box in boxes:
        inner = np.minimum(square[2:], box[2:]) - np.maximum(square[:2], box[:2])
        area = float(np.prod(box[2:] - box[:2]))
        if area > 0:
            shares.append(float(np.maximum(inner, 0).prod()) / area)
    return max(shares)
