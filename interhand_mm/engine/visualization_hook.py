"""Drawings of predictions during training."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.dist import get_world_size, is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ..errors import ConfigError
from ..registry import HOOKS


@HOOKS.register_module()
class HandVisualizationHook(Hook):
    """After each validation, draw the same few samples: ground truth, prediction, and both in 3D.

    The image goes to the backends of the config's `InterHandVisualizer` as "val_predictions", with the training
    iteration as its step. Drawing takes about 0.1 s per sample.

    Args:
        num: Number of samples, evenly spaced in the validation set. 0 draws none.
    """

    priority = "LOW"

    def __init__(self, num: int = 4) -> None:
        if num < 0:
            raise ConfigError("HandVisualizationHook: num must not be negative", got=num, want="0 or more")
        self.num = num
        self._wanted: set[int] = set()
        self._crops: dict[int, np.ndarray] = {}
        self._samples: dict[int, Any] = {}

    def before_val_epoch(self, runner: Runner) -> None:
        """Choose the samples, among those of the main process (with n processes, every n-th sample)."""
        if self.num and not hasattr(runner.visualizer, "add_sheet"):
            raise ConfigError(
                f"{type(runner.visualizer).__name__} cannot draw hands",
                fix="visualizer.type=InterHandVisualizer, or default_hooks.visualization.num=0 to draw none",
            )
        own = -(-len(runner.val_dataloader.dataset) // get_world_size())
        rows = np.linspace(0, own, min(self.num, own), endpoint=False).astype(int) * get_world_size()
        self._wanted = set(rows.tolist()) if is_main_process() else set()

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Store the chosen samples of a batch."""
        for image, sample in zip(data_batch["inputs"], outputs or (), strict=False):
            row = sample.get("sample_idx")
            if row in self._wanted:
                self._crops[row] = np.ascontiguousarray(image.cpu().numpy().transpose(1, 2, 0))
                self._samples[row] = sample

    def after_val_epoch(self, runner: Runner, metrics: Any = None) -> None:
        """Draw the stored samples."""
        rows = sorted(self._samples)
        if rows:
            crops, samples = [self._crops[row] for row in rows], [self._samples[row] for row in rows]
            runner.visualizer.add_sheet("val_predictions", crops, samples, runner.iter)
        self._crops.clear()
        self._samples.clear()
