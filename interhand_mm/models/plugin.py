"""The door through which a plugin replaces the predictions of a pose estimator."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log
from mmengine.structures import InstanceData
from torch import Tensor

from ..checkpoints.io import load_checked
from ..structures.joints import NUM_HAND_JOINTS


@dataclass
class CleanHands:
    """Either hand alone, of a batch of B crops of S px; N hands passed the gates.

    Attributes:
        masks: (B, 4, S, S) float 0 or 1, order `MASK_NAMES`.
        present: (B, 2) bool, hands that passed; only these are among the N.
        hands: (N, 2) int64: number of the crop, side (0 right, 1 left).
        affines: (N, 2, 3) float64 from the crop to the hand's, left hands mirrored.
        seen: (N, 3, h, h) BGR, 0 to 255: the hand's crop as it is.
        clean: (N, 3, h, h) BGR, 0 to 255: the hand as it would look without the other; `seen` where nothing was edited.
    """

    masks: Tensor
    present: np.ndarray
    hands: np.ndarray
    affines: np.ndarray
    seen: Tensor
    clean: Tensor


@dataclass
class RestoredHands(CleanHands):
    """And the poses that were estimated from `clean`.

    Attributes:
        keypoints: (N, 21, 3) float64: x, y px of the CROP and d mm relative to the wrist, mirrored back.
        keypoint_scores: (N, 21).
    """

    keypoints: np.ndarray
    keypoint_scores: np.ndarray


def merge_hands(instances: list[InstanceData], found: RestoredHands, crop_scale: int, codec: Any) -> None:
    """Put restored hands into the base network's predictions, in place; coordinates become those of the large crop.

    Args:
        instances: From `HandHead.predict`, in px of the network's input.
        found: The plugin's result; a hand that it refused stays the base network's.
        crop_scale: px of the large crop a px of the network's input.
        codec: For the `bins` that go with the keypoints.
    """
    for each, present in zip(instances, found.present, strict=True):
        each.keypoints[..., :2] *= crop_scale
        each.pred_hdr = present[None].astype(np.float32)
    for (i, side), points, scores in zip(found.hands, found.keypoints, found.keypoint_scores, strict=True):
        own = slice(side * NUM_HAND_JOINTS, (side + 1) * NUM_HAND_JOINTS)
        instances[i].keypoints[0, own] = points
        instances[i].keypoint_scores[0, own] = scores
        instances[i].bins[0, own] = codec.to_bins(points / np.array([crop_scale, crop_scale, 1.0]))


def load_parts(model: torch.nn.Module) -> None:
    """Read the checkpoints that a model's HDR plugin names, where it has one; a part without stays as initialized.

    Raises:
        CheckpointError: See `load_checked`.
    """
    plugin: Any = getattr(model, "hdr", None)
    if plugin is None:
        return
    for name, path in plugin.checkpoints.items():
        if path is None:
            print_log(f"HDRPlugin: no checkpoint for its {name}, weights are random", "current", logging.WARNING)
        else:
            load_checked(getattr(plugin, name), path, ignore="discriminator." if name == "inpaintor" else "")
    plugin.loaded = True
