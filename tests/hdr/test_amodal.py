"""Mask formulas compared with small images computed by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interhand_mm.hdr.masks import (
    MASK_BITS,
    MASK_NAMES,
    SWAP_SIDES,
    composite,
    dilate,
    edit_masks,
    mask_bbox,
    mirror_masks,
    occlusion_rate,
    of_target,
    overlay_hand,
    stack_visible,
    unpack_masks,
)

# One row of six pixels: target on 0..3, other hand on 2..4, in front at 2 and 3; pixel 5 is background.
A = np.array([[1, 1, 1, 1, 0, 0]], np.uint8)
V = np.array([[1, 1, 0, 0, 0, 0]], np.uint8)
OTHER = np.array([[0, 0, 1, 1, 1, 0]], np.uint8)


@pytest.mark.parametrize("make", [np.asarray, torch.from_numpy, lambda m: m.astype(np.float32)])
def test_the_formulas_by_hand(make):
    edit = edit_masks(make(A), make(V), make(OTHER))
    assert edit.hole.tolist() == [[0, 0, 1, 1, 0, 0]]
    assert edit.removal.tolist() == [[0, 0, 0, 0, 1, 0]]
    assert edit.target.tolist() == [[1, 1, 0, 0, 0, 0]]
    assert edit.background.tolist() == [[0, 0, 0, 0, 0, 1]]
    assert edit.target_valid.tolist() == [[1, 1, 0, 0, 1, 1]]
    assert edit.background_valid.tolist() == [[1, 1, 1, 1, 0, 1]]
    assert edit.edited.tolist() == [[0, 0, 1, 1, 1, 0]]


def test_the_other_hands_amodal_mask_reaches_behind_the_target_and_its_visible_one_does_not():
    # Other hand behind: amodal on 2..4, visible on 4 only, and a hidden part at 5 that a third thing covers.
    other = np.array([[0, 0, 1, 1, 1, 1]], np.uint8)
    seen = np.array([[0, 0, 0, 0, 1, 0]], np.uint8)
    assert edit_masks(A, A, other).removal.tolist() == [[0, 0, 0, 0, 1, 1]]
    by_visible = edit_masks(A, A, other, seen)
    assert by_visible.removal.tolist() == [[0, 0, 0, 0, 1, 0]]
    assert by_visible.background.tolist() == [[0, 0, 0, 0, 0, 1]]
    # Not seen but amodal counts as background here only if not visible: (1 - V)(1 - V').
    assert edit_masks(A, V, other, seen).background.tolist() == [[0, 0, 1, 1, 0, 1]]


def test_visible_outside_amodal_does_no_harm():
    stray = np.array([[1, 1, 0, 0, 0, 1]], np.uint8)
    edit = edit_masks(A, stray, OTHER)
    assert edit.hole.tolist() == [[0, 0, 1, 1, 0, 0]]
    assert edit.target_valid.tolist() == np.clip(stray + (1 - A), 0, 1).tolist()  # the published clip form
    assert edit.target.tolist() == V.tolist()


@pytest.mark.parametrize("fill", [0, 1])
def test_empty_and_full_masks(fill):
    m = np.full((4, 4), fill, np.uint8)
    zero = np.zeros_like(m)
    edit = edit_masks(m, m, zero)
    assert not edit.edited.any()
    assert (edit.background == 1 - fill).all()
    assert (edit_masks(m, zero, zero).hole == fill).all()
    assert occlusion_rate(m, zero) == fill
    assert occlusion_rate(m, m) == 0


def test_compositing_changes_the_edited_region_alone():
    image, out = np.full((3, 1, 6), 10.0), np.full((3, 1, 6), 99.0)
    edited = edit_masks(A, V, OTHER).edited
    assert composite(image, out, edited)[0].tolist() == [[10, 10, 99, 99, 99, 10]]


def test_the_dilating_element_is_the_published_ellipse():
    dot = np.zeros((11, 11), np.uint8)
    dot[5, 5] = 1
    rows = dilate(dot)[1:10, 1:10].sum(1).tolist()
    assert rows == [1, 7, 7, 9, 9, 9, 7, 7, 1]  # measured on the original, docs/spec/hdr.md, section 1.3
    assert np.array_equal(dilate(dot, 1), dot)


def test_dilation_of_tensors_is_that_of_arrays():
    masks = (np.random.default_rng(0).random((2, 3, 17, 23)) > 0.97).astype(np.uint8)
    for size in (1, 5, 9):
        grown = dilate(torch.from_numpy(masks), size)
        assert grown.dtype == torch.uint8
        assert grown.shape == masks.shape
        for i, j in np.ndindex(2, 3):
            assert np.array_equal(grown[i, j], dilate(masks[i, j], size))


def test_box_of_a_mask():
    mask = np.zeros((6, 9), np.uint8)
    assert mask_bbox(mask) is None
    mask[2, 3] = mask[5, 8] = 1
    assert mask_bbox(mask).tolist() == [3, 2, 8, 5]
    assert mask_bbox(np.ones((6, 9))).tolist() == [0, 0, 8, 5]


def test_mask_files_are_read_as_the_renderer_writes_them():
    from interhand_mm.structures import mask_bits

    names = [name.upper().replace("_", "_LIMB_") for name in MASK_NAMES]
    assert tuple(getattr(mask_bits, name) for name in names) == MASK_BITS["limb"]
    bits = np.array([[0, 16 | 64, 16 | 1, 32 | 16 | 128 | 2]], np.uint8)
    assert unpack_masks(bits, "limb")[:, 0].tolist() == [[0, 1, 1, 1], [0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 1]]
    assert unpack_masks(bits, "hand")[:, 0].tolist() == [[0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]


def test_mirror_exchanges_sides_and_undoes_itself():
    masks = np.stack([A, V, OTHER, OTHER])
    mirrored = mirror_masks(masks)
    assert mirrored[0].tolist() == [[0, 1, 1, 1, 0, 0]]  # the left hand became the right one
    assert mirrored[2].tolist() == [[0, 0, 1, 1, 1, 1]]
    assert np.array_equal(mirror_masks(mirrored), masks)
    assert torch.equal(mirror_masks(torch.from_numpy(masks)[None])[0], torch.from_numpy(mirrored))
    logits = torch.arange(4 * 2 * 3.0).reshape(1, 4, 2, 1, 3)
    assert torch.equal(mirror_masks(logits, axis=1)[0, 0, 0, 0], logits[0, 2, 0, 0].flip(-1))
    assert SWAP_SIDES == (2, 3, 0, 1)


def test_of_target_takes_the_own_hand_first():
    masks = np.arange(4)[:, None, None] * np.ones((4, 2, 2), int)
    assert [int(m[0, 0]) for m in of_target(masks, 0)] == [0, 1, 2, 3]
    assert [int(m[0, 0]) for m in of_target(masks[None], 1)[1][0:1]] == [3]
    assert [int(m[0, 0]) for m in of_target(masks, 1)] == [2, 3, 0, 1]


def test_label_image_splits():
    right, left = stack_visible(np.array([[0, 1, 2]], np.uint8))
    assert right.tolist() == [[0, 1, 0]]
    assert left.tolist() == [[0, 0, 1]]


@pytest.mark.parametrize(("front", "wanted"), [(True, [5, 5, 7, 7, 7, 5]), (False, [5, 5, 5, 5, 7, 5])])
def test_overlay_keeps_the_targets_background(front, wanted):
    target, other = np.full((1, 6, 3), 5, np.uint8), np.full((1, 6, 3), 7, np.uint8)
    image, masks = overlay_hand(target, A, other, OTHER, front)
    assert image[0, :, 0].tolist() == wanted
    assert masks[0].tolist() == A.tolist()
    assert masks[2].tolist() == OTHER.tolist()
    assert not (masks[1] * masks[3]).any()
    assert masks[1].tolist() == (V.tolist() if front else A.tolist())
    assert occlusion_rate(masks[0], masks[1]) == (0.5 if front else 0.0)
