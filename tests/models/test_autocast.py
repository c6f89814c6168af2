"""Positions and losses keep float32 precision under autocast, which rounds matrix products to 16 bits."""

from __future__ import annotations

import pytest
import torch

from interhand_mm.codecs.heatmap import gaussian_axis, soft_argmax
from interhand_mm.hdr.models.inpaint_losses import gram
from interhand_mm.hdr.models.single_hand_pose import SingleHandPose
from interhand_mm.models.heads.heatmap_2d import gaussian_dice
from interhand_mm.models.heads.marginal_head import Pointer


@pytest.fixture
def bfloat16():
    with torch.autocast("cpu", torch.bfloat16):
        yield


def _plain(function, *args):
    with torch.autocast("cpu", enabled=False), torch.no_grad():
        return function(*args)


def test_soft_argmax(bfloat16):
    logits = -(torch.arange(400.0) - torch.linspace(100, 300, 2000)[:, None]).square() / 50
    found = soft_argmax(logits)
    assert torch.equal(found, _plain(soft_argmax, logits))
    assert (found - torch.linspace(100, 300, 2000)).abs().max() < 1e-3


def test_dice(bfloat16):
    points = torch.rand(2, 21, 2, generator=torch.Generator().manual_seed(0)) * 64
    x, y = gaussian_axis(points[..., 0], 64, 2.5), gaussian_axis(points[..., 1], 64, 2.5)
    dice = gaussian_dice(y[..., None] * x[..., None, :], points, 2.5)
    assert (dice - 1).abs().max() < 1e-5


def test_similarities_that_become_marginals(bfloat16):
    torch.manual_seed(0)
    pointer = Pointer(256)
    with torch.no_grad():
        keys = pointer.key(torch.randn(2, 256, 8, 8)).flatten(2)
        heat = pointer(torch.randn(2, 42, 256), torch.randn(2, 256, 8, 8), 64, 64)[2]
    assert keys.dtype == torch.bfloat16
    assert heat.dtype == torch.float32
    assert not torch.equal(heat, heat.bfloat16().float())


def test_gram_matrices_and_their_range(bfloat16):
    feature = torch.full((1, 64, 128, 128), 9.0)
    assert torch.equal(gram(feature), torch.full((1, 64, 64), 81 / 64))
    with torch.autocast("cpu", torch.float16):
        assert torch.equal(gram(feature.half()), torch.full((1, 64, 64), 81 / 64))


def test_heatmaps_of_one_hand_are_told_apart(bfloat16):
    heat, _, _ = SingleHandPose(width=8).maps(torch.randn(1, 3, 64, 64))
    assert heat.dtype == torch.float32
