"""Hooks: seeds of the samples, report of skipped samples, memory layout."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import torch
from mmengine.dist import all_reduce, all_reduce_params
from mmengine.hooks import CheckpointHook, Hook, SyncBuffersHook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ..checkpoints.io import model_normalization
from ..datasets.draws import NumberedDraws, leaf_datasets
from ..datasets.handover import check_shared_memory
from ..datasets.skipping import SkipLimit
from ..errors import AnnotationError
from ..registry import HOOKS

_SHOWN = 5
_FIRST_BATCHES = 50  # at the published batch size 800 samples, of which no data set lacks all joints


@HOOKS.register_module()
class SampleSeedHook(Hook):
    """Pass the runner's seed and the number of each epoch to the training set, and number the draws of its sampler.

    The augmentation of a sample then depends only on (seed, epoch, index, number of the draw); see `HandDataset`. A
    loop must start its workers after `before_train` and `before_train_epoch`, because they fetch samples ahead.
    """

    priority = "VERY_HIGH"

    def before_train(self, runner: Runner) -> None:
        """Check that batches fit into shared memory, set the seed, and let the sampler yield draws."""
        loader = runner.train_dataloader
        check_shared_memory(loader)
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


def _call(dataset: Any, method: str, value: int) -> None:
    """Call a method of all data sets inside `dataset` that have it."""
    for part in leaf_datasets(dataset):
        if hasattr(part, method):
            getattr(part, method)(value)


@HOOKS.register_module()
class SkipReportHook(Hook):
    """Count what adds nothing to training or to a test, and log it after each epoch.

    That is: samples that ``strict='skip'`` blanked, unreadable photographs, and training batches of which no joint
    enters the loss. Training stops if this is so for each of the first batches. The first sample that is left out is
    logged at once, and a run stops if too many cannot be used; see `SkipLimit`.
    """

    def __init__(self) -> None:
        self._skipped: list[str] = []
        self._counts = torch.zeros(4, dtype=torch.int64)  # samples, photographs, batches without a joint, batches
        self._limits: defaultdict[str, SkipLimit] = defaultdict(SkipLimit)

    def _count(self, runner: Runner, data_batch: Any, phase: str) -> None:
        limit = self._limits[phase]
        for sample in data_batch["data_samples"]:
            reason = sample.get("skipped") or ""
            if reason:
                if not limit.skipped:
                    runner.logger.warning(f"{phase}: a sample is left out: {reason.splitlines()[0]}")
                self._counts[0] += 1
                if len(self._skipped) < _SHOWN:
                    self._skipped.append(reason.splitlines()[0])
            self._counts[1] += sample.get("background_retries", 0)
            limit.count(reason, sample.get("img_path") or "")

    def _report(self, runner: Runner, what: str) -> None:
        counts = self._counts.clone()
        all_reduce(counts)
        samples, photographs, without_joint, batches = counts.tolist()
        if samples:
            runner.logger.warning(f"{what}: {samples} samples were left out, among them: " + "; ".join(self._skipped))
        if photographs:
            runner.logger.warning(f"{what}: {photographs} times an unreadable photograph was replaced by another")
        if without_joint:
            runner.logger.warning(f"{what}: no joint of {without_joint} of {batches} batches entered the loss")
        self._counts.zero_()
        self._skipped.clear()

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Count the samples of a batch, and the batch itself.

        Raises:
            AnnotationError: No joint of the first batches entered the loss.
            ImageError: Too many of the first samples cannot be used.
        """
        self._count(runner, data_batch, "training")
        self._counts[2:] += torch.tensor([not _has_joint(data_batch["data_samples"]), 1])
        if runner.iter + 1 == _FIRST_BATCHES == self._counts[2]:
            raise AnnotationError(
                f"no joint of the first {_FIRST_BATCHES} batches entered the loss, so nothing is learned",
                want="joints that are valid and lie in their crop, within the depth range of the codec",
                fix="look at the samples with tools/browse_dataset.py",
            )

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Count the samples of a batch."""
        self._count(runner, data_batch, "validation")

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Count the samples of a batch."""
        self._count(runner, data_batch, "test")

    def after_train_epoch(self, runner: Runner) -> None:
        """Log the counts and reset them."""
        self._report(runner, f"training epoch {runner.epoch + 1}")

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        """Log the counts and reset them."""
        self._report(runner, "validation")

    def after_test_epoch(self, runner: Runner, metrics: Any = None) -> None:
        """Log the counts and reset them."""
        self._report(runner, "test")
        self._limits.pop("test", None)  # the next pass is over another variant of the test set


def _has_joint(data_samples: Any) -> bool:
    """Return whether a joint of the samples has a weight in the loss; True where the samples have no such weights."""
    weights = [
        sample.gt_instance_labels[name]
        for sample in data_samples
        for name in ("bin_weights", "keypoint_weights")
        if name in sample.get("gt_instance_labels", ())
    ]
    return not weights or any(bool(weight.any()) for weight in weights)


class SyncStatisticsHook(SyncBuffersHook):
    """Average the statistics of batch norm over all processes before a validation and before a checkpoint is saved.

    Each process has its own. Without this hook, the printed metrics mix the networks of all processes, and the
    checkpoint contains that of the first. mmengine's hook leaves out the checkpoints that a loop saves by iteration.
    `build_runner` adds it to every runner.
    """

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Average them where a checkpoint is saved after this iteration."""
        if not self.distributed:
            return
        hooks = [each for each in runner.hooks if isinstance(each, CheckpointHook) and not each.by_epoch]
        if any(
            self.every_n_train_iters(runner, each.interval, each.save_begin)
            or (each.save_last and self.is_last_train_iter(runner))
            for each in hooks
        ):
            all_reduce_params(runner.model.buffers(), op="mean")


class NormalizationHook(Hook):
    """Write the input normalization that the weights were trained with into each checkpoint; see `check_fits`.

    `build_runner` adds it to every runner.
    """

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Add `normalization` to the checkpoint's `meta`."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        normalization = model_normalization(model)
        if normalization is not None:
            checkpoint["meta"]["normalization"] = normalization


@HOOKS.register_module()
class ChannelsLastHook(Hook):
    """Store the weights as NHWC. On a CPU with bfloat16, a detector then trains four times as fast."""

    def before_run(self, runner: Runner) -> None:
        """Convert the model in place."""
        runner.model.to(memory_format=torch.channels_last)
