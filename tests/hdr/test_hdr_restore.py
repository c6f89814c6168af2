"""Clean hands as a data set: pixels go back where they came from, annotations keep one hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interhand_mm.errors import ConfigError
from interhand_mm.hdr.clean_hands import CleanHands
from interhand_mm.hdr.hand_crop import hand_affine, warp_images
from interhand_mm.hdr.restore_dataset import one_hand, paste_back, restore_split
from interhand_mm.structures.camera import compose_affine
from tests.conftest import ROOT


@pytest.mark.parametrize("side", [0, 1])
def test_only_what_was_edited_changes_and_lands_where_it_was(side):
    frame = np.full((60, 80, 3), 50, np.uint8)
    affine = np.array([[1.0, 0.0, -10.0], [0.0, 1.0, -5.0]])  # the crop of both: 48 px from (10, 5)
    crop = torch.full((1, 3, 48, 48), 50.0)
    masks = torch.zeros(1, 4, 48, 48)
    masks[0, 2 * side, 8:28, 4:24] = 1
    to_hand = hand_affine(np.array([4.0, 8, 23, 27]), 64, side == 1, 48)
    seen = warp_images(crop, to_hand[None], 64)
    # 10 x 10 px of the crop are painted.
    patch = torch.zeros(1, 3, 48, 48)
    patch[..., 12:22, 10:20] = 150
    painted = warp_images(patch, to_hand[None], 64)
    clean = torch.where(painted > 100, torch.tensor(200.0), seen)
    found = CleanHands(np.ones((1, 2), bool), np.array([[0, side]]), masks, to_hand[None], seen, clean)
    image, mask = paste_back(frame, found, 0, affine)
    changed = np.argwhere((image != 50).any(-1))
    assert abs(changed.min(0) - [12 + 5, 10 + 10]).max() <= 1
    assert abs(changed.max(0) - [21 + 5, 19 + 10]).max() <= 1
    assert (image[20:24, 23:27] == 200).all()
    assert mask[8 + 5 : 28 + 5, 4 + 10 : 24 + 10].all()
    assert mask.sum() == 400
    assert compose_affine(to_hand, affine).shape == (2, 3)


def test_one_hand_keeps_its_joints_and_the_box():
    annotation = {"bbox": [1, 2, 3, 4], "hand_type": "interacting", "joint_valid": [[1]] * 42, "id": 7}
    right, left = one_hand(annotation, 0), one_hand(annotation, 1)
    assert np.array(right["joint_valid"])[:, 0].tolist() == [1] * 21 + [0] * 21
    assert np.array(left["joint_valid"])[:, 0].tolist() == [0] * 21 + [1] * 21
    assert (right["hand_type"], left["hand_type"]) == ("right", "left")
    assert right["bbox"] == annotation["bbox"]
    assert annotation["hand_type"] == "interacting"


def test_a_stage_without_its_networks_is_refused():
    with pytest.raises(ConfigError, match="two"):
        restore_split(ROOT / "configs/quickstart/marginal.py", ROOT / "configs/hdr/small.py", [])
