"""Stored masks of both hands (the bits of docs/datasets/synthetic.md), cropped like their image."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ....errors import ConfigError, ImageError
from ....registry import TRANSFORMS
from ....structures.sample import is_flipped
from ....utils.images import CHECK_DOWNLOAD, read_image
from ...masks import MASK_BITS, MaskPart, mirror_masks, occlusion_rate, unpack_masks, warp_mask


def read_hand_masks(sample: dict[str, Any], part: MaskPart = "hand") -> np.ndarray:
    """Read the masks of a sample, (4, H, W) uint8, 0 or 1, in the order of `MASK_NAMES`, mirrored if the sample is.

    Args:
        sample: A sample with `mask_path` and `image_size`.
        part: "hand", or "limb" for the hand with its arm.

    Raises:
        ImageError: The sample names no mask, or its file is missing, unreadable, or of another size or type.
    """
    if "mask_path" not in sample:
        raise ImageError(
            f"annotation {sample.get('ann_id')} names no mask file", fix="set mask_root in the data set's config"
        )
    path = sample["mask_path"]
    bits = read_image(path, cv2.IMREAD_UNCHANGED)
    width, height = sample["image_size"]
    if bits.shape != (height, width) or bits.dtype != np.uint8:
        raise ImageError(
            f"the mask {path} has the wrong shape or type",
            got=f"{bits.shape}, {bits.dtype}",
            want=f"{(height, width)}, uint8",
            fix=CHECK_DOWNLOAD,
        )
    masks = unpack_masks(bits, part)
    return mirror_masks(masks) if is_flipped(sample) else masks


@TRANSFORMS.register_module()
class CropHandMasks(BaseTransform):
    """Add `masks` (4, h, w) uint8 of the crop, and `occlusion` (2,), the hidden share of each hand.

    This transform must follow the crop. The hidden share is that of the hand without its arm, in the whole image.

    Args:
        part: "hand", or "limb" for masks of the hand with its arm.
    """

    def __init__(self, part: MaskPart = "limb") -> None:
        if part not in MASK_BITS:
            raise ConfigError("CropHandMasks.part is unknown", got=part, want="hand or limb")
        self.part = part

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add the masks and the hidden shares.

        Raises:
            ImageError: See `read_hand_masks`.
        """
        height, width = results["img"].shape[:2]
        masks = read_hand_masks(results, self.part)
        hands = read_hand_masks(results, "hand")
        # `read_hand_masks` has mirrored the masks already, so the mirror of the warp is not applied again.
        results["masks"] = warp_mask(masks, results["warp"].full_to_crop, (width, height))
        results["occlusion"] = np.array([occlusion_rate(*hands[:2]), occlusion_rate(*hands[2:])], np.float32)
        return results
