"""COCO files as people have them: every fault is an error or a counted warning, never a silent training."""

from __future__ import annotations

import json
import math
from pathlib import Path

import cv2
import numpy as np
import pytest
from mmengine.config import Config, ConfigDict
from PIL import Image

from interhand_mm.apis.browse_coco import browse_coco
from interhand_mm.datasets import coco_check
from interhand_mm.datasets.coco_check import check_coco
from interhand_mm.errors import AnnotationError, ImageError

WIDTH, HEIGHT = 96, 64


@pytest.fixture
def root(tmp_path) -> Path:
    """Write four images with one hand each."""
    (tmp_path / "images").mkdir()
    images, boxes = [], []
    for i in range(4):
        cv2.imwrite(str(tmp_path / f"images/{i}.jpg"), np.full((HEIGHT, WIDTH, 3), 60 * i + 40, np.uint8))
        images.append(dict(id=i, file_name=f"{i}.jpg", width=WIDTH, height=HEIGHT))
        boxes.append(dict(id=i + 1, image_id=i, category_id=1, bbox=[20, 10, 30, 40], area=1200, iscrowd=0))
    content = dict(images=images, annotations=boxes, categories=[dict(id=1, name="hand"), dict(id=2, name="person")])
    (tmp_path / "hands.json").write_text(json.dumps(content))
    return tmp_path


def config(root: Path, wrap: bool = False) -> Config:
    dataset = dict(type="CocoDataset", data_root=str(root), ann_file="hands.json", data_prefix=dict(img="images/"))
    dataset["metainfo"] = dict(classes=("hand",))
    if wrap:
        dataset = dict(type="RepeatDataset", times=2, dataset=dataset)
    return Config(dict(train_dataloader=dict(dataset=dataset), work_dir=str(root / "work")))


def edit(root: Path, **changes) -> None:
    """Change every annotation; a value that is callable gets the annotation."""
    path = root / "hands.json"
    content = json.loads(path.read_text())
    for annotation in content["annotations"]:
        for key, value in changes.items():
            annotation[key] = value(annotation) if callable(value) else value
    path.write_text(json.dumps(content))


@pytest.mark.parametrize("wrap", [False, True])
@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (dict(category_id=2), "4 of other classes"),
        (dict(iscrowd=1), "4 marked as crowd"),
        (dict(image_id=lambda a: str(a["image_id"])), "4 of an image that is not listed"),
        (dict(bbox=[500, 10, 30, 40]), "4 outside their image"),
        (dict(bbox=[10, 10, 0, 40]), "4 without area"),
        (dict(bbox=[math.nan, 10, 5, 40]), "4 not four numbers"),
    ],
)
def test_a_file_without_a_box_to_use_is_an_error(root, changes, reason, wrap):
    edit(root, **changes)
    with pytest.raises(AnnotationError, match=rf"contains no box to use(.|\n)*{reason}"):
        check_coco(config(root, wrap))


def test_no_annotations_at_all_is_an_error(root):
    content = json.loads((root / "hands.json").read_text())
    (root / "hands.json").write_text(json.dumps({**content, "annotations": []}))
    with pytest.raises(AnnotationError, match="contains no box to use"):
        check_coco(config(root))


@pytest.mark.parametrize(("kept", "empty"), [(True, 1), (False, 1), (True, 2)])
def test_images_without_hands_are_negatives_beside_others_if_they_are_kept(root, kept, empty):
    content = json.loads((root / "hands.json").read_text())
    (root / "negatives.json").write_text(json.dumps({**content, "annotations": []}))
    one = config(root).train_dataloader.dataset
    negatives = dict(one, ann_file="negatives.json", filter_cfg=dict(filter_empty_gt=not kept))
    datasets = [negatives] * empty + [one] * (2 - empty)
    cfg = Config(dict(train_dataloader=dict(dataset=dict(type="ConcatDataset", datasets=datasets))))
    if kept and empty == 1:
        check_coco(cfg)
    else:
        with pytest.raises(AnnotationError, match="contains no box to use"):
            check_coco(cfg)


def test_boxes_that_are_dropped_are_counted(root, monkeypatch):
    said = []
    monkeypatch.setattr(coco_check, "print_log", lambda text, *_: said.append(text))
    edit(root, bbox=lambda a: [[20, 10, 30, 40], [0, 0, 0, 9], [900, 0, 5, 5], [1, 1, 9, 9]][a["image_id"]])
    check_coco(config(root))
    assert len(said) == 1
    assert said[0].endswith("2 of 4 boxes are not used: 1 without area, 1 outside their image")


def test_fields_that_converters_leave_out_are_filled_in(root):
    content = json.loads((root / "hands.json").read_text())
    for annotation in content["annotations"]:
        del annotation["area"], annotation["iscrowd"], annotation["id"]
    (root / "hands.json").write_text(json.dumps(content))
    cfg = config(root)
    check_coco(cfg)
    completed = json.loads(Path(cfg.train_dataloader.dataset.ann_file).read_text())
    assert [(a["id"], a["area"], a["iscrowd"]) for a in completed["annotations"]] == [
        (i, 1200, 0) for i in (1, 2, 3, 4)
    ]
    assert json.loads((root / "hands.json").read_text()) == content, "the user's file stays as it is"
    from mmdet.datasets import CocoDataset

    dataset = CocoDataset(**{key: value for key, value in cfg.train_dataloader.dataset.items() if key != "type"})
    assert [len(dataset.get_data_info(i)["instances"]) for i in range(4)] == [1, 1, 1, 1]


def test_a_complete_file_is_used_as_it_is(root):
    cfg = config(root)
    check_coco(cfg)
    assert cfg.train_dataloader.dataset.ann_file == "hands.json"


def test_changed_images_are_named(root):
    for path in (root / "images").iterdir():
        cv2.imwrite(str(path), np.zeros((HEIGHT // 2, WIDTH // 2, 3), np.uint8))
    with pytest.raises(AnnotationError, match=r"4 of 4 images have another size(.|\n)*48 x 32 px, not 96 x 64"):
        check_coco(config(root))


@pytest.mark.parametrize(("stored", "fine"), [((HEIGHT, WIDTH), True), ((WIDTH, HEIGHT), False)])
def test_images_that_exif_turns_have_the_size_that_is_shown(root, stored, fine):
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in (root / "images").iterdir():
        Image.new("RGB", stored).save(path, exif=exif)
    if fine:
        check_coco(config(root))
    else:
        with pytest.raises(AnnotationError, match="64 x 96 px after the turn of its EXIF orientation"):
            check_coco(config(root))


def test_missing_images_are_named(root):
    (root / "images/2.jpg").unlink()
    with pytest.raises(ImageError, match=r"1 of 4 images(.|\n)*2\.jpg"):
        check_coco(config(root))


@pytest.mark.parametrize(("key", "field"), [("images", "width"), ("annotations", "bbox")])
def test_incomplete_records_are_named(root, key, field):
    content = json.loads((root / "hands.json").read_text())
    del content[key][1][field]
    (root / "hands.json").write_text(json.dumps(content))
    with pytest.raises(AnnotationError, match=rf"{key}\[1\] is not complete(.|\n)*{field}"):
        check_coco(config(root))


def test_the_sheet_shows_images_as_training_sees_them(root):
    exif = Image.Exif()
    exif[0x0112] = 6
    for path in (root / "images").iterdir():
        image = Image.new("RGB", (HEIGHT, WIDTH))
        image.paste((255, 255, 255), (0, 0, HEIGHT, WIDTH // 4))  # the stored top is shown on the right
        image.save(path, exif=exif, quality=95)
    edit(root, bbox=lambda a: [math.nan, 0, 1, 1] if a["image_id"] else [5, 5, 10, 10])
    sheet = browse_coco(ConfigDict(config(root).train_dataloader.dataset), num=1)
    tile = sheet[26 + 10 : 26 + 310, :450]
    assert tile[150, 400].min() > 200
    assert tile[150, 200].max() < 60
    browse_coco(config(root).train_dataloader.dataset, num=4)
