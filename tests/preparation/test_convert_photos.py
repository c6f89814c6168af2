"""Data sets of hand boxes as they are published: every layout becomes the same file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from interhand_mm.datasets.coco_hand import CocoHandDataset
from interhand_mm.errors import AnnotationError, ConfigError
from interhand_mm.preparation.convert_photos import PublishedSet, add_machine_labels, convert_photos
from interhand_mm.preparation.published_boxes import read_published
from interhand_mm.structures.boxes import joints_bbox
from interhand_mm.structures.joints import FROM_OPENPOSE
from interhand_mm.structures.photos import FoundHands

WIDTH, HEIGHT = 80, 60
# A box per image and its class; "c" has no box. Corners are x1 y1 x2 y2.
BOXES = {"a": ([8, 6, 48, 36], "fist"), "b": ([20, 12, 60, 54], "heart"), "c": None}


def image(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((HEIGHT, WIDTH, 3), 120, np.uint8))


def voc(root: Path) -> Path:
    for name, entry in BOXES.items():
        image(root / f"{name}.jpg")
        objects = ""
        if entry is not None:
            (x1, y1, x2, y2), kind = entry
            objects = (
                f"<object><name>{kind}</name><bndbox><xmin>{x1}</xmin><ymin>{y1}</ymin><xmax>{x2}</xmax>"
                f"<ymax>{y2}</ymax></bndbox></object>"
            )
        size = f"<size><width>{WIDTH}</width><height>{HEIGHT}</height></size>"
        (root / f"{name}.xml").write_text(f"<annotation><filename>other.png</filename>{size}{objects}</annotation>")
    return root


def yolo(root: Path) -> Path:
    (root / "train/labels").mkdir(parents=True)
    for name, entry in BOXES.items():
        image(root / f"train/images/{name}.jpg")
        line = ""
        if entry is not None:
            x1, y1, x2, y2 = np.divide(entry[0], [WIDTH, HEIGHT, WIDTH, HEIGHT])
            kind = ["fist", "heart"].index(str(entry[1]))
            line = f"{kind} {(x1 + x2) / 2} {(y1 + y2) / 2} {x2 - x1} {y2 - y1}\n"
            if name == "b":  # an outline in place of a box
                line = f"{kind} {x1} {y1} {x2} {y1} {x2} {y2}\n"
        (root / f"train/labels/{name}.txt").write_text(line)
    (root / "data.yaml").write_text("nc: 2\nnames: ['fist', 'heart']\n")
    return root


def coco(root: Path) -> Path:
    images, annotations = [], []
    for number, (name, entry) in enumerate(BOXES.items()):
        image(root / f"train/{name}.jpg")
        images.append({"id": number, "file_name": f"{name}.jpg", "width": WIDTH, "height": HEIGHT})
        if entry is not None:
            (x1, y1, x2, y2), kind = entry
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append({"image_id": number, "category_id": ["fist", "heart"].index(str(kind)), "bbox": box})
    categories = [{"id": 0, "name": "fist"}, {"id": 1, "name": "heart"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "train/_annotations.coco.json").write_text(json.dumps(content))
    return root


LAYOUTS = {"voc": voc, "yolo": yolo, "coco": coco}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_gives_the_same_boxes(tmp_path: Path, layout: str) -> None:
    found, images, left_out = read_published(LAYOUTS[layout](tmp_path / "set"))
    assert found == layout
    assert [each.path.stem for each in images] == ["a", "b", "c"]
    for each in images:
        entry = BOXES[each.path.stem]
        np.testing.assert_allclose(each.boxes, np.reshape([] if entry is None else entry[0], (-1, 4)), atol=1e-9)
        assert each.classes == (() if entry is None else (entry[1],))
        assert each.size == (WIDTH, HEIGHT)
    assert not any(left_out.values())


def test_labels_of_yolo_may_lie_anywhere_if_their_name_is_unique(tmp_path: Path) -> None:
    image(tmp_path / "photos/1.jpg")
    (tmp_path / "txt").mkdir()
    (tmp_path / "txt/1.txt").write_text("0 0.5 0.5 0.5 0.5\n")
    _, [found], _ = read_published(tmp_path)
    assert (found.boxes.tolist(), found.classes) == ([[20, 15, 60, 45]], ("0",))
    image(tmp_path / "others/1.jpg")  # it is unclear which of the two images the label belongs to
    with pytest.raises(AnnotationError, match="no annotated image"):
        read_published(tmp_path, "yolo")


def test_sets_are_joined_in_one_file(tmp_path: Path) -> None:
    out = tmp_path / "hands.json"
    convert_photos(PublishedSet(str(voc(tmp_path / "one")), two_hands=["heart"], license="MIT", source="me"), str(out))
    report = convert_photos(PublishedSet(str(yolo(tmp_path / "two")), left_out=["fist"]), str(out))
    content = json.loads(out.read_text())
    names = [record["file_name"] for record in content["images"]]
    assert names == [f"one/{name}.jpg" for name in "abc"] + [f"two/train/images/{name}.jpg" for name in "abc"]
    boxes = [(record["image_id"], record["category_id"], record["bbox"]) for record in content["annotations"]]
    assert boxes == [(1, 1, [8, 6, 40, 30]), (2, 2, [20, 12, 40, 42]), (5, 1, [20, 12, 40, 42])]
    assert len({record["id"] for record in content["annotations"]}) == 3
    assert (content["images"][0]["license"], content["images"][0]["source"]) == ("MIT", "me")
    assert "license" not in content["images"][3]
    assert report[0] == "layout yolo: 3 images, 1 of them without boxes"
    assert "classes: 1 fist, 1 heart" in report
    assert report[-1].endswith("6 images, 3 boxes")


def found_hands(*boxes: list[float]) -> FoundHands:
    """Hands whose joints' boxes are these."""
    corners = np.array(boxes, float)
    inner = np.stack(
        [corners[:, :2] + (corners[:, 2:] - corners[:, :2]) * share for share in (1 / 12, 11 / 12)], axis=1
    )
    points = inner[:, :1] + np.linspace(0, 1, 21)[None, :, None] * (inner[:, 1:] - inner[:, :1])
    count = len(boxes)
    return FoundHands(
        points, joints_bbox(points), np.linspace(0.9, 0.8, count), np.arange(count) % 2, np.zeros((count, 21, 3))
    )


def test_machine_labels_need_a_box_that_agrees() -> None:
    single = [
        {"image_id": 1, "category_id": 1, "bbox": [0, 0, 40, 40]},
        {"image_id": 1, "category_id": 1, "bbox": [60, 0, 40, 40]},
    ]
    hands = found_hands([2, 2, 40, 40], [80, 0, 140, 40])  # the second one has an IoU of .25
    add_machine_labels(single, {1: hands})
    label = np.reshape(single[0]["pseudo_keypoints"], (21, 3))
    np.testing.assert_allclose(label[FROM_OPENPOSE, :2], hands.points[0], atol=0.01)
    assert (single[0]["pseudo_side"], single[0]["pseudo_side_score"]) == ("right", 0.9)
    assert "pseudo_keypoints" not in single[1]


def test_a_box_around_two_gets_the_hands_inside() -> None:
    pair: dict[str, Any] = {"image_id": 1, "category_id": 2, "bbox": [0, 0, 100, 50]}
    add_machine_labels([pair], {1: found_hands([0, 0, 50, 50], [50, 0, 100, 50], [300, 0, 340, 40])})
    assert [hand["side"] for hand in pair["pseudo_hands"]] == ["right", "left"]


def test_the_file_can_be_trained_on(tmp_path: Path) -> None:
    out = tmp_path / "hands.json"
    hand = {"keypoints": [[8 + 40 * i / 20, 6 + 30 * i / 20] for i in range(21)], "joints_mm": [[0, 0, 0]] * 21}
    answer = json.dumps({"hands": [hand | {"side": "left", "score": 0.75}], "milliseconds": 1})
    python = tmp_path / "python"
    python.write_text(f"#!/bin/sh\nwhile read -r line || [ -n \"$line\" ]; do echo '{answer}'; done\n")
    python.chmod(0o755)
    report = convert_photos(PublishedSet(str(coco(tmp_path / "set"))), str(out), mediapipe=str(python))
    assert "boxes: 2 of one hand (1 with machine labels), 0 of two hands (0 with machine labels of both)" in report
    dataset = CocoHandDataset(str(out), str(tmp_path), label_prefix="pseudo_")
    sample = dataset.get_data_info(0)
    assert sample["hand_type"].tolist() == [[0, 1]]
    assert Path(sample["img_path"]).is_file()


def test_what_cannot_be_used_is_counted(tmp_path: Path) -> None:
    root = voc(tmp_path / "set")
    image(root / "unlabelled.jpg")
    (root / "gone.xml").write_text("<annotation/>")
    (root / "a.xml").write_text("<annotation><size><width>160</width><height>120</height></size></annotation>")
    (root / "b.xml").write_text(
        "<annotation><object><name>fist</name><bndbox><xmin>90</xmin><ymin>5</ymin><xmax>99</xmax><ymax>9</ymax>"
        "</bndbox></object></annotation>"
    )
    _, images, left_out = read_published(root)
    assert [each.path.stem for each in images] == ["b", "c"]
    assert dict(left_out) == {
        "annotations whose image is missing": 1,
        "images of another size than annotated": 1,
        "boxes without area in their image": 1,
        "images without an annotation file": 1,
    }


def test_wrong_input_is_named(tmp_path: Path) -> None:
    out = str(tmp_path / "hands.json")
    root = yolo(tmp_path / "set")
    for published, error, message in (
        (PublishedSet(str(tmp_path / "none")), AnnotationError, "data folder does not exist"),
        (PublishedSet(str(root), two_hands=["clap"]), ConfigError, "has no such class"),
        (PublishedSet(str(root), layout="voc"), AnnotationError, "no annotated image"),
    ):
        with pytest.raises(error, match=message):
            convert_photos(published, out)
    with pytest.raises(ConfigError, match="do not lie in"):
        convert_photos(PublishedSet(str(root)), out, img_dir=str(tmp_path / "elsewhere"))
    assert not Path(out).exists()
    convert_photos(PublishedSet(str(root)), out)
    with pytest.raises(AnnotationError, match="is in the file already"):
        convert_photos(PublishedSet(str(root)), out)
    (tmp_path / "again").mkdir()
    (tmp_path / "again/hands.json").write_text(Path(out).read_text())
    with pytest.raises(AnnotationError, match="form of this project already"):
        convert_photos(PublishedSet(str(tmp_path / "again")), out)
    (root / "train/labels/a.txt").write_text("0 0.5 0.5\n")
    with pytest.raises(AnnotationError, match="line 1 is no box"):
        read_published(root)
    (root / "train/labels/a.txt").write_text("7 0.5 0.5 0.1 0.1\n")
    with pytest.raises(AnnotationError, match="line 1 cannot be read"):
        read_published(root)
    voc(root)
    with pytest.raises(AnnotationError, match=r"layout of .* is not clear"):
        read_published(root)
    (root / "a.xml").write_text("<annotation>")
    with pytest.raises(AnnotationError, match="Pascal VOC's form"):
        read_published(root, "voc")
