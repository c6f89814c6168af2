"""Stage "train": a start that both models share, then both for equally many epochs, at once, each on its own cores."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..utils.files import write_json
from ..utils.precision import bfloat16_is_fast
from .processes import python, run_all, share_cores, together, train_together  # fmt: skip
from .settings import BGAUG, MODELS, START, Settings, read_json

_BATCHES = 20  # timed, after as many to warm up
HEADROOM = 0.9  # of the time: checkpoints, and start-up, which the probe does not see
# Of the epochs. On all cores the start runs faster than each of the two does afterwards.
_START_SHARE = 0.6
PARALLEL = 0.6  # of its ideal speed, that data-parallel training of so small a network reaches on two cores
_BATCH = 32  # of the configs


def train_models(settings: Settings, say: Callable[[str], None]) -> None:
    """Train what is not trained yet; `<model>/trained.json` says how.

    As the published recipe continues a trained network with backgrounds, both models continue one start: equally
    long, so that what differs between them is the backgrounds alone.
    """
    amp = "bfloat16" if bfloat16_is_fast() else "float32"
    wanted = {"data": str(settings.data), "num": settings.num, "seed": settings.seed, "amp": amp}
    wanted |= {"overrides": list(settings.overrides), "minutes": settings.minutes, "epochs": settings.epochs}
    phases: list[list[str]] = [[START], list(MODELS)]
    if all(_is_trained(settings, model, wanted, say) for models in phases for model in models):
        return
    total = settings.epochs or _plan(settings, amp, say)
    first = max(1, round(_START_SHARE * total))
    for models, epochs in zip(phases, (first, max(1, total - first)), strict=True):
        todo = [model for model in models if not _is_trained(settings, model, wanted)]
        if todo:
            _train(settings, todo, epochs, wanted, say)


def _is_trained(
    settings: Settings, model: str, wanted: dict[str, Any], say: Callable[[str], None] = lambda text: None
) -> bool:
    done = read_json(settings.folder(model) / "trained.json")
    if done is None or done["asked"] != wanted or newest(settings.folder(model)) is None:
        return False
    say(f"train: {model} is trained ({done['epochs']} epochs, {done['seconds'] / 60:.1f} min)")
    return True


def _train(
    settings: Settings, models: list[str], epochs: int, wanted: dict[str, Any], say: Callable[[str], None]
) -> None:
    commands = {model: _command(settings, model, epochs, wanted["amp"]) for model in models}
    logs = {model: settings.folder(model) / "train.log" for model in models}
    for model in models:
        for old in settings.folder(model).glob("epoch_*.pth"):  # of a run that was asked for something else
            old.unlink()
        for name in ("trained.json", "metrics.json"):
            (settings.folder(model) / name).unlink(missing_ok=True)
    say(f"train: {' and '.join(models)}, {epochs} epochs of {settings.num} images, {wanted['amp']}")
    took = run_all(commands, logs, Progress(logs, say), together() if models == [START] else 1)
    for model in models:
        write_json(
            settings.folder(model) / "trained.json",
            {"asked": wanted, "epochs": epochs, "samples": epochs * settings.num, "seconds": took[model],
             "at_once": min(len(models), len(share_cores(len(models)))), "command": commands[model]},
        )  # fmt: skip
        say(f"train: {model} took {took[model] / 60:.1f} min")


def _command(settings: Settings, model: str, epochs: int, amp: str) -> list[str]:
    more = ["--amp", "bfloat16"] if amp == "bfloat16" else []
    options = [*settings.config_options(), f"train_cfg.max_epochs={epochs}"]
    if model != START:
        options.append(f"load_from={newest(settings.folder(START))}")
        return python("train.py", *settings.options(model), *more, "--cfg-options", *options)
    return train_together(_BATCH, settings.overrides, *settings.options(model), *more, "--cfg-options", *options)


def newest(folder: Path) -> Path | None:
    """The last epoch's checkpoint in a work folder."""
    files = sorted(folder.glob("epoch_*.pth"), key=lambda path: int(path.stem.split("_")[1]))
    return files[-1] if files else None


def _plan(settings: Settings, amp: str, say: Callable[[str], None]) -> int:
    """Epochs that fit into the minutes, from timed steps of both models at once."""
    known = read_json(settings.out / "plan.json")
    asked = {"num": settings.num, "minutes": settings.minutes, "amp": amp, "overrides": list(settings.overrides)}
    if known is not None and known["asked"] == asked:
        say(f"train: {known['epochs']} epochs, as planned by an earlier run in {settings.out / 'plan.json'}")
        return known["epochs"]
    say("train: timing a few steps to see how many epochs fit")
    commands, logs = {}, {}
    for model in MODELS:
        answer = settings.folder(model) / "speed.json"
        answer.unlink(missing_ok=True)
        arguments = [*settings.options(model), "--amp", amp, "--answer", str(answer)]
        commands[model] = python("quickstart.py", "probe", *arguments, "--cfg-options", *settings.config_options())
        logs[model] = settings.folder(model) / "probe.log"
    run_all(commands, logs, lambda name: None)
    speeds = {model: read_json(settings.folder(model) / "speed.json") for model in MODELS}
    slowest = min(speed["samples_a_second"] for speed in speeds.values())
    # One after the other where they cannot run at once; the start uses what both do.
    at_once = len(share_cores(len(MODELS)))
    each = (1 - _START_SHARE) * len(MODELS) / at_once
    shared = _START_SHARE / (at_once * (PARALLEL if at_once > 1 else 1.0))
    seconds_a_sample = (each + shared) / slowest
    epochs = max(2, int(settings.minutes * 60 * HEADROOM / seconds_a_sample / settings.num))
    write_json(settings.out / "plan.json", {"asked": asked, "speeds": speeds, "epochs": epochs})
    share = speeds[BGAUG]["data_share"]
    say(f"train: {slowest:.0f} samples/s a model, {share:.0%} of the time for the data")
    return epochs


def probe(cfg: Any, amp: str) -> dict[str, float]:
    """Time training steps of a config.

    Returns:
        samples_a_second; data_share, the part of the time that the data took; and samples, how many there are.
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
    runner.call_hook("before_run")  # memory layout
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
    """Shows, some seconds apart, where every running training is, read from its log."""

    def __init__(self, logs: dict[str, Path], say: Callable[[str], None], every: float = 20.0) -> None:
        self.logs, self.say, self.every = logs, say, every
        self.shown = dict.fromkeys(logs, time.monotonic())

    def __call__(self, name: str) -> None:
        """`run_all`'s tick."""
        if time.monotonic() - self.shown[name] < self.every:
            return
        self.shown[name] = time.monotonic()
        with self.logs[name].open("rb") as file:
            file.seek(max(0, self.logs[name].stat().st_size - 4000))
            found = _LINE.findall(file.read().decode(errors="replace"))
        if found:
            epoch, batch, batches, eta, loss = found[-1]
            self.say(f"train: {name:<14} epoch {epoch} batch {batch}/{batches}, loss {loss}, {eta} left")
