"""Images of what the HDR plugin does, stage by stage, for any images and for samples of a data set."""

from __future__ import annotations

from collections import deque
from pathlib import Path
from typing import Any, TypedDict

import numpy as np
import torch
from mmengine.dataset import pseudo_collate
from torch import Tensor
from torch.utils.data import Subset

from ..errors import ConfigError, InputError
from ..evaluation.functional.pose_3d import wrist_relative_mm
from ..inference.inferencer import InterHandInferencer
from ..inference.io.naming import output_stems
from ..inference.io.sources import open_source
from ..inference.pose import WHOLE, cut
from ..models.preprocessing import denormalize
from ..structures.joints import LEFT_WRIST, NUM_HAND_JOINTS, NUM_JOINTS, OWN_WRIST, RIGHT_WRIST, SIDES
from ..structures.results import FrameResult
from ..utils.images import write_image
from .clean_hands import RestoredHands
from .draw_stages import draw_stages
from .models.hdr_plugin import HDRPlugin


class Stages(TypedDict):
    """The stages of one crop, as `draw_stages` takes them."""

    image: np.ndarray
    masks: np.ndarray
    clean: np.ndarray
    present: np.ndarray


def stages_of(images: Tensor, found: RestoredHands, index: int = 0) -> Stages:
    """Return the stages of one crop: the crop, its masks, the clean images, and which hands passed the gates.

    Args:
        images: (B, 3, S, S) BGR, 0 to 255, that the plugin received.
        found: The plugin's result.
        index: Index of the crop in the batch.
    """
    size = found.clean.shape[-1]
    clean = np.zeros((len(SIDES), size, size, 3), np.uint8)
    for number, (crop, side) in enumerate(found.hands):
        if crop == index:
            image = _uint8(found.clean[number])
            clean[side] = image[:, ::-1] if side == 1 else image
    return {
        "image": _uint8(images[index]),
        "masks": found.masks[index].cpu().numpy().astype(np.uint8),
        "clean": clean,
        "present": found.present[index],
    }


def _uint8(image: Tensor) -> np.ndarray:
    """Convert (3, H, W), 0 to 255, to (H, W, 3) uint8."""
    return np.ascontiguousarray(image.float().clamp(0, 255).round().byte().permute(1, 2, 0).cpu().numpy())


def show_stages(inferencer: InterHandInferencer, source: str, out_dir: str | Path, tile_px: int = 256) -> list[Path]:
    """Write a strip of stages for every image of a source. Each image is one crop: its box, or all of it.

    Args:
        inferencer: Inferencer of a config with an HDR plugin and without a detector.
        source: Image file, or folder of images.
        out_dir: Folder that receives `<name>.jpg`.
        tile_px: Side of a stage in px.

    Returns:
        The written files.

    Raises:
        ConfigError: The config has no plugin.
        InputError: The source is not an image, or some images could not be read (after all others were written).
        OutputError: The folder cannot be written.
    """
    if not isinstance(inferencer.plugin, HDRPlugin):
        raise ConfigError(
            "the config has no HDR plugin, so it has no stages", fix="--hdr configs/hdr/small.py CKPT CKPT CKPT"
        )
    opened = open_source(source)
    if opened.kind != "images":
        raise InputError(
            f"stages are drawn for images only: {source}", got=opened.kind, fix="topdown_demo.py --hdr ..."
        )
    stems = output_stems(out_dir, opened)
    written = []
    calls: deque[tuple[Tensor, RestoredHands]] = deque()  # one per image, in their order
    hook = inferencer.plugin.register_forward_hook(lambda _, args, found: calls.append((args[0], found)))
    try:
        for frame in inferencer.infer(opened):
            stem = stems[frame.source]
            written.append(stem.with_name(f"{stem.name}.jpg"))
            write_image(written[-1], _frame_strip(inferencer, frame, *calls.popleft(), tile_px))
    finally:
        hook.remove()
    if opened.skipped:
        raise InputError(f"{opened.skipped} of {opened.length} images could not be read", got=opened.problem)
    return written


def _frame_strip(
    inferencer: InterHandInferencer, frame: FrameResult, images: Tensor, found: RestoredHands, tile_px: int
) -> np.ndarray:
    """Draw the stages of a frame, from the `images` that the plugin received and what it `found` there."""
    hands = frame.hands[0] if frame.hands else None
    height, width = frame.image.shape[:2]
    whole = np.array(inferencer.options.bbox or (0.0, 0.0, width, height))
    crop = cut(frame.image, whole if hands is None else hands.bbox, WHOLE, inferencer.pose.network.input_size)
    points, keypoints_mm = np.full((NUM_JOINTS, 2), np.nan), np.full((NUM_JOINTS, 3), np.nan)
    if hands is not None:
        points, keypoints_mm = crop.warp.to_crop(hands.keypoints[:, :2]), hands.keypoints_mm
    return draw_stages(**stages_of(images, found), points=points, keypoints_mm=keypoints_mm, tile_px=tile_px)


@torch.no_grad()
def draw_samples(model: Any, samples: Subset[Any], indices: list[int], tile_px: int = 192) -> np.ndarray:
    """Draw strips of stages of data set samples below each other, with the true joints in gray.

    Args:
        model: An `InterHandEstimator` with the plugin, from `HDRRun.open`.
        samples: Samples of a data set, from `HDRRun.open`.
        indices: Which of the samples are drawn.
        tile_px: Side of a stage in px.

    Returns:
        (N * tile_px, 9 * tile_px, 3) uint8 BGR.
    """
    rows = []
    for index in indices:
        data = model.data_preprocessor(pseudo_collate([samples[index]]), False)
        found = model.replace_hands(**data)
        sample = model.predict_with(**data, replaced=found)[0]
        keypoints, truth = sample.pred_instances.keypoints, sample.gt_instances.keypoints_cam[0].astype(np.float64)
        scalars = [np.asarray(sample.get(key))[None] for key in ("abs_depth", "focal", "principal_pt")]
        rel_root = np.zeros((NUM_JOINTS, 3))
        # Predicted and true hands are drawn with the true distance between the wrists.
        rel_root[NUM_HAND_JOINTS:] = truth[LEFT_WRIST] - truth[RIGHT_WRIST]
        images = denormalize(data["inputs"], model.data_preprocessor)
        rows.append(
            draw_stages(
                **stages_of(images, found),
                points=sample.warp.to_crop(keypoints[0, :, :2]),
                keypoints_mm=wrist_relative_mm(keypoints, *scalars)[0] + rel_root,
                truth_mm=truth - truth[OWN_WRIST] + rel_root,
                label=f"hidden: {sample.occlusion[0]:.0%}, {sample.occlusion[1]:.0%}" if "occlusion" in sample else "",
                tile_px=tile_px,
            )
        )
    return np.vstack(rows)
