"""Run the steps of the quick start as processes on their own cores."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..errors import InterHandError
from ..utils.paths import ROOT

_MOST_PROCESSES = 4  # batch normalization needs some samples in each


class QuickstartError(InterHandError):
    """A step of the quick start failed."""


def cores() -> list[int]:
    """Processor cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def share_cores(count: int) -> list[list[int]]:
    """Disjoint sets of cores for `count` processes at once, or one set where they must take turns."""
    mine = cores()
    if len(mine) < count:
        return [mine]
    return [mine[i::count] for i in range(count)]


def start(command: Sequence[str], on: Sequence[int], log: Path, processes: int = 1) -> subprocess.Popen:
    """Start a step on its own cores, which its `processes` share, its output in `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "OMP_NUM_THREADS": str(max(1, len(on) // processes)), "PYTHONUNBUFFERED": "1"}
    env["PYTHONPATH"] = os.pathsep.join([str(ROOT), *filter(None, [env.get("PYTHONPATH")])])
    pin = (lambda: os.sched_setaffinity(0, on)) if hasattr(os, "sched_setaffinity") else None
    with log.open("w") as output:
        output.write(f"$ {shlex.join(command)}\n")
        output.flush()
        # The child is ours alone and imports nothing before it pins itself.
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=env, preexec_fn=pin)


def run_all(
    commands: dict[str, list[str]], logs: dict[str, Path], tick: Callable[[str], None], processes: int = 1
) -> dict[str, float]:
    """Run commands, at once where every one can have a core of its own; `tick` is called with who is running.

    Args:
        commands: Name to command line.
        logs: Name to file.
        tick: Called with each running name, some times a second.
        processes: That each command starts by itself.

    Returns:
        Seconds that each took.

    Raises:
        QuickstartError: One failed; the others are ended.
    """
    lots = share_cores(len(commands))
    waiting, running, took = list(commands), {}, {}
    try:
        while waiting or running:
            while waiting and len(running) < len(lots):
                name = waiting.pop(0)
                free = next(lot for lot in lots if all(lot is not used for _, _, used in running.values()))
                running[name] = (start(commands[name], free, logs[name], processes), time.monotonic(), free)
            for name, (process, begun, _) in list(running.items()):
                code = process.poll()
                tick(name)
                if code is None:
                    continue
                took[name] = time.monotonic() - begun
                del running[name]
                if code != 0:
                    tail = "\n".join(logs[name].read_text(errors="replace").splitlines()[-12:])
                    raise QuickstartError(f"{name} failed (exit code {code})", got=tail, fix=f"see {logs[name]}")
            time.sleep(0.2)
    finally:
        for process, _, _ in running.values():
            process.terminate()
            process.wait()
    return took


def python(tool: str, *arguments: str) -> list[str]:
    """Command line of one of the project's tools."""
    return [sys.executable, str(ROOT / "tools" / tool), *arguments]


def together() -> int:
    """Processes that train one network on all cores."""
    return min(len(cores()), _MOST_PROCESSES)


def train_together(batch_size: int, overrides: Sequence[str], *arguments: str) -> list[str]:
    """Command line of `tools/train.py` on all cores; its last arguments are `--cfg-options`.

    Threads of one process would wait for one another at every layer; processes do once a step.

    Args:
        batch_size: Of the config, shared among the processes unless `overrides` set it.
        overrides: Of the user.
        *arguments: Of `train.py`.
    """
    command = python("train.py", "--launcher", "pytorch", *arguments)
    if not any("batch_size" in override for override in overrides):
        command.append(f"train_dataloader.batch_size={batch_size // together()}")
    return [
        sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={together()}", *command[1:]
    ]  # fmt: skip
