from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interhand_mm.datasets.coco_photos import read_photos
from interhand_mm.errors import AnnotationError
from interhand_mm.structures.joints import FROM_OPENPOSE

FINGERS = ("thumb", "index", "middle", "ring", "pinky")
NAMES = ["wrist", *(f"{finger}{digit}" for finger in FINGERS for digit in (1, 2, 3, 4))]
POINTS = np.column_stack([np.arange(21), np.arange(21) + 10, np.ones(21)])


def write(folder: Path, annotations: list[dict[str, Any]], joints: bool = True, **image: Any) -> str:
    hand: dict[str, Any] = {"id": 1, "name": "hand"} | ({"keypoints": NAMES} if joints else {})
    record = {"id": 5, "file_name": "home/1.jpg", "width": 80, "height": 60, "source": "somebody"} | image
    categories = [hand, {"id": 2, "name": "two_hands"}, {"id": 3, "name": "person"}]
    content = {"images": [record], "annotations": annotations, "categories": categories}
    (folder / "hands.json").write_text(json.dumps(content))
    return str(folder / "hands.json")


def hand(category: int = 1, **more: Any) -> dict[str, Any]:
    return {"id": 1, "image_id": 5, "category_id": category, "bbox": [10, 20, 30, 40]} | more


def test_boxes_pairs_and_ignored_boxes_are_kept_apart(tmp_path: Path) -> None:
    path = write(tmp_path, [hand(), hand(2, bbox=[0, 0, 8, 9]), hand(iscrowd=1, bbox=[1, 1, 2, 2]), hand(3)])
    [photo] = read_photos(path)
    assert photo.boxes.tolist() == [[10, 20, 40, 60]]
    assert photo.pairs.tolist() == [[0, 0, 8, 9]]
    assert photo.ignored.tolist() == [[1, 1, 3, 3]]
    assert (photo.part, photo.size, photo.is_empty, photo.camera) == ("home", (80, 60), False, None)


def test_joints_come_in_our_order_with_what_is_known_of_them(tmp_path: Path) -> None:
    cam = np.arange(63.0).reshape(21, 3)
    keypoints = POINTS.copy()
    keypoints[0, 2] = 0  # the wrist is not annotated
    record = hand(my_keypoints=keypoints.ravel().tolist(), my_side="left", keypoints_3d=cam.ravel().tolist())
    [photo] = read_photos(write(tmp_path, [record], focal=[90, 91], principal_pt=[40, 30]), "my_")
    [label] = photo.labels
    np.testing.assert_array_equal(label.points, POINTS[FROM_OPENPOSE, :2])
    assert label.visible.tolist() == [True] * 20 + [False]
    np.testing.assert_array_equal(label.joints_mm, cam[FROM_OPENPOSE])
    assert label.side == 1
    assert photo.camera is not None
    assert photo.camera[0].tolist() == [90, 91]


@pytest.mark.parametrize(("sides", "count"), [(("right", "left"), 2), (("left", "left"), 0), (("left",), 0)])
def test_joints_in_a_box_around_two_count_if_there_are_two_sides(tmp_path: Path, sides: Any, count: int) -> None:
    inside = [{"keypoints": POINTS.ravel().tolist(), "side": side} for side in sides]
    [photo] = read_photos(write(tmp_path, [hand(2, hands=inside)]))
    assert len(photo.labels) == count
    assert len(photo.pairs) == 1


def test_boxes_are_enough(tmp_path: Path) -> None:
    [photo] = read_photos(write(tmp_path, [hand()], joints=False, file_name="1.jpg"))
    assert (len(photo.boxes), photo.labels, photo.part) == (1, (), "somebody")


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (hand(image_id=9), "belongs to no image or to no category"),
        (hand(bbox=[1, 2, 0, 4]), r"annotations\[0\] cannot be read"),
        (hand(keypoints=[1, 2, 3]), r"annotations\[0\] cannot be read"),
    ],
)
def test_a_broken_annotation_is_named(tmp_path: Path, record: dict[str, Any], message: str) -> None:
    with pytest.raises(AnnotationError, match=message):
        read_photos(write(tmp_path, [record]))


def test_a_file_without_hands_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cars.json").write_text(
        json.dumps({"images": [], "annotations": [], "categories": [{"id": 1, "name": "car"}]})
    )
    with pytest.raises(AnnotationError, match="no images or no category of hands"):
        read_photos(tmp_path / "cars.json")
