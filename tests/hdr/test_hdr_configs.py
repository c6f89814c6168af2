from __future__ import annotations

import pytest
import torch
from mmengine.optim import build_optim_wrapper
from mmengine.structures import BaseDataElement

from interhand_mm.apis.train import change_wrappers
from interhand_mm.engine.runner import build_model
from interhand_mm.hdr.checkpoints import LinspaceOnCPU
from interhand_mm.utils.config import load_config
from tests.conftest import ROOT

PARAMETERS = {
    "segmentor_mit-b5": 82_759_880,
    "segmentor_mit-b0": 4_505_192,
    "inpaintor_pconv-unet": 42_211_611 + 2_765_824,
    "pose_detnet": 12_967_635,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_full_size_models_build(name):
    cfg = load_config(ROOT / f"configs/hdr/{name}.py")
    with torch.device("meta"), LinspaceOnCPU():
        model = build_model(cfg)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == PARAMETERS[name]
    assert cfg.train_cfg.type == "IterBasedTrainLoop"
    assert cfg.default_hooks.checkpoint.save_best is None
    if name == "segmentor_mit-b0":
        assert cfg.train_dataloader.batch_size == 48
    if "train_dataloader" in cfg:
        assert cfg.train_dataloader.sampler.type == "InfiniteSampler"
        parts = cfg.train_dataloader.dataset.get("datasets", [cfg.train_dataloader.dataset])
        if name != "pose_detnet":  # which learns from poses, not from AIH
            assert {part.part for part in parts} == {"syn", "render"}
        assert {part.data_root for part in parts} == {cfg.data_root}


def _batch(num: int, size: int) -> dict:
    masks = torch.zeros(4, size, size, dtype=torch.uint8)
    masks[0, 20:80, 20:80] = masks[2:, 50:100, 50:100] = 1
    masks[1] = masks[0] * (1 - masks[3])
    clean = torch.full((2, 3, size, size), 200, dtype=torch.uint8)
    sample = dict(masks=masks, masks_valid=torch.ones(4), clean=clean, clean_valid=torch.ones(2))
    return {
        "inputs": [clean[0].clone() for _ in range(num)],
        "data_samples": [BaseDataElement(metainfo=dict(target=0), **sample) for _ in range(num)],
    }


@pytest.mark.parametrize("name", ["small_segmentor", "small_inpaintor"])
def test_small_models_learn(name):
    cfg = load_config(ROOT / f"configs/hdr/{name}.py")
    torch.manual_seed(0)
    model = build_model(cfg)
    model.init_weights()
    assert sum(p.numel() for p in model.parameters()) < 8e6
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    side = cfg.codec.input_size[0] if "codec" in cfg else 128
    losses = [model.train_step(_batch(2, side), wrapper)["loss"].item() for _ in range(5)]
    assert losses[-1] < 0.95 * losses[0]


@pytest.mark.parametrize(
    "fill",
    [lambda image, masks: masks.zero_(), lambda image, masks: masks.fill_(1), lambda image, masks: image.zero_()],
)
def test_small_models_predict_on_masks_empty_and_full_and_on_black(fill):
    for name in ("small_segmentor", "small_inpaintor"):
        cfg = load_config(ROOT / f"configs/hdr/{name}.py")
        model = build_model(cfg).eval()
        batch = _batch(1, 128)
        fill(batch["inputs"][0], batch["data_samples"][0].masks)
        with torch.no_grad():
            sample = model.val_step(batch)[0]
        keys = ("pred_scores",) if "seg" in name else ("restored", "pred_clean", "pred_edited")
        assert all(torch.isfinite(sample.get(key)).all() for key in keys)
        if "seg" not in name and not batch["data_samples"][0].masks.any():
            assert not sample.pred_edited.any()  # no hand, nothing to paint


def test_the_segmentors_parameter_groups():
    cfg = load_config(ROOT / "configs/hdr/segmentor_mit-b5.py", ["model.backbone.size=b0"])
    model = build_model(cfg)
    wrapper = build_optim_wrapper(model, cfg.optim_wrapper)
    of_parameter = {id(p): group for group in wrapper.param_groups for p in group["params"]}
    groups = {name: of_parameter[id(p)] for name, p in model.named_parameters()}
    assert groups["backbone.layers.0.1.0.norm1.weight"]["weight_decay"] == 0
    assert groups["backbone.layers.0.1.0.attn.norm.bias"]["weight_decay"] == 0
    assert groups["backbone.layers.0.1.0.ffn.layers.0.weight"]["weight_decay"] == 0.01
    assert groups["backbone.layers.0.1.0.ffn.layers.0.weight"]["lr"] == 2.88e-3
    assert groups["decode_head.conv_seg4.weight"]["lr"] == pytest.approx(2.88e-2)


def test_the_inpaintors_optimizers():
    cfg = load_config(ROOT / "configs/hdr/inpaintor_pconv-unet.py", ["model.generator.base_channels=8"])
    wrapper = build_optim_wrapper(build_model(cfg), cfg.optim_wrapper)
    assert wrapper.get_lr() == {"generator.lr": [8e-4], "discriminator.lr": [8e-5]}
    assert wrapper["discriminator"].optimizer.defaults["betas"] == (0.0, 0.9)
    assert cfg.model_wrapper_cfg.type == "MMSeparateDistributedDataParallel"


def test_mixed_precision_reaches_every_optimizer():
    cfg = load_config(ROOT / "configs/hdr/inpaintor_pconv-unet.py")
    change_wrappers(cfg, type="Bfloat16OptimWrapper")
    assert {name: cfg.optim_wrapper[name].type for name in ("generator", "discriminator")} == {
        "generator": "Bfloat16OptimWrapper",
        "discriminator": "Bfloat16OptimWrapper",
    }
    assert "type" not in cfg.optim_wrapper
    cfg = load_config(ROOT / "configs/hdr/pose_detnet.py")
    change_wrappers(cfg, type="Bfloat16OptimWrapper")
    assert cfg.optim_wrapper.type == "Bfloat16OptimWrapper"
