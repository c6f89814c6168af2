"""Golden values: ten training steps of the shipped networks, and the public names.

    pytest tests/test_golden.py --regen      # record new values after an intended change

Losses are compared with a tolerance of `RTOL`, because processors round float32 sums differently. To prove that a
refactoring changes nothing, set `GOLDEN_RTOL=0` on the machine that recorded the files.
"""

from __future__ import annotations

import json
import os
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.registry import Registry

import interhand_mm
from interhand_mm import registry
from interhand_mm.engine.runner import build_runner
from interhand_mm.utils.config import DataOptions, load_config
from tests.conftest import ROOT
from tests.fixtures.tiny import write_photographs, write_set
from tests.fixtures.tiny_aih import write_aih_render, write_aih_syn
from tests.fixtures.tiny_masks import write_masks

GOLDEN = ROOT / "tests" / "golden"
RTOL = float(os.environ.get("GOLDEN_RTOL", "2e-3"))
STEPS = 10

INTERNET = [
    "model.backbone.depth=18", "model.backbone.init_cfg=None", "model.head.in_channels=512",
    "model.head.deconv_channels=16",
    "codec.input_size=(64,64)", "codec.heatmap_size=(16,16,16)", "codec.sigma=1.0",
]  # fmt: skip
# name -> config and what shrinks it
CASES: dict[str, tuple[str, list[str]]] = {
    "internet": ("internet", INTERNET),
    "internet_bgaug": ("internet_bgaug", INTERNET),
    "marginal": ("quickstart/marginal", []),
    "hdr_segmentor": ("hdr/small_segmentor", []),
    "hdr_inpaintor": ("hdr/small_inpaintor", []),
    "hdr_pose": ("hdr/pose_detnet", ["model.width=8", "codec.input_size=(128,128)"]),
}


def _data_options(name: str, folder: Path) -> tuple[DataOptions, list[str]]:
    """Return the tiny data set that a case trains on, and the overrides that name its masks."""
    if name == "hdr_inpaintor":
        write_aih_syn(folder)
        write_aih_render(folder)
        return DataOptions(data_root=str(folder)), []
    root = write_set(folder / "tiny", num=6)
    photographs = [str(write_photographs(folder / "photographs"))] if name == "internet_bgaug" else None
    if name not in ("marginal", "hdr_segmentor", "hdr_pose"):
        return DataOptions(data_root=str(root), backgrounds=photographs), []
    write_masks(root)
    return DataOptions(data_root=str(root)), ["train_dataloader.dataset.mask_root=masks"]


def _losses(name: str, folder: Path) -> list[float]:
    """Return the losses of the first training steps, with the data, model and optimizer of the config."""
    config, overrides = CASES[name]
    data, masks = _data_options(name, folder)
    cfg = load_config(ROOT / f"configs/{config}.py", [*overrides, *masks], data)
    cfg.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    cfg.work_dir = str(folder / "work")
    runner = build_runner(cfg)
    loader = runner.build_dataloader(cfg.train_dataloader, seed=0)
    torch.manual_seed(0)
    runner.model.init_weights()
    runner.model.train()
    wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)

    def batches():
        while True:
            yield from loader

    return [runner.model.train_step(batch, wrapper)["loss"].item() for batch in islice(batches(), STEPS)]


@pytest.mark.parametrize("name", CASES)
def test_losses_of_ten_steps_are_the_recorded_ones(name, tmp_path, request):
    losses = _losses(name, tmp_path)
    assert losses[-1] != losses[0]
    path = GOLDEN / f"losses_{name}.json"
    if request.config.getoption("--regen"):
        path.write_text(json.dumps(losses, indent=1) + "\n")
    np.testing.assert_allclose(losses, json.loads(path.read_text()), rtol=RTOL)


def _public_names() -> dict[str, list[str]]:
    """Names that users write: those of the package, and of every registry in configs."""
    names = {"interhand_mm": sorted(interhand_mm.__all__)}
    for name, each in vars(registry).items():
        if isinstance(each, Registry):
            each.import_from_location()
            names[name] = sorted(each.module_dict)
    return names


def test_public_names_are_the_recorded_ones(request):
    """A name that disappears breaks somebody's config or script; record a change on purpose with `--regen`."""
    names, path = _public_names(), GOLDEN / "public_names.json"
    if request.config.getoption("--regen"):
        path.write_text(json.dumps(names, indent=1) + "\n")
    assert names == json.loads(path.read_text())
