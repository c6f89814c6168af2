from __future__ import annotations

import pytest
import torch
from mmengine.optim import build_optim_wrapper

from interhand_mm.apis.launch import build_model
from interhand_mm.apis.train import _change_wrappers
from interhand_mm.engine.convert_hdr import _LinspaceOnCPU
from interhand_mm.utils.config import load_config
from tests.conftest import ROOT

PARAMETERS = {"segmentor_mit-b5": 82_759_880, "inpaintor_pconv-unet": 42_211_611 + 2_765_824, "pose_detnet": 12_967_635}


@pytest.mark.parametrize("name", PARAMETERS)
def test_full_size_models_build(name):
    cfg = load_config(ROOT / f"configs/hdr/{name}.py")
    with torch.device("meta"), _LinspaceOnCPU():
        model = build_model(cfg)
    assert sum(p.numel() for p in model.parameters() if p.requires_grad) == PARAMETERS[name]
    assert cfg.train_cfg.type == "IterBasedTrainLoop"
    assert cfg.default_hooks.checkpoint.save_best is None
    if "train_dataloader" in cfg:
        assert cfg.train_dataloader.dataset.data_root == cfg.data_root


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
    _change_wrappers(cfg, type="Bfloat16OptimWrapper")
    assert {name: cfg.optim_wrapper[name].type for name in ("generator", "discriminator")} == {
        "generator": "Bfloat16OptimWrapper",
        "discriminator": "Bfloat16OptimWrapper",
    }
    assert "type" not in cfg.optim_wrapper
    cfg = load_config(ROOT / "configs/hdr/pose_detnet.py")
    _change_wrappers(cfg, type="Bfloat16OptimWrapper")
    assert cfg.optim_wrapper.type == "Bfloat16OptimWrapper"
