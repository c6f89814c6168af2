"""Two processes validate and save the same batch-norm statistics, in loops by epoch and by iteration."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from interhand_mm.checkpoints.io import read_checkpoint
from tests.conftest import ROOT

SCRIPT = """
import sys
import torch
import torch.distributed as dist
from mmengine.config import Config
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch.utils.data import Dataset
from interhand_mm.engine.runner import build_runner
from interhand_mm.registry import DATASETS, METRICS, MODELS

out, by_epoch = sys.argv[1], sys.argv[2] == "epoch"

@MODELS.register_module()
class Net(BaseModel):
    def __init__(self):
        super().__init__()
        self.bn = torch.nn.BatchNorm1d(2)

    def forward(self, inputs, data_samples=None, mode="tensor"):
        if mode == "predict":
            torch.save(self.bn.running_var.clone(), f"{out}/validated_{dist.get_rank()}.pt")
            return [0] * len(inputs)
        return {"loss": self.bn(inputs).square().mean()}

@DATASETS.register_module()
class Numbers(Dataset):
    metainfo = {}

    def __len__(self):
        return 16

    def __getitem__(self, i):
        return {"inputs": torch.tensor([float(i), float(i * i)]), "data_samples": i}

@METRICS.register_module()
class Nothing(BaseMetric):
    def process(self, data_batch, data_samples):
        self.results.append(0)

    def compute_metrics(self, results):
        return {"x": 0.0}

loader = dict(batch_size=4, num_workers=0, dataset=dict(type="Numbers"), collate_fn=dict(type="default_collate"),
              sampler=dict(type="DefaultSampler", shuffle=False))
loop = dict(type="IterBasedTrainLoop", max_iters=3, val_interval=9)
runner = build_runner(Config(dict(
    default_scope="interhand_mm", work_dir=out, model=dict(type="Net"), val_cfg=dict(), train_dataloader=loader,
    val_dataloader=loader, val_evaluator=dict(type="Nothing"),
    train_cfg=dict(by_epoch=True, max_epochs=1) if by_epoch else loop,
    optim_wrapper=dict(optimizer=dict(type="SGD", lr=0.1)), env_cfg=dict(dist_cfg=dict(backend="gloo")),
    default_hooks=dict(checkpoint=dict(type="CheckpointHook", by_epoch=by_epoch, interval=1 if by_epoch else 2)),
)), "pytorch")
runner.train()
dist.barrier()
dist.destroy_process_group()
"""


@pytest.mark.parametrize(("by", "saved"), [("epoch", "epoch_1"), ("iteration", "iter_2")])
def test_saved_and_validated_statistics_are_the_mean_of_all_processes(tmp_path, by, saved):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", str(script)]
    done = subprocess.run([*launch, str(tmp_path), by], capture_output=True, text=True, env=env, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    variance = read_checkpoint(tmp_path / f"{saved}.pth")["state_dict"]["bn.running_var"]
    # Process r sees the numbers r, r + 2, ...: two batches of four, the even numbers or the odd ones.
    expected = []
    for rank in (0, 1):
        value = torch.ones(2)
        for first in (0, 8):
            x = torch.arange(first + rank, first + 8, 2.0)
            value = 0.9 * value + 0.1 * torch.stack([x, x.square()], dim=1).var(dim=0)
        expected.append(value)
    assert not torch.allclose(*expected)
    assert torch.allclose(variance, (expected[0] + expected[1]) / 2)
    if by == "epoch":
        for rank in (0, 1):
            assert torch.equal(torch.load(tmp_path / f"validated_{rank}.pt"), variance)
