"""What stays flat: time a sample over batch sizes and annotation counts, and over processes that share the work."""

from __future__ import annotations

import os
import socket
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from mmengine.config import Config
from torch import nn

from ..engine.runner import build_model, ignore_strides_of_one
from ..inference.network.torch_network import CropNetwork, cast_weights
from ..utils.memory import keep_freed_memory
from ..utils.provenance import provenance
from .annotations import write_annotations
from .measure import Task, add_ratios, interleaved
from .step import one_step, random_batch

_READS = 2000  # samples' annotations that are read at random


def batch_rows(cfg: Config, sizes: tuple[int, ...], repeat: int) -> dict[str, dict[str, Any]]:
    """Time a crop of the network and a sample of the training step take, bfloat16 and channels-last, in batches."""
    model = build_model(cfg).train()
    network = CropNetwork(build_model(cfg).eval())
    for each in (model, network.model):
        each.channels_last = True
        each.to(memory_format=torch.channels_last)
    cast_weights(network, torch.bfloat16)
    width, height = cfg.codec["input_size"]
    tasks, counts = {}, {}
    for size in sizes:
        crops = torch.randint(0, 256, (size, 3, height, width), dtype=torch.uint8)

        @torch.inference_mode()
        def infer(crops: torch.Tensor = crops) -> None:
            with torch.autocast("cpu", torch.bfloat16):
                network(crops)

        step = one_step(model, random_batch(cfg, size), "cpu", amp=True)
        for name, task in (("network", infer), ("training step", step)):
            tasks[f"{name}, batch {size}"], counts[f"{name}, batch {size}"] = task, size
    rows = interleaved(tasks, repeat)
    return {name: {key: row[key] / counts[name] for key in ("ms", "cpu_ms")} for name, row in rows.items()}


def annotation_rows(counts: tuple[int, ...], repeat: int) -> dict[str, dict[str, Any]]:
    """Time that the annotations of one sample take, picked at random from sets of `counts`."""
    from ..datasets import InterHandDataset

    def read(dataset: InterHandDataset) -> Task:
        chosen = np.random.default_rng(0).integers(0, len(dataset), _READS).tolist()
        return lambda: [dataset.load_item(i) for i in chosen] and None

    tasks = {}
    with tempfile.TemporaryDirectory(prefix="interhand_scale_") as folder:
        for count in counts:
            root = Path(folder) / str(count)
            write_annotations(root, count, "train")
            tasks[f"annotations of a sample, {count:,} in the set"] = read(InterHandDataset(str(root)))
        return interleaved(tasks, repeat, _READS)


def _work(rank: int, world: int, port: int, cfg: Config, batch: int, repeat: int, path: str) -> None:
    torch.set_num_threads(1)
    keep_freed_memory()
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    dist.init_process_group("gloo", rank=rank, world_size=world)
    torch.manual_seed(0)
    model: nn.Module = build_model(cfg).train()
    model.channels_last = True
    model.to(memory_format=torch.channels_last)
    ignore_strides_of_one()
    wrapped = nn.parallel.DistributedDataParallel(model) if world > 1 else model
    wrapped.data_preprocessor = model.data_preprocessor
    step = one_step(wrapped, random_batch(cfg, batch), "cpu", amp=True)
    seconds = []
    for number in range(repeat + 3):  # the first three fill the memory that is kept
        dist.barrier()
        start = time.perf_counter()
        step()
        dist.barrier()
        if number >= 3:
            seconds.append(time.perf_counter() - start)
    if rank == 0:
        Path(path).write_text(str(statistics.median(seconds)))
    dist.destroy_process_group()


def process_rows(cfg: Config, processes: int, batch: int, repeat: int) -> dict[str, dict[str, Any]]:
    """Time a sample takes in data-parallel training: one process with one thread, then `processes` of them."""
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for world in (1, processes):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            path = f"{folder}/{world}"
            arguments = (world, port, cfg, batch, repeat, path)
            torch.multiprocessing.start_processes(_work, arguments, nprocs=world, start_method="spawn")
            name = f"data-parallel step, {world} process{'es' * (world > 1)} of one thread, batch {batch} each"
            rows[name] = {"ms": 1000 * float(Path(path).read_text()) / (batch * world)}
    return rows


def benchmark_scale(
    cfg: Config,
    sizes: tuple[int, ...] = (1, 8, 64),
    counts: tuple[int, ...] = (1_000, 30_000, 1_000_000),
    processes: int = 2,
    batch: int = 16,
    repeat: int = 3,
) -> dict[str, Any]:
    """Time a sample takes as batches, annotations and processes grow, on the CPU.

    Args:
        cfg: From `load_config`.
        sizes: Batch sizes.
        counts: Annotations of the sets, which are written for it.
        processes: Of data-parallel training; each needs a core of its own.
        batch: Of each process.
        repeat: Runs; the median counts.

    Returns:
        "rows": {name: {"ms", ...}} a sample; "ratios" of each against the first of its kind.
    """
    groups = (
        annotation_rows(counts, repeat),
        batch_rows(cfg, sizes, repeat),
        process_rows(cfg, processes, batch, repeat),
    )
    rows, ratios = {}, {}
    for group in groups:
        rows |= group
        for kind in dict.fromkeys(name.split(",")[0] for name in group):
            own = {name: row for name, row in group.items() if name.startswith(kind)}
            ratios |= add_ratios(own, next(iter(own)))
    return {
        "benchmark": "scale",
        "title": f"time a sample, {torch.get_num_threads()} threads where nothing else is said",
        "base": "the first of its kind",
        "rows": rows,
        "ratios": ratios,
        "provenance": provenance(),
    }
