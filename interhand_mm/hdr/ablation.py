"""The table of what each stage of HDR gains, and images of the stages, on the two-hand samples of a test set."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.logging import print_log
from torch.utils.data import DataLoader, Subset

from ..checkpoints.io import load_checked
from ..engine.runner import build_model
from ..errors import EvaluationError
from ..models.plugin import with_plugin
from ..registry import METRICS
from ..utils.config import DataOptions, load_config
from ..utils.images import write_image
from .data.two_hands import two_hand_samples
from .stages import draw_samples

BASE = "base network"
# Row of the table -> options of the plugin's forward pass. The first four rows use the predicted masks.
VARIANTS: dict[str, dict[str, Any]] = {
    "pose alone": dict(removal=False, deocclusion=False),
    "+ removal": dict(removal=True, deocclusion=False),
    "+ de-occlusion": dict(removal=False, deocclusion=True),
    "full": dict(removal=True, deocclusion=True),
    "full, true masks": dict(removal=True, deocclusion=True, masks="gt"),
    BASE: {},
}
_BATCH = 16


@dataclass(frozen=True)
class HDRRun:
    """A base network with its plugin, and the test samples that they are measured on.

    Attributes:
        config: Config of the base network. Its `test_dataloader` defines the samples.
        checkpoint: Checkpoint of the base network.
        plugin: Config with the plugin; see `with_plugin`.
        plugin_checkpoints: Checkpoints of the segmentor, the inpaintor and the single-hand pose, in this order.
        data_root: Overrides the config's `data_root` where `config` is a file.
        mask_root: Folder of the true masks. A relative path is taken below the data root.
        limit: Maximum number of samples, taken evenly.
    """

    config: str | Path | Config
    checkpoint: str | Path
    plugin: str | Path
    plugin_checkpoints: Sequence[str | Path] = ()
    data_root: str | None = None
    mask_root: str = "masks"
    limit: int | None = None

    def open(self) -> tuple[Any, Subset[Any]]:
        """Return the network with its plugin, ready to predict, and the two-hand test samples with their masks.

        Raises:
            ConfigError, CheckpointError: See `with_plugin` and `load_checked`.
            EvaluationError: The test set has no two-hand samples.
        """
        config = self.config
        if not isinstance(config, Config):
            config = load_config(config, (), DataOptions(data_root=self.data_root))
        cfg = with_plugin(config, self.plugin, self.plugin_checkpoints)
        model = build_model(cfg)
        load_checked(model, self.checkpoint)
        return model.eval(), self._samples(cfg)

    def _samples(self, cfg: Config) -> Subset[Any]:
        source = copy.deepcopy(cfg.test_dataloader.dataset)
        source.mask_root = self.mask_root
        crop = next(i for i, step in enumerate(source.pipeline) if step.type == "HandCrop")
        if not any(step.type == "CropHandMasks" for step in source.pipeline):
            source.pipeline.insert(crop + 1, dict(type="CropHandMasks", part="limb"))
        return two_hand_samples(source, self.limit)

    def table(self, variants: Sequence[str] = tuple(VARIANTS)) -> list[dict[str, Any]]:
        """Measure the error of the hands by their occlusion rate, with one row per variant of the plugin.

        Args:
            variants: Names in `VARIANTS`.

        Returns:
            Rows with "variant", the numbers of `OcclusionEPE` ("EPE_root/0-10", ...), and its counts "hands" and
            "restored".

        Raises:
            EvaluationError: A variant is unknown.
            ConfigError, CheckpointError: See `open`.
        """
        if unknown := set(variants) - set(VARIANTS):
            raise EvaluationError("variants of the HDR table are unknown", got=sorted(unknown), want=list(VARIANTS))
        model, samples = self.open()
        loader = DataLoader(samples, batch_size=_BATCH, collate_fn=pseudo_collate)
        rows = []
        for name in variants:
            print_log(f"hdr table: {name}", "current")
            rows.append({"variant": name, **_evaluate(model, loader, name)})
        return rows

    def draw(self, out: str | Path, num: int = 10, seed: int = 0) -> None:
        """Draw the stages of random samples below each other into one image.

        Args:
            out: Image file to write.
            num: Number of samples.
            seed: Seed of the choice.
        """
        model, samples = self.open()
        chosen = np.random.default_rng(seed).permutation(len(samples))[:num].tolist()
        write_image(out, draw_samples(model, samples, chosen))


@torch.no_grad()
def _evaluate(model: Any, loader: DataLoader[Any], name: str) -> dict[str, Any]:
    metric, seen = METRICS.build(dict(type="OcclusionEPE")), 0
    for data in loader:
        data = model.data_preprocessor(data, False)
        replaced = None if name == BASE else model.replace_hands(**data, **VARIANTS[name])
        samples = model.predict_with(**data, replaced=replaced)
        metric.process(None, [sample.to_dict() for sample in samples])
        seen += len(samples)
    numbers = metric.evaluate(seen)
    return {**numbers, **{key: metric.details["counts"][key] for key in ("hands", "restored")}}


def format_table(rows: Sequence[dict[str, Any]]) -> str:
    """Format the rows of `HDRRun.table` as two Markdown tables in mm: root aligned, and root and bone scale aligned."""
    bins = list(rows[0]["hands"])
    parts = []
    for metric, title in (("EPE_root", "root aligned"), ("EPE_root_bone", "root and bone scale aligned")):
        lines = [
            f"MPJPE, mm, {title}, by occluded share of the hand, %",
            "",
            f"| | {' | '.join(bins)} | all | restored |",
            "|---|" + "---:|" * (len(bins) + 2),
        ]
        for row in rows:
            numbers = " | ".join(f"{row[f'{metric}/{group}']:.2f}" for group in (*bins, "all"))
            share = sum(row["restored"].values()) / max(1, sum(row["hands"].values()))
            lines.append(f"| {row['variant']} | {numbers} | {share:.0%} |")
        hands = " | ".join(str(rows[0]["hands"][group]) for group in bins)
        lines.append(f"| *hands* | {hands} | {sum(rows[0]['hands'].values())} | |")
        parts.append("\n".join(lines))
    return "\n\n".join(parts)
