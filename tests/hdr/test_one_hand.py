from __future__ import annotations

import cv2
import numpy as np
import pytest

from interhand_mm.datasets import InterHandDataset
from interhand_mm.errors import ConfigError, ImageError
from interhand_mm.hdr.data import OneHandDataset
from interhand_mm.hdr.data.transforms.hand_masks import read_hand_masks
from interhand_mm.hdr.masks import mask_bbox, occlusion_rate
from interhand_mm.registry import TRANSFORMS
from tests.fixtures import tiny, tiny_masks

CODEC = dict(type="InterHand3DCodec", input_size=(64, 64), heatmap_size=(16, 16, 16))
LOAD, CROP, PACK = dict(type="LoadHandImage"), dict(type="OneHandCrop", encoder=CODEC), dict(type="PackOneHand")


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tiny.write_set(tmp_path_factory.mktemp("set"))
    tiny_masks.write_masks(folder)
    return folder


def _make(kind, root, *pipeline, **options):
    return kind(data_root=str(root), mask_root=str(root / "masks"), pipeline=pipeline, **options)


def test_single_hands_and_hands_of_pairs(root):
    pairs = _make(InterHandDataset, root)
    hidden = []
    for i in np.flatnonzero(pairs.hand_kinds == 3):
        masks = read_hand_masks(pairs.load_item(i))
        hidden.append(occlusion_rate(*masks[:2]))
        assert occlusion_rate(*masks[2:]) == 0  # the left hand is in front
    assert len(_make(OneHandDataset, root)) == 4
    assert len(_make(OneHandDataset, root, interacting=1.0)) == 8
    assert len(_make(OneHandDataset, root, interacting=0.0)) == 6 + sum(share == 0 for share in hidden)


def test_every_hand_is_a_right_one(root):
    hands, pairs = _make(OneHandDataset, root), _make(InterHandDataset, root)
    for i in range(len(hands)):
        hand = hands.get_data_info(i)  # checks that the joints project onto their pixels
        assert hand["hand_type"].tolist() == [[1, 0]]
        assert hand["hand_type_valid"] == hand["rel_root_valid"] == 0
        assert hand["keypoints_visible"][0, :21].all()
        assert not hand["keypoints_visible"][0, 21:].any()
    left = next(hands.load_item(i) for i in range(len(hands)) if hands.load_item(i).get("flipped"))
    plain = next(pairs.load_item(i) for i in range(len(pairs)) if pairs.load_item(i)["ann_id"] == left["ann_id"])
    width = left["image_size"][0]
    assert np.allclose(left["keypoints"][0, :21, 0], width - 1 - plain["keypoints"][0, 21:, 0])
    assert np.allclose(left["keypoints_cam"][0, :21], plain["keypoints_cam"][0, 21:] * [-1, 1, 1])


def test_the_crop_is_the_masks_box_inside_the_crop_of_both(root):
    hands = _make(OneHandDataset, root, LOAD, CROP, interacting=1.0)
    for i in range(len(hands)):
        before, after = hands.get_data_info(i), hands[i]
        masks = read_hand_masks(before, "limb")
        x1, y1, x2, y2 = before["bbox"]
        inside = np.zeros_like(masks[0])
        rows, columns = (slice(max(0, int(np.ceil(a))), int(np.floor(b)) + 1) for a, b in ((y1, y2), (x1, x2)))
        inside[rows, columns] = masks[0][rows, columns]
        box = mask_bbox(inside)
        side = 1.25 * max(box[2] - box[0], box[3] - box[1])
        assert after["bbox"][2] - after["bbox"][0] == pytest.approx(side, abs=1e-3)
        assert (after["bbox"][:2] + after["bbox"][2:]) / 2 == pytest.approx((box[:2] + box[2:]) / 2, abs=1e-3)
        assert after["img"].shape == (64, 64, 3)


def test_a_left_hand_is_cut_as_its_mirror_image(root):
    """The crop of the mirrored sample shows the same image as the plain crop, up to interpolation."""
    hands = _make(OneHandDataset, root, LOAD, CROP)
    i = next(i for i in range(len(hands)) if hands.load_item(i).get("flipped"))
    sample = hands[i]
    image = cv2.imread(sample["img_path"])[:, ::-1].copy()
    wanted = cv2.warpAffine(image, sample["warp"].full_to_crop, (64, 64))
    shown = np.abs(sample["img"].astype(int) - wanted).max(axis=-1)
    assert shown.max() <= 2  # the tiny images have a black border, so nothing is cut off
    assert sample["img"].max() > 100


def test_what_lies_outside_the_crop_of_both_is_black(root):
    hands = _make(OneHandDataset, root, LOAD)
    sample = hands[0]
    sample["img"] = np.full_like(sample["img"], 200)
    side = (sample["bbox"][2] - sample["bbox"][0]) * 0.15
    sample["bbox"] = sample["bbox"] + np.array([side, side, -side, -side], np.float32)  # cuts into the limb
    box = sample["bbox"].copy()
    cropped = TRANSFORMS.build(CROP)(sample)
    corners = (
        np.array([[0, 0, 1], [63, 63, 1]]) @ np.linalg.pinv(np.vstack([cropped["warp"].full_to_crop, [0, 0, 1]])).T
    )
    lit = cv2.warpAffine(
        cropped["img"][..., 0], cropped["warp"].full_to_crop, sample["image_size"], flags=cv2.WARP_INVERSE_MAP
    )
    seen = mask_bbox(lit > 190)
    assert corners[0, 0] < box[0] or corners[1, 0] > box[2] or corners[0, 1] < box[1] or corners[1, 1] > box[3]
    assert (seen[:2] >= np.maximum(box[:2], 0) - 2).all()
    assert (seen[2:] <= box[2:] + 2).all()


def test_a_random_context_shows_more_of_the_arm(root):
    sides = {}
    for context in (1.0, 3.0):
        crop = dict(CROP, context=context)
        hands = _make(OneHandDataset, root, LOAD, crop)
        sides[context] = np.array([np.diff(hands[i]["bbox"][::2])[0] for i in range(len(hands))])
    assert (sides[3.0] >= sides[1.0] - 1e-3).all()


def test_packing_for_detnet_turns_joints_with_the_crop(root):
    crop = dict(CROP, rotation_deg=60.0, rotation_prob=1.0, scale=0.2, shift=0.1)
    hands = _make(OneHandDataset, root, LOAD, crop, PACK)
    for i in range(len(hands)):
        packed = hands[i]
        assert packed["inputs"].shape == (3, 64, 64)
        labels = packed["data_samples"].gt_instance_labels
        points, cam = labels.keypoints_crop[0].numpy(), labels.keypoints_cam[0].numpy()
        flat, solid = points[:20] - points[20], cam[:20, :2] - cam[20, :2]
        # The hands are nearly flat and far away, so the image is a scaled front view of the joints.
        scale = (flat * solid).sum() / (solid * solid).sum()
        assert scale > 0
        assert np.abs(flat - scale * solid).max() < 0.06 * np.abs(flat).max()
        truth = packed["data_samples"].gt_instances
        assert truth.keypoints_cam.shape == (1, 21, 3)
        assert np.allclose(np.linalg.norm(cam, axis=-1), np.linalg.norm(truth.keypoints_cam[0], axis=-1), rtol=1e-4)


def test_cropped_masks_and_occlusion(root):
    crop, masks = dict(type="HandCrop", encoder=CODEC, crop_scale=2), dict(type="CropHandMasks", part="hand")
    pairs = _make(InterHandDataset, root, LOAD, crop, masks, dict(type="PackHandInputs"))
    i = int(np.flatnonzero(pairs.hand_kinds == 3)[0])
    packed = pairs[i]["data_samples"]
    assert packed.masks.shape == (4, 128, 128)
    full = read_hand_masks(pairs.load_item(i))
    assert packed.occlusion[0] == pytest.approx(occlusion_rate(*full[:2]))
    assert packed.occlusion[1] == 0
    zoom = np.linalg.det(packed.warp.full_to_crop[:, :2])
    assert packed.masks[0].sum() == pytest.approx(full[0].sum() * zoom, rel=0.03)


def test_bad_masks_say_so(root, tmp_path):
    with pytest.raises(ConfigError, match="hand or limb"):
        TRANSFORMS.build(dict(type="CropHandMasks", part="arm"))
    with pytest.raises(ImageError, match="mask_root"):
        read_hand_masks({"image_size": (4, 4), "ann_id": 7})
    with pytest.raises(ImageError, match="cannot be read"):
        read_hand_masks({"image_size": (4, 4), "mask_path": str(tmp_path / "none.png")})
    cv2.imwrite(str(tmp_path / "small.png"), np.zeros((3, 3), np.uint8))
    with pytest.raises(ImageError, match=r"\(4, 4\)"):
        read_hand_masks({"image_size": (4, 4), "mask_path": str(tmp_path / "small.png")})
