from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from interhand_mm.codecs import InterHand3DCodec
from interhand_mm.datasets import InterHandDataset
from interhand_mm.datasets.transforms.geometry import Augment, crop_sample
from interhand_mm.errors import AnnotationError, ConfigError, ImageError
from interhand_mm.structures.camera import apply_affine, camera_to_pixel, invert_affine
from tests.conftest import SAMPLE
from tests.fixtures.tiny import annotations, edit_json, write_set

CODEC = dict(type="InterHand3DCodec")
LOAD = [dict(type="LoadHandImage"), dict(type="HandCrop", encoder=CODEC), dict(type="EncodeHand", encoder=CODEC)]


@pytest.fixture
def tiny(tmp_path):
    return write_set(tmp_path / "tiny")


def test_official_preprocessing_of_a_real_frame(sample_root):
    expected = json.loads((SAMPLE / "expected_image69148.json").read_text())
    dataset = InterHandDataset(data_root=str(sample_root), split="test", pipeline=LOAD)
    sample = next(s for s in (dataset[i] for i in range(len(dataset))) if s["ann_id"] == 326750)
    x, y, w, h = expected["bbox"]
    assert np.abs(sample["bbox"] - [x, y, x + w, y + h]).max() < 1e-3
    assert np.abs(sample["bins"] - np.array(expected["joint_coord"])).max() < 1e-3
    assert np.abs(invert_affine(sample["warp"].full_to_crop) - np.array(expected["inv_trans"])).max() < 1e-3
    assert (sample["bin_weights"] == np.array(expected["joint_valid"])).all()
    assert sample["root_bin"] == pytest.approx(expected["rel_root_depth"][0], abs=1e-3)
    assert sample["root_weight"] == expected["root_valid"][0]


def test_annotated_boxes_are_the_tight_boxes_of_projected_joints(sample_root):
    dataset = InterHandDataset(data_root=str(sample_root), split="test")
    for i in range(4):
        sample = dataset.get_data_info(i)
        uv = sample["keypoints"][0, sample["keypoints_visible"][0] > 0, :2]
        low, high = uv.min(0), uv.max(0)
        x, y, w, h = dataset.index.bbox[i]
        assert np.allclose([(low + high) / 2, (high - low) * 1.2], [[x + w / 2, y + h / 2], [w, h]], atol=1e-2)


def test_samples_by_hand(tiny):
    dataset = InterHandDataset(data_root=str(tiny))
    kinds = [tuple(dataset.get_data_info(i)["hand_type"][0]) for i in range(6)]
    assert kinds == [(1, 0), (0, 1), (1, 0), (0, 1), (1, 1), (1, 1)]  # single hands first
    sample = dataset.get_data_info(4)
    cam = sample["keypoints_cam"][0]
    assert np.allclose(sample["abs_depth"], cam[[20, 41], 2])
    assert sample["rel_root_depth"] == pytest.approx(cam[41, 2] - cam[20, 2], abs=1e-3)
    assert sample["keypoints"][0, 20, 2] == 0
    assert sample["keypoints"][0, 41, 2] == 0
    assert np.allclose(
        camera_to_pixel(cam, sample["focal"], sample["principal_pt"]), sample["keypoints"][0, :, :2], atol=1e-2
    )
    single = dataset.get_data_info(0)
    assert single["keypoints_visible"][0].tolist() == [1.0] * 21 + [0.0] * 21
    assert single["rel_root_valid"] == 0
    x1, y1, x2, y2 = single["bbox"]
    assert x2 - x1 == pytest.approx(y2 - y1, rel=1e-5)


def test_joints_draw_where_the_image_shows_them(tiny):
    dataset = InterHandDataset(data_root=str(tiny), pipeline=LOAD)
    sample = dataset[4]
    points = apply_affine(sample["keypoints"][0, :, :2].astype(float), sample["warp"].full_to_crop)
    at = np.rint(points).astype(int)
    assert (sample["img"][at[:, 1], at[:, 0]].max(axis=1) > 80).all()
    flipped = crop_sample(
        {**dataset.get_data_info(4), "img": cv2.imread(sample["img_path"])},
        Augment((0.1, 0), 1.1, 20, True),
        (256, 256),
    )
    at = np.rint(apply_affine(flipped["keypoints"][0, :, :2].astype(float), flipped["warp"].full_to_crop)).astype(int)
    assert (flipped["img"][at[:, 1], at[:, 0]].max(axis=1) > 80).all()


def test_a_wrist_that_is_not_annotated_takes_its_hand_along(tiny):
    edit_json(annotations(tiny, "data"), lambda d: d["annotations"][1]["joint_valid"].__setitem__(41, [0]))
    dataset = InterHandDataset(data_root=str(tiny))
    sample = next(s for s in map(dataset.get_data_info, range(6)) if s["ann_id"] == 501)
    assert sample["keypoints_visible"][0].tolist() == [1.0] * 21 + [0.0] * 21
    assert sample["rel_root_valid"] == 0


def test_older_layout_is_found(tmp_path):
    root = write_set(tmp_path / "old", split="val", layout="machine_annot")
    assert len(InterHandDataset(data_root=str(root), split="val", annot_subset="machine_annot")) == 6
    with pytest.raises(AnnotationError, match="machine_annot"):
        InterHandDataset(data_root=str(root), split="val", annot_subset="all")


def test_id_list(tiny, tmp_path):
    listed = tmp_path / "ids.txt"
    listed.write_text("501\n504\n")
    dataset = InterHandDataset(data_root=str(tiny), ann_ids_file=str(listed))
    assert [dataset.get_data_info(i)["ann_id"] for i in range(len(dataset))] == [501, 504]
    listed.write_text("501\n99\n")
    with pytest.raises(AnnotationError, match="99"):
        InterHandDataset(data_root=str(tiny), ann_ids_file=str(listed))
    listed.write_text("abc\n")
    with pytest.raises(AnnotationError, match="one annotation id per line"):
        InterHandDataset(data_root=str(tiny), ann_ids_file=str(listed))


def _rootnet(root, ids, name="rootnet_interhand2.6m_output_train.json"):
    folder = root / "rootnet_output"
    folder.mkdir(exist_ok=True)
    rows = [
        dict(annot_id=i, bbox=[10.5, 20.5, 90.0, 90.0], abs_depth=[900.0 + i, 950.0], root_valid=[1.0, 1.0])
        for i in ids
    ]
    (folder / name).write_text(json.dumps(rows))


def test_rootnet_boxes_are_used_as_they_are(tiny):
    _rootnet(tiny, range(500, 506))
    dataset = InterHandDataset(data_root=str(tiny), depth_source="rootnet")
    sample = dataset.get_data_info(0)
    assert np.allclose(sample["bbox"], [10.5, 20.5, 100.5, 110.5])
    assert sample["abs_depth"].tolist() == [900.0 + sample["ann_id"], 950.0]
    assert dataset.protocol == {"box": "rootnet", "depth": "rootnet"}


def test_rootnet_of_another_version(tiny):
    _rootnet(tiny, range(700, 706))
    with pytest.raises(AnnotationError, match=r"500.*(?s:.)*release"):
        InterHandDataset(data_root=str(tiny), depth_source="rootnet")


def test_samples_without_a_rootnet_result_may_be_left_out(tiny, caplog):
    _rootnet(tiny, [500, 501, 503, 505])
    with pytest.raises(AnnotationError, match="do not cover") as error:
        InterHandDataset(data_root=str(tiny), depth_source="rootnet")
    assert "strict='skip'" in error.value.fix
    dataset = InterHandDataset(data_root=str(tiny), depth_source="rootnet", strict="skip")
    assert sorted(dataset.get_data_info(i)["ann_id"] for i in range(len(dataset))) == [500, 501, 503, 505]
    _rootnet(tiny, [1, 2])
    with pytest.raises(AnnotationError, match="no samples of split 'train'") as error:
        InterHandDataset(data_root=str(tiny), depth_source="rootnet", strict="skip")
    assert error.value.got.startswith("0 of 6 by RootNet's file")


def test_a_filter_that_leaves_nothing_is_named(tiny, tmp_path):
    def refused(**options):
        with pytest.raises(AnnotationError, match="no samples of split 'train'") as error:
            InterHandDataset(data_root=str(tiny), **options)
        return error.value.got

    names = [InterHandDataset(data_root=str(tiny)).index.file_name(i) for i in range(6)]
    (tmp_path / "none.txt").write_text("")
    (tmp_path / "right.txt").write_text("500\n503\n")
    (tmp_path / "blocked.txt").write_text("".join(f"train/{name}\n" for name in names))
    assert refused(ann_ids_file=str(tmp_path / "none.txt")) == f"0 of 6 by ann_ids_file={tmp_path / 'none.txt'}"
    options = dict(ann_ids_file=str(tmp_path / "right.txt"), hand_types=["interacting"])
    assert refused(**options) == "0 of 2 by hand_types=['interacting']"
    assert refused(blocklist=str(tmp_path / "blocked.txt")) == f"0 of 6 by blocklist={tmp_path / 'blocked.txt'}"


def test_a_byte_order_mark_is_skipped(tiny):
    plain = InterHandDataset(data_root=str(tiny)).get_data_info(0)
    for path in (tiny / "annotations" / "train").glob("*.json"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    again = InterHandDataset(data_root=str(tiny)).get_data_info(0)
    assert np.array_equal(plain["keypoints"], again["keypoints"])


def test_turned_images_are_named(tiny):
    dataset = InterHandDataset(data_root=str(tiny), pipeline=LOAD)
    path = dataset.load_item(0)["img_path"]
    cv2.imwrite(path, np.rot90(cv2.imread(path)))
    with pytest.raises(ImageError, match="another size") as error:
        dataset[0]
    assert "EXIF" in error.value.fix


def test_rootnet_without_any_result(tiny):
    _rootnet(tiny, [])
    with pytest.raises(AnnotationError, match="contains no RootNet results"):
        InterHandDataset(data_root=str(tiny), depth_source="rootnet")


def test_rootnet_missing_and_30_fps_name(tiny):
    with pytest.raises(AnnotationError, match="depth-source gt"):
        InterHandDataset(data_root=str(tiny), depth_source="rootnet")
    _rootnet(tiny, range(500, 506), "rootnet_interhand2.6m_output_train_30fps.json")
    assert len(InterHandDataset(data_root=str(tiny), depth_source="rootnet", fps=30)) == 6


def test_rootnet_sample_file(sample_root):
    dataset = InterHandDataset(data_root=str(sample_root), split="test", depth_source="rootnet")
    truth = InterHandDataset(data_root=str(sample_root), split="test")
    for i in range(4):
        rootnet, gt = dataset.get_data_info(i), truth.get_data_info(i)
        assert np.allclose(rootnet["bbox"], gt["bbox"], atol=1e-2)
        assert np.allclose(rootnet["abs_depth"] - gt["abs_depth"], [3, -2], atol=1e-2)


@pytest.mark.parametrize(
    ("part", "change", "message"),
    [
        ("camera", lambda c: c["0"]["campos"].pop("400000"), "camera"),
        ("joint_3d", lambda c: c["0"].pop("0"), "frame"),
        ("data", lambda d: d["annotations"][0].update(bbox=[5, 5, 0, 20]), "no area"),
        ("joint_3d", lambda c: c["0"]["0"]["world_coord"].__setitem__(3, [float("nan")] * 3), "right_thumb1"),
        ("joint_3d", lambda c: c["0"]["0"]["world_coord"].__setitem__(3, [1.0, 1.0, 1.0]), "right_thumb1"),
    ],
)
def test_faulty_annotations_follow_the_strict_policy(tiny, part, change, message):
    edit_json(annotations(tiny, part), change)
    with pytest.raises(AnnotationError, match=message) as error:
        InterHandDataset(data_root=str(tiny))
    assert "500" in str(error.value)
    assert "strict='skip'" in str(error.value)
    dataset = InterHandDataset(data_root=str(tiny), strict="skip")
    samples = {s["ann_id"]: s for s in map(dataset.get_data_info, range(len(dataset)))}
    if "thumb" in message:
        assert samples[500]["keypoints_visible"][0, 3] == 0
        assert samples[500]["keypoints_visible"].sum() == 20
    else:
        assert 500 not in samples


def _break_image(root, how: str):
    path = root / "images/train/Capture0/0001_tiny/cam400000/image0.jpg"
    if how == "missing":
        path.unlink()
    elif how == "cut short":
        path.write_bytes(path.read_bytes()[:-700])
    elif how == "all black":
        cv2.imwrite(str(path), np.zeros((512, 334, 3), np.uint8))
    elif how == "not an image":
        path.write_bytes(b"hello")
    elif how == "empty":
        path.write_bytes(b"")
    else:
        cv2.imwrite(str(path), np.full((100, 100, 3), 99, np.uint8))


@pytest.mark.parametrize(
    ("how", "message"),
    [("missing", "cannot be read"), ("cut short", "cut short"), ("all black", "all black"), ("not an image", "not an image"),
     ("empty", "not an image"), ("other size", r"\(100, 100\)")],
)  # fmt: skip
def test_bad_images_follow_the_strict_policy(tiny, how, message):
    _break_image(tiny, how)
    dataset = InterHandDataset(data_root=str(tiny), pipeline=LOAD)
    with pytest.raises(ImageError, match=message) as error:
        dataset[0]
    assert "image0.jpg" in str(error.value)
    dataset = InterHandDataset(data_root=str(tiny), pipeline=LOAD, strict="skip")
    sample = dataset[0]
    assert "image0.jpg" in sample["skipped"]
    assert sample["bin_weights"].sum() == 0
    assert sample["root_weight"] == 0
    assert sample["hand_type_valid"] == 0
    assert len(dataset) == 6
    assert not dataset[1]["skipped"]


def test_bad_options():
    with pytest.raises(ConfigError, match="depth_source"):
        InterHandDataset(data_root=".", depth_source="guess")
    with pytest.raises(ConfigError, match="strict"):
        InterHandDataset(data_root=".", strict="maybe")
    with pytest.raises(AnnotationError, match="no annotations"):
        InterHandDataset(data_root="/nonexistent")


def test_argmax_quantization_floor(sample_root):
    """Return the error in mm of a perfect network that is decoded by argmax, so from rounding to bins alone."""
    from interhand_mm.evaluation.functional import pose_3d as F

    codec = InterHand3DCodec()
    dataset = InterHandDataset(data_root=str(sample_root), split="test", pipeline=LOAD)
    errors = []
    for i in range(4):
        sample = dataset[i]
        points = codec.from_bins(np.rint(sample["bins"].astype(float)))
        points[:, :2] = apply_affine(points[:, :2], invert_affine(sample["warp"].full_to_crop))
        relative = F.wrist_relative_mm(points[None], *(sample[k][None] for k in ("abs_depth", "focal", "principal_pt")))
        visible = sample["keypoints_visible"][0] > 0
        errors.append(F.joint_errors_mm(relative, sample["keypoints_cam"])[0][visible])
    assert 1.5 < np.concatenate(errors).mean() < 3.5
