"""Looking at what a config feeds the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..datasets.coco import check_coco
from ..errors import ConfigError
from ..registry import DATASETS
from ..structures.joints import FLIP_INDICES
from ..utils.config import is_detector, map_pipelines
from ..utils.images import read_mask
from ..visualization.masks import amodal_tile
from ..visualization.overlay import contact_sheet, draw_hands, draw_label
from .browse_coco import browse_coco

LOADERS = {"train": "train_dataloader", "val": "val_dataloader", "test": "test_dataloader"}
STAGES = ("before", "after", "both")
_TILE_PX = 288
_CROP, _MASK = (255, 255, 255), (0, 255, 255)  # BGR


def browse(
    cfg: Config,
    phase: str,
    num: int,
    seed: int,
    variant: str | None = None,
    columns: int | None = None,
    stage: str = "both",
) -> np.ndarray:
    """Draw a contact sheet of samples as they come out of the pipeline; of a detector's data, see `browse_coco`.

    A sample is up to three squares: *before*, the frame with its annotated joints and the crop's outline;
    *after*, the crop with the joints that count as targets, and the same crop bare, as the network sees it, with
    the foreground mask outlined where there is one. A sample with amodal masks (`AIHDataset`) is a row of seven:
    picture, four masks, and each hand alone (`amodal_tile`). Labels name hands, annotation, relative root depth
    (of the left wrist, positive behind the right one), mirror, turn, and the photograph behind.

    Args:
        cfg: From `load_config`.
        phase: "train", "val" or "test".
        num: Samples, spread evenly over the set; repeated with other epochs where the set is smaller.
        seed: Of the augmentation.
        variant: Name in `test_variants`, for "test".
        columns: Samples a row; None chooses.
        stage: "before", "after" or "both" the pipeline.

    Returns:
        (H, W, 3) uint8 BGR.
    """
    loader = cfg[LOADERS[phase]]
    if loader is None:
        raise ConfigError(f"this config has no {LOADERS[phase]}", fix="--phase with another set")
    if is_detector(cfg):
        check_coco(cfg)
        return browse_coco(loader["dataset"], num, columns or 3)
    init_default_scope(cfg.get("default_scope", "interhand_mm"))
    if variant is not None:
        from .test import with_variant

        if variant not in cfg.test_variants:
            raise ConfigError(f"no test variant '{variant}'", want=f"one of {list(cfg.test_variants)}")
        loader = with_variant(loader, cfg.test_variants[variant])
    unpacked = map_pipelines(loader["dataset"], lambda p: [step for step in p if not step["type"].startswith("Pack")])
    dataset = DATASETS.build(unpacked)
    sets = getattr(dataset, "datasets", [dataset])  # of a ConcatDataset
    for part in sets:
        part.set_seed(seed)
    rows = np.linspace(0, len(dataset), num, endpoint=False).astype(int)
    tiles = []
    for i, row in enumerate(rows):
        for part in sets:
            part.set_epoch(i if num > len(dataset) else 0)
        sample = dataset[int(row)]
        if "masks" in sample:
            tiles.append(_amodal(sample))
            continue
        parts = [_before(sample)] if stage != "after" else []
        tiles.append(np.hstack(parts + ([_with_joints(sample), _as_fed(sample)] if stage != "before" else [])))
    amodal = tiles[0].shape[1] > 5 * _TILE_PX
    return contact_sheet(tiles, columns or (1 if amodal else {"before": 6, "after": 3, "both": 2}[stage]), gap=6)


def _amodal(sample: dict[str, Any]) -> np.ndarray:
    """Picture, four masks, clean right and clean left."""
    told = [f"target {('right', 'left')[sample['target']]}"] + ["mirrored"] * bool(sample.get("mirrored"))
    told += [f"{sample['occlusion_rate']:.0%} hidden"] if "occlusion_rate" in sample else []
    keys = ("img", "masks", "clean", "masks_valid", "clean_valid")
    return amodal_tile(*(sample[key] for key in keys), label=" · ".join(told), tile_px=_TILE_PX * 3 // 4)


def _before(sample: dict[str, Any]) -> np.ndarray:
    """The frame as read, with all annotated joints and the crop's outline."""
    frame, size = sample["img_full"], sample["img"].shape[1::-1]
    warp = sample["warp"]
    corners = warp.to_read(np.array([[0, 0], [size[0], 0], size, [0, size[1]]]))
    scale = _TILE_PX / max(frame.shape[:2])
    reduced = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    cv2.polylines(reduced, [np.rint(corners * scale).astype(int)], True, _CROP, 1, cv2.LINE_AA)
    points = warp.to_read(warp.to_crop(sample["keypoints"][0, :, :2])) * scale
    # The mirrored sample's right hand is the left one of the frame.
    visible, hands = sample["keypoints_visible"][0], sample["hand_type"][0]
    if warp.flipped:
        points, visible, hands = points[FLIP_INDICES], visible[FLIP_INDICES], hands[::-1]
    tile = np.zeros((_TILE_PX, _TILE_PX, 3), np.uint8)
    tile[: reduced.shape[0], : reduced.shape[1]] = draw_hands(reduced, points, visible)
    return draw_label(tile, f"{_hands(hands)} · {sample['ann_id']}")


def _with_joints(sample: dict[str, Any]) -> np.ndarray:
    """The crop with the joints that count, and what the network is to learn beside them."""
    visible = sample["keypoints_visible"][0]
    counted = sample.get("bin_weights", visible)
    points = sample["warp"].to_crop(sample["keypoints"][0, :, :2])
    told = [_hands(sample["hand_type"][0]), f"{int((counted > 0).sum())} of {int(visible.sum())} joints"]
    if sample.get("root_weight", sample["rel_root_valid"]) > 0:
        told.append(f"root {float(sample['rel_root_depth']):+.0f} mm")
    crop = _enlarged(sample["img"])
    scale = _TILE_PX / sample["img"].shape[1]
    return draw_label(draw_hands(crop, (points + 0.5) * scale - 0.5, counted), " · ".join(told))


def _as_fed(sample: dict[str, Any]) -> np.ndarray:
    """The crop as the network sees it, its foreground outlined where a mask is known."""
    warp = sample["warp"]
    turn_deg = warp.rotation_deg
    told = ["mirrored"] if warp.flipped else []
    told += [f"turned {turn_deg:.0f}°"] if abs(turn_deg) > 0.5 else []
    crop, mask = _enlarged(sample["img"]), None
    if "background_alpha" in sample:
        mask = sample["background_alpha"] < 128
        told.append(Path(sample["background_path"]).name)
    elif "mask_path" in sample:
        stored = read_mask(sample["mask_path"])
        mask = warp.crop_stored(stored.astype(np.uint8)) > 0
    if mask is not None:
        size = (_TILE_PX, _TILE_PX)
        outline, _ = cv2.findContours(
            cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST),
            cv2.RETR_LIST,
            cv2.CHAIN_APPROX_NONE,
        )
        cv2.drawContours(crop, outline, -1, _MASK, 1, cv2.LINE_AA)
    return draw_label(crop, " · ".join(told) or "as fed")


def _hands(hand_type: np.ndarray) -> str:
    return " and ".join(np.array(("right", "left"))[hand_type > 0]) or "no hand"


def _enlarged(crop: np.ndarray) -> np.ndarray:
    return cv2.resize(crop, (_TILE_PX, _TILE_PX), interpolation=cv2.INTER_LINEAR)
