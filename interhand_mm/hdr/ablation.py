"""The HDR plugin put into a pose config, and the table of what each of its stages gains."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from torch.utils.data import DataLoader, Subset

from ..checkpoints.io import load_checked
from ..engine.runner import build_model
from ..errors import EvaluationError
from ..registry import DATASETS, METRICS
from ..utils.config import DataOptions, load_config
from ..utils.images import write_image
from .attach import with_hdr
from .stages import draw_samples

BASE = "base network"
# Overrides of the plugin a row. What SHPE sees is cut out by the predicted masks in the first four.
VARIANTS: dict[str, dict[str, Any]] = {
    "SHPE alone": dict(removal=False, deocclusion=False),
    "+ removal": dict(removal=True, deocclusion=False),
    "+ de-occlusion": dict(removal=False, deocclusion=True),
    "full": dict(removal=True, deocclusion=True),
    "full, true masks": dict(removal=True, deocclusion=True, masks="gt"),
    BASE: {},
}


def hdr_table(
    config: str | Path | Config,
    checkpoint: str | Path,
    hdr: str | Path,
    checkpoints: Sequence[str | Path] = (),
    data_root: str | None = None,
    mask_root: str | None = None,
    limit: int | None = None,
    variants: Sequence[str] = tuple(VARIANTS),
    say: Callable[[str], None] = print,
) -> list[dict[str, Any]]:
    """Errors of the hands of interacting test samples by occlusion rate, a row for every variant of the plugin.

    Args:
        config: Of the base network; its `test_dataloader` gives the samples.
        checkpoint: Its weights.
        hdr: See `with_hdr`.
        checkpoints: See `with_hdr`.
        data_root: In place of the config's.
        mask_root: Folder of the true masks; None is `masks/` in `data_root`.
        limit: At most so many samples, evenly spread.
        variants: Of `VARIANTS`.
        say: Told which row is being made.

    Returns:
        Rows of "variant", the numbers of `OcclusionEPE` ("EPE_root/0-10", ...), and its counts "hands" and "restored".

    Raises:
        ConfigError, CheckpointError: See `with_hdr` and `load_checked`.
        EvaluationError: An unknown variant, or no interacting samples.
    """
    if unknown := set(variants) - set(VARIANTS):
        raise EvaluationError("variants of the HDR table", got=sorted(unknown), want=list(VARIANTS))
    model, dataset = open_hdr(config, checkpoint, hdr, checkpoints, data_root, mask_root, limit)
    loader = DataLoader(dataset, batch_size=16, collate_fn=pseudo_collate)
    rows = []
    for name in variants:
        say(f"hdr table: {name}")
        rows.append({"variant": name, **_evaluate(model, loader, name)})
    return rows


def open_hdr(
    config: str | Path | Config,
    checkpoint: str | Path,
    hdr: str | Path,
    checkpoints: Sequence[str | Path] = (),
    data_root: str | None = None,
    mask_root: str | None = None,
    limit: int | None = None,
) -> tuple[Any, Subset]:
    """The network with its plugin, ready to predict, and the two-hand test samples; arguments as `hdr_table`'s."""
    base = config if isinstance(config, Config) else load_config(config, (), DataOptions(data_root=data_root))
    cfg = with_hdr(base, hdr, checkpoints)
    model = build_model(cfg)
    load_checked(model, checkpoint)
    return model.eval(), _interacting(cfg, mask_root, limit)


def _interacting(cfg: Config, mask_root: str | None, limit: int | None) -> Subset:
    """Two-hand samples of the test set, with their masks."""
    source = copy.deepcopy(cfg.test_dataloader.dataset)
    source.mask_root = mask_root or str(Path(source.data_root) / "masks")
    crop = next(i for i, step in enumerate(source.pipeline) if step.type == "HandCrop")
    if not any(step.type == "CropHandMasks" for step in source.pipeline):
        source.pipeline.insert(crop + 1, dict(type="CropHandMasks", part="limb"))
    dataset = DATASETS.build(source)
    chosen = np.flatnonzero(dataset.hand_kinds == 3)
    if not len(chosen):
        raise EvaluationError(f"{source.data_root}: no two-hand samples in the test set")
    if limit is not None and limit < len(chosen):
        chosen = chosen[np.linspace(0, len(chosen) - 1, limit).astype(int)]
    return Subset(dataset, chosen.tolist())


@torch.no_grad()
def _evaluate(model: Any, loader: DataLoader, name: str) -> dict[str, Any]:
    plugin = model.hdr
    settings = {key: getattr(plugin, key) for key in ("removal", "deocclusion", "masks")}
    metric = METRICS.build(dict(type="OcclusionEPE"))
    try:
        for key, value in VARIANTS[name].items():
            setattr(plugin, key, value)
        for data in loader:
            data = model.data_preprocessor(data, False)
            samples = model.predict_base(**data) if name == BASE else model(**data, mode="predict")
            metric.process(None, [sample.to_dict() for sample in samples])
    finally:
        for key, value in settings.items():
            setattr(plugin, key, value)
    numbers = metric.evaluate(len(loader.dataset))
    return {**numbers, **{key: metric.details["counts"][key] for key in ("hands", "restored")}}


def hdr_table_text(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as two Markdown tables: root-aligned, and root and bone scale aligned; mm."""
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


def hdr_pictures(
    config: str | Path | Config,
    checkpoint: str | Path,
    hdr: str | Path,
    checkpoints: Sequence[str | Path] = (),
    data_root: str | None = None,
    mask_root: str | None = None,
    out: str | Path = "hdr.jpg",
    num: int = 10,
    seed: int = 0,
) -> None:
    """Draw the stages of random two-hand test samples into one picture; other arguments as `hdr_table`'s."""
    model, dataset = open_hdr(config, checkpoint, hdr, checkpoints, data_root, mask_root)
    chosen = np.random.default_rng(seed).permutation(len(dataset))[:num].tolist()
    write_image(out, draw_samples(model, dataset, chosen))
