"""Continue a run: at the right sample, and with the schedule of the present config."""

from __future__ import annotations

import ast
import copy
import warnings
from collections.abc import Iterator
from typing import Any

from mmengine.dist import get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..errors import CheckpointError
from ..registry import HOOKS
from .loops import ResumableEpochLoop, ResumableIterLoop

_KEY = "run"  # of the checkpoint's meta
_COMPARED = ("train_cfg", "param_scheduler", "optim_wrapper")
_SHOWN = 6


@HOOKS.register_module()
class ResumeHook(Hook):
    """Record in every checkpoint how the run draws its samples, and continue a run from such a record.

    The weights and the optimizer's moments come from the checkpoint. Where schedule, optimizer settings, batch size,
    number of processes or number of samples differ from those of the checkpoint, the schedule and the optimizer's
    settings follow the present config, as if the run had used it from the start. Without a difference they come from
    the checkpoint, so the run continues exactly.

    Args:
        checkpoint: The checkpoint that the runner resumes from, or None for a new run.
    """

    priority = "HIGHEST"  # before the hooks that read the runner's position

    def __init__(self, checkpoint: dict[str, Any] | None = None) -> None:
        self.meta = (checkpoint or {}).get("meta")
        self._settings: list[list[dict[str, Any]]] = []

    def before_run(self, runner: Runner) -> None:
        """Keep the settings of the config's optimizers, which a resume overwrites."""
        self._settings = [[_initial(group) for group in wrapper.param_groups] for wrapper in _wrappers(runner)]

    def before_train(self, runner: Runner) -> None:
        """Move to the position of the checkpoint, and follow the config where it differs from the checkpoint's."""
        if self.meta is None:
            return
        changed = differences(self.meta, runner)
        self._move(runner)
        if changed:
            more = f", and {len(changed) - _SHOWN} more" if len(changed) > _SHOWN else ""
            follows = self._follow_config(runner)
            runner.logger.warning(
                f"resumed at epoch {runner.epoch}, iteration {runner.iter}. Kept: weights and optimizer moments"
                f"{'' if follows else ', and the schedule, because it follows a metric'}. Changed: "
                f"{'; '.join(changed[:_SHOWN])}{more}. "
                + ("The schedule is the one of this config, as if it had been used from the start." if follows else "")
                + " To continue unchanged, resume with the options of the first run."
            )

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Record how the samples are drawn."""
        drawn = None
        if isinstance(runner.train_loop, ResumableIterLoop):
            drawn = runner.train_loop.drawn_until(checkpoint["meta"]["iter"])
        checkpoint["meta"][_KEY] = {**_facts(runner), "drawn": drawn}

    def _move(self, runner: Runner) -> None:
        """Set the loop to the checkpoint's epoch, and to the batch in it."""
        assert self.meta is not None
        loop, facts, now = runner.train_loop, self.meta.get(_KEY) or {}, _facts(runner)
        if isinstance(loop, ResumableIterLoop):
            drawn = facts.get("drawn")
            loop.resume_at(loop.iter * now["batch_size"] * now["processes"] if drawn is None else drawn)
        elif isinstance(loop, ResumableEpochLoop):
            batches = facts.get("batches") or _batches_of_old(loop, self.meta)
            loop.skipped_batches = _same_batches(loop.iter - loop.epoch * batches, facts, now)
            loop._iter = loop.epoch * len(loop.dataloader) + loop.skipped_batches
            runner.optim_wrapper.initialize_count_status(runner.model, loop.iter, loop.max_iters)

    def _follow_config(self, runner: Runner) -> bool:
        """Give optimizers and schedules the state of a run that used the present config from its start."""
        if any(getattr(scheduler, "need_val_args", False) for scheduler in _schedulers(runner)):
            return False
        for wrapper, settings in zip(_wrappers(runner), self._settings, strict=True):
            for group, fresh in zip(wrapper.param_groups, settings, strict=True):
                for key in [key for key in group if key.startswith("initial_")]:
                    del group[key]
                group.update(copy.deepcopy(fresh))
        if runner.cfg.get("param_scheduler"):
            runner.param_schedulers = runner.build_param_scheduler(copy.deepcopy(runner.cfg.param_scheduler))
            _replay(runner)
        return True


def differences(meta: dict[str, Any], runner: Runner) -> list[str]:
    """Return what differs between the run that wrote a checkpoint and the present one, as "name old -> new".

    Args:
        meta: Meta of the checkpoint.
        runner: Runner of the present run.
    """
    old, new = read_literals(meta.get("cfg") or ""), runner.cfg.to_dict()
    batch_size = (old.get("train_dataloader") or {}).get("batch_size")
    facts, now = {"batch_size": batch_size, **(meta.get(_KEY) or {})}, _facts(runner)
    names = {"processes": "number of processes", "batch_size": "batch size", "samples": "number of samples"}
    changed = [
        f"{text} {facts[key]} -> {now[key]}" for key, text in names.items() if facts.get(key) not in (None, now[key])
    ]
    for key in _COMPARED if old else ():
        before, after = dict(_leaves(old.get(key), key)), dict(_leaves(new.get(key), key))
        for name in sorted({*before, *after}):
            # A precision or a loop of another type changes no schedule.
            if before.get(name) != after.get(name) and name not in ("optim_wrapper.type", "train_cfg.type"):
                changed.append(f"{name} {before.get(name)} -> {after.get(name)}")
    return changed


def read_literals(text: str) -> dict[str, Any]:
    """Return the values of a config's text, which is parsed and not executed.

    Args:
        text: Text of assignments, as mmengine stores a config in its checkpoints. Other values than literals and
            ``dict(...)`` are left out.

    Example:
        >>> read_literals("a = dict(b=[1, dict(c=2)])")
        {'a': {'b': [1, {'c': 2}]}}
    """
    found = {}
    try:
        statements = ast.parse(text).body
    except SyntaxError:
        return {}
    for statement in statements:
        if isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name):
            found[statement.targets[0].id] = _value(statement.value)
    return found


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "dict":
        return {keyword.arg: _value(keyword.value) for keyword in node.keywords if keyword.arg}
    if isinstance(node, ast.Dict):
        return {_value(key): _value(value) for key, value in zip(node.keys, node.values, strict=True) if key}
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_value(item) for item in node.elts]
    try:
        return ast.literal_eval(node)
    except ValueError:
        return ast.unparse(node)


def _leaves(node: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Yield (dotted path, value) of everything in nested dicts; a list of plain values is one value."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from _leaves(value, f"{path}.{key}")
    elif isinstance(node, (list, tuple)) and any(isinstance(item, dict) for item in node):
        for number, item in enumerate(node):
            yield from _leaves(item, f"{path}.{number}")
    elif node is not None:
        yield path, list(node) if isinstance(node, tuple) else node


def _facts(runner: Runner) -> dict[str, Any]:
    loader = runner.train_dataloader
    return {
        "processes": get_world_size(),
        "batch_size": loader.batch_size or 1,
        "samples": len(loader.dataset),
        "batches": len(loader),
    }


def _batches_of_old(loop: ResumableEpochLoop, meta: dict[str, Any]) -> int:
    """Return the batches per epoch of a checkpoint without a record, which earlier versions wrote after epochs only."""
    epoch, iterations = meta["epoch"], meta["iter"]
    if epoch and iterations % epoch == 0:
        return int(iterations // epoch)
    return len(loop.dataloader)


def _same_batches(done: int, facts: dict[str, Any], now: dict[str, Any]) -> int:
    """Return how many of the present batches hold the samples of the first `done` batches of the checkpoint's run."""
    if not done:
        return 0
    keys = ("samples", "batch_size", "processes")
    before = [facts.get(key, now[key]) for key in keys]
    samples, size = done * before[1] * before[2], now["batch_size"] * now["processes"]
    if before[0] != now["samples"] or samples % size:
        raise CheckpointError(
            "the checkpoint was saved inside an epoch, and the rest of that epoch cannot be drawn with these batches",
            got=f"{now['samples']} samples in batches of {now['batch_size']} on {now['processes']} processes",
            want=f"{before[0]} samples in batches of {before[1]} on {before[2]} processes",
            fix="keep batch size and number of processes, or resume from a checkpoint that was saved after an epoch",
        )
    return int(samples // size)


def _wrappers(runner: Runner) -> list[Any]:
    wrapper = runner.optim_wrapper
    return list(wrapper.values()) if hasattr(wrapper, "optim_wrappers") else [wrapper]


def _schedulers(runner: Runner) -> list[Any]:
    schedulers = runner.param_schedulers or []
    return [one for each in schedulers.values() for one in each] if isinstance(schedulers, dict) else list(schedulers)


def _initial(group: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of a parameter group before any schedule changed them."""
    settings = {key: value for key, value in group.items() if key != "params" and not key.startswith("initial_")}
    settings |= {key.removeprefix("initial_"): value for key, value in group.items() if key.startswith("initial_")}
    return copy.deepcopy(settings)


def _replay(runner: Runner) -> None:
    """Take the steps of the schedules up to the runner's position."""
    loop, schedulers = runner.train_loop, _schedulers(runner)
    of_epochs = [one for one in schedulers if one.by_epoch]
    of_steps = [one for one in schedulers if not one.by_epoch]

    def steps(number: int) -> None:
        for _ in range(number if of_steps else 0):
            for one in of_steps:
                one.step()

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimizer takes no steps here
        if isinstance(loop, ResumableIterLoop):
            steps(loop.iter)
            return
        for _ in range(loop.epoch):
            steps(len(loop.dataloader))
            for one in of_epochs:
                one.step()
        steps(loop.iter - loop.epoch * len(loop.dataloader))
