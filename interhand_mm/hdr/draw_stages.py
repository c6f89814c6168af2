"""Draw HDR's stages of one crop side by side."""

from __future__ import annotations

import numpy as np

from ..structures.joints import NUM_HAND_JOINTS
from ..utils.images import resize_image
from ..visualization.masks import amodal_tile
from ..visualization.overlay import draw_hands, draw_label
from ..visualization.plot3d import plot_hands

NUM_TILES = 9


def draw_stages(
    image: np.ndarray,
    masks: np.ndarray,
    clean: np.ndarray,
    present: np.ndarray,
    points: np.ndarray,
    keypoints_mm: np.ndarray,
    truth_mm: np.ndarray | None = None,
    label: str = "input",
    tile_px: int = 192,
) -> np.ndarray:
    """Draw nine squares: the crop, its four masks, right and left hand alone, the joints on the crop, and both in 3D.

    A hand that the gates rejected has no clean image, and its joints are the base network's.

    Args:
        image: (S, S, 3) uint8 BGR, the crop.
        masks: (4, S, S), 0 or 1, in the order of `hdr.masks.MASK_NAMES`.
        clean: (2, h, h, 3) uint8 BGR, right and left hand alone; the left one is not mirrored.
        present: (2,) bool, whether the gates accepted the right and the left hand.
        points: (42, 2), px of the crop. NaN joints are not drawn.
        keypoints_mm: (42, 3), mm, camera axes. NaN joints are not drawn.
        truth_mm: (42, 3), mm, camera axes: the true joints, drawn in gray.
        label: Text on the first square.
        tile_px: Side of a square in px.

    Returns:
        (tile_px, 9 * tile_px, 3) uint8 BGR.
    """
    row = amodal_tile(image, masks, clean, np.ones(4), np.asarray(present), label, tile_px)
    large = resize_image(image, (tile_px, tile_px))
    shown = np.isfinite(points).all(axis=-1)
    joints = draw_hands(large, points * (tile_px / image.shape[1]), shown, max(1, tile_px // 96))
    names = []
    for side, name in enumerate(("right", "left")):
        if shown[side * NUM_HAND_JOINTS : (side + 1) * NUM_HAND_JOINTS].any():
            names.append(f"{name} {'HDR' if present[side] else 'base'}")
    space = draw_label(
        plot_hands(keypoints_mm, truth_mm, (tile_px, tile_px)), "3D" if truth_mm is None else "3D, truth gray"
    )
    return np.hstack([row, draw_label(joints, "joints: " + (", ".join(names) or "none")), space])
