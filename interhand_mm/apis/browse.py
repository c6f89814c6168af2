"""Draw what a config feeds the network."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..datasets.coco_check import check_coco
from ..datasets.draws import leaf_datasets
from ..errors import ConfigError
from ..registry import DATASETS
from ..structures.joints import FLIP_INDICES, SIDES
from ..utils.config import is_detector, map_pipelines
from ..utils.images import read_mask, resize_image
from ..visualization.masks import amodal_tile
from ..visualization.overlay import contact_sheet, draw_hands, draw_label
from .browse_coco import browse_coco

PHASE_LOADERS = {"train": "train_dataloader", "val": "val_dataloader", "test": "test_dataloader"}
BROWSE_STAGES = ("before", "after", "both")
_TILE_PX = 288
_CROP, _MASK = (255, 255, 255), (0, 255, 255)  # BGR


def browse(
    cfg: Config,
    phase: str,
    num: int,
    seed: int,
    variant: str | None = None,
    columns: int | None = None,
    stage: Literal["before", "after", "both"] = "both",
) -> np.ndarray:
    """Draw a contact sheet of samples as the pipeline returns them. For a detector's config, see `browse_coco`.

    A sample has up to three tiles. Before the pipeline: the frame with its annotated joints and the outline of the
    crop. After it: the crop with the joints that are targets, and the plain crop that the network receives, with the
    outline of the foreground mask if there is one. A sample with amodal masks has one row of seven tiles, see
    `amodal_tile`. Labels name the hands, the annotation, the relative root depth (of the left wrist, positive behind
    the right one), mirroring, rotation, and the background photograph.

    Args:
        cfg: Config from `load_config`.
        phase: "train", "val" or "test".
        num: Number of samples, spread evenly over the data set. If the set is smaller, samples repeat with the
            augmentation of other epochs.
        seed: Seed of the augmentation.
        variant: Name of one of the config's `test_variants`, for the phase "test".
        columns: Number of samples per row. Default: depends on the tiles.
        stage: Tiles to draw: those "before" the pipeline, "after" it, or "both".

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        ConfigError: The config has no such phase or variant.
    """
    loader = cfg[PHASE_LOADERS[phase]]
    if loader is None:
        raise ConfigError(f"the config has no {PHASE_LOADERS[phase]}", fix="choose another --phase")
    if is_detector(cfg):
        check_coco(cfg)
        return browse_coco(loader["dataset"], num, columns or 3)
    init_default_scope(cfg.get("default_scope", "interhand_mm"))
    if variant is not None:
        from .test import with_variant

        if variant not in cfg.test_variants:
            raise ConfigError(f"the config has no test variant '{variant}'", want=f"one of {list(cfg.test_variants)}")
        loader = with_variant(loader, cfg.test_variants[variant])
    unpacked = map_pipelines(loader["dataset"], lambda p: [step for step in p if not step["type"].startswith("Pack")])
    dataset = DATASETS.build(unpacked)
    sets = list(leaf_datasets(dataset))
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
    """Draw the tiles of a sample with amodal masks."""
    label = [f"target {SIDES[sample['target']]}"] + ["mirrored"] * bool(sample.get("mirrored"))
    label += [f"{sample['occlusion_rate']:.0%} hidden"] if "occlusion_rate" in sample else []
    return amodal_tile(
        sample["img"],
        sample["masks"],
        sample["clean"],
        sample["masks_valid"],
        sample["clean_valid"],
        label=" · ".join(label),
        tile_px=_TILE_PX * 3 // 4,
    )


def _before(sample: dict[str, Any]) -> np.ndarray:
    """Draw the frame as it was read, with all annotated joints and the outline of the crop."""
    frame, size = sample["img_full"], sample["img"].shape[1::-1]
    warp = sample["warp"]
    corners = warp.to_read(np.array([[0, 0], [size[0], 0], size, [0, size[1]]]))
    scale = _TILE_PX / max(frame.shape[:2])
    reduced = resize_image(frame, (round(scale * frame.shape[1]), round(scale * frame.shape[0])))
    cv2.polylines(reduced, [np.rint(corners * scale).astype(int)], True, _CROP, 1, cv2.LINE_AA)
    points = warp.to_read(warp.to_crop(sample["keypoints"][0, :, :2])) * scale
    # The right hand of a mirrored sample is the left hand of the frame.
    visible, hands = sample["keypoints_visible"][0], sample["hand_type"][0]
    if warp.flipped:
        points, visible, hands = points[FLIP_INDICES], visible[FLIP_INDICES], hands[::-1]
    tile = np.zeros((_TILE_PX, _TILE_PX, 3), np.uint8)
    tile[: reduced.shape[0], : reduced.shape[1]] = draw_hands(reduced, points, visible)
    return draw_label(tile, f"{_hands(hands)} · {sample['ann_id']}")


def _with_joints(sample: dict[str, Any]) -> np.ndarray:
    """Draw the crop with the joints that are targets, labeled with the other targets."""
    visible = sample["keypoints_visible"][0]
    counted = sample.get("bin_weights", visible)
    points = sample["warp"].to_crop(sample["keypoints"][0, :, :2])
    label = [_hands(sample["hand_type"][0]), f"{int((counted > 0).sum())} of {int(visible.sum())} joints"]
    if sample.get("root_weight", sample["rel_root_valid"]) > 0:
        label.append(f"root {float(sample['rel_root_depth']):+.0f} mm")
    crop = _enlarged(sample["img"])
    scale = _TILE_PX / sample["img"].shape[1]
    return draw_label(draw_hands(crop, (points + 0.5) * scale - 0.5, counted), " · ".join(label))


def _as_fed(sample: dict[str, Any]) -> np.ndarray:
    """Draw the crop that the network receives, with the outline of the foreground if a mask is known."""
    warp = sample["warp"]
    turn_deg = warp.rotation_deg
    label = ["mirrored"] if warp.flipped else []
    label += [f"turned {turn_deg:.0f}°"] if abs(turn_deg) > 0.5 else []
    crop, mask = _enlarged(sample["img"]), None
    if "background_alpha" in sample:
        mask = sample["background_alpha"] < 128
        label.append(Path(sample["background_path"]).name)
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
    return draw_label(crop, " · ".join(label) or "as fed")


def _hands(hand_type: np.ndarray) -> str:
    return " and ".join(np.array(SIDES)[hand_type > 0]) or "no hand"


def _enlarged(crop: np.ndarray) -> np.ndarray:
    return resize_image(crop, (_TILE_PX, _TILE_PX))
