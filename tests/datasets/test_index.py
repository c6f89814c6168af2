"""The annotation index equals a plain reading of the JSON files; its errors; its cache when things go wrong."""

import json
import multiprocessing
import os
import pickle
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from interhand_mm.benchmark.annotations import write_annotations
from interhand_mm.datasets.annotations import column_cache as index_cache
from interhand_mm.datasets.annotations import index as index_module
from interhand_mm.datasets.annotations.index import (
    HAND_TYPES,
    DamagedIndex,
    ProblemKind,
    find_annotations,
    open_index,
    open_rootnet,
    usable_joints,
    validity_flags,
)
from interhand_mm.errors import AnnotationError, OutputError
from interhand_mm.utils import json_stream
from tests.conftest import SAMPLE
from tests.fixtures.annotations import plain_records, write_rootnet

COUNT = 200


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    root = tmp_path_factory.mktemp("annotations")
    write_annotations(root, COUNT, "train", cameras_per_capture=2)
    return root


@pytest.fixture
def root(written, tmp_path):
    return Path(shutil.copytree(written, tmp_path / "set"))


def edit(root, part, change, dump=json.dumps):
    path = root / f"annotations/train/InterHand2.6M_train_{part}.json"
    content = json.loads(path.read_text())
    changed = change(content)
    path.write_text(dump(content if changed is None else changed))
    return path


def reopen(root):
    return open_index(find_annotations(root, "train"))


def single_homes(root):
    home = root / "annotations/train/.interhand_mm"
    return [path for path in home.iterdir() if path.is_dir()] if home.exists() else []


def assert_equals_plain(index, records):
    assert len(index) == len(records)
    for row, record in enumerate(records):
        image, ann, camera = record["image"], record["ann"], int(index.camera[row])
        assert index.ann_id[row] == ann["id"]
        assert index.image_id[row] == ann["image_id"]
        assert index.file_name(row) == image["file_name"]
        assert index.image_size[row].tolist() == [image["width"], image["height"]]
        assert index.hand_type[row] == HAND_TYPES[ann["hand_type"]]
        assert index.hand_type_valid[row] == bool(ann["hand_type_valid"])
        np.testing.assert_array_equal(index.bbox[row], np.array(ann["bbox"], np.float32))
        np.testing.assert_array_equal(validity_flags(index.validity[row]), np.ravel(ann["joint_valid"]) > 0)
        names = {"rotation": "camrot", "position": "campos", "focal": "focal", "principal_pt": "princpt"}
        for ours, theirs in names.items():
            expected = np.array(record["camera"][theirs], np.float32)
            np.testing.assert_array_equal(getattr(index, ours)[camera], expected)
        assert index.camera_name[camera] == str(image["camera"])
        assert index.camera_capture[camera] == image["capture"]
        world = np.array(record["frame"]["world_coord"], np.float32)
        world[(world == 1).all(axis=1)] = np.nan
        np.testing.assert_array_equal(index.joints_world[index.step[row]], world)
        assert index.step_frame[index.step[row]] == image["frame_idx"]
        assert index.step_capture[index.step[row]] == image["capture"]


# --- content ---


@pytest.mark.parametrize("chunk_bytes", [2000, 1 << 18])
def test_index_equals_a_plain_reading(root, monkeypatch, chunk_bytes):
    monkeypatch.setattr(json_stream, "_CHUNK_BYTES", chunk_bytes)
    monkeypatch.setattr(json_stream, "_LONGEST_RECORD_BYTES", 64 * chunk_bytes)
    index = reopen(root)
    assert_equals_plain(index, list(plain_records(root / "annotations/train")))
    assert len(index.problems) == 0
    assert 0 < (index.hand_type == 3).sum() < COUNT
    assert not index.bbox.flags.writeable


def test_official_order_is_single_hands_then_interacting_each_in_file_order(root):
    def shuffle(data):
        order = np.random.default_rng(1).permutation(COUNT)
        data["annotations"] = [data["annotations"][k] for k in order]

    data = json.loads(edit(root, "data", shuffle).read_text())
    singles = [ann["id"] for ann in data["annotations"] if ann["hand_type"] != "interacting"]
    both = [ann["id"] for ann in data["annotations"] if ann["hand_type"] == "interacting"]
    index = reopen(root)
    assert index.ann_id.tolist() == singles + both
    assert_equals_plain(index, list(plain_records(root / "annotations/train")))


def indented(content):
    return json.dumps(content, indent=2)


def compact(content):
    return json.dumps(content, separators=(",", ":"))


@pytest.mark.parametrize("dump", [indented, compact])
def test_any_layout_of_the_text_is_read(root, dump):
    edit(root, "data", lambda data: None, dump)
    assert_equals_plain(reopen(root), list(plain_records(root / "annotations/train")))


def test_unusual_but_legal_files_are_read(root):
    def change(data):
        data["images"][0]["file_name"] = 'a}, {"b"}], [ü\\ NaN.jpg'
        data["images"][1]["camera"] = int(data["images"][1]["camera"])
        data["images"][2]["extra"] = [{"nested": [{}, {}]}]
        data["annotations"][3]["segmentation"] = [{"a": 1}, {"a": 2}]
        for k, flag in enumerate((True, 1)):
            data["annotations"][k]["joint_valid"] = [flag] * 42
        data["annotations"].append({**data["annotations"][5], "id": 10_000})  # two annotations of one image
        data["images"].append({**data["images"][5], "id": 10_000})  # an image without annotation
        return {"info": {"year": 2020}, "annotations": data["annotations"], "images": data["images"]}

    edit(root, "data", change)
    index = reopen(root)
    assert len(index) == COUNT + 1
    assert_equals_plain(index, list(plain_records(root / "annotations/train")))


def test_oldest_release_with_bare_points_and_subset_folder(tmp_path):
    folder = write_annotations(tmp_path, 20, "val", cameras_per_capture=2, subset="machine_annot")
    expected = list(plain_records(folder, "val"))
    path = folder / "InterHand2.6M_val_joint_3d.json"
    joints = json.loads(path.read_text())
    path.write_text(json.dumps({c: {f: v["world_coord"] for f, v in fs.items()} for c, fs in joints.items()}))
    files = find_annotations(tmp_path, "val", "machine_annot")
    assert files.data.parent == folder
    assert_equals_plain(open_index(files), expected)
    with pytest.raises(AnnotationError, match=r"machine_annot/InterHand2.6M_val_data.json(.|\n)*annot_subset='machine"):
        find_annotations(tmp_path, "val", "all")


def test_find_annotations_names_what_is_missing(root, tmp_path):
    with pytest.raises(AnnotationError, match=r"train/InterHand2.6M_train_data.json"):
        find_annotations(root, "test")
    with pytest.raises(AnnotationError, match="no folder"):
        find_annotations(tmp_path / "nowhere", "train")
    (root / "annotations/train/InterHand2.6M_train_camera.json").unlink()
    with pytest.raises(AnnotationError, match=r"not complete(.|\n)*InterHand2.6M_train_camera.json"):
        find_annotations(root, "train")


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="the real sample is not on this machine")
@pytest.mark.parametrize("split", ["train", "test"])
def test_real_sample(split, tmp_path):
    index = open_index(find_annotations(SAMPLE, split), tmp_path)
    assert_equals_plain(index, list(plain_records(SAMPLE / "annotations" / split, split)))
    assert (SAMPLE / "images" / split / index.file_name(0)).is_file()
    assert len(index.problems) == 0


def test_usable_joints_follow_their_own_wrist():
    flags = np.ones((3, 42), bool)
    flags[0, 20] = flags[1, 41] = False
    bits = index_module.np.packbits(flags, axis=1, bitorder="little")
    validity = np.zeros((3, 8), np.uint8)
    validity[:, :6] = bits
    usable = validity_flags(usable_joints(validity.view("<u8")[:, 0]))
    assert usable.sum(axis=1).tolist() == [21, 21, 42]
    assert not usable[0, :21].any()
    assert not usable[1, 21:].any()


# --- faults of single samples are recorded, not raised ---


def _first(index, kind):
    number = int(np.flatnonzero(index.problems["kind"] == kind)[0])
    return int(index.problems["row"][number]), index.describe_problem(number)


def test_problems_name_annotation_file_and_place(root):
    def break_data(data):
        images, annotations = data["images"], data["annotations"]
        images[0]["camera"] = "999"
        images[2]["frame_idx"] = 77
        annotations[4]["bbox"][2] = 0
        annotations[5]["bbox"][3] = -4.0
        annotations[6]["bbox"][0] = float("nan")
        images[7]["file_name"] = 'NaN, \\" Infinity].jpg'  # a string stays a string when NaN is read as null

    edit(root, "data", break_data)
    index = reopen(root)
    problems = index.problems
    assert problems["kind"].tolist() == [1, 2, 3, 3, 3]
    assert index.ann_id[problems["row"]].tolist() == [0, 2, 4, 5, 6]
    assert index.camera[problems["row"][0]] == -1
    assert index.step[problems["row"][1]] == -1
    row, text = _first(index, ProblemKind.CAMERA_MISSING)
    assert index.file_name(row) in text
    assert "capture 0, camera 999" in text
    assert "annotation 0 " in text
    assert "capture 0, frame 77" in _first(index, ProblemKind.FRAME_MISSING)[1]
    assert "w 0," in _first(index, ProblemKind.BAD_BBOX)[1]
    assert 'NaN, \\" Infinity].jpg' in [index.file_name(k) for k in range(len(index))]


@pytest.mark.parametrize("point", [[float("nan")] * 3, [None, 1.0, 2.0], None, [1.0, 1.0, 1.0], [float("inf"), 0, 0]])
def test_valid_joint_without_coordinates_is_a_problem(root, point):
    data = json.loads((root / "annotations/train/InterHand2.6M_train_data.json").read_text())
    data["annotations"][0]["joint_valid"][3] = [1]
    image = data["images"][0]
    edit(root, "data", lambda _: data)

    def break_joints(joints):
        joints["0"][str(image["frame_idx"])]["world_coord"][3] = point

    edit(root, "joint_3d", break_joints)
    index = reopen(root)
    row, text = _first(index, ProblemKind.JOINT_NOT_3D)
    assert index.ann_id[row] == 0
    assert set(index.problems["detail"].tolist()) == {3}
    assert "right_thumb1" in text
    assert f"capture 0, frame {image['frame_idx']} (camera {image['camera']})" in text
    assert np.isnan(index.joints_world[index.step[row], 3]).all()


def test_missing_joint_of_a_hand_without_wrist_is_no_problem(root):
    def break_data(data):
        data["annotations"][0]["joint_valid"] = [[int(j == 25 or j < 21)] for j in range(42)]  # a right-hand sequence

    edit(root, "data", break_data)
    assert not set(reopen(root).problems["detail"].tolist()) & set(range(21, 42))


# --- structural faults are raised ---


def _set(key, value, section="annotations", number=7):
    return lambda data: data[section][number].__setitem__(key, value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda data: data["annotations"][7].pop("bbox") and None,
            r"annotations\[7\] \(id 7\)(.|\n)*missing required.*`bbox`",
        ),
        (lambda data: data["images"][150].pop("camera"), r"images\[150\] \(id 150\)(.|\n)*`camera`"),
        (_set("id", "x"), r"annotations\[7\] \(id x\)(.|\n)*Expected `int`, got `str` - at `\$.id`"),
        (_set("bbox", [1, 2, 3]), r"\(id 7\)(.|\n)*length 4"),
        (_set("joint_valid", [[1]] * 41), r"\(id 7\)(.|\n)*41 entries(.|\n)*want: 42"),
        (_set("joint_valid", [[1, 1]] * 42), r"\(id 7\)(.|\n)*joint_valid"),
        (_set("joint_valid", "1" * 42), r"\(id 7\)(.|\n)*joint_valid"),
        (_set("hand_type", "both"), r"\(id 7\)(.|\n)*'both'"),
        (_set("image_id", 999_999), r"annotations\[7\] \(id 7\)(.|\n)*image_id 999999"),
        (_set("id", 9), r"not unique(.|\n)*id 9 in annotations\[7, 9\]"),
        (_set("id", 9, "images"), r"not unique(.|\n)*id 9 in images\[7, 9\]"),
        (lambda data: data.pop("images") and None, r"no list 'images'"),
        (lambda data: data.__setitem__("annotations", []), r"contains no annotations"),
        (lambda data: data.__setitem__("annotations", 3), r"annotations is not a list"),
        (lambda data: [1], r"Expected `object`"),
    ],
)
@pytest.mark.parametrize("chunk_bytes", [3000, 1 << 18])
def test_malformed_data_json(root, monkeypatch, change, message, chunk_bytes):
    monkeypatch.setattr(json_stream, "_CHUNK_BYTES", chunk_bytes)
    edit(root, "data", lambda data: result if isinstance(result := change(data), list) else None)
    with pytest.raises(AnnotationError, match=message) as error:
        reopen(root)
    assert "InterHand2.6M_train_data.json" in str(error.value)
    assert single_homes(root) == []


@pytest.mark.parametrize("part", ["data", "camera", "joint_3d"])
@pytest.mark.parametrize("keep", [0, 1, 100, -1, -2])
def test_cut_short_json_names_the_byte(root, part, keep):
    path = root / f"annotations/train/InterHand2.6M_train_{part}.json"
    content = path.read_bytes()[:keep]
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match=f"not complete JSON(.|\n)*ends at byte {len(content)}"):
        reopen(root)
    assert single_homes(root) == []


def test_garbage_in_the_middle_names_the_byte(root):
    path = root / "annotations/train/InterHand2.6M_train_data.json"
    content = bytearray(path.read_bytes())
    at = content.index(b'"bbox"', len(content) // 2)
    content[at + 6 : at + 7] = b"?"
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match=rf"byte {at + 6}\)"):
        reopen(root)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("camera", lambda c: c["0"]["camrot"].__setitem__(next(iter(c["0"]["camrot"])), [[1, 0], [0, 1]]), "camrot"),
        ("camera", lambda c: c["0"]["focal"].__setitem__(next(iter(c["0"]["focal"])), 3), r"focal, camera 4"),
        ("camera", lambda c: c["0"]["campos"].__setitem__(next(iter(c["0"]["campos"])), [float("nan")] * 3), "campos"),
        ("camera", lambda c: c["0"].pop("princpt") and None, "princpt"),
        ("joint_3d", lambda j: next(iter(j["0"].values())).__setitem__("world_coord", [[0, 0, 0]] * 41), "frame 1000"),
        ("joint_3d", lambda j: j["0"].__setitem__("x", [[0, 0, 0]] * 42), "not a whole number"),
        ("joint_3d", lambda j: j.__setitem__("0", 3), "capture 0"),
    ],
)
def test_malformed_camera_and_joint_files(root, part, change, message):
    edit(root, part, lambda content: change(content) and None)
    with pytest.raises(AnnotationError, match=message) as error:
        reopen(root)
    assert f"InterHand2.6M_train_{part}.json" in str(error.value)


def test_a_missing_file_is_named(root):
    files = find_annotations(root, "train")
    files.camera.unlink()
    with pytest.raises(AnnotationError, match=r"cannot be read: .*InterHand2.6M_train_camera.json"):
        open_index(files)


# --- the cache ---


@pytest.fixture
def builds(monkeypatch):
    """Count the builds of this process."""
    calls = []

    def counted(*files):
        calls.append(files)
        return original(*files)

    original = index_module.build_hand_columns
    monkeypatch.setattr(index_module, "build_hand_columns", counted)
    return calls


def test_built_once_and_reopened(root, builds):
    first, second = reopen(root), reopen(root)
    assert len(builds) == 1
    assert first.folder == second.folder
    assert single_homes(root) == [first.folder]


def test_other_times_alone_do_not_rebuild_and_are_remembered(root, builds, monkeypatch):
    folder = reopen(root).folder
    os.utime(find_annotations(root, "train").data, ns=(1, 1))
    assert reopen(root).folder == folder
    monkeypatch.setattr(index_cache, "_content_key", None)  # the new times were stored: no more hashing
    assert reopen(root).folder == folder
    assert len(builds) == 1
    assert sorted(path.suffix for path in folder.iterdir()).count(".json") == 1


def test_changed_content_rebuilds_and_the_old_index_goes(root, builds):
    old = reopen(root)
    edit(root, "data", _set("bbox", [1.0, 2.0, 3.0, 4.0], number=0))
    new = reopen(root)
    assert len(builds) == 2
    assert new.bbox[new.ann_id == 0].tolist() == [[1, 2, 3, 4]]
    assert single_homes(root) == [new.folder]
    assert old.bbox[0].tolist() != [1, 2, 3, 4]  # who has the old one open can still read it


def _cut(folder):
    with (folder / "bbox.npy").open("r+b") as file:
        file.truncate(1000)


def _scramble_header(folder):
    with (folder / "bbox.npy").open("r+b") as file:
        file.write(b"garbage")


def _drop_entry(folder):
    meta = json.loads((folder / "meta.json").read_text())
    del meta["columns"]["bbox"]
    (folder / "meta.json").write_text(json.dumps(meta))


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _scramble_header,
        _drop_entry,
        lambda folder: (folder / "validity.npy").unlink(),
        lambda folder: (folder / "meta.json").write_text("{"),
        lambda folder: (folder / "meta.json").unlink(),
    ],
)
def test_damaged_index_is_rebuilt_with_a_word(root, builds, damage, caplog):
    folder = reopen(root).folder
    damage(folder)
    index = reopen(root)
    assert len(builds) == 2
    assert "damaged" in caplog.text or "no readable meta" in caplog.text
    assert_equals_plain(index, list(plain_records(root / "annotations/train")))
    assert single_homes(root) == [folder]


def test_failed_build_leaves_nothing(root, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(index_cache, "write_json", fail)
    with pytest.raises(OutputError, match="No space"):
        reopen(root)
    assert single_homes(root) == []


KILLED = """
import sys, time
from pathlib import Path
from interhand_mm.datasets.annotations import column_cache, index
column_cache.write_json = lambda *args: (print("writing", flush=True), time.sleep(60))
index.open_index(index.find_annotations(sys.argv[1], "train"))
"""


def test_killed_build_leaves_no_lock_and_the_next_one_cleans_up(root):
    with subprocess.Popen([sys.executable, "-c", KILLED, str(root)], stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
    left = single_homes(root)
    assert len(left) == 1
    assert left[0].name.endswith(".tmp")
    start = time.perf_counter()
    index = reopen(root)
    assert time.perf_counter() - start < 5
    assert single_homes(root) == [index.folder]


def test_read_only_data_falls_back_to_the_user_cache(root, tmp_path, monkeypatch):
    def refuse(**kwargs):  # root may write anywhere, so permissions can not show this
        if str(root) in str(kwargs["dir"]):
            raise PermissionError(13, "Permission denied")
        return original(**kwargs)

    original = index_cache.tempfile.TemporaryFile
    monkeypatch.setattr(index_cache.tempfile, "TemporaryFile", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    index = reopen(root)
    assert index.folder.is_relative_to(tmp_path / "cache" / "interhand_mm" / "index")
    assert reopen(root).folder == index.folder


def test_explicit_cache_dir_wins_and_serves_several_roots(root, written, tmp_path):
    first = open_index(find_annotations(root, "train"), tmp_path / "cache")
    second = open_index(find_annotations(written, "train"), tmp_path / "cache")
    assert first.folder != second.folder
    assert first.folder.is_relative_to(tmp_path / "cache")
    assert first.folder.exists()
    assert single_homes(root) == []


def test_pickle_maps_the_same_files(root):
    index = reopen(root)
    text = pickle.dumps(index)
    assert len(text) < 1000
    copy = pickle.loads(text)
    np.testing.assert_array_equal(copy.bbox, index.bbox)
    shutil.rmtree(index.folder)
    with pytest.raises(DamagedIndex):
        pickle.loads(text)


def _open_and_note(root, log):
    def noted(*files):
        with Path(log).open("a") as file:
            file.write("built\n")
        time.sleep(0.5)  # long enough for the other to arrive
        return original(*files)

    original = index_module.build_hand_columns
    index_module.build_hand_columns = noted
    assert len(reopen(Path(root))) == COUNT


def test_two_processes_at_once_build_once(root, tmp_path):
    context = multiprocessing.get_context("spawn")
    log = str(tmp_path / "log")
    processes = [context.Process(target=_open_and_note, args=(str(root), log)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    assert [process.exitcode for process in processes] == [0, 0]
    assert Path(log).read_text() == "built\n"


def test_reopening_reads_no_json_and_copies_no_column(root, monkeypatch):
    reopen(root)
    monkeypatch.setattr(msgspec.json, "Decoder", None)
    monkeypatch.setattr(index_cache, "_content_key", None)
    index = reopen(root)
    for name in index.COLUMNS:
        column = getattr(index, name)
        base = column
        while isinstance(base.base, np.ndarray):
            base = base.base
        assert isinstance(base, np.memmap) or column.size == 0, name


# --- RootNet ---


def test_rootnet_lookup(tmp_path):
    path = tmp_path / "rootnet.json"
    ids = np.array([30, 10, 20])
    write_rootnet(path, ids)
    index = open_rootnet(path)
    records = {record["annot_id"]: record for record in json.loads(path.read_text())}
    rows = index.lookup(np.array([20, 30, 10, 20]))
    for row, ident in zip(rows, (20, 30, 10, 20), strict=True):
        np.testing.assert_array_equal(index.bbox[row], np.float32(records[ident]["bbox"]))
        np.testing.assert_array_equal(index.abs_depth[row], np.float32(records[ident]["abs_depth"]))
        assert index.root_valid[row].all()
    with pytest.raises(AnnotationError, match=r"2 of 3 ids not found, first \[5, 99\](.|\n)*frame rate"):
        index.lookup([5, 10, 99])


def test_rootnet_scalar_depth_repeated_and_contradicting_records(tmp_path):
    path = tmp_path / "rootnet.json"
    record = {"annot_id": 1, "bbox": [0, 0, 5, 5], "abs_depth": 900.5}
    path.write_text(json.dumps([record, record]))
    index = open_rootnet(path)
    assert index.abs_depth.tolist() == [[900.5, 900.5]]
    path.write_text(json.dumps([record, {**record, "abs_depth": 1.0}]))
    with pytest.raises(AnnotationError, match="two different results for annotation 1"):
        open_rootnet(path)
    path.write_text(json.dumps([record, {"annot_id": 2, "bbox": [0, 0, 5, 5]}]))
    with pytest.raises(AnnotationError, match=r"\[1\] \(annot_id 2\)(.|\n)*abs_depth"):
        open_rootnet(path)
