from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from interhand_mm.datasets.coco_hand import in_validation
from interhand_mm.errors import AnnotationError, ImageError
from interhand_mm.preparation.hand_photos import prepare_hand_photos, single_hand_boxes


def content(images: int, annotations: list[dict[str, Any]]) -> dict[str, Any]:
    names = [{"id": i, "file_name": f"people/{i}.jpg", "width": 80, "height": 60} for i in range(1, images + 1)]
    return {
        "images": names,
        "annotations": annotations,
        "categories": [{"id": 7, "name": "hand"}, {"id": 8, "name": "two_hands"}],
    }


def hand(image: int, category: int = 7, **more: Any) -> dict[str, Any]:
    return {"id": image, "image_id": image, "category_id": category, "bbox": [10, 10, 20, 30], **more}


def keypoints(x: float) -> list[float]:
    return np.column_stack([x + np.arange(21), 10 + np.arange(21), np.ones(21)]).ravel().tolist()


def test_a_box_around_two_hands_becomes_two_boxes_or_leaves_the_image_out() -> None:
    both = [{"keypoints": keypoints(5), "side": "right"}, {"keypoints": keypoints(45), "side": "left"}]
    records = [hand(1), hand(2, 8, pseudo_hands=both), hand(3, 8, pseudo_hands=both[:1]), hand(3)]
    coco, left_out = single_hand_boxes(content(4, records), "pseudo_")
    assert [image["id"] for image in coco["images"]] == [1, 2, 4]
    assert [(row["image_id"], row["bbox"]) for row in coco["annotations"]] == [
        (1, [10, 10, 20, 30]),
        (2, pytest.approx([3, 8, 24, 24])),
        (2, pytest.approx([43, 8, 24, 24])),
    ]
    assert {row["category_id"] for row in coco["annotations"]} == {1}
    assert left_out == {"two hands in one box": 1}


def test_files_divide_the_images_by_name(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for i in range(12):
        cv2.imwrite(str(photos / f"{i}.jpg"), np.full((40, 64, 3), 120, np.uint8))
    source = tmp_path / "train.json"
    source.write_text(json.dumps(content(40, [hand(i) for i in range(1, 41)])))
    prepare_hand_photos(str(source), [str(photos)], str(tmp_path / "out"), val_share=0.3)
    for name, count in (("hands", 40), ("negatives", 12)):
        parts = {s: json.loads((tmp_path / f"out/{name}_{s}.json").read_text()) for s in ("train", "val")}
        names = {s: {image["file_name"] for image in part["images"]} for s, part in parts.items()}
        assert not names["train"] & names["val"]
        assert len(names["train"]) + len(names["val"]) == count
        assert all(in_validation(name, 0.3) for name in names["val"])
        for part in parts.values():
            assert {row["image_id"] for row in part["annotations"]} <= {image["id"] for image in part["images"]}
    size = {(image["width"], image["height"]) for image in parts["train"]["images"]}
    assert size == {(64, 40)}


def test_the_same_image_is_in_the_same_part_wherever_it_lies() -> None:
    assert all(in_validation(f"a/b/{i}.jpg", 0.5) == in_validation(f"{i}.jpg", 0.5) for i in range(20))


def test_wrong_input_is_named(tmp_path: Path) -> None:
    source = tmp_path / "train.json"
    source.write_text(json.dumps(content(1, [hand(1)])))
    (tmp_path / "empty").mkdir()
    with pytest.raises(AnnotationError, match="no images in"):
        prepare_hand_photos(str(source), [str(tmp_path / "empty")], str(tmp_path / "out"))
    (tmp_path / "empty/broken.jpg").write_bytes(b"no image")
    with pytest.raises(ImageError, match="image cannot be read"):
        prepare_hand_photos(str(source), [str(tmp_path / "empty")], str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    with pytest.raises(AnnotationError, match="belongs to no image or to no category"):
        single_hand_boxes(content(1, [hand(2)]))
