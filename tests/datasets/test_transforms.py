from __future__ import annotations

import copy
import os
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from interhand_mm.datasets import InterHandDataset
from interhand_mm.datasets.crop_cache import reach_of
from interhand_mm.datasets.transforms import ChannelJitter, EmptyCrop, HandCropAugment, RandomBackgroundReplace
from interhand_mm.datasets.transforms.background import blend, crop_joints, warp_photo
from interhand_mm.datasets.transforms.background_pool import BackgroundPool
from interhand_mm.datasets.transforms.geometry import Augment, crop_sample, draw_augment, flip_sample
from interhand_mm.datasets.transforms.matte import hand_matte, threshold_background
from interhand_mm.errors import BackgroundError, ConfigError, DataContractError
from interhand_mm.structures.camera import apply_affine, camera_to_pixel
from interhand_mm.structures.joints import HANDS, WRISTS
from interhand_mm.structures.sample import check_sample
from tests.fixtures.tiny import annotations, edit_json, write_photographs, write_set

CODEC = dict(type="InterHand3DCodec")
OFFICIAL = dict(shift=0.15, scale=0.25, rotation_deg=45.0, rotation_prob=0.6, flip_prob=0.5)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def two_hands(root):
    sample = InterHandDataset(data_root=str(root)).get_data_info(4)
    sample["img"] = cv2.imread(sample["img_path"])
    return sample


def test_augmentation_follows_the_official_distributions():
    rng = np.random.default_rng(0)
    draws = [draw_augment(rng, **OFFICIAL) for _ in range(20_000)]
    shift = np.array([d.shift for d in draws])
    assert np.abs(shift).max() <= 0.15
    assert shift.std() == pytest.approx(0.3 / np.sqrt(12), rel=0.02)
    scale = np.array([d.scale for d in draws])
    assert (scale.min(), scale.max()) == (0.75, 1.25)
    assert np.isin(scale, (0.75, 1.25)).mean() == pytest.approx(0.317, abs=0.015)  # P(|N| > 1)
    turn = np.array([d.rotation_deg for d in draws])
    assert (turn == 0).mean() == pytest.approx(0.4, abs=0.015)
    assert np.abs(turn).max() == 90
    assert (np.abs(turn) == 90).mean() == pytest.approx(0.6 * 0.0455, abs=0.006)  # P(|N| > 2)
    assert np.mean([d.flip for d in draws]) == pytest.approx(0.5, abs=0.015)


def _official_crop(bbox, width, augment, points):
    """The recipe of docs/spec/datasets.md, section 2.2, steps 4 to 9, written out by itself."""
    x, y, w, h = bbox[0], bbox[1], bbox[2] - bbox[0], bbox[3] - bbox[1]
    x, y = x + w * augment.shift[0], y + h * augment.shift[1]
    center = np.array([x + w / 2, y + h / 2])
    points = points.copy()
    if augment.flip:
        center[0] = width - center[0] - 1
        points[:, 0] = width - points[:, 0] - 1
    angle = np.deg2rad(augment.rotation_deg)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    source = np.array([center, center + turn @ [0, h * augment.scale / 2], center + turn @ [w * augment.scale / 2, 0]])
    target = np.array([[128, 128], [128, 256], [256, 128]])
    affine = cv2.getAffineTransform(source.astype(np.float32), target.astype(np.float32))
    return points @ affine[:, :2].T + affine[:, 2]


@pytest.mark.parametrize(
    "augment", [Augment(), Augment((0.1, -0.05), 1.2, 33.0, False), Augment((-0.12, 0.07), 0.8, -70.0, True)]
)
def test_crop_equals_the_official_order_of_operations(two_hands, augment):
    before = copy.deepcopy(two_hands)
    expected = _official_crop(before["bbox"], before["image_size"][0], augment, before["keypoints"][0, :, :2])
    after = crop_sample(two_hands, augment, (256, 256))
    got = apply_affine(after["keypoints"][0, :, :2].astype(float), after["warp"].full_to_crop)
    if augment.flip:
        expected = np.concatenate([expected[21:], expected[:21]])
    assert np.abs(got - expected).max() < 1e-2


def test_mirrored_crop_is_the_crop_of_the_mirrored_image(two_hands):
    mirrored_first = copy.deepcopy(two_hands)
    mirrored_first["img"] = np.ascontiguousarray(mirrored_first["img"][:, ::-1])
    flip_sample(mirrored_first)
    mirrored_first["flipped"] = False  # its pixels are mirrored already
    expected = crop_sample(mirrored_first, Augment(scale=0.9, rotation_deg=15), (256, 256))["img"]
    got = crop_sample(two_hands, Augment(scale=0.9, rotation_deg=15, flip=True), (256, 256))["img"]
    assert np.abs(got.astype(int) - expected).max() <= 8  # OpenCV's fixed-point interpolation
    assert np.abs(got.astype(int) - expected).mean() < 0.1


def test_flip_changes_every_key_and_keeps_the_contract(two_hands):
    before = copy.deepcopy(two_hands)
    flip_sample(two_hands)
    check_sample(two_hands, "dataset", "flip_sample")
    assert two_hands["rel_root_depth"] == -before["rel_root_depth"]
    assert two_hands["abs_depth"].tolist() == before["abs_depth"][::-1].tolist()
    width = before["image_size"][0]
    assert np.allclose(two_hands["keypoints"][0, :21, 0], width - 1 - before["keypoints"][0, 21:, 0])
    assert two_hands["principal_pt"][0] == pytest.approx(width - 1 - before["principal_pt"][0])
    flip_sample(two_hands)
    keys = ("bbox", "keypoints", "keypoints_cam", "keypoints_visible", "keypoints_annotated", "hand_type", "abs_depth")
    for key in (*keys, "principal_pt"):
        assert np.allclose(two_hands[key], before[key], atol=1e-3), key
    assert two_hands["flipped"] is False


@settings(max_examples=25, deadline=None)
@given(st.floats(-0.15, 0.15), st.floats(0.75, 1.25), st.floats(-90, 90), st.booleans())
def test_projection_survives_any_augmentation(shift, scale, rotation, flip):
    root = test_projection_survives_any_augmentation.root
    sample = InterHandDataset(data_root=str(root)).get_data_info(4)
    sample["img"] = np.zeros((sample["image_size"][1], sample["image_size"][0], 3), np.uint8)
    crop_sample(sample, Augment((shift, -shift), scale, rotation, flip), (256, 256))
    uv = camera_to_pixel(sample["keypoints_cam"].astype(float), sample["focal"], sample["principal_pt"])
    assert np.abs(uv - sample["keypoints"][..., :2]).max() < 0.05


@pytest.fixture(autouse=True, scope="module")
def _root_for_hypothesis(root):
    test_projection_survives_any_augmentation.root = root


def test_a_planted_contract_break_is_named(two_hands):
    two_hands["abs_depth"] = two_hands["abs_depth"][:1]
    with pytest.raises(DataContractError, match=r"'abs_depth' (?s:.)*after HandFlip(?s:.)*\(1,\)(?s:.)*\(2,\)"):
        check_sample(two_hands, "dataset", "HandFlip")


def test_half_a_flip_is_noticed(two_hands):
    two_hands["principal_pt"] = two_hands["principal_pt"] + np.float32(3)
    with pytest.raises(DataContractError, match="does not project"):
        check_sample(two_hands, "dataset", "x")


def test_channel_jitter_by_hand():
    class Fixed:
        def uniform(self, low, high, n):
            return np.array([0.5, 1.0, 2.0])

    image = np.full((2, 2, 3), 200, np.uint8)
    out = ChannelJitter().transform({"img": image, "rng": Fixed()})["img"]
    assert out[0, 0].tolist() == [100, 200, 255]


# --- backgrounds ---


def test_threshold_is_the_published_recipe():
    image = np.array([[[29, 29, 29], [29, 30, 29], [231, 231, 231], [231, 230, 255], [0, 0, 0]]], np.uint8)
    assert threshold_background(image).tolist() == [[255, 0, 255, 0, 255]]


def test_blend_by_hand():
    front, behind = np.full((1, 3, 3), 100, np.uint8), np.full((1, 3, 3), 200, np.uint8)
    assert blend(front, behind, np.array([[0, 255, 51]], np.uint8))[0, :, 0].tolist() == [100, 200, 120]


@pytest.mark.parametrize("mask", ["matte", "threshold"])
def test_background_is_replaced_and_the_hands_are_kept(root, tmp_path, mask):
    photos = write_photographs(tmp_path / "photos")
    steps = [dict(type="LoadHandImage"), dict(type="HandCropAugment", encoder=CODEC, **OFFICIAL)]
    replace = dict(type="RandomBackgroundReplace", backgrounds=str(photos), prob=1.0, mask=mask)
    plain = InterHandDataset(data_root=str(root), pipeline=steps)
    changed = InterHandDataset(data_root=str(root), pipeline=[*steps, replace])
    for i in range(6):
        before, after = plain[i], changed[i]
        assert np.array_equal(before["keypoints"], after["keypoints"])
        joints = np.rint(apply_affine(after["keypoints"][0, :, :2].astype(float), after["warp"].full_to_crop)).astype(
            int
        )
        on = joints[(after["keypoints_visible"][0] > 0) & ((joints >= 2) & (joints < 254)).all(1)]
        assert (after["background_alpha"][on[:, 1], on[:, 0]] < 32).all()
        assert np.abs(after["img"][on[:, 1], on[:, 0]].astype(int) - before["img"][on[:, 1], on[:, 0]]).max() < 32
        inside = (
            cv2.warpAffine(
                np.full(before["img_full"].shape[:2], 255, np.uint8), before["warp"].stored_to_crop, (256, 256)
            )
            == 255
        )
        black = (before["img"].max(-1) == 0) & inside & (after["background_alpha"] == 255)
        assert black.sum() > 3000
        assert after["img"][black].mean() > 30
        outside = (
            cv2.warpAffine(
                np.full(before["img_full"].shape[:2], 255, np.uint8), before["warp"].stored_to_crop, (256, 256)
            )
            == 0
        )
        assert after["img"][outside].max(initial=0) == 0  # nothing is invented outside the frame


def test_matte_removes_what_threshold_leaves():
    # A bright shirt beside the hand: above the threshold, but not skin.
    crop = np.full((256, 256, 3), (160, 120, 30), np.uint8)
    points = np.zeros((42, 2))
    points[:21] = np.column_stack([np.full(21, 128.0), np.linspace(60, 160, 21)])
    visible = np.repeat([1.0, 0.0], 21)
    cv2.line(crop, (128, 60), (128, 250), (110, 140, 190), 26)
    matte = hand_matte(crop, points, visible, np.array([1.0, 1.0]))
    assert matte[110, 128] == 255
    assert matte[200, 128] == 255, "the forearm stays"
    assert matte[110, 40] == 0
    assert matte[60, 220] == 0
    assert threshold_background(crop)[110, 40] == 0, "by brightness alone the shirt would stay"


def test_matte_closes_dark_holes_and_handles_no_joint():
    crop = np.zeros((256, 256, 3), np.uint8)
    points = np.zeros((42, 2))
    points[:21] = np.column_stack([np.full(21, 128.0), np.linspace(60, 160, 21)])
    cv2.line(crop, (128, 60), (128, 160), (110, 140, 190), 20)
    cv2.circle(crop, (128, 100), 4, (5, 5, 5), -1)  # shadow darker than any threshold
    matte = hand_matte(crop, points, np.repeat([1.0, 0.0], 21), np.ones(2))
    assert matte[100, 128] == 255
    assert hand_matte(crop, points, np.zeros(42), np.ones(2)).max() == 0


def _invalidate(root, joints, split="train"):
    """Mark joints as invalid in all annotations of a split."""

    def change(content):
        for annotation in content["annotations"]:
            for joint in joints:
                annotation["joint_valid"][joint] = [0]

    edit_json(annotations(root, "data", split), change)


def _with_photograph(root, photos, idx, split="train", mask="matte", **kwargs):
    """Return sample `idx` cropped without and with a photograph behind it."""
    steps = [dict(type="LoadHandImage"), dict(type="HandCrop", encoder=CODEC)]
    replace = dict(type="RandomBackgroundReplace", backgrounds=str(photos), prob=1.0, mask=mask)
    pair = []
    for pipeline in (steps, [*steps, replace]):
        pair.append(InterHandDataset(data_root=str(root), split=split, pipeline=pipeline, **kwargs)[idx])
    return pair


@pytest.mark.parametrize("idx", [0, 1, 4])
def test_a_hand_without_a_valid_wrist_keeps_its_pixels(tmp_path, idx):
    root, photos = write_set(tmp_path / "tiny"), write_photographs(tmp_path / "photos")
    _invalidate(root, WRISTS)
    before, after = _with_photograph(root, photos, idx)
    assert not after["keypoints_visible"].any(), "InterNet does not learn joints without their wrist"
    assert after["hand_type"].any()
    for side, own in enumerate(HANDS):
        if after["hand_type"][0, side]:
            tips = after["warp"].to_crop(after["keypoints"][0, own, :2])[[1, 5, 9, 13, 17]]
            x, y = np.rint(tips).astype(int).T
            assert (after["background_alpha"][y, x] < 32).all()
            assert np.array_equal(after["img"][y, x], before["img"][y, x])
    assert (after["background_alpha"] == 255).mean() > 0.3, "the background is still replaced"


def test_a_hand_without_any_annotated_bone_stays_without_photograph(tmp_path):
    root, photos = write_set(tmp_path / "tiny"), write_photographs(tmp_path / "photos")
    _invalidate(root, range(21, 42))
    for idx in (1, 4):  # a left hand, and two hands of which only the right one has joints
        before, after = _with_photograph(root, photos, idx)
        assert after["hand_type"][0, 1] == 1
        assert np.array_equal(after["img"], before["img"])
        assert "background_path" not in after
    _, after = _with_photograph(root, photos, 0)
    assert "background_path" in after, "a right hand is not concerned"


def test_the_scale_of_a_hand_without_wrist_comes_from_its_joints(tmp_path):
    root, photos = write_set(tmp_path / "tiny"), write_photographs(tmp_path / "photos")
    whole, _ = _with_photograph(root, photos, 4)
    _invalidate(root, WRISTS)

    def lose_wrists(content):
        for capture in content.values():
            for frame in capture.values():
                for wrist in WRISTS:
                    frame["world_coord"][wrist] = [1.0, 1.0, 1.0]  # the placeholder

    edit_json(annotations(root, "joint_3d"), lose_wrists)
    without, _ = _with_photograph(root, photos, 4)
    assert crop_joints(without)[2] == pytest.approx(crop_joints(whole)[2], rel=0.05)


def test_an_empty_stored_mask_leaves_the_sample_without_photograph(root, tmp_path):
    photos, masks = write_photographs(tmp_path / "photos"), tmp_path / "masks"
    sample = InterHandDataset(data_root=str(root), mask_root=str(masks)).get_data_info(0)
    width, height = sample["image_size"]
    Path(sample["mask_path"]).parent.mkdir(parents=True)
    cv2.imwrite(sample["mask_path"], np.zeros((height, width), np.uint8))
    before, after = _with_photograph(root, photos, 0, mask="file", mask_root=str(masks))
    assert np.array_equal(after["img"], before["img"])


@pytest.mark.parametrize("idx", range(4))
def test_real_hands_without_a_valid_wrist_keep_their_pixels(sample_root, tmp_path, idx):
    photos = write_photographs(tmp_path / "photos")
    _, whole = _with_photograph(sample_root, photos, idx)
    target = annotations(sample_root, "data")
    content = target.read_text()
    target.unlink()  # a link
    target.write_text(content)
    _invalidate(sample_root, WRISTS)
    _, without = _with_photograph(sample_root, photos, idx)
    hands, kept = whole["background_alpha"] < 128, without["background_alpha"] < 128
    # What is left out is the forearm, which is searched from the wrist.
    palms = np.zeros(hands.shape, np.uint8)
    points = np.rint(whole["warp"].to_crop(whole["keypoints"][0, :, :2])).astype(int)
    for side, own in enumerate(HANDS):
        if whole["hand_type"][0, side]:
            cv2.fillConvexPoly(palms, cv2.convexHull(points[own][[3, 7, 11, 15, 19]]), 255)
    assert kept[(palms > 0) & hands].mean() > 0.97


def test_file_mask(root, tmp_path):
    photos = write_photographs(tmp_path / "photos")
    masks = tmp_path / "masks"
    dataset = InterHandDataset(data_root=str(root), mask_root=str(masks))
    for i in range(6):
        path = dataset.get_data_info(i)["mask_path"]
        width, height = dataset.get_data_info(i)["image_size"]
        mask = np.zeros((height, width), np.uint8)
        mask[:, : width // 2] = 1
        __import__("pathlib").Path(path).parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(path, mask)
    steps = [
        dict(type="LoadHandImage"),
        dict(type="HandCrop", encoder=CODEC),
        dict(type="RandomBackgroundReplace", backgrounds=str(photos), prob=1.0, mask="file"),
    ]
    sample = InterHandDataset(data_root=str(root), mask_root=str(masks), pipeline=steps)[4]
    edge = apply_affine(np.array([[sample["image_size"][0] / 2, 100.0]]), sample["warp"].full_to_crop)[0, 0]
    assert sample["background_alpha"][128, int(edge) - 6] == 0
    assert sample["background_alpha"][128, int(edge) + 6] == 255


def test_photograph_moves_with_the_frame():
    photo = np.zeros((600, 700, 3), np.uint8)
    photo[:, :, 0] = np.arange(700) // 3
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    out = warp_photo(photo, (200, 300), identity, (300, 200), np.random.default_rng(0))
    steps = np.diff(out[100, :, 0].astype(int))
    assert ((steps >= 0) & (steps <= 1)).all()  # one cut at the photograph's own scale
    assert out[:, :, 0].max() - out[:, :, 0].min() == pytest.approx(100, abs=2)


def test_small_photographs_are_enlarged_to_cover():
    photo = np.full((50, 80, 3), 200, np.uint8)
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    out = warp_photo(photo, (200, 300), identity, (300, 200), np.random.default_rng(0))
    assert (out[2:-4, 2:-4] == 200).all()


def test_fixed_backgrounds_are_the_same_for_everyone(root, tmp_path):
    photos = write_photographs(tmp_path / "photos", num=6)
    steps = [
        dict(type="LoadHandImage"),
        dict(type="HandCrop", encoder=CODEC),
        dict(type="RandomBackgroundReplace", backgrounds=str(photos), prob=1.0, mask="threshold", fixed_seed=0),
    ]
    first = InterHandDataset(data_root=str(root), pipeline=steps, seed=1)
    second = InterHandDataset(data_root=str(root), pipeline=steps, seed=2)
    second.set_epoch(7)
    for i in (0, 3, 5):
        assert np.array_equal(first[i]["img"], second[i]["img"])
    steps[2] = steps[2] | dict(fixed_seed=1)
    other = InterHandDataset(data_root=str(root), pipeline=steps)
    assert any(not np.array_equal(first[i]["img"], other[i]["img"]) for i in range(6))


def test_probability():
    with pytest.raises(ConfigError, match="prob"):
        RandomBackgroundReplace(backgrounds=["x.jpg"], prob=1.5)
    with pytest.raises(ConfigError, match="mask"):
        RandomBackgroundReplace(backgrounds=["x.jpg"], mask="magic")


def test_missing_and_empty_backgrounds_fail_before_training(tmp_path):
    with pytest.raises(BackgroundError, match="--backgrounds"):
        RandomBackgroundReplace(backgrounds=None)
    with pytest.raises(BackgroundError, match="does not exist"):
        BackgroundPool(tmp_path / "none")
    with pytest.raises(BackgroundError, match="no photographs"):
        BackgroundPool(tmp_path)


def test_unreadable_photographs_are_replaced_and_counted(tmp_path):
    photos = write_photographs(tmp_path / "photos", num=1)
    (photos / "broken.jpg").write_bytes(b"nothing")
    pool = BackgroundPool(photos)
    assert len(pool) == 2
    tries = [pool.draw(np.random.default_rng(seed))[1] for seed in range(30)]
    assert 0 in tries
    assert max(tries) > 0
    (photos / "photo0.jpg").unlink()
    with pytest.raises(BackgroundError, match="in a row"):
        BackgroundPool(photos).draw(np.random.default_rng(0))


def test_list_file_and_gray_photographs(tmp_path):
    photos = write_photographs(tmp_path / "photos", num=3)
    cv2.imwrite(str(photos / "gray.jpg"), np.full((300, 300), 90, np.uint8))
    listed = tmp_path / "list.txt"
    listed.write_text("# two of four\nphotos/photo1.jpg\nphotos/gray.jpg\n")
    pool = BackgroundPool(listed)
    assert len(pool) == 2
    assert all(pool.draw(np.random.default_rng(s))[0].shape[2] == 3 for s in range(6))


def test_names_that_are_not_utf8_and_companions_of_macos(tmp_path):
    photos = write_photographs(tmp_path / "photos", num=1)
    name = b"\xca\xd6.jpg"
    (photos / "photo0.jpg").rename(photos / os.fsdecode(name))
    (photos / "._photo0.jpg").write_bytes(b"Mac OS X")
    listed = tmp_path / "list.txt"
    listed.write_bytes(b"\xef\xbb\xbf# with the mark of UTF-8\nphotos/" + name + b"\n")
    for source in (photos, listed):
        pool = BackgroundPool(source)
        assert len(pool) == 1
        photo, retries, path = pool.draw(np.random.default_rng(0))
        assert (photo.ndim, retries, os.fsencode(path)) == (3, 0, os.fsencode(photos) + b"/" + name)


# --- randomness ---


def test_a_sample_depends_on_seed_epoch_and_index_alone(root):
    steps = [
        dict(type="LoadHandImage"),
        dict(type="HandCropAugment", encoder=CODEC, **OFFICIAL),
        dict(type="ChannelJitter"),
    ]
    first = InterHandDataset(data_root=str(root), pipeline=steps, seed=3)
    second = InterHandDataset(data_root=str(root), pipeline=steps, seed=3)
    np.random.seed(0)  # noqa: NPY002  (global state must not matter)
    in_order = [first[i]["img"] for i in range(6)]
    np.random.seed(99)  # noqa: NPY002
    backwards = [second[i]["img"] for i in reversed(range(6))][::-1]
    assert all(np.array_equal(a, b) for a, b in zip(in_order, backwards, strict=True))
    first.set_epoch(1)
    assert not np.array_equal(first[0]["img"], in_order[0])
    first.set_epoch(0)
    assert np.array_equal(first[0]["img"], in_order[0])


def test_running_workers_see_a_new_epoch(root):
    from torch.utils.data import DataLoader

    steps = [dict(type="LoadHandImage"), dict(type="HandCropAugment", encoder=CODEC, **OFFICIAL)]
    dataset = InterHandDataset(data_root=str(root), pipeline=steps)
    loader = DataLoader(
        dataset, num_workers=1, persistent_workers=True, batch_size=None, collate_fn=lambda s: s["bbox"]
    )
    first = [b.tolist() for b in loader]
    dataset.set_epoch(1)
    second = [b.tolist() for b in loader]
    dataset.set_epoch(0)
    assert [b.tolist() for b in loader] == first
    assert second != first


def test_crop_size_comes_from_the_codec(root):
    steps = [dict(type="LoadHandImage"), HandCropAugment(CODEC | dict(input_size=(128, 128)))]
    assert InterHandDataset(data_root=str(root), pipeline=steps)[0]["img"].shape == (128, 128, 3)


# --- crops without hands ---


@pytest.mark.parametrize("idx", range(6))
def test_an_empty_crop_shows_no_hand_whatever_the_augmentation(root, idx):
    steps = [dict(type="LoadHandImage"), dict(type="EmptyCrop", prob=1.0)]
    steps += [dict(type="HandCropAugment", encoder=CODEC, **OFFICIAL), dict(type="EncodeHand", encoder=CODEC)]
    dataset = InterHandDataset(data_root=str(root), pipeline=steps)
    moved = 0
    for epoch in range(20):
        dataset.set_epoch(epoch)
        sample = dataset[idx]
        check_sample(sample, "targets", "EmptyCrop")
        if sample["hand_type"].any():
            continue  # no place beside the hands in this image
        moved += 1
        assert sample["img"].max() < 30, "the fixture is black beside the hands"
        assert not sample["keypoints_visible"].any()
        assert not sample["bin_weights"].any()
        assert sample["root_weight"] == 0
        assert sample["hand_type_valid"] == 1
    assert moved >= 10


def test_empty_crops_train_and_are_counted_as_correct_only_without_hands(root, tmp_path):
    from interhand_mm.evaluation.functional.pose_3d import handedness_correct
    from interhand_mm.models.losses import HandednessLoss

    photos = write_photographs(tmp_path / "photos")
    steps = [dict(type="LoadHandImage"), dict(type="EmptyCrop", prob=1.0), dict(type="HandCrop", encoder=CODEC)]
    steps += [dict(type="RandomBackgroundReplace", backgrounds=str(photos), prob=1.0)]
    dataset = InterHandDataset(data_root=str(root), pipeline=steps)
    sample = next(s for s in (dataset[i] for i in range(6)) if not s["hand_type"].any())
    assert sample["background_alpha"].max() == 255, "a photograph may stand behind nothing"
    loss = HandednessLoss()(torch.tensor([[-4.0, -4.0]]), torch.from_numpy(sample["hand_type"]), torch.ones(1))
    assert loss == pytest.approx(np.log1p(np.exp(-4)), rel=1e-5)
    probabilities = np.array([[0.1, 0.2], [0.1, 0.8]])
    assert handedness_correct(probabilities, np.repeat(sample["hand_type"], 2, axis=0)).tolist() == [True, False]


def test_empty_crops_only_where_all_hands_are_annotated_and_not_with_a_crop_cache(root):
    sample = InterHandDataset(data_root=str(root)).get_data_info(0)
    sample["hand_type_valid"] = np.float32(0)
    assert EmptyCrop(prob=1.0).transform(sample)["hand_type"].any()
    steps = [dict(type="LoadHandImage"), dict(type="EmptyCrop"), dict(type="HandCrop", encoder=CODEC)]
    with pytest.raises(ConfigError, match="EmptyCrop needs whole images"):
        reach_of(InterHandDataset(data_root=str(root), pipeline=steps))
