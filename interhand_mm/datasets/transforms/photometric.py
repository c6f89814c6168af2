"""Color augmentation."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from ...registry import TRANSFORMS


@TRANSFORMS.register_module()
class ChannelJitter(BaseTransform):
    """Multiply each color channel by its own random factor.

    Args:
        low: Smallest factor.
        high: Largest factor.
    """

    def __init__(self, low: float = 0.8, high: float = 1.2) -> None:
        self.low, self.high = low, high

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Change `img` (H, W, 3) uint8; values are clipped to 0..255."""
        factors = results["rng"].uniform(self.low, self.high, 3)
        table = np.clip(np.arange(256)[:, None] * factors + 0.5, 0, 255).astype(np.uint8)
        results["img"] = cv2.LUT(results["img"], table[None])
        return results
