"""Masks of the renderer's frames through the crop of two hands, and the crop of one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from interhand_mm.datasets.transforms.geometry import Augment, crop_sample
from interhand_mm.errors import ConfigError, ImageError
from interhand_mm.hdr.data import AIHDataset
from interhand_mm.hdr.data.transforms import CropTarget, LoadLimbMasks
from interhand_mm.hdr.masks import mask_bbox
from interhand_mm.structures.camera import apply_affine
from tests.fixtures.tiny_aih import write_aih_render

WIDTH, HEIGHT = 120, 80
LOAD = LoadLimbMasks()


@pytest.fixture
def frame(tmp_path) -> dict:
    """The right limb on the left, partly behind the left limb; bits of the hands alone are set too, to no effect."""
    bits = np.zeros((HEIGHT, WIDTH), np.uint8)
    bits[20:60, 20:60] |= 16 | 1
    bits[30:50, 50:90] |= 32 | 128 | 2
    bits[(bits & 16 > 0) & (bits & 128 == 0)] |= 64
    path = tmp_path / "mask.png"
    cv2.imwrite(str(path), bits)
    return {
        "img": np.where(bits[..., None] > 0, 200, 10).astype(np.uint8).repeat(3, 2), "image_size": (WIDTH, HEIGHT),
        "bbox": np.array([15, -5, 95, 75], np.float32), "mask_path": str(path), "skipped": "", "bits": bits,
        "keypoints": np.zeros((1, 42, 3)), "keypoints_cam": np.zeros((1, 42, 3)), "keypoints_visible": np.ones((1, 42)),
        "principal_pt": np.zeros(2), "hand_type": np.ones((1, 2)), "abs_depth": np.zeros(2), "rel_root_depth": 0.0,
    }  # fmt: skip


def test_masks_follow_the_crop(frame):
    bits = frame["bits"]
    sample = LOAD.transform(crop_sample(frame, Augment(), (80, 80)))  # the box is 80 px: no change of scale
    x, y = 15, 0
    expected = [(bits & bit) > 0 for bit in (16, 64, 32, 128)]
    np.testing.assert_array_equal(sample["masks"][:, 5:80], np.stack(expected)[:, y : y + 75, x : x + 80])
    assert not sample["masks"][:, :5].any()  # above the frame
    assert sample["masks_valid"].tolist() == [1, 1, 1, 1]
    assert sample["masks"][0].sum() - sample["masks"][1].sum() == 20 * 10


def test_a_mirror_exchanges_the_hands(frame):
    plain = LOAD.transform(crop_sample(dict(frame), Augment(), (80, 80)))
    mirrored = LOAD.transform(crop_sample(dict(frame), Augment(flip=True), (80, 80)))
    for side in (0, 2):
        a, b = plain["masks"][side], mirrored["masks"][2 - side]
        assert a.sum() == b.sum()
        # The affine's center is that of whole pixels, so a mirror moves the crop by one.
        np.testing.assert_array_equal(a[:, ::-1][:, :-1], b[:, 1:])
    turned = LOAD.transform(crop_sample(dict(frame), Augment(scale=1.3, rotation_deg=37, flip=True), (128, 128)))
    shown = turned["img"][..., 0] > 105
    assert np.mean(shown != turned["masks"].any(0)) < 0.01  # image and masks moved alike


def test_masks_that_are_not_there(frame, tmp_path):
    blank = LOAD.transform(crop_sample({**frame, "skipped": "black"}, Augment(), (64, 64)))
    assert not blank["masks"].any()
    assert not blank["masks_valid"].any()
    assert blank["masks"].shape == (4, 64, 64)
    with pytest.raises(ImageError, match=r"gone\.png"):
        LOAD.transform(crop_sample({**frame, "mask_path": str(tmp_path / "gone.png")}, Augment(), (64, 64)))
    cv2.imwrite(frame["mask_path"], np.zeros((9, 9), np.uint8))
    with pytest.raises(ImageError, match="height, width"):
        LOAD.transform(crop_sample(dict(frame), Augment(), (64, 64)))
    del frame["mask_path"]
    with pytest.raises(ConfigError, match="mask_root"):
        LOAD.transform(crop_sample(frame, Augment(), (64, 64)))


# --- one hand's crop ---


def one_hand(rows: slice, columns: slice, target: int = 0) -> dict:
    masks = np.zeros((4, 100, 100), np.uint8)
    masks[2 * target, rows, columns] = 1
    image = np.where(masks[2 * target][..., None] > 0, 250, 20).astype(np.uint8).repeat(3, 2)
    return {
        "img": image, "masks": masks, "clean": np.stack([image] * 2), "target": target,
        "rng": np.random.default_rng(0),
    }  # fmt: skip


@pytest.mark.parametrize("target", [0, 1])
def test_the_crop_is_the_square_round_the_target(target):
    sample = CropTarget((50, 50), padding=1.25).transform(one_hand(slice(30, 51), slice(20, 61), target))
    box = mask_bbox(sample["masks"][2 * target])
    # 40 px of 50: a fifth of the crop is left free in width; 20 px high in the middle.
    np.testing.assert_allclose(box, [5, 15, 45, 35], atol=0.5)
    corners = apply_affine(np.array([[20.0, 30.0], [60.0, 50.0]]), sample["warp"].full_to_crop)
    np.testing.assert_allclose(corners, [[5, 15], [45, 35]])
    shown = sample["img"][..., 0] > 135
    assert np.mean(shown != sample["masks"][2 * target]) < 0.01
    np.testing.assert_array_equal(sample["clean"][0], sample["img"])


def test_crops_at_the_border_reach_into_black():
    sample = CropTarget((64, 64)).transform(one_hand(slice(0, 40), slice(0, 30)))
    assert sample["img"][0, 0].max() == 0
    assert sample["masks"][0].any()
    assert sample["img"][32, 32].min() == 250


@pytest.mark.parametrize(("rows", "filled"), [(slice(0, 0), 0.0), (slice(0, 100), 1.0)])
def test_empty_and_full_masks_have_a_crop(rows, filled):
    sample = CropTarget((40, 40), padding=1.0).transform(one_hand(rows, slice(0, 100)))
    assert sample["masks"][0].mean() == pytest.approx(filled, abs=0.06)
    assert sample["img"].shape == (40, 40, 3)
    assert sample["img"].max() == (250 if filled else 20)  # without a hand: the whole image


def test_a_single_pixel_has_a_crop():
    sample = CropTarget((40, 40)).transform(one_hand(slice(50, 51), slice(50, 51)))
    assert np.isfinite(sample["warp"].full_to_crop).all()
    assert sample["masks"][0].any()


def test_augmented_crops_keep_image_and_masks_together():
    crop = CropTarget((64, 64), shift=0.1, scale=0.2, rotation_deg=30.0, rotation_prob=1.0)
    sample = crop.transform(one_hand(slice(30, 60), slice(20, 61)))
    plain = CropTarget((64, 64)).transform(one_hand(slice(30, 60), slice(20, 61)))
    assert np.mean((sample["img"][..., 0] > 135) != sample["masks"][0]) < 0.02
    assert not np.array_equal(sample["masks"], plain["masks"])


def test_either_side_of_a_view_is_cut_out_as_a_right_hand(tmp_path):
    root = write_aih_render(tmp_path, num=1)
    steps = [dict(type=name) for name in ("LoadAIH", "MirrorHands")]
    steps += [dict(type="CropTarget", size=(128, 128)), dict(type="PackAmodalInputs")]
    data = AIHDataset(str(root), part="render", pipeline=steps)
    for i in range(2):
        packed = data[i]
        sample = packed["data_samples"]
        assert sample.target == 0
        assert sample.masks.shape == (4, 128, 128)
        box = mask_bbox(sample.masks[0].numpy())
        assert max(box[2] - box[0], box[3] - box[1]) == pytest.approx(128 / 1.25, abs=1.5)
        hidden = (sample.masks[0] * (1 - sample.masks[1])) > 0
        assert torch.equal(sample.masks[1] * sample.masks[3], torch.zeros_like(sample.masks[1]))
        assert (i == 1) == (not hidden.any())  # the left hand is in front
