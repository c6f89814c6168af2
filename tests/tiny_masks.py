"""Bit-coded masks for the tiny data set: each limb a polygon round its joints, the left hand in front."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from interhand_mm.datasets import InterHandDataset

ARM_PX = 24


def write_masks(root: Path, split: str = "train") -> Path:
    """Write masks/ of `tiny.write_set`'s images; returns that folder."""
    folder = root / "masks"
    dataset = InterHandDataset(data_root=str(root), split=split, mask_root=str(folder), cache_dir=str(root / "cache"))
    for i in range(len(dataset)):
        sample = dataset.load_item(i)
        width, height = sample["image_size"]
        shapes = {}
        for side in (0, 1):
            for part, grown in (("hand", 0), ("limb", ARM_PX)):
                mask = np.zeros((height, width), np.uint8)
                if sample["hand_type"][0, side]:
                    points = sample["keypoints"][0, 21 * side : 21 * side + 21, :2].copy()
                    points[20, 1] += grown
                    cv2.fillConvexPoly(mask, cv2.convexHull(np.rint(points).astype(np.int32)), 1)
                shapes[side, part] = mask
        bits = np.zeros((height, width), np.uint8)
        for part, codes in (("hand", (1, 4, 2, 8)), ("limb", (16, 64, 32, 128))):
            right, left = shapes[0, part], shapes[1, part]
            for mask, code in zip((right, right * (1 - left), left, left), codes, strict=True):
                bits |= mask * np.uint8(code)
        path = Path(sample["mask_path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), bits)
    return folder
