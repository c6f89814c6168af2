"""Hooks: seeds of the samples, report of skipped samples, memory layout."""

from __future__ import annotations

from typing import Any

import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import IterBasedTrainLoop, Runner

from ..datasets.draws import NumberedDraws, leaf_datasets
from ..registry import HOOKS

_SHOWN = 5


@HOOKS.register_module()
class SampleSeedHook(Hook):
    """Pass the runner's seed and the number of each epoch to the training set, and number the draws of its sampler.

    The augmentation of a sample then depends only on (seed, epoch, index, number of the draw); see `HandDataset`. A
    loop must start its workers after `before_train` and `before_train_epoch`, because they fetch samples ahead.
    """

    priority = "VERY_HIGH"

    def before_train(self, runner: Runner) -> None:
        """Set the seed of the training set, and let its sampler yield draws."""
        loader = runner.train_dataloader
        _call(loader.dataset, "set_seed", runner.seed)
        sampler = getattr(loader.batch_sampler, "sampler", None)
        if sampler is not None and not isinstance(sampler, NumberedDraws):
            loader.batch_sampler.sampler = NumberedDraws(sampler, len(loader.dataset))

    def before_train_epoch(self, runner: Runner) -> None:
        """Set the epoch of the training set and of its sampler."""
        loader = runner.train_dataloader
        _call(loader.dataset, "set_epoch", runner.epoch)
        sampler = getattr(getattr(loader, "batch_sampler", None), "sampler", None)
        if isinstance(sampler, NumberedDraws):
            sampler.set_epoch(runner.epoch)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Set the epoch in a loop that counts only iterations: the number of passes over the data."""
        loader = runner.train_dataloader
        if isinstance(runner.train_loop, IterBasedTrainLoop) and runner.iter:
            batches = max(1, len(loader.dataset) // (loader.batch_size * get_world_size()))
            if runner.iter % batches == 0:
                _call(loader.dataset, "set_epoch", runner.iter // batches)


def _call(dataset: Any, method: str, value: int) -> None:
    """Call a method of all data sets inside `dataset` that have it."""
    for part in leaf_datasets(dataset):
        if hasattr(part, method):
            getattr(part, method)(value)


@HOOKS.register_module()
class SkipReportHook(Hook):
    """Count the samples that ``strict='skip'`` blanked and the unreadable photographs; log both after each epoch."""

    def __init__(self) -> None:
        self._skipped: list[str] = []
        self._counts = torch.zeros(2, dtype=torch.int64)  # samples, photographs

    def _count(self, data_batch: Any) -> None:
        for sample in data_batch["data_samples"]:
            if sample.get("skipped"):
                self._counts[0] += 1
                if len(self._skipped) < _SHOWN:
                    self._skipped.append(sample.skipped.splitlines()[0])
            self._counts[1] += sample.get("background_retries", 0)

    def _report(self, runner: Runner, what: str) -> None:
        counts = self._counts.clone()
        all_reduce(counts)
        samples, photographs = counts.tolist()
        if samples:
            runner.logger.warning(f"{what}: {samples} samples were left out, among them: " + "; ".join(self._skipped))
        if photographs:
            runner.logger.warning(f"{what}: {photographs} times an unreadable photograph was replaced by another")
        self._counts.zero_()
        self._skipped.clear()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Count the samples of a batch."""
        self._count(data_batch)

    after_val_iter = after_test_iter = after_train_iter

    def after_train_epoch(self, runner: Runner) -> None:
        """Log the counts and reset them."""
        self._report(runner, f"training epoch {runner.epoch + 1}")

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        """Log the counts and reset them."""
        self._report(runner, "validation")

    def after_test_epoch(self, runner: Runner, metrics: Any = None) -> None:
        """Log the counts and reset them."""
        self._report(runner, "test")


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Store the weights as NHWC. On a CPU with bfloat16, a detector then trains four times as fast."""

    def before_run(self, runner: Runner) -> None:
        """Convert the model in place."""
        runner.model.to(memory_format=torch.channels_last)
