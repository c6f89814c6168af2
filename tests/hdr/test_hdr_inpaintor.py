from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from mmcv.cnn import VGG
from mmengine.optim import OptimWrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner
from mmengine.runner.checkpoint import load_state_dict
from mmengine.structures import BaseDataElement
from torch.nn import functional as F

from interhand_mm.checkpoints.io import allow_safe_types
from interhand_mm.engine.optim import SubmoduleOptimWrapperConstructor
from interhand_mm.errors import CheckpointError, ConfigError, DataContractError
from interhand_mm.hdr.inpaint_fill import hole_masks, mean_colors
from interhand_mm.hdr.masks import dilate
from interhand_mm.hdr.models import inpaint_losses as L
from interhand_mm.hdr.models.generator import PartialConv2d, PartialConvUNet
from interhand_mm.hdr.models.inpaintor import HandInpaintor, InpaintPreprocessor
from interhand_mm.registry import MODELS
from tests.fixtures.hdr_names import fill, fixture_image, summary

# docs/spec/hdr.md, section 7.1: mean, std, min, max, probes.
PARITY = {
    "enc_1": [0.19840652, 0.42567771, 0, 9.6410473, 0, 0.2797794, 3.4864147, 0.21605873, 0.2094687],
    "enc_3_transformer": [-0.00029077753, 0.99175298, -2.7920877, 2.9493341, 1.9225573, -0.85173207, 0.091942888, 0.8154276, 0.17219064],
    "dec_5": [0.0024579166, 0.0043894847, -0.0038187948, 0.019155727, -0.0019027919, 0.0039292761, 0.010368486, -0.0012664753, 0.0088255075],
    "dec_1": [0.0030468584, 0.15888693, -0.39591327, 0.41508655, 0.22994551, -0.1882587, 0.1452436, 0.18432431, -0.061066527],
}  # fmt: skip
SIZE = 256
PREPROCESSOR = dict(
    type="InpaintPreprocessor", mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], bgr_to_rgb=True
)


def _rectangle(value: float, rows: tuple[int, int], columns: tuple[int, int], size: int = SIZE) -> torch.Tensor:
    mask = torch.full((1, 1, size, size), 1 - value)
    mask[..., rows[0] : rows[1], columns[0] : columns[1]] = value
    return mask


def test_generator_parity_with_the_published_network():
    model = PartialConvUNet().double().eval()
    assert fill(model) == 153
    target_valid = _rectangle(0, (100, 140), (80, 120)).double()
    other_valid = _rectangle(0, (60, 90), (150, 200)).double()
    target_modal = _rectangle(1, (90, 160), (60, 140)).double() * target_valid
    background_modal = _rectangle(1, (0, 50), (0, SIZE)).double()
    found = {}
    for name in PARITY:
        getattr(model, name).register_forward_hook(
            lambda _module, _inputs, out, name=name: found.update({name: out[0] if isinstance(out, tuple) else out})
        )
    shell = HandInpaintor.paint
    with torch.no_grad():
        out = shell(_Bare(model), fixture_image(), target_valid, other_valid, target_modal, background_modal)
    for name, numbers in PARITY.items():
        assert summary(found[name]) == pytest.approx(numbers, abs=1e-5), name
    assert torch.equal(out, found["dec_1"])


class _Bare:
    residual = False

    def __init__(self, generator):
        self.generator = generator


def _plain_partial_conv(x: np.ndarray, m: np.ndarray, conv: torch.nn.Conv2d) -> tuple[np.ndarray, np.ndarray]:
    """One window at a time; x and m (C, H, W)."""
    weight, (k, stride, pad) = conv.weight.detach().numpy(), (conv.kernel_size[0], conv.stride[0], conv.padding[0])
    x, m = (np.pad(a, ((0, 0), (pad, pad), (pad, pad))) for a in (x * m, m))
    height, width = ((side - k) // stride + 1 for side in x.shape[1:])
    out, valid = np.zeros((len(weight), height, width)), np.zeros((height, width))
    for i in range(height):
        for j in range(width):
            window = np.s_[:, i * stride : i * stride + k, j * stride : j * stride + k]
            count = m[window].sum()
            if count:
                out[:, i, j] = (weight * x[window]).sum((1, 2, 3)) / count + conv.bias.detach().numpy()
                valid[i, j] = 1
    return out, valid


@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (5, 2), (7, 2)])
def test_partial_convolution_against_a_plain_loop(kernel, stride):
    torch.manual_seed(kernel)
    layer = PartialConv2d(5, 4, kernel, stride, kernel // 2, bias=True).double()
    torch.nn.init.normal_(layer.input_conv.bias)
    parts = [torch.randn(1, 2, 16, 20).double(), torch.randn(1, 3, 16, 20).double()]
    masks = [(torch.rand(1, 1, 16, 20) > 0.5).double(), (torch.rand(1, 1, 16, 20) > 0.9).double()]
    for mask in masks:
        mask[..., :12, :12] = 0  # so that whole windows are invalid
    out, valid = layer(parts, masks)
    full = torch.cat([m.expand_as(p) for m, p in zip(masks, parts, strict=True)], 1)[0].numpy()
    expected, expected_valid = _plain_partial_conv(torch.cat(parts, 1)[0].numpy(), full, layer.input_conv)
    assert 0 < expected_valid.mean() < 1
    np.testing.assert_allclose(out[0].detach(), expected, atol=1e-12)
    np.testing.assert_array_equal(valid[0, 0], expected_valid)


def test_what_is_masked_changes_nothing():
    torch.manual_seed(0)
    layer = PartialConv2d(4, 4, 3, 1, 1)
    x, mask = torch.randn(1, 4, 8, 8), (torch.rand(1, 1, 8, 8) > 0.4).float()
    torch.testing.assert_close(layer([x], [mask])[0], layer([x + 1e3 * (1 - mask)], [mask])[0])


def test_the_generator_wants_its_sides_divisible():
    with pytest.raises(DataContractError, match="divisible by 256"):
        PartialConvUNet(base_channels=8)([torch.zeros(1, 8, 128, 256)], [torch.ones(1, 1, 128, 256)])


def test_fewer_levels_take_smaller_images():
    torch.manual_seed(0)
    model = PartialConvUNet(base_channels=4, depth=3).eval()
    assert {name for name, _ in model.named_children()} == {
        "enc_1", "enc_2", "enc_3", "enc_3_transformer", "dec_3", "dec_3_transformer", "dec_2", "dec_1"
    }  # fmt: skip
    out = model([torch.randn(1, 4, 32, 48)] * 2, [torch.ones(1, 1, 32, 48)] * 2)
    assert out.shape == (1, 3, 32, 48)
    with pytest.raises(DataContractError, match="divisible by 8"):
        model([torch.zeros(1, 8, 12, 16)], [torch.ones(1, 1, 12, 16)])
    with pytest.raises(ConfigError, match="1 to 8"):
        PartialConvUNet(depth=9)


def test_hole_masks_by_hand():
    # Pixels: background, target seen, target hidden by the other hand, other hand beside, other hand behind the target.
    a, v, oa, ov = [0, 1, 1, 0, 1], [0, 1, 0, 0, 1], [0, 0, 1, 1, 1], [0, 0, 1, 1, 0]
    masks = torch.tensor([a, v, oa, ov], dtype=torch.uint8).view(1, 4, 1, 5)
    found = {name: m.flatten().tolist() for name, m in hole_masks(masks, torch.ones(1, 4)).items()}
    assert found == {
        "target_valid": [1, 1, 0, 1, 1],
        "other_valid": [1, 1, 1, 0, 1],
        "target_modal": [0, 1, 0, 0, 1],
        "background_modal": [1, 0, 0, 0, 0],
    }
    masks[0, 2] = 0  # not known, so that its zeros mean nothing
    unknown = {n: m.flatten().tolist() for n, m in hole_masks(masks, torch.tensor([[1, 1, 0, 1]])).items()}
    assert unknown == found


def test_pixel_losses_and_variation_by_hand():
    out, gt = torch.zeros(1, 3, 2, 2), torch.ones(1, 3, 2, 2)
    target = torch.tensor([[0.0, 0.0], [1.0, 1.0]]).view(1, 1, 2, 2)
    other = torch.tensor([[1.0, 1.0], [0.0, 1.0]]).view(1, 1, 2, 2)
    losses = L.pixel_losses(out, gt, target, other)
    assert {n: v.item() for n, v in losses.items()} == {"hole_deocclusion": 0.5, "hole_removal": 0.25, "valid": 0.25}
    image = torch.tensor([[0.0, 1.0, 3.0], [0.0, 0.0, 0.0]]).view(1, 1, 2, 3)
    assert L.total_variation(image).item() == pytest.approx((1 + 2) / 4 + (0 + 1 + 3) / 3)


def test_perceptual_and_style_by_hand():
    a = [torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(1, 2, 1, 2), torch.ones(1, 1, 1, 1)]
    b = [torch.zeros(1, 2, 1, 2), torch.zeros(1, 1, 1, 1)]
    assert L.perceptual_loss(a, b).item() == 2.5 + 1
    assert (4 * L.gram(a[0])[0]).tolist() == [[5, 11], [11, 25]]  # C H W = 4
    assert L.style_loss(a, b).item() == pytest.approx((5 + 11 + 11 + 25) / 4 / 4 + 1)


def test_adversarial_loss_is_that_of_the_sigmoid():
    logits = torch.tensor([[-2.0, 0.5]])
    for real in (True, False):
        expected = F.binary_cross_entropy(logits.sigmoid(), torch.full((1, 2), float(real)))
        assert L.adversarial_loss(logits, real).item() == pytest.approx(expected.item())


# --- the model and its training step ---

OPTIMIZERS = dict(
    constructor="SubmoduleOptimWrapperConstructor",
    generator=dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-3)),
    discriminator=dict(type="OptimWrapper", optimizer=dict(type="Adam", lr=1e-4, betas=(0.0, 0.9))),
)


def _config(**changes) -> dict:
    return (
        dict(
            type="HandInpaintor",
            generator=dict(type="PartialConvUNet", base_channels=8),
            discriminator=dict(type="PatchDiscriminator", base_channels=4),
            data_preprocessor=PREPROCESSOR,
        )
        | changes
    )


def _model(**changes) -> HandInpaintor:
    init_default_scope("interhand_mm")
    torch.manual_seed(0)
    return MODELS.build(_config(**changes))


def _sample(seed: int) -> dict:
    generator = torch.Generator().manual_seed(seed)
    clean = torch.randint(0, 256, (2, 3, SIZE, SIZE), generator=generator, dtype=torch.uint8)
    masks = torch.zeros(4, SIZE, SIZE, dtype=torch.uint8)
    masks[0, 60:200, 60:160] = masks[2, 100:220, 120:230] = masks[3, 100:220, 120:230] = 1
    masks[1] = masks[0] * (1 - masks[3])
    image = torch.where(masks[3] > 0, torch.tensor(40, dtype=torch.uint8), clean[0])
    sample = BaseDataElement(
        metainfo=dict(target=0), masks=masks, masks_valid=torch.ones(4), clean=clean, clean_valid=torch.tensor([1.0, 0])
    )
    return {"inputs": image, "data_samples": sample}


def _loader_batch() -> dict:
    samples = [_sample(seed) for seed in (1, 2)]
    return {key: [s[key] for s in samples] for key in ("inputs", "data_samples")}


def _changed(module: torch.nn.Module, before: dict) -> bool:
    return any(not torch.equal(p, before[n]) for n, p in module.named_parameters())


def _weights(module: torch.nn.Module) -> dict:
    return {n: p.detach().clone() for n, p in module.named_parameters()}


@pytest.mark.parametrize("bf16", [False, True])
def test_a_step_trains_both_networks(bf16):
    model = _model()
    kinds = dict(type="Bfloat16OptimWrapper") if bf16 else {}
    config = {k: dict(v, **kinds) if isinstance(v, dict) else v for k, v in OPTIMIZERS.items() if k != "constructor"}
    optimizers = SubmoduleOptimWrapperConstructor(config)(model)
    before = _weights(model.generator), _weights(model.discriminator)
    log = model.train_step(_loader_batch(), optimizers)
    names = ("valid", "hole_deocclusion", "hole_removal", "tv", "adversarial", "discriminator")
    assert {f"loss_{name}" for name in names} | {"loss"} == set(log)
    assert all(torch.isfinite(value) for value in log.values())
    assert log["loss"].item() == pytest.approx(sum(log[f"loss_{name}"].item() for name in names[:-1]), rel=1e-5)
    # An untrained discriminator cannot tell: ln 2, times 0.1 for the generator.
    assert log["loss_discriminator"].item() == pytest.approx(0.693, abs=0.1)
    assert log["loss_adversarial"].item() == pytest.approx(0.0693, abs=0.02)
    assert _changed(model.generator, before[0])
    assert _changed(model.discriminator, before[1])


def test_each_loss_reaches_only_its_own_network():
    model = _model()
    data = model.data_preprocessor(_loader_batch(), True)
    gt, known, samples = data.pop("gt"), data.pop("gt_valid"), data.pop("data_samples")
    out = model.paint(**data)
    model.generator_losses(out, gt=gt, **data)["loss_adversarial"].backward(retain_graph=True)
    assert all(p.grad is None for p in model.discriminator.parameters())
    assert model.generator.enc_1.conv.input_conv.weight.grad.abs().sum() > 0
    model.generator.zero_grad()
    model.discriminator_loss(out, gt, data["target_modal"], data["background_modal"], known).backward()
    assert all(p.grad is None for p in model.generator.parameters())
    assert all(p.grad.abs().sum() > 0 for p in model.discriminator.parameters())
    assert len(samples) == 2


def test_a_blanked_sample_enters_no_loss():
    model = _model()
    batch = _loader_batch()
    blank = batch["data_samples"][1]
    blank.clean.zero_(), blank.masks.zero_(), blank.clean_valid.zero_(), batch["inputs"][1].zero_()
    data = model.data_preprocessor(batch, True)
    data.pop("data_samples")
    assert data["gt_valid"].tolist() == [1, 0]
    out = torch.rand(2, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0))
    alone = {name: value[:1] for name, value in data.items()}
    modal = ("gt", "target_modal", "background_modal", "gt_valid")
    # The power iteration of a spectral norm moves with every call in training.
    model.eval()
    both, one = model.generator_losses(out, **data), model.generator_losses(out[:1], **alone)
    assert set(both) == set(one)
    for name, loss in both.items():
        assert loss.item() == pytest.approx(one[name].item(), rel=1e-5), name
    assert model.discriminator_loss(out, *(data[k] for k in modal)).item() == pytest.approx(
        model.discriminator_loss(out[:1], *(alone[k] for k in modal)).item(), rel=1e-5
    )
    nothing = {**data, "gt_valid": torch.zeros(2)}
    assert sum(model.generator_losses(out, **nothing).values()).item() == 0


def test_predicted_masks_take_the_place_of_true_ones():
    batch = _loader_batch()
    true = InpaintPreprocessor()(batch)
    for sample in batch["data_samples"]:
        sample.set_data({"pred_masks": torch.roll(sample.masks, 7, dims=-1)})
        sample.masks_valid[2] = 0
    moved = InpaintPreprocessor()(batch)
    torch.testing.assert_close(moved["target_valid"], torch.roll(true["target_valid"], 7, dims=-1))
    torch.testing.assert_close(moved["other_valid"], torch.roll(true["other_valid"], 7, dims=-1))


def test_a_residual_painter_that_paints_nothing_gives_mean_colors():
    model = _model(residual=True)
    model.generator.dec_1.conv.input_conv.weight.data.zero_()
    # Hand: 10, 20 and hidden; other hand beside it; ground: 4, 6.
    image = torch.tensor([10.0, 20.0, 99.0, 99.0, 4.0, 6.0]).view(1, 1, 1, 6).expand(1, 3, 256, 6)
    masks = [[1, 1, 0, 1, 1, 1], [1, 1, 1, 0, 1, 1], [1, 1, 0, 0, 0, 0], [0, 0, 0, 0, 1, 1]]
    image = torch.cat([image, image.new_zeros(1, 3, 256, 250)], -1)
    rows = [torch.tensor(m + [int(i < 2)] * 250, dtype=torch.float32) for i, m in enumerate(masks)]
    with torch.no_grad():
        out = model.eval().paint(image, *(row.view(1, 1, 1, 256).expand(1, 1, 256, 256) for row in rows))
    bias = model.generator.dec_1.conv.input_conv.bias.view(1, 3, 1)
    torch.testing.assert_close(out[..., 0, :6] - bias, torch.tensor([10.0, 20, 15, 5, 4, 6]).expand(1, 3, 6))
    empty = torch.zeros(1, 1, 4, 4)
    assert torch.equal(mean_colors(torch.ones(1, 3, 4, 4), empty, 1 - empty, empty, empty), torch.zeros(1, 3, 4, 4))


def test_prediction_keeps_what_was_seen_and_gives_back_the_loaders_range():
    model = _model(dilation=1).eval()
    batch = _loader_batch()
    with torch.no_grad():
        sample = model.val_step(batch)[0]
    data = model.data_preprocessor(batch)
    hole = (1 - data["target_valid"] * data["other_valid"])[0, 0].bool()
    assert 0.05 < hole.float().mean() < 0.5
    assert torch.equal(sample.pred_edited > 0, hole)
    model.dilation = 9
    with torch.no_grad():
        assert torch.equal(model.val_step(batch)[0].pred_edited, dilate(hole.float()))
    torch.testing.assert_close(sample.restored[:, ~hole], data["inputs"][0][:, ~hole])
    torch.testing.assert_close(model.data_preprocessor.denormalize(data["inputs"])[0], batch["inputs"][0].float(), atol=1e-3, rtol=0)  # fmt: skip
    painted = model.data_preprocessor.denormalize(sample.restored[None])[0]
    torch.testing.assert_close(sample.pred_clean[:, hole], painted[:, hole])
    torch.testing.assert_close(data["gt"][0], (batch["data_samples"][0].clean[0].flip(0) - torch.tensor(PREPROCESSOR["mean"]).view(3, 1, 1)) / torch.tensor(PREPROCESSOR["std"]).view(3, 1, 1))  # fmt: skip


def test_a_left_target_is_refused():
    batch = _loader_batch()
    batch["data_samples"][1].set_metainfo(dict(target=1))
    with pytest.raises(DataContractError, match="MirrorHands"):
        InpaintPreprocessor()(batch)


def test_checkpoints_of_several_processes_are_those_of_one():
    plain, wrapped = _model(), _model()
    for name in ("generator", "discriminator"):
        setattr(wrapped, name, torch.nn.DataParallel(getattr(wrapped, name)))
    state = wrapped.state_dict()
    assert set(state) == set(plain.state_dict())
    for tensor in plain.state_dict().values():
        tensor.zero_()
    plain.load_state_dict(state)
    load_state_dict(wrapped, plain.state_dict(), strict=True)  # mmengine's, as a resumed training reads
    for name, tensor in plain.state_dict().items():
        assert torch.equal(tensor, state[name])


def test_wrong_settings_are_refused():
    with pytest.raises(ConfigError, match="hole"):
        _model(loss_weights=dict(hole=6.0))
    with pytest.raises(ConfigError, match="odd"):
        _model(dilation=4)
    model = _model()
    with pytest.raises(ConfigError, match="no submodules \\['critic'\\]"):
        SubmoduleOptimWrapperConstructor({"critic": {}, "generator": {}})(model)
    with pytest.raises(ConfigError, match="no optimizer for 5 parameters"):
        SubmoduleOptimWrapperConstructor({"generator": OPTIMIZERS["generator"]})(model)
    with pytest.raises(ConfigError, match="one each for"):
        model.train_step({}, OptimWrapper(torch.optim.SGD(model.parameters(), 0.1)))


def test_perceptual_losses_come_from_a_local_file(tmp_path):
    torch.manual_seed(1)
    path = tmp_path / "vgg16.pth"
    vgg = VGG(16)
    torch.save({**vgg.state_dict(), "classifier.0.weight": torch.zeros(1)}, path)
    model = _model(vgg16=str(path), discriminator=None)
    assert not [name for name in model.state_dict() if "vgg" in name or "features" in name]
    image = torch.rand(1, 3, 32, 32)
    features = L.VGGFeatures(path)
    taps = features(image)
    assert [tuple(t.shape) for t in taps] == [(1, 64, 16, 16), (1, 128, 8, 8), (1, 256, 4, 4)]
    torch.testing.assert_close(taps[0], vgg.features[:5](image))
    torch.testing.assert_close(taps[2], vgg.features[:17](image))
    data = {key: torch.ones(1, 1, 32, 32) for key in ("target_valid", "target_modal", "background_modal")}
    data |= dict(other_valid=_rectangle(0, (0, 16), (0, 32), 32), gt=image, inputs=image)
    out = torch.zeros_like(image, requires_grad=True)
    losses = model.generator_losses(out, **data)
    assert losses["loss_perceptual_deocclusion"] == losses["loss_style_deocclusion"] == 0  # nothing is hidden
    hole = 1 - data["other_valid"]
    expected = sum(F.l1_loss(a, b) for a, b in zip(*(features(hole * x) for x in (out, image)), strict=True))
    assert losses["loss_perceptual_removal"].item() == pytest.approx(0.1 * expected.item(), rel=1e-5)
    losses["loss_style_removal"].backward()
    assert out.grad.abs().sum() > 0
    with pytest.raises(CheckpointError, match="not contain VGG-16 weights"):
        _model(vgg16=str(tmp_path / "none.pth"))
    torch.save({"features.0.weight": torch.zeros(1)}, path)
    with pytest.raises(CheckpointError, match="not contain VGG-16 weights"):
        _model(vgg16=str(path))


def test_without_the_file_it_says_what_is_off(monkeypatch):
    said = []
    monkeypatch.setattr(
        "interhand_mm.hdr.models.inpaintor.print_log", lambda text, **k: said.append((text, k["level"]))
    )
    model = _model()
    model.init_weights()
    assert said
    assert "perceptual and style losses are OFF" in said[0][0]
    assert said[0][1] == logging.WARNING


def _run(work_dir, iterations: int, resume: bool = False) -> HandInpaintor:
    runner = Runner(
        model=_config(),
        work_dir=str(work_dir),
        train_dataloader=dict(
            dataset=[_sample(seed) for seed in (1, 2)],
            batch_size=2,
            sampler=dict(type="DefaultSampler", shuffle=False),
            collate_fn=dict(type="pseudo_collate"),
        ),
        train_cfg=dict(type="IterBasedTrainLoop", max_iters=iterations),
        optim_wrapper=dict(OPTIMIZERS),
        default_hooks=dict(checkpoint=dict(type="CheckpointHook", interval=1, by_epoch=False)),
        default_scope="interhand_mm",
        randomness=dict(seed=0),
        resume=resume,
        experiment_name=f"{work_dir.name}_{iterations}_{resume}",
        log_level="WARNING",
    )
    runner.train()
    return runner.model


def test_training_resumes_to_the_same_weights(tmp_path):
    allow_safe_types()
    straight = _run(tmp_path / "straight", 2).state_dict()
    _run(tmp_path / "resumed", 1)
    resumed = _run(tmp_path / "resumed", 2, resume=True).state_dict()
    assert set(straight) == set(resumed)
    for name, tensor in straight.items():
        torch.testing.assert_close(resumed[name], tensor, msg=name)
    saved = torch.load(tmp_path / "resumed/iter_2.pth", weights_only=True)
    assert set(saved["optimizer"]) == {"generator", "discriminator"}
