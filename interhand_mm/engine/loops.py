"""Training loops that continue inside an epoch exactly where a checkpoint was saved."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

from mmengine.dataset import InfiniteSampler
from mmengine.dist import get_world_size
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from mmengine.runner.base_loop import BaseLoop
from mmengine.runner.utils import calc_dynamic_intervals
from torch import nn
from torch.utils.data import BatchSampler, DataLoader

from ..datasets.draws import NumberedDraws
from ..errors import ConfigError
from ..registry import LOOPS


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """mmengine's loop over epochs, whose first epoch may start behind the samples that are already trained on."""

    skipped_batches = 0  # of the first epoch; set by `ResumeHook`

    def run_epoch(self) -> None:
        """Train on the rest of one epoch."""
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        skipped, self.skipped_batches = self.skipped_batches, 0
        for number, batch in enumerate(_batches_after(self.dataloader, skipped), start=skipped):
            self.run_iter(number, batch)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1


@LOOPS.register_module()
class ResumableIterLoop(IterBasedTrainLoop):
    """mmengine's loop over iterations, with samples that depend neither on the workers nor on a resume.

    The samples are numbered through all passes over the data, and each carries its pass to the data set (see
    `NumberedDraws`). A resumed loop starts at its number without reading the samples before.

    Args:
        runner: The runner.
        dataloader: Data loader or its config.
        max_iters: Number of iterations.
        val_begin: First iteration after which validation may run.
        val_interval: Number of iterations between two validations.
        dynamic_intervals: Pairs of an iteration and the interval that holds from it on.
    """

    def __init__(
        self,
        runner: Any,
        dataloader: Any,
        max_iters: int,
        val_begin: int = 1,
        val_interval: int = 1000,
        dynamic_intervals: list[tuple[int, int]] | None = None,
    ) -> None:
        # The parent's constructor would already start the workers, before the position of a resume is known.
        BaseLoop.__init__(self, runner, dataloader)
        self._max_iters, self._max_epochs, self._epoch, self._iter = max_iters, 1, 0, 0
        self._start = (0, 0)  # iteration at which this run starts, and samples of all processes drawn before it
        self.val_begin, self.val_interval, self.stop_training = val_begin, val_interval, False
        self.runner.visualizer.dataset_meta = getattr(self.dataloader.dataset, "metainfo", None)
        self.dynamic_milestones, self.dynamic_intervals = calc_dynamic_intervals(val_interval, dynamic_intervals)

    def resume_at(self, drawn: int) -> None:
        """Continue behind the first `drawn` samples of all processes together."""
        self._start = (self._iter, drawn)

    def drawn_until(self, iteration: int) -> int:
        """Return the number of samples that all processes together have drawn before an iteration."""
        first, drawn = self._start
        return int(drawn + (iteration - first) * (self.dataloader.batch_size or 1) * get_world_size())

    def run(self) -> nn.Module:
        """Train until the last iteration, with the validations between."""
        runner = self.runner
        runner.call_hook("before_train")
        runner.call_hook("before_train_epoch")
        batches = _endless_batches(self.dataloader, self._start[1])
        while self._iter < self._max_iters and not self.stop_training:
            runner.model.train()
            self.run_iter(next(batches))
            self._decide_current_val_interval()
            due = self._iter % self.val_interval == 0 or self._iter == self._max_iters
            if due and runner.val_loop is not None and self._iter >= self.val_begin:
                runner.val_loop.run()
        runner.call_hook("after_train_epoch")
        runner.call_hook("after_train")
        return runner.model


def _batches_after(loader: DataLoader, skipped: int) -> Iterator[Any]:
    """Yield the batches of one epoch behind the first ones."""
    sampler = _numbered(loader) if skipped else None
    if sampler is not None:
        sampler.skip(skipped * (loader.batch_size or 1))
        yield from loader
    else:  # with a batch sampler of another library, the batches before can only be read and dropped
        yield from islice(loader, skipped, None)


def _endless_batches(loader: DataLoader, drawn: int) -> Iterator[Any]:
    """Yield batches pass after pass, behind the first `drawn` samples of all processes together."""
    sampler = _numbered(loader)
    number, skipped = 0, -(-drawn // get_world_size())
    if sampler is None:
        raise ConfigError(
            "a loop over iterations needs a plain sampler, so that it can be resumed",
            got=type(loader.batch_sampler).__name__,
            fix="use a loop over epochs with this batch sampler",
        )
    if not isinstance(sampler.sampler, InfiniteSampler):
        number, skipped = divmod(skipped, len(sampler))
    while True:
        if hasattr(sampler.sampler, "set_epoch"):
            sampler.sampler.set_epoch(number)
        sampler.set_epoch(number)
        sampler.skip(skipped)
        yield from loader
        number, skipped = number + 1, 0


def _numbered(loader: DataLoader) -> NumberedDraws | None:
    """Return the sampler that numbers the draws of a loader, or None if another library makes the batches."""
    batch_sampler: Any = loader.batch_sampler
    if type(batch_sampler) is not BatchSampler:
        return None
    if not isinstance(batch_sampler.sampler, NumberedDraws):
        batch_sampler.sampler = NumberedDraws(batch_sampler.sampler, len(loader.dataset))  # type: ignore[arg-type]
    return batch_sampler.sampler
