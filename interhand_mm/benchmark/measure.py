"""How everything is measured: in turns, so that a busy machine slows all alike; medians; ratios first."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from ..utils.memory import return_freed_memory

Task = Callable[[], Any]


def interleaved(tasks: dict[str, Task], repeat: int, count: int = 1) -> dict[str, dict[str, Any]]:
    """Run every task once to warm up, then all in turn `repeat` times.

    Args:
        tasks: Name to what is timed.
        repeat: Rounds.
        count: Samples or images that a task handles; times are divided by it.

    Returns:
        {name: {"ms", "cpu_ms", "runs_ms"}}: medians of wall and of CPU time (all threads of this process), and each
        wall time. Where other programs compete for the cores, CPU time of single-threaded tasks is the steadier one.
    """
    for task in tasks.values():
        task()
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in tasks}
    for _ in range(repeat):
        for name, task in tasks.items():
            _synchronize()
            wall, cpu = time.perf_counter(), time.process_time()
            task()
            _synchronize()
            runs[name].append((time.perf_counter() - wall, time.process_time() - cpu))
    rows = {}
    for name, pairs in runs.items():
        walls, cpus = ([1000 * each / count for each in column] for column in zip(*pairs, strict=True))
        rows[name] = {"ms": statistics.median(walls), "cpu_ms": statistics.median(cpus), "runs_ms": walls}
    return rows


def _synchronize() -> None:
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        torch.cuda.synchronize()


def add_ratios(rows: dict[str, dict[str, Any]], base: str, key: str = "ms") -> dict[str, float]:
    """{name: how many times `base`'s value}: above 1 the row is slower (or larger) than `base`."""
    own = rows[base][key]
    return {name: row[key] / own for name, row in rows.items() if name != base and own > 0 and row.get(key)}


def peak_mb(task: Task, device: str = "cpu") -> float:
    """Peak memory while `task` runs, less what was held before it, MB: the resident set's, or the GPU allocator's."""
    if device != "cpu":
        torch.cuda.synchronize()
        before = torch.cuda.memory_allocated()
        torch.cuda.reset_peak_memory_stats()
        task()
        torch.cuda.synchronize()
        return (torch.cuda.max_memory_allocated() - before) / 1e6
    return_freed_memory()
    before_mb = reset_peak_mb()
    task()
    return resident_mb("VmHWM") - before_mb


def resident_mb(key: str) -> float:
    """Resident set in MB; VmHWM, unlike ru_maxrss, does not start from the parent process's peak."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6
    return next(int(line.split()[1]) for line in lines if line.startswith(key + ":")) * 1024 / 1e6


def reset_peak_mb() -> float:
    """Return the resident set in MB after letting the peak count start from it, where the system allows."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return resident_mb("VmHWM")
    return resident_mb("VmRSS")
