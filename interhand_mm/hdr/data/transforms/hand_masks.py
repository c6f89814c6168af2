"""Stored masks of both hands: the bits of docs/datasets/synthetic.md, cropped with their picture."""

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
    """Masks of a sample as its file has them, (4, H, W) uint8, 0 or 1, ordered as `MASK_NAMES`; mirrored if it is.

    Args:
        sample: With `mask_path` and `image_size`.
        part: "hand", or "limb" with the arm.

    Raises:
        ImageError: No mask is named, or the file is missing, unreadable, or of another size or type.
    """
    if "mask_path" not in sample:
        raise ImageError(f"annotation {sample.get('ann_id')}: no mask file", want="mask_root in the data set's config")
    path = sample["mask_path"]
    bits = read_image(path, cv2.IMREAD_UNCHANGED)
    width, height = sample["image_size"]
    if bits.shape != (height, width) or bits.dtype != np.uint8:
        raise ImageError(
            f"mask {path}: shape and type",
            got=f"{bits.shape}, {bits.dtype}",
            want=f"{(height, width)}, uint8",
            fix=CHECK_DOWNLOAD,
        )
    masks = unpack_masks(bits, part)
    return mirror_masks(masks) if is_flipped(sample) else masks


@TRANSFORMS.register_module()
class CropHandMasks(BaseTransform):
    """Add `masks` (4, h, w) uint8 of the crop and `occlusion` (2,), the share of either hand that is hidden.

    It stands after the crop. The share is of the hand without its arm, in the whole picture.

    Args:
        part: Of `masks`: "hand", or "limb" with the arm.
    """

    def __init__(self, part: MaskPart = "limb") -> None:
        if part not in MASK_BITS:
            raise ConfigError("CropHandMasks: part", got=part, want="hand or limb")
        self.part = part

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """See the class; errors are `read_hand_masks`'s."""
        height, width = results["img"].shape[:2]
        masks = read_hand_masks(results, self.part)
        hands = read_hand_masks(results, "hand")
        # The masks are mirrored already.
        results["masks"] = warp_mask(masks, results["warp"].full_to_crop, (width, height))
        results["occlusion"] = np.array([occlusion_rate(*hands[:2]), occlusion_rate(*hands[2:])], np.float32)
        return results
