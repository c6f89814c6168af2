"""Background lists from COCO, and the check of an InterHand2.6M download: counts, faults, blocklist."""

from __future__ import annotations

import json
import logging
import subprocess
import sys

import cv2
import numpy as np
import pytest
from mmengine.registry import init_default_scope

from interhand_mm.datasets.interhand import InterHandDataset
from interhand_mm.datasets.transforms.background_pool import BackgroundPool
from interhand_mm.errors import AnnotationError, ConfigError, InputError
from interhand_mm.preparation.coco_backgrounds import prepare_coco_backgrounds
from interhand_mm.preparation.interhand26m import (
    PUBLISHED_COUNTS,
    check_interhand,
    image_fault,
    matching_release,
    report_lines,
)
from tests.conftest import ROOT
from tests.fixtures.tiny import annotations, edit_json, write_set

# --- COCO ---


@pytest.fixture(autouse=True)
def _scope() -> None:
    """Undo the scope that a test of a detector left behind."""
    init_default_scope("interhand_mm")


def write_coco(root, split="train", first=1, **changes):
    """Write COCO files with five images: a dog, a person, a small image, a crowd, and one without annotation."""
    ids = range(first, first + 5)
    sizes = [(640, 480), (640, 480), (640, 200), (480, 640), (500, 375)]
    content = {
        "info": {"year": 2017}, "licenses": [{"id": 1, "name": "by"}],
        "images": [dict(id=i, file_name=f"{i:012d}.jpg", width=w, height=h, license=1)
                   for i, (w, h) in zip(ids, sizes, strict=True)],
        "annotations": [
            dict(id=1, image_id=first, category_id=18, iscrowd=0, segmentation=[[1, 2, 3, 4, 5, 6]]),
            dict(id=2, image_id=first + 1, category_id=18, iscrowd=0, segmentation=[]),
            dict(id=3, image_id=first + 1, category_id=1, iscrowd=0, segmentation=[]),
            dict(id=4, image_id=first + 3, category_id=1, iscrowd=1, segmentation={"counts": [1], "size": [2, 2]}),
        ],
        "categories": [dict(id=1, name="person"), dict(id=18, name="dog")],
    } | changes  # fmt: skip
    (root / "annotations").mkdir(parents=True, exist_ok=True)
    (root / f"annotations/instances_{split}2017.json").write_text(json.dumps(content))
    (root / f"{split}2017").mkdir(exist_ok=True)
    for image in content["images"]:
        pixels = np.full((image["height"], image["width"], 3), image["id"] % 250, np.uint8)
        cv2.imwrite(str(root / f"{split}2017" / image["file_name"]), pixels)
    return root


def test_people_and_small_ones_are_left_out_and_splits_apart(tmp_path):
    write_coco(write_coco(tmp_path), "val", 100)
    done = subprocess.run(
        [sys.executable, "tools/prepare_coco_backgrounds.py", str(tmp_path), "--out", str(tmp_path / "lists")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "train: 2 of 5 photographs; left out: 2 with people, 1 with a side under 334 px, 0 not in" in done.stdout
    pools = [BackgroundPool(tmp_path / f"lists/backgrounds_{split}.txt") for split in ("train", "val")]
    drawn = [{pool.draw(np.random.default_rng(i))[2].split("/")[-1] for i in range(30)} for pool in pools]
    assert drawn == [{f"{i:012d}.jpg" for i in (1, 5)}, {f"{i:012d}.jpg" for i in (100, 104)}]


def test_missing_images_are_counted_and_min_side_is_ours(tmp_path):
    write_coco(tmp_path)
    (tmp_path / "train2017/000000000001.jpg").unlink()
    lines = prepare_coco_backgrounds(str(tmp_path), min_side_px=100)
    assert lines[0].startswith("train: 2 of 5")
    assert "1 not in train2017" in lines[0]
    assert lines[1].startswith("val: file does not exist")
    listed = (tmp_path / "backgrounds_train.txt").read_text().splitlines()
    assert listed[1:] == ["train2017/000000000003.jpg", "train2017/000000000005.jpg"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(categories=[dict(id=1, name="dog")]), "no category 'person'"),
        (dict(annotations=[dict(image_id=77, category_id=1)]), "missing images(.|\n)*77"),
        (dict(annotations=[dict(image_id="x", category_id=1)]), r"annotations\[0\]"),
        (dict(categories=7), "categories"),
        (dict(images=[]), "missing images"),
        (dict(images=[], annotations=[]), "can be used"),
    ],
)
def test_broken_coco_is_named(tmp_path, change, message):
    write_coco(tmp_path, **change)
    with pytest.raises(AnnotationError, match=message):
        prepare_coco_backgrounds(str(tmp_path))
    assert not list(tmp_path.glob("*.txt"))


def test_coco_that_is_not_there(tmp_path):
    with pytest.raises(AnnotationError, match="annotations_trainval2017"):
        prepare_coco_backgrounds(str(tmp_path))
    write_coco(write_coco(tmp_path), "val", 1)
    with pytest.raises(AnnotationError, match="both train and val"):
        prepare_coco_backgrounds(str(tmp_path))
    for path in (tmp_path / "val2017").iterdir():
        path.unlink()
    (tmp_path / "val2017").rmdir()
    with pytest.raises(AnnotationError, match="folder of photographs cannot be read"):
        prepare_coco_backgrounds(str(tmp_path))


# --- InterHand2.6M ---


def frames(root, split="train"):
    return sorted((root / "images" / split).rglob("*.jpg"), key=lambda path: int(path.stem[5:]))


def spoil(root):
    """Damage five of six frames, each in another way."""
    paths = frames(root)
    paths[0].unlink()
    paths[1].write_bytes(paths[1].read_bytes()[:900])
    cv2.imwrite(str(paths[2]), cv2.rotate(cv2.imread(str(paths[2])), cv2.ROTATE_90_CLOCKWISE))
    cv2.imwrite(str(paths[3]), np.full((90, 90, 3), 99, np.uint8))
    shape = cv2.imread(str(paths[4])).shape
    cv2.imwrite(str(paths[4]), np.full(shape, 2, np.uint8))
    return [f"train/{path.relative_to(root / 'images/train')}" for path in paths[:5]]


FAULTS = ("missing", "unreadable", "swapped_size", "other_size", "black")


@pytest.mark.parametrize("processes", [1, 2])
def test_every_fault_is_found_and_nothing_is_changed(tmp_path, processes):
    root = write_set(tmp_path / "set")
    names = spoil(root)
    before = {path: path.read_bytes() for path in frames(root)}
    report, blocked = check_interhand(str(root), processes=processes, progress=False)
    assert blocked == dict(zip(names, FAULTS, strict=True))
    (part,) = report["splits"]["train"]
    assert part["images"] == {"frames": 6, **dict.fromkeys(FAULTS, 1)}
    assert part["captures"] == {"Capture0": {"frames": 6, "missing": 1}}
    assert (part["single"], part["interacting"], part["release"]) == (4, 2, None)
    # 5 frames, counts that are not the published ones, two splits without annotations
    assert report["faults"] == 8
    text = "\n".join(report_lines(report))
    assert "6 frames: 1 missing, 1 unreadable, 1 swapped_size, 1 other_size, 1 black" in text
    assert "not as published (v1.0 687,548 + 673,514" in text
    assert "val: no annotations" in text
    assert before == {path: path.read_bytes() for path in frames(root)}


def test_tool_writes_what_the_data_set_takes(tmp_path, caplog):
    root = write_set(tmp_path / "set")
    names = spoil(root)
    done = subprocess.run(
        [sys.executable, "tools/prepare_interhand26m.py", str(root), "--processes", "1", "--out", str(tmp_path / "out")],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "8 faults" in done.stdout
    assert json.loads((tmp_path / "out/check.json").read_text())["blocked"][names[4]] == "black"
    path = tmp_path / "out/blocklist.txt"
    assert path.read_text().splitlines()[1:] == sorted(names)
    with caplog.at_level(logging.WARNING):
        dataset = InterHandDataset(data_root=str(root), blocklist=str(path), pipeline=[dict(type="LoadHandImage")])
    assert len(dataset) == 1
    assert dataset[0]["img"].max() > 100
    assert f"train/{dataset[0]['sample_id'].split('/', 1)[1]}" not in names


def test_blocklists_of_other_splits_comments_and_broken_ones(tmp_path):
    root = write_set(tmp_path / "set")
    name = frames(root)[0].relative_to(root / "images/train")
    path = tmp_path / "b.txt"
    path.write_text(f"# why\n\nval/{name}\ntrain/Capture9/x.jpg\n")
    assert len(InterHandDataset(data_root=str(root), blocklist=str(path))) == 6
    path.write_text(f"train/{name}\n")
    assert len(InterHandDataset(data_root=str(root), blocklist=str(path))) == 5
    path.write_text(f"train/{name}\n{name}\n")
    with pytest.raises(AnnotationError, match=r"line 2 of the blocklist .*b\.txt"):
        InterHandDataset(data_root=str(root), blocklist=str(path))
    with pytest.raises(AnnotationError, match="cannot be read"):
        InterHandDataset(data_root=str(root), blocklist=str(tmp_path / "none.txt"))


def test_hand_types(tmp_path):
    root = write_set(tmp_path / "set")
    one = InterHandDataset(data_root=str(root), hand_types=("right", "left"))
    assert len(one) == 4
    assert all(one.get_data_info(i)["hand_type"].sum() == 1 for i in range(4))
    assert len(InterHandDataset(data_root=str(root), hand_types=["interacting"])) == 2
    for wrong in ((), ("both",)):
        with pytest.raises(ConfigError, match="hand_types"):
            InterHandDataset(data_root=str(root), hand_types=wrong)


def test_decode_finds_damage_that_a_header_does_not_show(tmp_path):
    rng = np.random.default_rng(0)
    path = tmp_path / "noise.jpg"
    cv2.imwrite(str(path), rng.integers(0, 6, (200, 300), dtype=np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 100])
    assert path.stat().st_size > 0.05 * 300 * 200
    assert image_fault(str(path), (300, 200)) is None
    assert image_fault(str(path), (300, 200), decode=True) == "black"
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no image")
    for name in ("empty.jpg", "text.jpg", "."):
        assert image_fault(str(tmp_path / name), (300, 200)) == "unreadable"


def test_missing_parts(tmp_path):
    root = write_set(tmp_path / "set")
    for path in frames(root):
        path.unlink()
    (root / "InterHand2.6M_5fps_batch1").mkdir()
    annotations(root, "camera").unlink()
    write_set(root, "val", layout="machine_annot")
    report, _ = check_interhand(str(root), processes=1, progress=False)
    text = "\n".join(report_lines(report))
    assert "are not complete" in text or "InterHand2.6M_train_camera.json" in text
    assert "not merged into images/: InterHand2.6M_5fps_batch1" in text
    for path in frames(root, "val"):
        path.unlink()
    report, blocked = check_interhand(str(root), processes=1, progress=False)
    assert "val, machine_annot: no frame of Capture0" in "\n".join(report_lines(report))
    assert set(blocked.values()) == {"missing"}
    with pytest.raises(InputError, match="no folder annotations"):
        check_interhand(str(tmp_path / "none"), progress=False)
    (tmp_path / "bare/annotations").mkdir(parents=True)
    with pytest.raises(AnnotationError, match="no annotations of split"):
        check_interhand(str(tmp_path / "bare"), progress=False)


def test_annotation_faults_are_counted(tmp_path):
    root = write_set(tmp_path / "set")
    edit_json(annotations(root, "data"), lambda d: d["annotations"][0].__setitem__("bbox", [5, 5, 0, 9]))
    report, _ = check_interhand(str(root), processes=1, progress=False)
    assert report["splits"]["train"][0]["problems"] == {"bad_bbox": 1}


def test_the_published_table_adds_up():
    v1, v0 = PUBLISHED_COUNTS["v1.0"], PUBLISHED_COUNTS["v0.0"]
    assert [sum(x) for x in (v1["train", "all"], v1["val", "machine_annot"], v1["test", "all"])] == [
        1_361_062, 380_125, 849_160
    ]  # fmt: skip
    assert sum(sum(v1[key]) for key in (("train", "all"), ("val", "machine_annot"), ("test", "all"))) == 2_590_347
    assert sum(sum(v0[key]) for key in (("train", "all"), ("val", "machine_annot"), ("test", "all"))) == 1_275_786
    assert matching_release((234_183, 145_942), "val", "machine_annot") == "v1.0"
    assert matching_release((113_370, 70_917), "val", "machine_annot") == "v0.0"
    assert matching_release((1, 2), "val", "machine_annot") is None
