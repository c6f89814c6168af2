"""Geometry and color of a sample: flip, crop with augmentation, color factors (docs/spec/datasets.md, section 2.2)."""

from __future__ import annotations

from typing import Any, NamedTuple

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ...codecs import build_codec
from ...registry import TRANSFORMS
from ...structures.camera import compose_affine, crop_affine, mirror_affine
from ...structures.joints import FLIP_INDICES
from ...structures.sample import check_sample, checks_enabled, present_hand_slice


class Augment(NamedTuple):
    """One draw of the geometric augmentation; the default leaves a sample as it is."""

    shift: tuple[float, float] = (0.0, 0.0)  # of the box, in parts of its sides, before a mirror
    scale: float = 1.0  # of the box; above 1 shows more
    rotation_deg: float = 0.0
    flip: bool = False


def draw_augment(
    rng: np.random.Generator, shift: float, scale: float, rotation_deg: float, rotation_prob: float, flip_prob: float
) -> Augment:
    """Draw from the official distributions (docs/spec/datasets.md, section 2.2, step 3).

    Shift uniform in +-`shift`; scale ``1 + scale * clip(N(0,1), -1, 1)``; rotation with `rotation_prob`
    ``rotation_deg * clip(N(0,1), -2, 2)``; flip with `flip_prob`. Every call draws the same number of values.
    """
    shift_x, shift_y = rng.uniform(-shift, shift, 2) if shift else (0.0, 0.0)
    size, turn = rng.standard_normal(2)
    turned, flipped = rng.random(2) < (rotation_prob, flip_prob)
    return Augment(
        (float(shift_x), float(shift_y)),
        1.0 + scale * float(np.clip(size, -1, 1)),
        rotation_deg * float(np.clip(turn, -2, 2)) if turned else 0.0,
        bool(flipped),
    )


def flip_sample(sample: dict[str, Any]) -> dict[str, Any]:
    """Mirror everything the contract names, in place, except the pixels; `flipped` says that it was done.

    Twice is the identity, and the projection of keypoints_cam stays keypoints[..., :2].

    Args:
        sample: Station "dataset"; its `image_size` gives the width.
    """
    last = sample["image_size"][0] - 1
    x1, y1, x2, y2 = sample["bbox"]
    sample["bbox"] = np.array([last - x2, y1, last - x1, y2], sample["bbox"].dtype)
    for key in ("keypoints", "keypoints_cam", "keypoints_visible"):
        sample[key] = sample[key][:, FLIP_INDICES].copy()
    sample["keypoints"][..., 0] = last - sample["keypoints"][..., 0]
    sample["keypoints_cam"][..., 0] *= -1
    sample["principal_pt"] = np.array([last - sample["principal_pt"][0], sample["principal_pt"][1]], np.float32)
    sample["hand_type"] = sample["hand_type"][:, ::-1].copy()
    sample["abs_depth"] = sample["abs_depth"][::-1].copy()
    sample["rel_root_depth"] = -sample["rel_root_depth"]
    sample["flipped"] = not sample.get("flipped", False)
    return sample


def crop_sample(sample: dict[str, Any], augment: Augment, size: tuple[int, int]) -> dict[str, Any]:
    """Shift the box, mirror, and cut the crop out of the image with one warp.

    This is docs/spec/datasets.md, section 2.2, steps 4 to 9.

    Args:
        sample: Station "dataset" with `img` (H, W, 3).
        augment: The draw.
        size: (width, height) px of the crop.

    Returns:
        The sample with `img` the crop, `img_full` the image as read, `warp` (2, 3) from the frame's pixels,
        `warp_read` (2, 3) from pixels as read (the same unless `img_affine` says that only a part or a smaller
        picture was read) and `affine` (2, 3) from (mirrored) full-image pixels, all to crop pixels.
    """
    x1, y1, x2, y2 = sample["bbox"]
    move_x, move_y = augment.shift[0] * (x2 - x1), augment.shift[1] * (y2 - y1)
    sample["bbox"] = (sample["bbox"] + np.array([move_x, move_y, move_x, move_y])).astype(np.float32)
    if augment.flip:
        flip_sample(sample)
    affine = crop_affine(sample["bbox"], size, augment.scale, augment.rotation_deg)
    mirrored = sample.get("flipped", False)
    sample["warp"] = compose_affine(affine, mirror_affine(sample["image_size"][0])) if mirrored else affine
    sample["affine"] = affine
    read = sample.get("img_affine")
    sample["warp_read"] = sample["warp"] if read is None else compose_affine(sample["warp"], read)
    sample["img_full"] = sample["img"]
    sample["img"] = cv2.warpAffine(sample["img_full"], sample["warp_read"], size, flags=cv2.INTER_LINEAR)
    return sample


@TRANSFORMS.register_module()
class HandCropAugment(BaseTransform):
    """Cut the hands out with InterNet's random shift, scale, rotation and mirror.

    Args:
        encoder: The codec's config, for the crop's size; `load_config` writes the one `codec` here.
        shift: Of the box, in parts of its sides.
        scale: Of the box.
        rotation_deg: One standard deviation.
        rotation_prob: Share of samples that are turned.
        flip_prob: Share of samples that are mirrored.
        flip_left_to_right: Mirror a left hand, and it alone, for networks that know right hands only (2D, FreiHAND).
    """

    def __init__(
        self,
        encoder: dict[str, Any],
        shift: float = 0.15,
        scale: float = 0.25,
        rotation_deg: float = 45.0,
        rotation_prob: float = 0.6,
        flip_prob: float = 0.5,
        flip_left_to_right: bool = False,
    ) -> None:
        width, height = build_codec(encoder).input_size
        self.size, self.flip_left_to_right = (width, height), flip_left_to_right
        self.ranges = dict(
            shift=shift, scale=scale, rotation_deg=rotation_deg, rotation_prob=rotation_prob, flip_prob=flip_prob
        )

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """See `crop_sample`."""
        augment = draw_augment(results["rng"], **self.ranges)
        if self.flip_left_to_right:
            left = present_hand_slice(results["hand_type"][0], results["img_path"]).start > 0
            augment = augment._replace(flip=left)
        crop_sample(results, augment, self.size)
        if checks_enabled():
            check_sample(results, "crop", type(self).__name__)
        return results


@TRANSFORMS.register_module()
class HandCrop(HandCropAugment):
    """Cut the hands out as annotated, for validation and test.

    Args:
        encoder: See `HandCropAugment`.
        flip_left_to_right: Likewise.
        crop_scale: Crop px a px of the network's input; `load_config` writes that of the config's HDR plugin here.
    """

    def __init__(self, encoder: dict[str, Any], flip_left_to_right: bool = False, crop_scale: int = 1) -> None:
        still = dict(shift=0.0, scale=0.0, rotation_deg=0.0, rotation_prob=0.0, flip_prob=0.0)
        super().__init__(encoder, **still, flip_left_to_right=flip_left_to_right)
        self.size = (self.size[0] * crop_scale, self.size[1] * crop_scale)
