"""The class and the config of docs/how-to/head.md train, as the page says."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest
import torch

from interhand_mm.engine.runner import build_runner
from interhand_mm.registry import MODELS
from interhand_mm.utils.config import DataOptions, load_config
from tests.conftest import ROOT
from tests.fixtures.tiny import write_set

SMALL = [
    "model.backbone.depth=18", "model.head.in_channels=512",
    "codec.input_size=(64,64)", "codec.heatmap_size=(16,16,16)", "codec.sigma=1.0",
]  # fmt: skip


@pytest.fixture
def cfg(tmp_path, monkeypatch):
    code, config = re.findall(r"```python\n(.*?)```", (ROOT / "docs/how-to/head.md").read_text(), re.DOTALL)
    (tmp_path / "my_head.py").write_text(code)
    (tmp_path / "config.py").write_text(config.replace("internet.py", str(ROOT / "configs/internet.py")))
    monkeypatch.syspath_prepend(str(tmp_path))
    yield load_config(tmp_path / "config.py", SMALL, DataOptions(data_root=str(write_set(tmp_path / "tiny", num=6))))
    MODELS._module_dict.pop("RegressionHandHead", None)
    sys.modules.pop("my_head", None)


def test_the_head_of_the_how_to_trains_two_steps(cfg, tmp_path):
    cfg.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    cfg.work_dir = str(tmp_path / "work")
    runner = build_runner(cfg)
    loader = runner.build_dataloader(cfg.train_dataloader, seed=0)
    wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    runner.model.train()
    before = runner.model.head.joint_branch.fc[0].weight.detach().clone()
    losses = [runner.model.train_step(batch, wrapper) for batch, _ in zip(loader, range(2), strict=False)]
    assert len(losses) == 2
    assert {"loss_keypoint", "loss_root_depth", "loss_handedness"} <= set(losses[0])
    assert all(torch.isfinite(value["loss"]) for value in losses)
    assert not torch.equal(before, runner.model.head.joint_branch.fc[0].weight)


def test_the_mirror_of_a_mirror_is_the_same_prediction(cfg):
    head = MODELS.build(cfg.model.head).eval()
    feats = torch.randn(2, 512, 2, 2)
    keypoints, *_ = head([feats])
    swapped = keypoints[:, np.roll(np.arange(42), 21)].clone()
    swapped[..., 0] = 15 - swapped[..., 0]
    assert torch.allclose(head.merge_mirrored(keypoints, swapped), keypoints, atol=1e-5)
    assert {"keypoints", "bins", "hand_prob"} <= set(head.infer(((feats,), (feats,)), dict(flip_test=True)))
