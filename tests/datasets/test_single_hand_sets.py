"""RHD, STB and FreiHAND: content of a sample, joint orders, and errors for broken files."""

from __future__ import annotations

import json
import os
import pickle
import shutil

import numpy as np
import pytest
from scipy.io import savemat

from interhand_mm.datasets import FreiHANDDataset, RHDDataset, STBDataset
from interhand_mm.datasets.internet_json import skeleton_order
from interhand_mm.datasets.rhd import read_rhd
from interhand_mm.datasets.stb import STB_VIEWS, in_view, read_labels
from interhand_mm.errors import AnnotationError, ConfigError, ImageError
from interhand_mm.structures.camera import camera_to_pixel
from interhand_mm.structures.joints import FROM_RHD, FROM_STB, HAND_JOINT_NAMES
from interhand_mm.utils.safe_pickle import UnsafeFileError
from tests.fixtures import tiny_sets as T
from tests.fixtures.tiny import edit_json

LOAD = [dict(type="LoadHandImage")]


def check_hand(sample: dict, hand: T.Hand, atol_mm: float = 0.01) -> None:
    """Check that a sample contains this hand, joint by joint, and nothing of the other hand."""
    own, other = (slice(0, 21), slice(21, 42)) if hand.side == 0 else (slice(21, 42), slice(0, 21))
    assert np.allclose(sample["keypoints_cam"][0, own], hand.joints, atol=atol_mm)
    assert np.allclose(sample["keypoints"][0, own, :2], hand.pixels, atol=0.01)
    assert np.allclose(sample["keypoints"][0, own, 2], hand.joints[:, 2] - hand.joints[20, 2], atol=atol_mm)
    assert (sample["keypoints_visible"][0, own] == 1).all()
    assert (sample["keypoints_visible"][0, other] == 0).all()
    assert sample["hand_type"].tolist() == [[1 - hand.side, hand.side]]
    assert sample["rel_root_valid"] == 0
    assert sample["abs_depth"][hand.side] == pytest.approx(hand.joints[20, 2], abs=0.01)
    x1, y1, x2, y2 = sample["bbox"]
    assert x2 - x1 == pytest.approx(y2 - y1, rel=1e-5)


# --- RHD ---


@pytest.mark.parametrize("form", ["original", "parsed"])
def test_rhd_samples(tmp_path, rendered_hands, form):
    (T.write_rhd if form == "original" else T.write_rhd_parsed)(tmp_path, rendered_hands)
    dataset = RHDDataset(data_root=str(tmp_path), split="test", pipeline=LOAD)
    assert len(dataset) == len(rendered_hands)
    for i, hand in enumerate(rendered_hands):
        hand = hand.filling(T.RHD_SIZE)
        sample = dataset[i]
        check_hand(sample, hand)
        assert np.array_equal(sample["img"], hand.before((90, 60, 50)))  # PNG: exact
        low, high = hand.pixels.min(0), hand.pixels.max(0)
        side = (high - low).max() * 1.2 * 1.25
        middle = (low + high) / 2
        assert np.allclose(sample["bbox"], [*(middle - side / 2), *(middle + side / 2)], atol=0.05)
    assert dataset.protocol == {"box": "gt", "depth": "gt"}


def test_both_sides_are_among_the_rendered(rendered_hands):
    assert {hand.side for hand in rendered_hands} == {0, 1}


def test_rhd_counts_the_hand_that_shows_more_joints(tmp_path, rendered_hands):
    hand = rendered_hands[0].as_side(0).filling(T.RHD_SIZE)
    entry = T.rhd_entry(hand, other_visible=21)
    path = tmp_path / "anno_training.pickle"

    def chosen(change):
        changed = {key: value.copy() for key, value in entry.items()}
        change(changed)
        T.dump_python2(path, {7: changed})
        return read_rhd(path)[0]

    assert chosen(lambda e: None).side.tolist() == [0]  # equal counts: the nearer hand, by 50 mm
    assert chosen(lambda e: e["uv_vis"].__setitem__((slice(21, 23), 2), 0)).side.tolist() == [1]
    few = chosen(lambda e: e["uv_vis"].__setitem__((slice(0, 20), 2), 0))
    assert few.side.tolist() == [0]
    hidden = chosen(lambda e: e["uv_vis"].__setitem__((slice(0, 41), 2), 0))
    assert len(hidden.ann_id) == 0  # one joint has no box


def test_rhd_wrist_that_is_not_visible_leaves_the_others(tmp_path, rendered_hands):
    hand = rendered_hands[0].as_side(1).filling(T.RHD_SIZE)
    entry = T.rhd_entry(hand)
    entry["uv_vis"][0, 2] = 0
    T.dump_python2(tmp_path / "training" / "anno_training.pickle", {0: entry})
    sample = RHDDataset(data_root=str(tmp_path)).get_data_info(0)
    assert sample["keypoints_visible"][0, 21:].tolist() == [1] * 20 + [0]
    assert np.allclose(sample["keypoints_cam"][0, 41], hand.joints[20], atol=0.01)


def test_rhd_rootnet(tmp_path, rendered_hands):
    T.write_rhd_parsed(tmp_path, rendered_hands)
    dataset = RHDDataset(data_root=str(tmp_path), split="test", depth_source="rootnet")
    sample = dataset.get_data_info(2)
    assert sample["bbox"].tolist() == [12, 20, 212, 220]  # as it is
    assert sample["abs_depth"].tolist() == [502, 502]
    assert dataset.protocol == {"box": "rootnet", "depth": "rootnet"}
    T.write_rhd(tmp_path / "o", rendered_hands[:1])
    with pytest.raises(ConfigError, match="parsed form"):
        RHDDataset(data_root=str(tmp_path / "o"), depth_source="rootnet")


class _Runs:
    def __init__(self, *call) -> None:
        self.call = call

    def __reduce__(self):
        return self.call[0], self.call[1:]


def test_rhd_pickle_that_would_run_code_is_refused_and_not_run(tmp_path):
    canary, path = tmp_path / "ran", tmp_path / "training" / "anno_training.pickle"
    path.parent.mkdir()
    path.write_bytes(pickle.dumps({0: {"uv_vis": _Runs(os.system, f"touch {canary}")}}, protocol=2))
    with pytest.raises(UnsafeFileError, match=r"anno_training.pickle asks for posix.system"):
        RHDDataset(data_root=str(tmp_path))
    assert not canary.exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([1, 2], "got:  list"),
        ({}, "not an annotation file of RHD"),
        ({"a": 1}, "the key 'a'"),
        ({3: {"uv_vis": np.zeros((42, 3)), "K": np.eye(3)}}, "entry 3 with keys"),
        ({3: 5}, "entry 3 with int"),
        ({3: {"uv_vis": np.zeros((21, 3)), "xyz": np.zeros((42, 3)), "K": np.eye(3)}}, r"entry 3: 'uv_vis'"),
        ({3: {"uv_vis": "x", "xyz": np.zeros((42, 3)), "K": np.eye(3)}}, r"entry 3: 'uv_vis'"),
    ],
)
def test_another_pickle_is_named(tmp_path, content, message):
    path = tmp_path / "anno_training.pickle"
    path.write_bytes(pickle.dumps(content))
    with pytest.raises(AnnotationError, match=message) as error:
        read_rhd(path)
    assert str(path) in str(error.value)


def test_cut_pickle(tmp_path, rendered_hands):
    T.write_rhd(tmp_path, rendered_hands[:1])
    path = tmp_path / "RHD_published_v2" / "training" / "anno_training.pickle"
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(AnnotationError, match=r"not a complete \.pickle file"):
        RHDDataset(data_root=str(tmp_path))


# --- the parsed form ---


def test_skeleton_file_tells_the_order(tmp_path):
    path = tmp_path / "skeleton.txt"
    for names, known in ((T.RHD_NAMES, FROM_RHD), (T.STB_NAMES, FROM_STB)):
        path.write_text(T.skeleton_text(names))
        assert skeleton_order(path, np.zeros(21)).tolist() == known.tolist()
        assert [names[j] for j in known] == list(HAND_JOINT_NAMES)
    # Digits counted from the tip, as mmpose's category lists do: the parents decide.
    turned = [n if n == "wrist" else f"{n[:-1]}{5 - int(n[-1])}" for n in T.RHD_NAMES]
    rows = T.skeleton_text(T.RHD_NAMES).splitlines()[1:]
    path.write_text("\n".join(f"{turned[i % 21]} {row.split(maxsplit=1)[1]}" for i, row in enumerate(rows)))
    assert skeleton_order(path, np.zeros(21)).tolist() == FROM_RHD.tolist()
    assert skeleton_order(tmp_path / "none.txt", FROM_STB) is FROM_STB


@pytest.mark.parametrize("broken", ["l_wrist 0", "l_nose 1 0\nl_wrist 0 -1", "l_wrist 0 0", ""])
def test_broken_skeleton_file(tmp_path, broken):
    path = tmp_path / "skeleton.txt"
    path.write_text(broken)
    with pytest.raises(AnnotationError, match=r"skeleton\.txt does not describe"):
        skeleton_order(path, FROM_RHD)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["annotations"][1]["joint_cam"].pop(), r"annotations\[1\] \(id 301\)"),
        (lambda c: c["annotations"][1].pop("hand_type"), r"annotations\[1\] \(id 301\).*hand_type"),
        (lambda c: c["annotations"][2].update(image_id=9), "annotation 302"),
        (lambda c: c["annotations"][1]["joint_cam"][4].__setitem__(2, None), "annotation 301.*no coordinate"),
        (lambda c: c["annotations"][1]["joint_cam"][4].__setitem__(0, 900.0), "annotation 301.*do not project"),
        (lambda c: c["annotations"][1]["joint_cam"][4].__setitem__(2, -5.0), "annotation 301.*behind"),
        (lambda c: c["annotations"][3].update(bbox=[1, 2, 0, 5]), "annotation 303.*no area"),
        (lambda c: c["images"][0]["cam_param"].update(focal=[0, 0]), "annotation 300.*focal"),
        (lambda c: c.pop("annotations"), "no list 'annotations'"),
        (lambda c: c["annotations"].clear(), "no samples"),
    ],
)
def test_broken_parsed_annotations_are_named(tmp_path, rendered_hands, change, message):
    T.write_rhd_parsed(tmp_path, rendered_hands)
    path = tmp_path / "data" / "RHD_training.json"
    edit_json(path, change)
    with pytest.raises(AnnotationError, match=f"(?s){message}") as error:
        RHDDataset(data_root=str(tmp_path))
    assert str(path) in str(error.value)


def test_strict_skip_leaves_faulty_annotations_out(tmp_path, rendered_hands):
    T.write_rhd_parsed(tmp_path, rendered_hands)
    edit_json(tmp_path / "data" / "RHD_training.json", lambda c: c["annotations"][1].update(bbox=[1, 2, 0, 5]))
    dataset = RHDDataset(data_root=str(tmp_path), strict="skip")
    assert dataset.hands.ann_id.tolist() == [300, 302, 303]


def test_missing_image_is_named(tmp_path, rendered_hands):
    T.write_rhd_parsed(tmp_path, rendered_hands)
    (tmp_path / "data" / "training" / "color" / "00001.png").unlink()
    with pytest.raises(ImageError, match=r"00001\.png"):
        RHDDataset(data_root=str(tmp_path), pipeline=LOAD)[1]


# --- STB ---


def test_stb_original(tmp_path, rendered_hands):
    T.write_stb(tmp_path, rendered_hands)
    hands = T.stb_hands(rendered_hands)
    dataset = STBDataset(data_root=str(tmp_path), split="test", pipeline=LOAD)
    assert len(dataset) == 2 * len(hands)  # both views of one test sequence
    for i, hand in enumerate(hands):
        sample = dataset[i]
        check_hand(sample, hand)
        assert sample["img_path"].endswith(f"B1Counting/BB_left_{i}.png")
        right = dataset.get_data_info(len(hands) + i)
        assert right["img_path"].endswith(f"B1Counting/BB_right_{i}.png")
        moved = right["keypoints_cam"][0, 21:] - sample["keypoints_cam"][0, 21:]
        assert np.allclose(moved, [-T.STB_BASELINE_MM, 0, 0], atol=0.01)
    train = STBDataset(data_root=str(tmp_path), split="train", views=["BB_right"])
    assert len(train) == len(hands)
    assert {name.split("/")[0] for name in train.hands.image} == {"B2Random"}
    assert not set(train.hands.ann_id) & set(dataset.hands.ann_id)


def test_stb_estimated_wrist(tmp_path, rendered_hands):
    T.write_stb(tmp_path, rendered_hands)
    palm = STBDataset(data_root=str(tmp_path), split="test")
    wrist = STBDataset(data_root=str(tmp_path), split="test", root="wrist")
    ring_base = HAND_JOINT_NAMES.index("ring1")
    joints = palm.hands.joints_cam
    assert np.allclose(wrist.hands.joints_cam[:, 20], 2 * joints[:, 20] - joints[:, ring_base], atol=1e-3)
    assert np.array_equal(wrist.hands.joints_cam[:, :20], joints[:, :20])


def test_stb_color_camera_undoes_the_published_motion():
    # By hand: the rotation is small, x_color = R^T (x_depth - T); R^T to first order is 1 - [om]x.
    point, om, t = np.array([10.0, 20.0, 600.0]), np.array([0.00531, -0.01196, 0.00301]), [-24.0381, -0.4563, -1.2326]
    moved = point - t
    assert np.allclose(in_view(point, "SK_color"), moved - np.cross(om, moved), atol=0.1)
    assert STB_VIEWS["SK_color"][2] == "SK"


def test_stb_parsed_reads_the_order_from_its_skeleton(tmp_path, rendered_hands):
    for number, names in enumerate((T.STB_NAMES, T.RHD_NAMES)):
        root = T.write_stb_parsed(tmp_path / str(number), rendered_hands, names)
        dataset = STBDataset(data_root=str(root), split="test", pipeline=LOAD)
        for i, hand in enumerate(T.stb_hands(rendered_hands)):
            check_hand(dataset[i], hand)
    with pytest.raises(ConfigError, match="joint 0 as it is"):
        STBDataset(data_root=str(root), root="wrist")


def test_broken_mat_files_are_named(tmp_path):
    path = tmp_path / "B1Counting_BB.mat"
    with pytest.raises(AnnotationError, match="cannot be read"):
        read_labels(path)
    header = b"MATLAB 7.3 MAT-file, Platform: GLNXA64".ljust(124) + b"\x00\x02IM" + b"\x00" * 384 + b"\x89HDF\r\n\x1a\n"
    path.write_bytes(header)
    with pytest.raises(AnnotationError, match=r"B1Counting_BB\.mat is a MATLAB 7\.3 file(.|\n)*-v7"):
        read_labels(path)
    for content in (b"", b"no mat file at all", b"\x89HDF\r\n\x1a\n" + b"\x00" * 200):
        path.write_bytes(content)
        with pytest.raises(AnnotationError, match="not a complete MATLAB file"):
            read_labels(path)
    savemat(path, {"hand": np.zeros(3)})
    with pytest.raises(AnnotationError, match=r"no variable 'handPara'\n  got:  \['hand'\]"):
        read_labels(path)
    for wrong in (np.zeros((21, 3, 5)), np.zeros((3, 21)), "text"):
        savemat(path, {"handPara": wrong})
        with pytest.raises(AnnotationError, match=r"'handPara'"):
            read_labels(path)
    savemat(path, {"handPara": np.ones((3, 21, 40))}, do_compression=True)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(AnnotationError, match="not a complete MATLAB file"):
        read_labels(path)


def test_stb_without_a_sequences_labels(tmp_path, rendered_hands):
    T.write_stb(tmp_path, rendered_hands[:1])
    (tmp_path / "labels" / "B1Counting_BB.mat").unlink()
    with pytest.raises(AnnotationError, match=r"B1Counting_BB\.mat"):
        STBDataset(data_root=str(tmp_path), split="test")


# --- FreiHAND ---


def test_freihand_samples(tmp_path, rendered_hands):
    T.write_freihand(tmp_path, rendered_hands)
    dataset = FreiHANDDataset(data_root=str(tmp_path), split="trainval", pipeline=LOAD)
    count = len(rendered_hands)
    assert len(dataset) == 4 * count
    for i in range(4 * count):
        hand = rendered_hands[i % count].as_side(0).filling(T.FREIHAND_SIZE)
        sample = dataset[i]
        check_hand(sample, hand)
        assert sample["ann_id"] == i
        assert sample["img_path"].endswith(f"training/rgb/{i:08d}.jpg")
        assert sample["mask_path"].endswith(f"training/mask/{i % count:08d}.jpg")
        bone = np.linalg.norm(
            hand.joints[HAND_JOINT_NAMES.index("middle1")] - hand.joints[HAND_JOINT_NAMES.index("middle2")]
        )
        assert sample["bone_mm"] == pytest.approx(bone, abs=1e-3)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_freihand_splits_do_not_leak(tmp_path, rendered_hands, share):
    T.write_freihand(tmp_path, rendered_hands)
    count = len(rendered_hands)
    train, val = (
        FreiHANDDataset(data_root=str(tmp_path), split=split, val_share=share, versions=("gs", "hom", "sample", "auto"))
        for split in ("train", "val")
    )
    ids = [set((part.hands.ann_id % count).tolist()) for part in (train, val)]
    assert ids[1]
    assert not ids[0] & ids[1]
    assert ids[0] | ids[1] == set(range(count))
    assert len(train) + len(val) == 4 * count


def test_freihand_evaluation_without_truth(tmp_path, rendered_hands):
    T.write_freihand(tmp_path, rendered_hands, truth=False)
    dataset = FreiHANDDataset(data_root=str(tmp_path), split="test", pipeline=LOAD)
    sample = dataset[1]
    assert not sample["keypoints_visible"].any()
    assert sample["bbox"].tolist() == [0, 0, 224, 224]
    assert dataset.protocol["box"] == "image"
    assert "mask_path" not in sample
    (tmp_path / "training_xyz.json").unlink()
    with pytest.raises(AnnotationError, match=r"training_xyz\.json"):
        FreiHANDDataset(data_root=str(tmp_path))


def test_freihand_versions(tmp_path, rendered_hands):
    T.write_freihand(tmp_path, rendered_hands)
    count = len(rendered_hands)
    dataset = FreiHANDDataset(data_root=str(tmp_path), split="trainval", versions=("sample",))
    assert dataset.hands.ann_id.tolist() == list(range(2 * count, 3 * count))
    (tmp_path / "training" / "rgb" / f"{4 * count - 1:08d}.jpg").unlink()
    with pytest.raises(AnnotationError, match=rf"version 'auto' are missing: .*{4 * count - 1:08d}\.jpg") as error:
        FreiHANDDataset(data_root=str(tmp_path))
    assert "versions=('gs',)" in str(error.value)
    FreiHANDDataset(data_root=str(tmp_path), versions=("gs", "hom"))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("xyz", lambda c: c.pop(), r"training_xyz\.json\n  got:  3\n  want: 4, as in training_K"),
        ("scale", lambda c: c.append(0.1), r"training_scale\.json\n  got:  5"),
        ("xyz", lambda c: c[2].pop(), r"training_xyz\.json.*2"),
        ("xyz", lambda c: c[1][3].__setitem__(0, None), r"training_xyz\.json: entry 1"),
        ("K", lambda c: c[3][0].__setitem__(1, 0.5), r"training_K\.json: entry 3"),
        ("K", lambda c: c[3][0].__setitem__(0, "x"), r"training_K\.json"),
    ],
)
def test_broken_freihand_lists_are_named(tmp_path, rendered_hands, name, change, message):
    T.write_freihand(tmp_path, rendered_hands)
    edit_json(tmp_path / f"training_{name}.json", change)
    with pytest.raises(AnnotationError, match=message):
        FreiHANDDataset(data_root=str(tmp_path))


def test_freihand_masks_stand_before_photographs(tmp_path, rendered_hands):
    from tests.fixtures.tiny import write_photographs

    T.write_freihand(tmp_path, rendered_hands)
    photos = write_photographs(tmp_path / "photos")
    codec = dict(type="InterHand3DCodec", input_size=(224, 224))
    replaced = dict(type="RandomBackgroundReplace", backgrounds=str(photos), prob=1.0, mask="file")
    steps = [*LOAD, dict(type="HandCrop", encoder=codec), replaced]
    dataset = FreiHANDDataset(data_root=str(tmp_path), split="trainval", versions=("gs",), box="image", pipeline=steps)
    sample = dataset[0]  # box and crop are the whole image
    hand = rendered_hands[0].as_side(0).filling(T.FREIHAND_SIZE)
    kept = sample["background_alpha"] < 128
    assert (kept != hand.mask).mean() < 0.01  # JPEG's ringing is not foreground
    green = np.abs(sample["img"].astype(int) - (60, 160, 60)).sum(-1) < 20
    assert green.mean() < 0.02


# --- all ---


@pytest.mark.parametrize("type_", [RHDDataset, STBDataset, FreiHANDDataset])
def test_nothing_there_and_wrong_options(tmp_path, type_):
    with pytest.raises(AnnotationError):
        type_(data_root=str(tmp_path))
    with pytest.raises(ConfigError, match="split"):
        type_(data_root=str(tmp_path), split="evaluation")


def test_depth_is_withheld_on_demand(tmp_path, rendered_hands):
    T.write_freihand(tmp_path, rendered_hands)
    assert FreiHANDDataset(data_root=str(tmp_path)).get_data_info(0)["depth_valid"] == 1
    assert FreiHANDDataset(data_root=str(tmp_path), depth=False).get_data_info(0)["depth_valid"] == 0


def test_json_is_read_back_as_written(tmp_path, rendered_hands):
    # Without skeleton.txt the documented order counts.
    T.write_rhd_parsed(tmp_path, rendered_hands, skeleton=False)
    sample = RHDDataset(data_root=str(tmp_path)).get_data_info(1)
    check_hand(sample, rendered_hands[1].filling(T.RHD_SIZE))
    content = json.loads((tmp_path / "data" / "RHD_training.json").read_text())
    assert np.allclose(content["annotations"][1]["joint_cam"][1], rendered_hands[1].joints[0])  # thumb tip second
    shutil.rmtree(tmp_path / "rootnet_output")
    with pytest.raises(AnnotationError):
        RHDDataset(data_root=str(tmp_path), split="test", depth_source="rootnet")


def test_projection_is_the_cameras(rendered_hands):
    hand = rendered_hands[0].filling(T.RHD_SIZE)
    assert np.allclose(camera_to_pixel(hand.joints, hand.focal, hand.principal_pt), hand.pixels)
    inside = hand.mask[tuple(np.rint(hand.pixels[:, ::-1]).astype(int).T)]
    assert inside.mean() > 0.9  # the miniature's joints lie on its hand
