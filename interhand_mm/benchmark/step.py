"""Benchmark of a whole training step: this project's losses and optimizer, and the plain dense form."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample
from torch import Tensor

from ..engine.runner import build_model
from ..models.heads.base_head import stack_labels
from ..structures.joints import NUM_JOINTS
from ..utils.provenance import provenance
from .loss import dense_mse
from .measure import Task, add_ratios, interleaved, peak_mb, set_channels_last

_PARTS = ("normalize", "backbone", "head", "loss and its gradient", "backward", "Adam")


def dense_losses(head: Any) -> Callable[..., dict[str, Tensor]]:
    """Return the plain form of a head's `keypoint_losses`: both hands in one float32 volume, with `dense_mse`."""

    def losses(outputs: tuple[Tensor, Tensor], bins: Tensor, weights: Tensor, _: None = None) -> dict[str, Tensor]:
        volume = torch.cat(outputs, dim=1).float()
        return {"loss_keypoint": dense_mse(volume, bins, weights, head.codec.sigma)}

    return losses


def random_batch(cfg: Config, batch: int) -> dict[str, Any]:
    """Return a random batch in the form of the data loader: crops (3, h, w) uint8 and samples with targets.

    Args:
        cfg: Config from `load_config`.
        batch: Number of samples.
    """
    codec = cfg.codec
    width, height = codec["input_size"]
    generator = torch.Generator().manual_seed(0)
    samples = []
    for _ in range(batch):
        sample = PoseDataSample()
        scale = torch.tensor(codec["heatmap_size"])
        sample.gt_instance_labels = InstanceData(
            bins=torch.rand(1, NUM_JOINTS, 3, generator=generator) * scale,
            bin_weights=torch.ones(1, NUM_JOINTS),
            root_bin=torch.tensor([32.0]),
            root_weight=torch.ones(1),
            hand_type=torch.ones(1, 2),
            hand_type_valid=torch.ones(1),
        )
        samples.append(sample)
    images = torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8, generator=generator)
    return {"inputs": list(images), "data_samples": samples}


def one_step(model: Any, data: dict[str, Any], device: str, amp: bool, fused: bool = True) -> Task:
    """Return a function that runs one training step: forward, loss, backward and Adam.

    Args:
        model: Network in training mode.
        data: Batch from `random_batch`.
        device: Device name for torch.
        amp: Use bfloat16 autocast.
        fused: Use the fused form of Adam.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5, fused=fused)

    def run() -> None:
        batch = model.data_preprocessor(data, True)
        with torch.autocast(torch.device(device).type, torch.bfloat16, enabled=amp):
            losses = model(**batch, mode="loss")
        optimizer.zero_grad(set_to_none=True)
        sum(losses.values()).backward()
        optimizer.step()

    return run


def step_parts(model: Any, data: dict[str, Any], repeat: int) -> dict[str, dict[str, float]]:
    """Time the parts of one training step.

    Args:
        model: Network in training mode.
        data: Batch from `random_batch`.
        repeat: Number of rounds; medians are reported.

    Returns:
        {part: {"ms", "cpu_ms", "share"}}.
    """
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-5, fused=True)
    marks: list[list[tuple[float, float]]] = []

    def mark(row: list[tuple[float, float]]) -> None:
        if torch.cuda.is_available() and torch.cuda.is_initialized():
            torch.cuda.synchronize()
        row.append((time.perf_counter(), time.process_time()))

    for _ in range(repeat + 1):
        row: list[tuple[float, float]] = []
        mark(row)
        batch = model.data_preprocessor(data, True)
        mark(row)
        feats = model.extract_feat(batch["inputs"])
        mark(row)
        outputs = model.head(feats)
        mark(row)
        labels = stack_labels(batch["data_samples"], outputs[2].device)
        losses = model.head.keypoint_losses(outputs[0], labels["bins"], labels["bin_weights"])
        total = sum(losses.values()) + outputs[1].sum() + outputs[2].sum()
        mark(row)
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        mark(row)
        optimizer.step()
        mark(row)
        marks.append(row)
    spans = 1000 * np.median(np.diff(np.array(marks[1:]), axis=1), axis=0)  # the first round is a warm-up
    whole = spans[:, 0].sum()
    return {
        f"  {part}": {"ms": float(wall), "cpu_ms": float(cpu), "share": float(wall / whole)}
        for part, (wall, cpu) in zip(_PARTS, spans, strict=True)
    }


def benchmark_step(
    cfg: Config, batch: int = 4, repeat: int = 3, device: str = "cpu", clock: str = "ms"
) -> dict[str, Any]:
    """Time a training step: forward, loss, backward and Adam (fused in this project's rows, default in the dense ones).

    Args:
        cfg: Config from `load_config`, with a volume head.
        batch: Number of crops.
        repeat: Number of rounds; the median is reported.
        device: Device name for torch.
        clock: Time from which the ratios are computed: "ms" (wall clock) or "cpu_ms". With one thread, CPU time stays
            correct on a busy machine.

    Returns:
        "rows": {name: {"ms", "peak_mb", ...}}, the parts of the first row after it, and "ratios" and "memory_ratios"
        to this project's float32 step. `peak_mb` does not include weights, gradients and Adam's moments, because the
        warm-up step has allocated them.
    """
    rows: dict[str, dict[str, Any]] = {}
    plain = build_model(cfg)
    forms = {
        "this project": (False, False, False),
        "this project, bfloat16, channels-last": (False, True, True),
        "dense loss": (True, False, False),
        "dense loss, bfloat16, channels-last": (True, True, True),
    }
    tasks = {}
    for name, (dense, amp, last) in forms.items():
        model: Any = copy.deepcopy(plain).to(device).train()
        if dense:
            model.head.keypoint_losses = dense_losses(model.head)
        set_channels_last(model, last)
        tasks[name] = one_step(model, random_batch(cfg, batch), device, amp, fused=not dense)
    rows = interleaved(tasks, repeat)
    for name, task in tasks.items():
        rows[name]["peak_mb"] = peak_mb(task, device)
    first = next(iter(rows))
    parts = step_parts(copy.deepcopy(plain).to(device).train(), random_batch(cfg, batch), repeat)
    return {
        "benchmark": "step",
        "title": f"training step, batch {batch}, {device}",
        "base": first,
        "rows": {first: rows[first], **parts, **rows},
        "ratios": add_ratios(rows, first, clock),
        "memory_ratios": add_ratios(rows, first, "peak_mb"),
        "provenance": provenance(),
    }
