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
from ...masks import mirror_masks, occlusion_rate

# Right amodal, right visible, left amodal, left visible (`MASK_NAMES`) of the hand alone, and with its arm.
PARTS = {"hand": (1, 4, 2, 8), "limb": (16, 64, 32, 128)}


def read_hand_masks(sample: dict[str, Any], part: str = "hand") -> np.ndarray:
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
    masks = np.stack([(bits & bit) > 0 for bit in PARTS[part]]).astype(np.uint8)
    return mirror_masks(masks) if is_flipped(sample) else masks


@TRANSFORMS.register_module()
class CropHandMasks(BaseTransform):
    """Add `masks` (4, h, w) uint8 of the crop and `occlusion` (2,), the share of either hand that is hidden.

    It stands after the crop. The share is of the hand without its arm, in the whole picture.

    Args:
        part: Of `masks`: "hand", or "limb" with the arm.
    """

    def __init__(self, part: str = "limb") -> None:
        if part not in PARTS:
            raise ConfigError("CropHandMasks: part", got=part, want="hand or limb")
        self.part = part

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """See the class; errors are `read_hand_masks`'s."""
        height, width = results["img"].shape[:2]
        masks = read_hand_masks(results, self.part)
        # The masks are mirrored already.
        affine = results["warp"].full_to_crop
        soft = (cv2.warpAffine(255 * mask, affine, (width, height)) for mask in masks)
        hands = read_hand_masks(results, "hand")
        results["masks"] = np.stack([(each > 127).astype(np.uint8) for each in soft])
        results["occlusion"] = np.array([occlusion_rate(*hands[:2]), occlusion_rate(*hands[2:])], np.float32)
        return results
