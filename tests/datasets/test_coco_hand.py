from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from interhand_mm.datasets.coco_hand import CocoHandDataset
from interhand_mm.errors import AnnotationError, ConfigError
from interhand_mm.structures.joints import FROM_OPENPOSE, HAND_JOINT_NAMES, HANDS, RIGHT_WRIST

NAMES = ["wrist", *(f"{finger}{k}" for finger in ("thumb", "index", "middle", "ring", "pinky") for k in (1, 2, 3, 4))]
SIZE = (200, 160)


def hand(x: float, y: float, side: float = 40.0) -> np.ndarray:
    """21 points in the file's order, each different."""
    index = np.arange(21)
    return np.stack([x + side * (index % 5) / 5, y + side * (index // 5) / 5], axis=1)


def record(ann_id: int, image: int, points: np.ndarray, **more: Any) -> dict[str, Any]:
    low, high = points.min(0), points.max(0)
    keypoints = np.column_stack([points, np.full(21, 2)]).ravel().tolist()
    return {
        "id": ann_id, "image_id": image, "category_id": 1, "bbox": [*low.tolist(), *(high - low).tolist()],
        "keypoints": keypoints, **more,
    }  # fmt: skip


def write(root: Path, annotations: list[dict[str, Any]], **image: Any) -> dict[str, str]:
    count = max((a["image_id"] for a in annotations), default=1)
    images = [
        {"id": i, "file_name": f"{i}.jpg", "width": SIZE[0], "height": SIZE[1], **image} for i in range(1, count + 1)
    ]
    for entry in images:
        cv2.imwrite(str(root / entry["file_name"]), np.full((SIZE[1], SIZE[0], 3), 90, np.uint8))
    categories = [{"id": 1, "name": "hand", "keypoints": NAMES}, {"id": 2, "name": "two_hands"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "hands.json").write_text(json.dumps(content))
    return {"ann_file": str(root / "hands.json"), "img_dir": str(root)}


def test_one_hand_goes_to_its_side_in_our_order(tmp_path: Path) -> None:
    points = hand(60, 50)
    dataset = CocoHandDataset(**write(tmp_path, [record(7, 1, points, side="left")]))
    sample = dataset.get_data_info(0)
    np.testing.assert_allclose(sample["keypoints"][0, HANDS[1], :2], points[FROM_OPENPOSE], atol=1e-3)
    np.testing.assert_array_equal(sample["hand_type"], [[0, 1]])
    np.testing.assert_array_equal(sample["keypoints_visible"][0], np.repeat([0, 1], 21))
    assert (sample["depth_valid"], sample["hand_type_valid"], sample["rel_root_valid"]) == (0, 1, 0)
    assert sample["ann_id"] == 7


def test_3d_keypoints_are_kept_with_their_camera(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    joints = rng.uniform(-60, 60, (21, 3)) + np.array([0, 0, 500])
    points = joints[:, :2] / joints[:, 2:] * 180 + [100, 80]
    files = write(
        tmp_path,
        [record(1, 1, points, side="right", keypoints_3d=joints.ravel().tolist())],
        focal=[180.0, 180.0],
        principal_pt=[100.0, 80.0],
    )
    sample = CocoHandDataset(**files).get_data_info(0)
    np.testing.assert_allclose(sample["keypoints_cam"][0, HANDS[0]], joints[FROM_OPENPOSE], atol=1e-3)
    assert sample["depth_valid"] == 1
    assert sample["abs_depth"][0] == pytest.approx(sample["keypoints_cam"][0, RIGHT_WRIST, 2])


@pytest.mark.parametrize(("gap", "pairs"), [(0, 1), (100, 0)])
def test_near_hands_of_an_image_become_one_sample(tmp_path: Path, gap: float, pairs: int) -> None:
    files = write(tmp_path, [record(1, 1, hand(10, 50), side="left"), record(2, 1, hand(50 + gap, 50), side="right")])
    dataset = CocoHandDataset(**files, pair_reach=2.5)
    assert len(dataset) == 2 - pairs
    hand_types = [dataset.get_data_info(i)["hand_type"].sum() for i in range(len(dataset))]
    assert hand_types == ([2] if pairs else [1, 1])


def test_a_hand_beside_a_foreign_one_has_no_hand_type(tmp_path: Path) -> None:
    files = write(tmp_path, [record(1, 1, hand(50, 50), side="left"), record(2, 1, hand(60, 60), side="left")])
    dataset = CocoHandDataset(**files)
    assert [dataset.get_data_info(i)["hand_type_valid"] for i in range(2)] == [0, 0]


def test_two_hands_in_one_box(tmp_path: Path) -> None:
    both = {
        "id": 3, "image_id": 1, "category_id": 2, "bbox": [10, 40, 120, 60],
        "pseudo_hands": [
            {key: value for key, value in record(0, 0, hand(70, 50), side="left", side_score=0.9).items() if key != "bbox"},
            {key: value for key, value in record(0, 0, hand(20, 50), side="right", side_score=0.8).items() if key != "bbox"},
        ],
    }  # fmt: skip
    files = write(tmp_path, [both])
    sample = CocoHandDataset(**files, label_prefix="pseudo_").get_data_info(0)
    np.testing.assert_array_equal(sample["hand_type"], [[1, 1]])
    assert sample["keypoints"][0, HANDS[0], 0].mean() < sample["keypoints"][0, HANDS[1], 0].mean()
    with pytest.raises(AnnotationError, match="no sample is left"):
        CocoHandDataset(**files, label_prefix="pseudo_", min_side_score=0.85)


def test_unusable_annotations_are_left_out_and_counted(tmp_path: Path) -> None:
    no_points = record(2, 1, hand(20, 20), side="left")
    del no_points["keypoints"]
    files = write(
        tmp_path,
        [record(1, 1, hand(20, 20)), no_points, record(3, 1, hand(20, 20), side="right", side_score=0.4)],
    )
    with pytest.raises(AnnotationError) as caught:
        CocoHandDataset(**files, min_side_score=0.5)
    for reason in ("side unknown", "no keypoints", "side doubtful"):
        assert reason in str(caught.value)


def test_train_and_val_divide_the_images(tmp_path: Path) -> None:
    files = write(tmp_path, [record(i, i, hand(20, 20), side="left") for i in range(1, 41)])
    ids = {
        part: {row.ann_id for row in CocoHandDataset(**files, part=part, val_share=0.3).rows}
        for part in ("train", "val", "all")
    }
    assert ids["train"] | ids["val"] == ids["all"] == set(range(1, 41))
    assert not ids["train"] & ids["val"]
    assert 3 < len(ids["val"]) < 22


def test_wrong_files_and_options_are_refused(tmp_path: Path) -> None:
    files = write(tmp_path, [record(1, 1, hand(20, 20), side="left")])
    with pytest.raises(ConfigError, match="part of CocoHandDataset is unknown"):
        CocoHandDataset(**files, part="valid")
    content = json.loads(Path(files["ann_file"]).read_text())
    content["categories"][0]["keypoints"] = list(HAND_JOINT_NAMES[:-1])
    Path(files["ann_file"]).write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match="does not name the 21 joints"):
        CocoHandDataset(**files)
    with pytest.raises(AnnotationError, match="not a COCO file"):
        CocoHandDataset(ann_file=str(tmp_path / "none.json"), img_dir=str(tmp_path))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda record: record.update(keypoints=[1.0] * 64), "annotation 1 cannot be read"),
        (lambda record: record.update(image_id=9), "belongs to no image"),
        (lambda record: record.pop("bbox"), "is not complete"),
    ],
)
def test_a_broken_annotation_is_named(tmp_path: Path, change: Any, message: str) -> None:
    broken = record(1, 1, hand(20, 20), side="left")
    files = write(tmp_path, [broken])
    content = json.loads(Path(files["ann_file"]).read_text())
    change(content["annotations"][0])
    Path(files["ann_file"]).write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match=message):
        CocoHandDataset(**files)
