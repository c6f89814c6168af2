"""The weights that a training starts from by its config: fetched first, never silently replaced by random ones."""

from __future__ import annotations

import copy
import urllib.error

import pytest
import torch

import interhand_mm.apis.train as train_module
from interhand_mm.apis.export import export_onnx
from interhand_mm.apis.test import run_test
from interhand_mm.checkpoints import pretrained
from interhand_mm.checkpoints.pretrained import check_pretrained, drop_pretrained, fetch_pretrained
from interhand_mm.errors import CheckpointError, ConfigError
from interhand_mm.registry import MODELS
from interhand_mm.utils.config import DataOptions, load_config
from tests.conftest import ROOT
from tests.fixtures.tiny import write_set
from tests.test_end_to_end import SMALL

TINY = [option for option in SMALL if "init_cfg" not in option and "max_epochs" not in option]
TINY += ["train_cfg.max_epochs=1", "val_dataloader=None", "val_cfg=None", "val_evaluator=None"]


@pytest.fixture
def offline(monkeypatch):
    """Let every download fail, and return the addresses that were asked for."""
    asked: list[str] = []

    def refuse(url: str, **_: object) -> None:
        asked.append(url)
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(pretrained, "load_state_dict_from_url", refuse)
    return asked


@pytest.fixture
def cfg(tmp_path):
    cfg = load_config(ROOT / "configs/internet.py", TINY, DataOptions(data_root=str(write_set(tmp_path / "tiny"))))
    cfg.default_hooks.checkpoint.save_best = None
    cfg.work_dir = str(tmp_path / "work")
    return cfg


@pytest.mark.parametrize("name", ["internet", "internet_bgaug", "internet_rhd", "internet_stb", "internet_joint"])
def test_published_recipes_start_from_imagenet(name):
    backbone = load_config(ROOT / f"configs/{name}.py").model.backbone
    assert backbone.init_cfg == dict(type="Pretrained", checkpoint="torchvision://resnet50")


def test_without_a_network_training_stops_before_anything_is_built(cfg, offline, monkeypatch):
    monkeypatch.setattr(train_module, "build_runner", lambda *_: pytest.fail("the runner was built first"))
    with pytest.raises(CheckpointError, match="cannot be downloaded: torchvision://resnet50") as caught:
        train_module.train(cfg)
    assert offline == ["https://download.pytorch.org/models/resnet50-0676ba61.pth"]
    assert "--cfg-options model.backbone.init_cfg.checkpoint=FILE" in caught.value.fix
    assert "--from-scratch" in caught.value.fix


def test_from_scratch_load_from_resume_test_and_export_download_nothing(cfg, offline, tmp_path):
    train_module.train(copy.deepcopy(cfg), from_scratch=True)
    weights = f"{cfg.work_dir}/epoch_1.pth"
    started = copy.deepcopy(cfg)
    started.load_from, started.work_dir = weights, str(tmp_path / "second")
    train_module.train(started)
    longer = copy.deepcopy(cfg)
    longer.train_cfg.max_epochs = 2
    train_module.train(longer, resume="auto")
    run_test(copy.deepcopy(cfg), weights)
    export_onnx(copy.deepcopy(cfg), weights, tmp_path / "net.onnx")
    assert offline == []


def test_from_scratch_without_effect_is_refused(cfg):
    cfg.model.backbone.init_cfg = None
    with pytest.raises(ConfigError, match="--from-scratch has no effect"):
        train_module.train(cfg, from_scratch=True)


def test_a_local_file_is_loaded_and_a_file_that_does_not_fit_is_refused(cfg, tmp_path):
    path = tmp_path / "resnet18.pth"
    state = MODELS.build(cfg.model).backbone.state_dict()
    state["layer4.1.conv2.weight"].fill_(0.25)
    torch.save(state, path)
    cfg.model.backbone.init_cfg.checkpoint = str(path)
    fetch_pretrained(cfg.model)
    model = MODELS.build(cfg.model)
    check_pretrained(model)
    model.init_weights()
    assert torch.equal(model.backbone.state_dict()["layer4.1.conv2.weight"], state["layer4.1.conv2.weight"])

    torch.save({f"backbone.{key}": value for key, value in state.items()}, path)  # names that match nothing
    with pytest.raises(CheckpointError, match=r"model\.backbone starts from cannot be used") as caught:
        check_pretrained(model)
    assert "100 parameters" in caught.value.got
    cfg.model.backbone.init_cfg.prefix = "backbone."
    check_pretrained(MODELS.build(cfg.model))


@pytest.mark.parametrize(
    ("source", "got"),
    [
        ("missing.pth", "checkpoint does not exist: missing.pth"),
        ("torchvision://resnet51", "torchvision has no weights named resnet51"),
    ],
)
def test_unknown_sources_are_named(cfg, source, got):
    cfg.model.backbone.init_cfg.checkpoint = source
    with pytest.raises(CheckpointError, match=f"cannot be used: {source}") as caught:
        fetch_pretrained(cfg.model)
    assert caught.value.got == got


def test_only_entries_that_load_a_file_are_dropped():
    normal = dict(type="Normal", layer="Conv2d", std=0.01)
    file = dict(type="Pretrained", checkpoint="a.pth")
    model = dict(type="M", init_cfg=normal, backbone=dict(init_cfg=[normal, file]), head=dict(init_cfg=file))
    assert drop_pretrained(model, "backbone") == 1
    assert model["backbone"] == dict(init_cfg=[normal])
    assert drop_pretrained(model) == 1
    assert model == dict(type="M", init_cfg=normal, backbone=dict(init_cfg=[normal]), head=dict(init_cfg=None))
