from __future__ import annotations

import pytest
import torch
from mmengine.structures import BaseDataElement

from interhand_mm.errors import ConfigError
from interhand_mm.hdr.checkpoints import wanted_shapes
from interhand_mm.hdr.masks import MASK_NAMES, mirror_masks
from interhand_mm.hdr.models.segmentor import HandSegmentor, MixVisionTransformer, amodal_mask_loss
from tests.fixtures import hdr_names


def _segmentor(**kwargs) -> HandSegmentor:
    torch.manual_seed(0)
    backbone = dict(type="MixVisionTransformer", size="b0")
    return HandSegmentor(backbone, dict(type="AmodalMaskHead", channels=16), **kwargs)


def test_names_and_shapes_are_the_published_ones():
    found = {name: tuple(shape) for name, shape in wanted_shapes("segmentor").items()}
    assert found == hdr_names.segmentor()
    assert len(found) == 1004


@pytest.mark.parametrize(("size", "parameters"), [("b0", 3_319_392), ("b1", 13_151_424)])
def test_smaller_encoders(size, parameters):
    """SegFormer's table 6 gives 3.4 and 13.1 M; to the last one counted by hand from the layers."""
    width, count, before = {"b0": 32, "b1": 64}[size], 0, 3
    for stage, (heads, reduction) in enumerate(((1, 8), (2, 4), (5, 2), (8, 1))):
        c, k = width * heads, 3 if stage else 7
        block = 4 * c + (3 * c * c + 3 * c) + (c * c + c) + 8 * c * c + 4 * c + c + 9 * 4 * c + 4 * c
        block += (c * c * reduction**2 + c + 2 * c) if reduction > 1 else 0
        count += before * c * k * k + c + 2 * c + 2 * block + 2 * c
        before = c
    assert count == parameters
    assert sum(p.numel() for p in MixVisionTransformer(size).parameters()) == parameters
    with pytest.raises(ConfigError, match="b0, b1"):
        MixVisionTransformer("b6")


def test_stage_sizes_and_logits():
    model = _segmentor().eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.no_grad():
        assert [tuple(f.shape) for f in model.backbone(image)] == [
            (1, 32, 16, 24), (1, 64, 8, 12), (1, 160, 4, 6), (1, 256, 2, 3),
        ]  # fmt: skip
        assert model(image).shape == (1, 4, 2, 16, 24)


def test_branches_are_published_left_first_and_given_right_first():
    model = _segmentor().eval()
    with torch.no_grad():
        for branch in range(1, 5):
            getattr(model.decode_head, f"conv_seg{branch}").weight.zero_()
            getattr(model.decode_head, f"conv_seg{branch}").bias.fill_(branch)
        out = model(torch.rand(1, 3, 32, 32))
    # Published: 1 left amodal, 2 left visible, 3 right amodal, 4 right visible.
    assert MASK_NAMES == ("right_amodal", "right_visible", "left_amodal", "left_visible")
    assert out[0, :, 0, 0, 0].tolist() == [3, 4, 1, 2]


def test_loss_by_hand():
    logits = torch.zeros(1, 4, 2, 1, 2)
    logits[0, 0, 1] = torch.tensor([[2.0, -1.0]])
    masks = torch.tensor([[1, 0], [1, 1], [255, 0], [255, 255]]).view(1, 4, 1, 2)
    softplus = lambda x: torch.log1p(torch.exp(torch.tensor(x)))  # noqa: E731
    expected = [(softplus(-2.0) + softplus(-1.0)) / 2, softplus(0.0), softplus(0.0) / 2, torch.tensor(0.0)]
    assert amodal_mask_loss(logits, masks).tolist() == pytest.approx([float(e) for e in expected])


def test_logits_are_upsampled_to_the_masks():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 4, 2, 4, 4, generator=generator)
    masks = torch.randint(0, 2, (2, 4, 16, 16), generator=generator)
    for branch, loss in enumerate(amodal_mask_loss(logits, masks)):
        up = torch.nn.functional.interpolate(logits[:, branch], size=(16, 16), mode="bilinear")
        assert loss.item() == pytest.approx(torch.nn.functional.cross_entropy(up, masks[:, branch]).item(), rel=1e-5)


def test_mirror_swaps_sides_and_twice_is_the_identity():
    maps = torch.arange(2 * 4 * 3 * 5).view(2, 4, 3, 5)
    mirrored = mirror_masks(maps)
    assert torch.equal(mirrored[:, 0], maps[:, 2].flip(-1))
    assert torch.equal(mirrored[:, 3], maps[:, 1].flip(-1))
    assert torch.equal(mirror_masks(mirrored), maps)


def test_flip_test_makes_the_network_equivariant():
    image = torch.rand(1, 3, 32, 64)
    scores = {}
    for flip_test in (False, True):
        model = _segmentor(flip_test=flip_test).double().eval()
        with torch.no_grad():
            there = model(image.double(), mode="predict")[0].pred_scores
            back = mirror_masks(model(image.double().flip(-1), mode="predict")[0].pred_scores[None])[0]
        scores[flip_test] = (there - back).abs().max().item()
    assert scores[True] < 1e-12
    assert scores[False] > 1e-4  # a network on its own is not


def test_training_losses_ignore_masks_that_are_not_known():
    model = _segmentor()
    samples = [BaseDataElement(masks=torch.ones(4, 32, 32, dtype=torch.uint8), masks_valid=torch.ones(4)) for _ in "ab"]
    for sample in samples:
        sample.masks_valid[2] = 0
    losses = model(torch.rand(2, 3, 32, 32), samples, mode="loss")
    assert set(losses) == {f"loss_{name}" for name in MASK_NAMES}
    assert losses["loss_left_amodal"] == 0
    sum(losses.values()).backward()
    head = model.decode_head
    assert head.conv_seg1.weight.grad.abs().max() == 0  # the left hand's amodal branch
    assert min(getattr(head, f"conv_seg{i}").weight.grad.abs().max() for i in (2, 3, 4)) > 0
    with torch.no_grad():
        sample = model.eval()(torch.rand(2, 3, 32, 32), samples, mode="predict")[1]
    assert sample is samples[1]
    assert sample.pred_masks.dtype == torch.uint8
    assert torch.equal(sample.pred_masks > 0, sample.pred_scores > 0.5)


def test_initialization_of_the_last_layers():
    model = _segmentor()
    model.init_weights()
    for i in range(1, 5):
        conv = getattr(model.decode_head, f"conv_seg{i}")
        assert 0.005 < conv.weight.std() < 0.02
        assert conv.bias.abs().max() == 0
