"""Step "train": epochs that both models share, then equally many epochs of each, at the same time on separate cores."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

from ..utils.files import write_json
from ..utils.precision import bfloat16_is_fast
from .processes import python, run_all, share_cores, time_steps, train_on_all_cores, training_processes
from .settings import BGAUG, MODEL_LABELS, PRETRAIN, Log, Settings, is_kept, read_json

_BATCHES = 20  # batches that are timed, after as many for warming up
HEADROOM = 0.9  # share of the time for training steps; the rest is for starting and for checkpoints
# Share of the epochs for pretraining, which uses all cores and so runs faster than each of the two models afterwards.
_PRETRAIN_SHARE = 0.6
PARALLEL = 0.6  # speed-up per core that data-parallel training of such a small network reaches on two cores
_BATCH = 32  # batch size of the configs


def precision() -> str:
    """Return the precision to train in on this machine, "bfloat16" or "float32"."""
    return "bfloat16" if bfloat16_is_fast() else "float32"


def amp_arguments(amp: str) -> list[str]:
    """Return the arguments of `tools/train.py` for a precision."""
    return ["--amp", "bfloat16"] if amp == "bfloat16" else []


def train_models(settings: Settings, log: Log) -> None:
    """Train what is not trained yet. `<model>/trained.json` describes each training.

    The published recipe continues a trained network with backgrounds. Here, both models continue the same pretrained
    network for equally many epochs, so the backgrounds are the only difference between them.
    """
    amp = precision()
    more = {"overrides": settings.overrides, "minutes": settings.minutes, "epochs": settings.epochs}
    asked = settings.asked(settings.data, amp=amp, **more)
    phases: list[list[str]] = [[PRETRAIN], list(MODEL_LABELS)]
    if all(_is_trained(settings, model, asked, log) for models in phases for model in models):
        return
    total = settings.epochs or _plan(settings, amp, log)
    first = max(1, round(_PRETRAIN_SHARE * total))
    for models, epochs in zip(phases, (first, max(1, total - first)), strict=True):
        todo = [model for model in models if not _is_trained(settings, model, asked)]
        if todo:
            _train(settings, todo, epochs, asked, log)


def _is_trained(settings: Settings, model: str, asked: dict[str, Any], log: Log = lambda text: None) -> bool:
    done = read_json(settings.folder(model) / "trained.json")
    if not is_kept(done, asked, f"train: {model}", log) or newest(settings.folder(model)) is None:
        return False
    log(f"train: {model} is trained ({done['epochs']} epochs, {done['seconds'] / 60:.1f} min)")
    return True


def _train(settings: Settings, models: list[str], epochs: int, asked: dict[str, Any], log: Log) -> None:
    commands = {model: _command(settings, model, epochs, asked["amp"]) for model in models}
    logs = {model: settings.folder(model) / "train.log" for model in models}
    for model in models:
        clear(settings.folder(model))
    log(f"train: {' and '.join(models)}, {epochs} epochs of {settings.num} images, {asked['amp']}")
    seconds = run_all(commands, logs, Progress(logs, log), training_processes() if models == [PRETRAIN] else 1)
    for model in models:
        write_json(
            settings.folder(model) / "trained.json",
            {"asked": asked, "epochs": epochs, "samples": epochs * settings.num, "seconds": seconds[model],
             "at_once": min(len(models), len(share_cores(len(models)))), "command": commands[model]},
        )  # fmt: skip
        log(f"train: {model} took {seconds[model] / 60:.1f} min")


def clear(folder: Path) -> None:
    """Delete the checkpoints and results of an earlier training with other settings."""
    for path in (*folder.glob("epoch_*.pth"), *(folder / name for name in ("trained.json", "metrics.json"))):
        path.unlink(missing_ok=True)


def _command(settings: Settings, model: str, epochs: int, amp: str) -> list[str]:
    options = [*settings.config_options(), f"train_cfg.max_epochs={epochs}"]
    arguments = [*settings.options(model), *amp_arguments(amp), "--cfg-options", *options]
    if model == PRETRAIN:
        return train_on_all_cores(_BATCH, settings.overrides, *arguments)
    return python("train.py", *arguments, f"load_from={newest(settings.folder(PRETRAIN))}")


def newest(folder: Path) -> Path | None:
    """Return the checkpoint of the last epoch in a work folder, or None if there is none."""
    files = sorted(folder.glob("epoch_*.pth"), key=lambda path: int(path.stem.split("_")[1]))
    return files[-1] if files else None


def _plan(settings: Settings, amp: str, log: Log) -> int:
    """Time training steps of both models at the same time, and return how many epochs fit into the minutes."""
    known = read_json(settings.out / "plan.json")
    asked = settings.asked(settings.data, minutes=settings.minutes, amp=amp, overrides=settings.overrides)
    if is_kept(known, asked, "train: plan", log):
        log(f"train: {known['epochs']} epochs, as planned by an earlier run in {settings.out / 'plan.json'}")
        return known["epochs"]
    log("train: timing a few steps to find how many epochs fit")
    commands, logs = {}, {}
    for model in MODEL_LABELS:
        answer = settings.folder(model) / "speed.json"
        answer.unlink(missing_ok=True)
        commands[model] = time_steps(answer, amp, *settings.options(model), "--cfg-options", *settings.config_options())
        logs[model] = settings.folder(model) / "time_steps.log"
    run_all(commands, logs)
    speeds = {model: read_json(settings.folder(model) / "speed.json") for model in MODEL_LABELS}
    slowest = min(speed["samples_a_second"] for speed in speeds.values())
    # On a single core, the models are trained one after the other. Pretraining uses the cores of both.
    at_once = len(share_cores(len(MODEL_LABELS)))
    each = (1 - _PRETRAIN_SHARE) * len(MODEL_LABELS) / at_once
    shared = _PRETRAIN_SHARE / (at_once * (PARALLEL if at_once > 1 else 1.0))
    seconds_a_sample = (each + shared) / slowest
    epochs = max(2, int(settings.minutes * 60 * HEADROOM / seconds_a_sample / settings.num))
    write_json(settings.out / "plan.json", {"asked": asked, "speeds": speeds, "epochs": epochs})
    share = speeds[BGAUG]["data_share"]
    log(f"train: {slowest:.0f} samples/s per model, {share:.0%} of the time is spent loading data")
    return epochs


def measure_speed(cfg: Any, amp: str) -> dict[str, float]:
    """Time training steps of a config.

    Returns:
        `samples_a_second`; `data_share`, the share of the time spent loading data; and `samples`, the size of the
        data set.
    """
    from ..apis.train import change_wrappers
    from ..engine.runner import build_runner

    if amp == "bfloat16":
        change_wrappers(cfg, type="Bfloat16OptimWrapper")
    cfg.default_hooks = {**cfg.default_hooks, "checkpoint": None, "logger": None}
    runner = build_runner(cfg)
    loader = runner.build_dataloader(cfg.train_dataloader, seed=cfg.randomness.seed)
    model = runner.model.train()
    wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    model.init_weights()
    runner.call_hook("before_run")  # sets the memory layout
    batches = iter(loader)
    data = total = 0.0
    for i in range(2 * _BATCHES):
        begun = time.perf_counter()
        batch = next(batches, None)
        if batch is None:
            batches = iter(loader)
            batch = next(batches)
        loaded = time.perf_counter()
        model.train_step(batch, optim_wrapper=wrapper)
        if i >= _BATCHES:
            data, total = data + loaded - begun, total + time.perf_counter() - begun
    size = min(cfg.train_dataloader.batch_size, len(loader.dataset))
    return {"samples_a_second": _BATCHES * size / total, "data_share": data / total, "samples": len(loader.dataset)}


_LINE = re.compile(r"Epoch\(train\)\s+\[(\d+)\]\[\s*(\d+)/(\d+)\].*?eta: (\S+).*?\bloss: ([\d.naif]+)")


class Progress:
    """Report from time to time how far each running training is, read from its log file."""

    def __init__(self, logs: dict[str, Path], log: Log, every: float = 20.0) -> None:
        self.logs, self.log, self.every = logs, log, every
        self.shown = dict.fromkeys(logs, time.monotonic())

    def __call__(self, name: str) -> None:
        """Report on one training; called by `run_all`."""
        if time.monotonic() - self.shown[name] < self.every:
            return
        self.shown[name] = time.monotonic()
        with self.logs[name].open("rb") as file:
            file.seek(max(0, self.logs[name].stat().st_size - 4000))
            found = _LINE.findall(file.read().decode(errors="replace"))
        if found:
            epoch, batch, batches, eta, loss = found[-1]
            self.log(f"train: {name:<14} epoch {epoch} batch {batch}/{batches}, loss {loss}, {eta} left")


class RunningTime:
    """Report from time to time for how long the commands have been running."""

    def __init__(self, step: str, log: Log, every: float = 20.0) -> None:
        self.step, self.log, self.every, self.begun, self.shown = step, log, every, time.monotonic(), time.monotonic()

    def __call__(self, name: str) -> None:
        """Report the time; called by `run_all`."""
        if time.monotonic() - self.shown >= self.every:
            self.shown = time.monotonic()
            self.log(f"{self.step}: running for {self.shown - self.begun:.0f} s")
