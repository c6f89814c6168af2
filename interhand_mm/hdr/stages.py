"""Pictures of what the HDR plugin does, stage by stage: of anybody's pictures, and of held-out samples."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor
from torch.utils.data import Dataset

from ..errors import ConfigError, InputError
from ..evaluation.functional.pose_3d import wrist_relative_mm
from ..inference.inferencer import InterHandInferencer
from ..inference.io.sources import open_source
from ..inference.io.writers import prepare_folder, unique_stems
from ..structures.camera import apply_affine, crop_affine
from ..structures.joints import OWN_WRIST, SIDES
from ..utils.images import write_image


def stages_of(images: Tensor, found: Any, index: int = 0) -> dict[str, np.ndarray]:
    """Arguments of `hdr.draw_stages.draw_stages` from a plugin's result: crop, masks, clean pictures, present.

    Args:
        images: (B, 3, S, S) BGR, 0 to 255, that the plugin was given.
        found: Its `RestoredHands`.
        index: Of the crop.
    """
    size = found.clean.shape[-1]
    clean = np.zeros((len(SIDES), size, size, 3), np.uint8)
    for number, (crop, side) in enumerate(found.hands):
        if crop == index:
            picture = _uint8(found.clean[number])
            clean[side] = picture[:, ::-1] if side == 1 else picture
    return {
        "image": _uint8(images[index]),
        "masks": found.masks[index].cpu().numpy().astype(np.uint8),
        "clean": clean,
        "present": found.present[index],
    }


def _uint8(image: Tensor) -> np.ndarray:
    """(3, H, W), 0 to 255, to (H, W, 3) uint8."""
    return np.ascontiguousarray(image.float().clamp(0, 255).round().byte().permute(1, 2, 0).cpu().numpy())


def show_stages(inferencer: InterHandInferencer, source: str, out_dir: str | Path, tile_px: int = 256) -> list[Path]:
    """Write a strip of stages for every picture of a source, one crop a picture (its bbox, or all of it).

    Args:
        inferencer: Of a config with an HDR plugin, without detector, `batch_size` 1.
        source: A picture or a folder of pictures.
        out_dir: Folder; `<name>.jpg`.
        tile_px: Side of a stage.

    Returns:
        The files.

    Raises:
        ConfigError: There is no plugin.
        InputError: Not pictures, or some could not be read (after all others were written).
        OutputError: The folder cannot be written.
    """
    from .draw_stages import draw_stages

    if inferencer.hdr is None:
        raise ConfigError("stages of HDR: the config has no plugin", fix="--hdr configs/hdr/small.py CKPT CKPT CKPT")
    opened = open_source(source)
    if opened.kind != "pictures":
        raise InputError(f"stages are drawn of pictures: {source}", got=opened.kind, fix="topdown_demo.py --hdr ...")
    paths = [Path(each) for each in getattr(opened, "pictures", [opened.name])]
    folder, stems = prepare_folder(Path(out_dir), paths), dict(zip(map(str, paths), unique_stems(paths), strict=True))
    seen: list[tuple[Tensor, Any]] = []
    hook = inferencer.hdr.register_forward_hook(lambda _, inputs, found: seen.append((inputs[0], found)))
    written = []
    try:
        for frame in inferencer.infer(opened):
            stages = stages_of(*seen.pop())
            hands = frame.hands[0] if frame.hands else None
            keypoints_mm = hands.keypoints_mm if hands else np.full((42, 3), np.nan)
            points = np.full((42, 2), np.nan)
            if hands:
                affine = crop_affine(hands.bbox, stages["image"].shape[1::-1])
                points = apply_affine(hands.keypoints[:, :2], affine)
            strip = draw_stages(**stages, points=points, keypoints_mm=keypoints_mm, tile_px=tile_px)
            written.append(folder / f"{stems.get(frame.source, 'picture')}.jpg")
            write_image(written[-1], strip)
    finally:
        hook.remove()
    if opened.skipped:
        raise InputError(f"{opened.skipped} of {opened.length} pictures could not be read; the first: {opened.problem}")
    return written


@torch.no_grad()
def draw_samples(model: Any, dataset: Dataset, indices: list[int], tile_px: int = 192) -> np.ndarray:
    """Strips of stages of data set samples, one below the other, the true joints in gray.

    Args:
        model: An `InterHandEstimator` with plugin, from `hdr.ablation.open_hdr`.
        dataset: Its samples.
        indices: Which.
        tile_px: Side of a stage.

    Returns:
        (N * tile_px, 9 * tile_px, 3) uint8 BGR.
    """
    from .draw_stages import draw_stages

    rows = []
    for index in indices:
        seen: list[tuple[Tensor, Any]] = []
        hook = model.hdr.register_forward_hook(lambda _, inputs, found, seen=seen: seen.append((inputs[0], found)))
        try:
            data = model.data_preprocessor(pseudo_collate([dataset[index]]), False)
            sample = model(**data, mode="predict")[0]
        finally:
            hook.remove()
        keypoints, truth = sample.pred_instances.keypoints, sample.gt_instances.keypoints_cam[0].astype(np.float64)
        scalars = [np.asarray(sample.get(key))[None] for key in ("abs_depth", "focal", "principal_pt")]
        rel_root = np.zeros((42, 3))
        rel_root[21:] = truth[41] - truth[20]  # both are drawn with the true distance between the wrists
        rows.append(
            draw_stages(
                **stages_of(*seen[0]),
                points=sample.warp.to_crop(keypoints[0, :, :2]),
                keypoints_mm=wrist_relative_mm(keypoints, *scalars)[0] + rel_root,
                truth_mm=truth - truth[OWN_WRIST] + rel_root,
                label=f"hidden: {sample.occlusion[0]:.0%}, {sample.occlusion[1]:.0%}" if "occlusion" in sample else "",
                tile_px=tile_px,
            )
        )
    return np.vstack(rows)
