"""Looking at what a config feeds the network."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..errors import ConfigError
from ..registry import DATASETS
from ..structures.camera import apply_affine
from ..visualization.overlay import contact_sheet, draw_hands, draw_label

LOADERS = {"train": "train_dataloader", "val": "val_dataloader", "test": "test_dataloader"}


def browse(cfg: Config, phase: str, num: int, seed: int, variant: str | None = None, columns: int = 4) -> np.ndarray:
    """Draw a contact sheet of samples as they come out of the pipeline.

    A tile shows the crop with its joints, and beside it the crop as the network sees it, the replaced
    background's mask outlined where there is one.

    Args:
        cfg: From `load_config`.
        phase: "train", "val" or "test".
        num: Samples, spread evenly over the set; repeated with other epochs where the set is smaller.
        seed: Of the augmentation.
        variant: Name in `test_variants`, for "test".
        columns: Tiles a row.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    init_default_scope(cfg.default_scope)
    loader = cfg[LOADERS[phase]]
    if variant is not None:
        from .test import with_variant

        if variant not in cfg.test_variants:
            raise ConfigError(f"no test variant '{variant}'", want=f"one of {list(cfg.test_variants)}")
        loader = with_variant(loader, cfg.test_variants[variant])
    steps = [step for step in loader["dataset"]["pipeline"] if step["type"] != "PackHandInputs"]
    dataset = DATASETS.build({**loader["dataset"], "pipeline": steps})
    dataset.set_seed(seed)
    rows = np.linspace(0, len(dataset), num, endpoint=False).astype(int)
    tiles = []
    for i, row in enumerate(rows):
        dataset.set_epoch(i if num > len(dataset) else 0)
        tiles.append(_tile(dataset[int(row)]))
    return contact_sheet(tiles, columns)


def _tile(sample: dict[str, Any]) -> np.ndarray:
    crop = sample["img"]
    points = apply_affine(sample["keypoints"][0, :, :2], sample["affine"])
    weights = sample.get("bin_weights", sample["keypoints_visible"][0])
    fed = crop.copy()
    if "background_alpha" in sample:
        outline, _ = cv2.findContours((sample["background_alpha"] < 128).astype(np.uint8), 0, 2)
        cv2.drawContours(fed, outline, -1, (0, 255, 255), 1)
    kind = {(1, 0): "right", (0, 1): "left", (1, 1): "two hands"}[tuple(sample["hand_type"][0].astype(int))]
    label = f"{kind} {sample['ann_id']}{' mirrored' if sample.get('flipped') else ''}"
    return np.hstack([draw_label(draw_hands(crop, points, weights), label), fed])
