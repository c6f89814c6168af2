"""A run that is continued: where it goes on, with which samples, and with which schedule."""

from __future__ import annotations

import shutil

import pytest
import torch

from interhand_mm.apis.train import train
from interhand_mm.checkpoints.io import read_checkpoint, write_checkpoint
from interhand_mm.engine.resume import read_literals
from interhand_mm.errors import CheckpointError
from interhand_mm.utils.config import DataOptions, load_config
from tests.conftest import ROOT
from tests.fixtures.tiny import write_set

SMALL = [
    "model.backbone.depth=18", "model.head.in_channels=512", "model.head.deconv_channels=4",
    "codec.input_size=(32,32)", "codec.heatmap_size=(8,8,8)", "codec.sigma=1.0", "train_dataloader.batch_size=2",
    "train_dataloader.num_workers=0", "train_dataloader.persistent_workers=False", "val_dataloader=None",
    "val_cfg=None", "val_evaluator=None", "default_hooks.checkpoint.save_best=None", "default_hooks.checkpoint.rule=None",
    "default_hooks.checkpoint.max_keep_ckpts=-1", "train_cfg.max_epochs=2", "model.backbone.init_cfg=None",
]  # fmt: skip
COSINE = "param_scheduler=[{'type':'CosineAnnealingLR','eta_min':0,'by_epoch':True,'convert_to_iter_based':True}]"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> str:
    return str(write_set(tmp_path_factory.mktemp("data") / "tiny"))  # six samples


@pytest.fixture
def config(root, tmp_path):
    def make(name: str, *more: str):
        cfg = load_config(ROOT / "configs/internet.py", [*SMALL, *more], DataOptions(data_root=root))
        cfg.work_dir = str(tmp_path / name)
        return cfg

    return make


@pytest.fixture
def by_iterations(config):
    def make(name: str, iterations: int, *more: str):
        cfg = config(name, *more)
        cfg.train_cfg = dict(type="IterBasedTrainLoop", max_iters=iterations)
        cfg.train_dataloader.sampler = dict(type="InfiniteSampler", shuffle=True)
        cfg.default_hooks.checkpoint.update(by_epoch=False, interval=4)
        return cfg

    return make


def weights(runner) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in runner.model.state_dict().items()}


def same(first, second) -> bool:
    return all(torch.equal(value, second[name]) for name, value in first.items())


def rate(runner) -> float:
    return runner.optim_wrapper.get_lr()["lr"][0]


def log_of(runner) -> str:
    return next(open(path, encoding="utf-8").read() for path in [f"{runner.log_dir}/{runner.timestamp}.log"])


def test_the_first_start_of_a_resumable_job_loads_its_weights(config, tmp_path):
    train(config("start", "train_cfg.max_epochs=1"))
    start = tmp_path / "start/epoch_1.pth"
    still = ["optim_wrapper.optimizer.lr=0", "randomness.seed=5"]
    runner = train(config("job", *still, f"load_from={start}"), resume="auto")
    name = "backbone.layer1.0.conv1.weight"
    assert torch.equal(weights(runner)[name], read_checkpoint(start)["state_dict"][name])
    assert runner.epoch == 2  # a new training, not a continued one


def test_a_new_schedule_is_taken(config):
    train(config("run", "train_cfg.max_epochs=1", "param_scheduler.0.milestones=[1]"))
    new = ["param_scheduler.0.milestones=[2]", "optim_wrapper.optimizer.lr=7e-4"]
    runner = train(config("run", "train_cfg.max_epochs=3", *new), resume="auto")
    assert rate(runner) == pytest.approx(7e-5)
    log = log_of(runner)
    assert "param_scheduler.0.milestones [1] -> [2]" in log
    assert "optim_wrapper.optimizer.lr 0.0001 -> 0.0007" in log
    assert "Kept: weights" in log


def test_a_schedule_by_iterations_follows_another_batch_size(config):
    whole = train(config("whole", COSINE, "train_cfg.max_epochs=3", "train_dataloader.batch_size=3"))
    train(config("run", COSINE, "train_cfg.max_epochs=1", "train_dataloader.batch_size=2"))
    more = ["train_dataloader.batch_size=3", "train_cfg.max_epochs=3"]
    runner = train(config("run", COSINE, *more), resume="auto")
    assert rate(runner) == pytest.approx(rate(whole), abs=1e-12)
    assert (runner.iter, runner.max_iters) == (6, 6)
    log = log_of(runner)
    assert "batch size 2 -> 3" in log


def test_a_run_without_changes_says_nothing(config):
    train(config("run", COSINE, "default_hooks.checkpoint.interval=1"))
    runner = train(config("run", COSINE), resume="auto")
    assert "Changed" not in log_of(runner)


def test_a_checkpoint_inside_an_epoch_is_continued_exactly(config, tmp_path):
    often = ["+default_hooks.checkpoint.by_epoch=False", "default_hooks.checkpoint.interval=1"]
    whole = train(config("whole", COSINE, *often))
    for iteration in (2, 3, 4):  # inside the first epoch, at its last step, inside the second
        start = str(tmp_path / f"whole/iter_{iteration}.pth")
        runner = train(config(f"from{iteration}", COSINE, *often), resume=start)
        assert same(weights(whole), weights(runner)), iteration
        assert (runner.iter, runner.epoch) == (6, 2)
    with pytest.raises(CheckpointError, match="saved inside an epoch"):
        train(
            config("other", COSINE, *often, "train_dataloader.batch_size=3"), resume=str(tmp_path / "whole/iter_2.pth")
        )


def test_a_loop_over_iterations_does_not_depend_on_workers_or_a_resume(by_iterations, tmp_path):
    whole = weights(train(by_iterations("whole", 8)))  # two passes and two thirds
    assert same(whole, weights(train(by_iterations("workers", 8, "train_dataloader.num_workers=2"))))
    resumed = train(by_iterations("resumed", 8), resume=str(tmp_path / "whole/iter_4.pth"))
    assert same(whole, weights(resumed))
    # Another batch size goes on behind the eight samples that are drawn already.
    runner = train(
        by_iterations("larger", 5, "train_dataloader.batch_size=4"), resume=str(tmp_path / "whole/iter_4.pth")
    )
    saved = runner.train_loop.drawn_until(5)
    assert saved == 8 + 4


def test_a_copied_folder_continues_its_own_checkpoint(config, tmp_path):
    train(config("a"))
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    own = read_checkpoint(tmp_path / "b/epoch_2.pth")
    own["state_dict"]["backbone.conv1.weight"] += 1
    write_checkpoint(tmp_path / "b/epoch_2.pth", own)
    runner = train(config("b"), resume="auto")
    assert torch.equal(weights(runner)["backbone.conv1.weight"], own["state_dict"]["backbone.conv1.weight"])


def test_the_newest_whole_checkpoint_is_taken(config, tmp_path):
    train(config("run"))
    newest = tmp_path / "run/epoch_2.pth"
    newest.write_bytes(newest.read_bytes()[:1000])
    runner = train(config("run"), resume="auto")
    assert "epoch_2.pth; an older checkpoint is taken" in log_of(runner)
    assert runner.epoch == 2
    assert read_checkpoint(newest)  # trained again
    for path in (tmp_path / "run").glob("epoch_*.pth"):
        path.write_bytes(b"cut")
    with pytest.raises(CheckpointError, match=r"no checkpoint in .* can be resumed from"):
        train(config("run"), resume="auto")


def test_the_text_of_a_config_is_not_executed(tmp_path):
    text = f"a = dict(x=[1, dict(y=(2, None))], z={{'k': -1.5}})\nb = open({str(tmp_path / 'f')!r}, 'w')\n"
    assert read_literals(text)["a"] == {"x": [1, {"y": [2, None]}], "z": {"k": -1.5}}
    assert not (tmp_path / "f").exists()
