"""Run the commands of the quick start as processes, each on its own processor cores."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..errors import InterHandError
from ..utils.paths import PACKAGE, TOOLS

_MAX_PROCESSES = 4  # batch normalization needs a few samples in each process


class QuickstartError(InterHandError):
    """A command of the quick start failed, or an earlier step has not run yet."""


def cores() -> list[int]:
    """Return the processor cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def share_cores(count: int) -> list[list[int]]:
    """Divide the cores among `count` processes.

    Returns:
        One set of cores per process. If there are fewer cores than processes, a single set, which the processes use
        one after the other.
    """
    available = cores()
    if len(available) < count:
        return [available]
    return [available[i::count] for i in range(count)]


def start(command: Sequence[str], on: Sequence[int], log_file: Path, processes: int = 1) -> subprocess.Popen:
    """Start a command on some cores.

    Args:
        command: Command line.
        on: Cores to use.
        log_file: Receives the output.
        processes: Number of processes that the command starts and that share the cores.
    """
    log_file.parent.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "OMP_NUM_THREADS": str(max(1, len(on) // processes)), "PYTHONUNBUFFERED": "1"}
    env["PYTHONPATH"] = os.pathsep.join([str(PACKAGE.parent), *filter(None, [env.get("PYTHONPATH")])])
    pin = (lambda: os.sched_setaffinity(0, on)) if hasattr(os, "sched_setaffinity") else None
    with log_file.open("w", encoding="utf-8") as output:
        output.write(f"$ {shlex.join(command)}\n")
        output.flush()
        # preexec_fn is safe here: the function only sets the cores and imports nothing.
        return subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, env=env, preexec_fn=pin)


def run_all(
    commands: Mapping[str, Sequence[str]],
    logs: Mapping[str, Path],
    tick: Callable[[str], None] = lambda name: None,
    processes: int = 1,
) -> dict[str, float]:
    """Run commands, at the same time if there is a core for each.

    Args:
        commands: Command line of each name.
        logs: Log file of each name.
        tick: Receives the name of each running command a few times a second.
        processes: Number of processes that each command starts.

    Returns:
        Running time of each name in seconds.

    Raises:
        QuickstartError: A command failed. The other ones are terminated.
    """
    core_sets = share_cores(len(commands))
    waiting = list(commands)
    running: dict[str, tuple[subprocess.Popen, float, list[int]]] = {}
    seconds: dict[str, float] = {}
    try:
        while waiting or running:
            while waiting and len(running) < len(core_sets):
                name = waiting.pop(0)
                free = next(lot for lot in core_sets if all(lot is not used for _, _, used in running.values()))
                running[name] = (start(commands[name], free, logs[name], processes), time.monotonic(), free)
            for name, (process, begun, _) in list(running.items()):
                code = process.poll()
                tick(name)
                if code is None:
                    continue
                seconds[name] = time.monotonic() - begun
                del running[name]
                if code != 0:
                    tail = "\n".join(logs[name].read_text(errors="replace").splitlines()[-12:])
                    raise QuickstartError(f"{name} failed (exit code {code})", got=tail, fix=f"see {logs[name]}")
            time.sleep(0.2)
    finally:
        for process, _, _ in running.values():
            process.terminate()
            process.wait()
    return seconds


def python(tool: str, *arguments: str) -> list[str]:
    """Return the command line of one of the project's tools."""
    return [sys.executable, str(TOOLS / tool), *arguments]


def time_steps(answer: Path, amp: str, *arguments: str) -> list[str]:
    """Return the command line that times training steps and writes their speed.

    Args:
        answer: JSON file to write; see `training.measure_speed`.
        amp: "float32" or "bfloat16".
        *arguments: Config and data options, as for `tools/train.py`. They end with `--cfg-options`.
    """
    command = [sys.executable, "-m", "interhand_mm.quickstart", "time-steps", "--amp", amp, "--answer", str(answer)]
    return [*command, *arguments]


def training_processes() -> int:
    """Return the number of processes that train one network on all cores."""
    return min(len(cores()), _MAX_PROCESSES)


def train_on_all_cores(batch_size: int, overrides: Sequence[str], *arguments: str) -> list[str]:
    """Return the command line that trains one network with one process per core.

    Threads of a single process would wait for one another at every layer. Processes do so once per training step.

    Args:
        batch_size: Batch size of the config. It is divided among the processes unless `overrides` set it.
        overrides: Config overrides of the user.
        *arguments: Arguments of `tools/train.py`. They end with `--cfg-options`.
    """
    count = training_processes()
    command = python("train.py", "--launcher", "pytorch", *arguments)
    if not any("batch_size" in override for override in overrides):
        command.append(f"train_dataloader.batch_size={batch_size // count}")
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc_per_node={count}"]
    return [sys.executable, *launcher, *command[1:]]
