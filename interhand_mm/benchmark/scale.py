"""Benchmark of scaling: the time per sample over batch sizes, numbers of annotations and numbers of processes."""

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
from .measure import Task, add_ratios, interleaved, set_channels_last
from .step import one_step, random_batch

_READS = 2000  # number of samples whose annotations are read, chosen at random


def batch_rows(cfg: Config, sizes: tuple[int, ...], repeat: int) -> dict[str, dict[str, Any]]:
    """Time inference and the training step per sample, for several batch sizes, in bfloat16 and channels-last.

    Args:
        cfg: Config from `load_config`.
        sizes: Batch sizes.
        repeat: Number of rounds; the median is reported.
    """
    model = build_model(cfg).train()
    network = CropNetwork(build_model(cfg).eval())
    for each in (model, network.model):
        set_channels_last(each)
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
    """Time the reading of one sample's annotations, for random samples of data sets of several sizes.

    Args:
        counts: Numbers of annotations.
        repeat: Number of rounds; the median is reported.
    """
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
    model = build_model(cfg).train()
    set_channels_last(model)
    ignore_strides_of_one()
    wrapped: Any = nn.parallel.DistributedDataParallel(model) if world > 1 else model
    wrapped.data_preprocessor = model.data_preprocessor
    step = one_step(wrapped, random_batch(cfg, batch), "cpu", amp=True)
    seconds = []
    for number in range(repeat + 3):  # the first three rounds allocate the memory that is then reused
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
    """Time data-parallel training per sample, with one process and with several, each with one thread.

    Args:
        cfg: Config from `load_config`.
        processes: Number of processes.
        batch: Batch size of each process.
        repeat: Number of rounds; the median is reported.
    """
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
            rows[name] = {"ms": 1000 * float(Path(path).read_text(encoding="utf-8")) / (batch * world)}
    return rows


def benchmark_scale(
    cfg: Config,
    sizes: tuple[int, ...] = (1, 8, 64),
    counts: tuple[int, ...] = (1_000, 30_000, 1_000_000),
    processes: int = 2,
    batch: int = 16,
    repeat: int = 3,
) -> dict[str, Any]:
    """Measure the time per sample as batches, annotations and processes grow, on the CPU.

    Args:
        cfg: Config from `load_config`.
        sizes: Batch sizes.
        counts: Numbers of annotations; the data sets are written to a temporary folder.
        processes: Number of processes of data-parallel training. Each needs its own core.
        batch: Batch size of each process.
        repeat: Number of rounds; the median is reported.

    Returns:
        "rows": {name: {"ms", ...}} per sample, and "ratios" of each row to the first one of its kind.
    """
    groups = (
        annotation_rows(counts, repeat),
        batch_rows(cfg, sizes, repeat),
        process_rows(cfg, processes, batch, repeat),
    )
    rows: dict[str, dict[str, Any]] = {}
    ratios: dict[str, float] = {}
    for group in groups:
        rows |= group
        for kind in dict.fromkeys(name.split(",")[0] for name in group):
            own = {name: row for name, row in group.items() if name.startswith(kind)}
            ratios |= add_ratios(own, next(iter(own)))
    return {
        "benchmark": "scale",
        "title": f"time per sample, {torch.get_num_threads()} threads unless stated otherwise",
        "base": "the first of its kind",
        "rows": rows,
        "ratios": ratios,
        "provenance": provenance(),
    }
