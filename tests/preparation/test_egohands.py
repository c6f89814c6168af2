"""EgoHands: Matlab files to COCO, splits, broken files, and one epoch of a detector."""

from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest
from scipy.io import savemat

from interhand_mm.apis.browse import browse
from interhand_mm.apis.test import run_test
from interhand_mm.apis.train import train
from interhand_mm.errors import AnnotationError, ImageError
from interhand_mm.preparation.egohands import prepare_egohands, read_split, split_by_session
from interhand_mm.preparation.egohands_matlab import (
    EGOHANDS_CLASSES,
    LabeledVideo,
    polygon_area,
    polygon_box,
    read_egohands,
)
from interhand_mm.utils.config import DataOptions, load_config, walk_dicts
from tests.conftest import ROOT
from tests.fixtures.tiny_egohands import EMPTY, VIDEOS, write_egohands, write_metadata

TRIANGLE = np.array([[10.0, 10], [50, 10], [50, 60]])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    return write_egohands(tmp_path_factory.mktemp("egohands"))


def load(root, name):
    return json.loads((root / f"annotations/coco/{name}.json").read_text())


def test_a_known_polygon(tmp_path):
    write_metadata(tmp_path, [{"frame_num": 7, "myleft": TRIANGLE}])
    prepare_egohands(str(tmp_path))
    (hand,) = load(tmp_path, "hand_train")["annotations"]
    assert hand["bbox"] == [9, 9, 41, 51]
    assert hand["area"] == 40 * 50 / 2
    assert hand["segmentation"] == [[9, 9, 49, 9, 49, 59]]
    (image,) = load(tmp_path, "hand_train")["images"]
    assert image == {
        "id": 1, "file_name": "_LABELED_SAMPLES/CARDS_COURTYARD_B_T/frame_0007.jpg", "width": 1280, "height": 720
    }  # fmt: skip


def test_boxes_are_rounded_and_clamped_as_the_data_sets_own():
    size = (1280, 720)
    assert polygon_box(np.array([[9.5, 10.49], [20, 30.5]]), size) == [9, 9, 11, 22]
    assert polygon_box(np.array([[-30.0, 700], [40, 900]]), size) == [0, 699, 40, 21]
    assert polygon_box(np.array([[1280.0, 720], [1300, 730]]), size) == [1279, 719, 1, 1]
    assert polygon_box(np.array([[1290.0, 10], [1300, 20]]), size) is None
    assert polygon_box(np.array([[-9.0, 10], [0.4, 20]]), size) is None
    assert polygon_area(np.array([[0.0, 0], [4, 0], [4, 3], [0, 3]]) + 1000) == pytest.approx(12)
    assert polygon_area(TRIANGLE[:2]) == 0


def test_one_class_and_four(tiny, tmp_path):
    lines = prepare_egohands(str(tiny), str(tmp_path))
    assert lines[0] == "8 videos, 16 frames"
    for split in ("train", "val", "test"):
        one, four = load(tmp_path, f"hand_{split}"), load(tmp_path, f"sides_{split}")
        assert [c["name"] for c in one["categories"]] == ["hand"]
        assert tuple(c["name"] for c in four["categories"]) == EGOHANDS_CLASSES
        assert {a["category_id"] for a in one["annotations"]} <= {1}
        assert all(EGOHANDS_CLASSES[a["category_id"] - 1] == a["side"] for a in four["annotations"])
        assert [a["bbox"] for a in one["annotations"]] == [a["bbox"] for a in four["annotations"]]
    parts = [load(tmp_path, f"hand_{split}") for split in ("train", "val", "test")]
    assert sum(len(part["images"]) for part in parts) == 16
    assert sum(len(part["annotations"]) for part in parts) == 8 * (4 + 3)


def test_polygons_mat_alone_gives_the_same(tiny, tmp_path):
    other = write_egohands(tmp_path)
    (other / "metadata.mat").unlink()
    one, two = read_egohands(tiny), read_egohands(other)
    assert [(v.name, v.partner, [f.file_name for f in v.frames]) for v in one] == [
        (v.name, v.partner, [f.file_name for f in v.frames]) for v in two
    ]
    for a, b in zip(one, two, strict=True):
        for f, g in zip(a.frames, b.frames, strict=True):
            assert f.polygons.keys() == g.polygons.keys()
            assert all(np.array_equal(f.polygons[h], g.polygons[h]) for h in f.polygons)


# --- splits ---


def names(count):
    return [f"CARDS_OFFICE_{i // 2}{'ab'[i % 2]}_{i // 2}{'ba'[i % 2]}" for i in range(count)]


def test_partners_stay_together_and_shares_are_the_published_ones():
    videos = [LabeledVideo(name, "_".join([*name.split("_")[:2], *name.split("_")[:1:-1]]), []) for name in names(48)]
    for seed in range(3):
        split = split_by_session(videos, seed)
        assert [len(split[part]) for part in ("train", "val", "test")] == [36, 4, 8]
        assert sorted(name for part in split.values() for name in part) == sorted(v.name for v in videos)
        of = {name: part for part, members in split.items() for name in members}
        assert all(of[v.name] == of[v.partner] for v in videos)
    assert split_by_session(videos, 0) == split_by_session(videos, 0) != split_by_session(videos, 1)


def test_a_partner_that_is_not_there():
    assert split_by_session([LabeledVideo("A_B_C_D", "A_B_D_C", [])])["train"] == ["A_B_C_D"]


def test_official_split_from_files(tiny, tmp_path):
    videos = read_egohands(tiny)
    wanted = {"train": list(VIDEOS[:5]), "val": [VIDEOS[5]], "test": list(VIDEOS[6:])}
    (tmp_path / "s.json").write_text(json.dumps(wanted))
    assert read_split(str(tmp_path / "s.json"), videos) == wanted
    first, last = (", ".join(f"'{video}'" for video in part) for part in (VIDEOS[:5], VIDEOS[6:]))
    by_name = (
        f"case 'TRAIN' % as 'TEST'\n x = {{{first}}};\n"
        f"case 'VALID'\n x = {{'{VIDEOS[5]}'}};\ncase 'TEST'\n x = {{{last}}};"
    )
    by_number = "case 'TRAIN'\n i = [1 2 3, 4 5];\ncase 'VALID'\n i = [6];\ncase 'TEST'\n i = [7 8];\n"
    for text in (by_name, by_number):
        (tmp_path / "getMetaBy.m").write_text(text)
        assert read_split(str(tmp_path / "getMetaBy.m"), videos) == wanted
    lines = prepare_egohands(str(tiny), str(tmp_path / "out"), str(tmp_path / "s.json"))
    assert any(line.startswith("2 videos have their partner in another split: JENGA") for line in lines)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("s.json", "{"),
        ("s.json", "[]"),
        ("s.json", json.dumps({"train": list(VIDEOS[:7])})),
        ("s.json", json.dumps({"train": list(VIDEOS), "test": [VIDEOS[0]]})),
        ("s.json", json.dumps({"train": [*VIDEOS, "CHESS_MOON_B_T"]})),
        ("getMetaBy.m", "function x = y\ncase 'TRAIN'\n i = [1 2];"),
        ("getMetaBy.m", "nothing of the kind"),
    ],
)
def test_a_split_that_does_not_name_every_video_once(tiny, tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(AnnotationError, match=name):
        read_split(str(tmp_path / name), read_egohands(tiny))


# --- broken files ---


def test_points_and_lines_are_left_out_and_counted(tmp_path):
    frames = [
        {"frame_num": 1, "myleft": TRIANGLE, "myright": TRIANGLE[:1], "yourleft": TRIANGLE[:2]},
        {"frame_num": 2, "myleft": np.array([[1.0, 1], [2, 2], [3, 3]])},
        {"frame_num": 3},
    ]
    lines = prepare_egohands(str(write_metadata(tmp_path, frames)))
    assert len(load(tmp_path, "hand_train")["annotations"]) == 1
    assert len(load(tmp_path, "hand_train")["images"]) == 3
    (line,) = [text for text in lines if "without area" in text]
    assert line.startswith("3 polygons")
    assert "frame_0001.jpg myright (1 points)" in line


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ({"frame_num": 1, "myleft": TRIANGLE + 2000}, r"frame_0001\.jpg: the polygon of myleft lies outside"),
        ({"frame_num": 1, "myleft": np.ones((4, 3))}, r"video\(1\)\.labeled_frames\(1\)\.myleft"),
        (
            {"frame_num": 1, "myright": np.array([[1.0, np.nan], [2, 2], [3, 1]])},
            r"labeled_frames\(1\)\.myright.*finite",
        ),
        ({"frame_num": 1, "myright": "text"}, r"labeled_frames\(1\)\.myright"),
        ({"frame_num": [1, 2]}, r"labeled_frames\(1\)\.frame_num"),
        ({"frame_num": 1.5}, r"frame_num"),
        ({"frame_num": EMPTY}, r"frame_num"),
    ],
)
def test_a_broken_entry_is_named(tmp_path, frame, message):
    with pytest.raises(AnnotationError, match=message):
        prepare_egohands(str(write_metadata(tmp_path, [frame])))
    assert not (tmp_path / "annotations").exists()


def test_other_files_are_refused(tmp_path, tiny):
    (tmp_path / "_LABELED_SAMPLES").mkdir()
    path = tmp_path / "metadata.mat"
    path.write_bytes(b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM" + b"\x89HDF\r\n\x1a\n" * 9)
    with pytest.raises(AnnotationError, match=r"metadata\.mat is a Matlab 7\.3(.|\n)*-v7"):
        read_egohands(tmp_path)
    for junk in (b"", b"junk", (tiny / "metadata.mat").read_bytes()[:700]):
        path.write_bytes(junk)
        with pytest.raises(AnnotationError, match=r"metadata\.mat"):
            read_egohands(tmp_path)
    for content, message in (
        ({"films": 1.0}, "has no variable 'video'"),
        ({"video": np.ones(3)}, "video is not a struct"),
        ({"video": np.array([[(1.0,)]], dtype=[("video_id", object)])}, "does not have all fields"),
    ):
        savemat(path, content)
        with pytest.raises(AnnotationError, match=message):
            read_egohands(tmp_path)
    write_metadata(tmp_path, [{"frame_num": 1}], name="../outside")
    with pytest.raises(AnnotationError, match="video_id"):
        read_egohands(tmp_path)


def test_missing_folders_and_images(tmp_path):
    with pytest.raises(AnnotationError, match="no folder _LABELED_SAMPLES"):
        read_egohands(tmp_path / "none")
    (tmp_path / "empty/_LABELED_SAMPLES").mkdir(parents=True)
    with pytest.raises(AnnotationError, match="no videos"):
        read_egohands(tmp_path / "empty")
    root = write_egohands(tmp_path / "data", VIDEOS[:2])
    image = next((root / "_LABELED_SAMPLES" / VIDEOS[0]).glob("*.jpg"))
    image.unlink()
    with pytest.raises(ImageError, match=r"frame_0100\.jpg"):
        prepare_egohands(str(root))
    (root / "metadata.mat").rename(tmp_path / "metadata.mat")
    with pytest.raises(
        AnnotationError, match=r"polygons\.mat does not have one entry per image(.|\n)*2 entries and 1 images"
    ):
        read_egohands(root)
    (root / "_LABELED_SAMPLES" / VIDEOS[0] / "polygons.mat").unlink()
    with pytest.raises(AnnotationError, match=r"cannot be read: .*polygons\.mat"):
        read_egohands(root)
    (tmp_path / "metadata.mat").rename(root / "metadata.mat")
    (root / "_LABELED_SAMPLES" / VIDEOS[1]).rename(tmp_path / "elsewhere")
    with pytest.raises(AnnotationError, match=f"without a folder: _LABELED_SAMPLES/{VIDEOS[1]}"):
        read_egohands(root)


# --- prepare, browse, train, test ---


def test_tool_browse_one_epoch_and_ap(tmp_path):
    root = write_egohands(tmp_path / "EgoHands", VIDEOS[:6], frames=1)
    done = subprocess.run(
        [sys.executable, "tools/prepare_egohands.py", str(root)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "train: 4 videos, 4 frames, 16 hands (4 myleft, 4 myright, 4 yourleft, 4 yourright)" in done.stdout

    def config():
        cfg = load_config(ROOT / "configs/detector/faster_rcnn_egohands.py", [], DataOptions(data_root=str(root)))
        cfg.model.backbone.update(depth=18)
        cfg.model.neck.update(in_channels=[64, 128, 256, 512], out_channels=16)
        cfg.model.rpn_head.update(in_channels=16, feat_channels=16)
        cfg.model.roi_head.bbox_roi_extractor.out_channels = 16
        cfg.model.roi_head.bbox_head.update(in_channels=16, fc_out_channels=32)
        for _, step in walk_dicts([cfg.train_dataloader, cfg.test_dataloader]):
            step.update({key: (96, 96) for key in ("scale",) if key in step})
        for loader in (cfg.train_dataloader, cfg.test_dataloader):
            loader.num_workers, loader.persistent_workers = 0, False
        cfg.train_cfg.max_epochs, cfg.work_dir = 1, str(tmp_path / "work")
        cfg.default_hooks.checkpoint.save_optimizer = False
        return cfg

    sheet = browse(config(), "train", num=4, seed=0)
    assert sheet.shape == (2 * 332 + 6, 3 * 486 + 6, 3)
    assert sheet.std() > 20
    runner = train(config())
    assert runner.iter == 2
    report = run_test(config(), str(tmp_path / "work/epoch_1.pth"))
    assert report["counts"] == {"images": 2, "hands": 8}
    assert 0 <= report["metrics"]["AP"] <= 1
