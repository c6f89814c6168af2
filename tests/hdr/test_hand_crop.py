from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from interhand_mm.hdr.hand_crop import (
    hand_affine,
    hand_bbox,
    largest_part,
    scale_affine,
    warp_images,
)
from interhand_mm.hdr.masks import mask_bbox, warp_mask
from interhand_mm.structures.camera import apply_affine, compose_affine, invert_affine


def _mask(x1=30, y1=50, x2=69, y2=79, size=128):
    mask = np.zeros((size, size), np.uint8)
    mask[y1 : y2 + 1, x1 : x2 + 1] = 1
    return mask


def test_boxes():
    assert mask_bbox(_mask()).tolist() == [30, 50, 69, 79]
    # 39 px wide about (49.5, 64.5), twice as large.
    assert hand_bbox(_mask()).tolist() == [10.5, 25.5, 88.5, 103.5]
    assert hand_bbox(_mask(), 1.0).tolist() == [30, 45, 69, 84]
    assert mask_bbox(np.zeros((8, 8))) is None
    assert hand_bbox(np.zeros((8, 8))) is None


def test_one_pixel_and_a_full_mask_have_boxes():
    dot = hand_bbox(_mask(5, 6, 5, 6), 2.0)
    assert np.allclose(dot, [4.5, 5.5, 6.5, 7.5])
    assert np.isfinite(hand_affine(dot, 64, True, 128)).all()
    assert hand_bbox(np.ones((100, 100)), 2.0).tolist() == [-49.5, -49.5, 148.5, 148.5]


def test_specks_do_not_count():
    mask = _mask()
    mask[2:5, 120:123] = 1
    assert mask_bbox(mask).tolist() == [30, 2, 122, 79]
    assert mask_bbox(largest_part(mask)).tolist() == [30, 50, 69, 79]
    assert largest_part(np.zeros((9, 9), bool)).sum() == 0


def test_a_point_goes_in_and_out():
    box = np.array([20.0, 40.0, 84.0, 104.0])  # 64 px to 128: twice, its center (52, 72) to (64, 64)
    plain = hand_affine(box, 128, False, 128)
    assert apply_affine(np.array([[52.0, 72.0], [20.0, 40.0], [53.0, 70.0]]), plain).tolist() == [
        [64, 64], [0, 0], [66, 60],
    ]  # fmt: skip
    mirrored = hand_affine(box, 128, True, 128)
    # Mirrored first: (53, 70) is (74, 70); the mirrored box has its center at 75.
    assert apply_affine(np.array([[53.0, 70.0]]), mirrored).tolist() == [[62, 60]]
    for affine in (plain, mirrored):
        points = np.random.default_rng(0).uniform(-50, 200, (20, 2))
        back = apply_affine(apply_affine(points, affine), invert_affine(affine))
        assert np.abs(back - points).max() < 1e-9


def test_a_left_hands_crop_is_the_mirrored_images():
    rng = np.random.default_rng(1)
    image = cv2.resize(rng.integers(0, 255, (8, 8, 3), dtype=np.uint8), (96, 96), interpolation=cv2.INTER_CUBIC)
    box = np.array([10.0, 20.0, 60.0, 70.0])
    mirrored_box = np.array([95 - 60.0, 20.0, 95 - 10.0, 70.0])
    left = cv2.warpAffine(image, hand_affine(box, 64, True, 96), (64, 64))
    right = cv2.warpAffine(image[:, ::-1].copy(), hand_affine(mirrored_box, 64, False, 96), (64, 64))
    assert np.abs(left.astype(int) - right).max() <= 1


@pytest.mark.parametrize("mirrored", [False, True])
def test_warps_agree_with_opencv(mirrored):
    rng = np.random.default_rng(2)
    small = rng.integers(0, 255, (6, 6, 3), dtype=np.uint8)
    image = cv2.resize(small, (80, 80), interpolation=cv2.INTER_CUBIC).astype(np.float32)
    affine = hand_affine(np.array([-15.0, 10.0, 65.0, 90.0]), 48, mirrored, 80)  # beyond the border
    wanted = cv2.warpAffine(image, affine, (48, 48), flags=cv2.INTER_LINEAR)
    found = warp_images(torch.from_numpy(image.transpose(2, 0, 1))[None], affine[None], 48)[0].numpy()
    difference = np.abs(found.transpose(1, 2, 0) - wanted)
    assert np.median(difference) < 0.2  # OpenCV rounds positions to 1/32 px
    assert difference.max() < 12


def test_mask_outlines_stay_unless_asked():
    mask, size = _mask(), (128, 128)
    identity = np.array([[1.0, 0, 0], [0, 1.0, 0]])
    assert np.array_equal(warp_mask(mask, identity, size), mask)
    assert np.array_equal(warp_mask(mask, identity, size, "floor"), mask)
    quarter = np.array([[1.0, 0, 0.25], [0, 1.0, 0]])
    assert warp_mask(mask, quarter, size).sum() == mask.sum()
    assert warp_mask(mask, quarter, size, "floor").sum() == mask.sum() - 30  # one column
    several = warp_mask(np.stack([mask, 1 - mask]), quarter, size)
    assert several.dtype == np.uint8
    assert np.array_equal(several[0], warp_mask(mask, quarter, size))


def test_a_finer_crop_holds_the_coarse_one():
    """Every second pixel of the crop at twice the size is the crop, which the plugin's base network relies on."""
    rng = np.random.default_rng(3)
    image = rng.integers(0, 255, (70, 90, 3), dtype=np.uint8)
    coarse = hand_affine(np.array([7.3, 5.1, 57.3, 55.1]), 48, False, 90)
    fine = compose_affine(scale_affine(2.0), coarse)
    assert np.allclose(fine, hand_affine(np.array([7.3, 5.1, 57.3, 55.1]), 96, False, 90))
    assert np.array_equal(cv2.warpAffine(image, fine, (96, 96))[::2, ::2], cv2.warpAffine(image, coarse, (48, 48)))
