"""Timing and memory measurement. Tasks take turns, so that other programs slow all of them alike."""

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
    """Run every task once to warm up, then all tasks in turn, `repeat` times.

    Args:
        tasks: Functions to time, by name.
        repeat: Number of rounds.
        count: Number of samples or images that a task processes; the times are divided by it.

    Returns:
        {name: {"ms", "cpu_ms", "runs_ms"}}: the median wall time, the median CPU time (of all threads of this process)
        and all wall times. While other programs use the cores, the CPU time of single-threaded tasks is more reliable.
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
    """Return each row's value divided by that of `base`; above 1, the row is slower (or larger).

    Args:
        rows: Measured values by name.
        base: Name of the row to divide by.
        key: Key of the value.

    Example:
        >>> add_ratios({"ours": {"ms": 2.0}, "theirs": {"ms": 5.0}}, "ours")
        {'theirs': 2.5}
    """
    own = rows[base][key]
    return {name: row[key] / own for name, row in rows.items() if name != base and own > 0 and row.get(key)}


def set_channels_last(model: Any, enabled: bool = True) -> None:
    """Set whether a network's weights and its images are channels-last.

    Args:
        model: `InterHandEstimator`.
        enabled: Use channels-last.
    """
    model.channels_last = enabled
    model.to(memory_format=torch.channels_last if enabled else torch.contiguous_format)


def peak_mb(task: Task, device: str = "cpu") -> float:
    """Return the peak memory in MB while a task runs, minus the memory in use before it.

    Args:
        task: Function to run.
        device: On "cpu" the resident set of the process is measured, on a GPU the memory of torch's allocator.
    """
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
    """Return the size of the resident set in MB.

    Args:
        key: Line of /proc/self/status: "VmRSS" for the current size, "VmHWM" for the peak. Unlike ru_maxrss, VmHWM does
            not include the peak of the parent process.
    """
    try:
        lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    except OSError:
        scale = 1 if sys.platform == "darwin" else 1024
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * scale / 1e6
    return next(int(line.split()[1]) for line in lines if line.startswith(key + ":")) * 1024 / 1e6


def reset_peak_mb() -> float:
    """Reset the peak of the resident set where the system allows it, and return the current size in MB."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return resident_mb("VmHWM")
    return resident_mb("VmRSS")
