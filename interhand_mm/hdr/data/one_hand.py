"""Single right hands from data in InterHand2.6M's format, for networks that know one hand only."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...datasets.interhand import InterHandDataset
from ...datasets.transforms.geometry import flip_sample
from ...registry import DATASETS
from ...structures.joints import NUM_HAND_JOINTS
from ..masks import occlusion_rate
from .transforms.hand_masks import read_hand_masks


def keep_hand(sample: dict[str, Any], side: int) -> dict[str, Any]:
    """Reduce a sample to its hand `side` (0 right, 1 left), in place. A left hand is mirrored.

    The other hand's joints become invalid, and so do handedness and relative root depth.
    """
    if side == 1:
        flip_sample(sample)
    visible = sample["keypoints_visible"].copy()
    visible[:, NUM_HAND_JOINTS:] = 0
    one = np.array([[1, 0]], np.float32)
    sample.update(keypoints_visible=visible, hand_type=one)
    sample.update(hand_type_valid=np.float32(0), rel_root_valid=np.float32(0))
    return sample


@DATASETS.register_module()
class OneHandDataset(InterHandDataset):
    """The hands of `InterHandDataset`, one per sample, with left hands mirrored. Joints 0 to 20 are the hand's own.

    Args:
        interacting: None for single-hand images only (the published setting). A number adds the hands of two-hand
            images of which at most this share is hidden, by the masks of `mask_root`; 1 adds all of them.
        **kwargs: Arguments of `InterHandDataset`.
    """

    def __init__(self, interacting: float | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        kinds = self.hand_kinds
        items = [(row, int(kind) - 1) for row, kind in enumerate(kinds) if kind in (1, 2)]
        self._items: list[tuple[int, int]] = []  # (sample of the parent class, side)
        if interacting is not None:
            for row in np.flatnonzero(kinds == 3).tolist():
                items += [(row, side) for side in (0, 1) if self._hidden_share(row, side, interacting) <= interacting]
        self._items = sorted(items)

    def _hidden_share(self, row: int, side: int, limit: float) -> float:
        if limit >= 1:
            return 0.0
        masks = read_hand_masks(super().load_item(row))
        return occlusion_rate(masks[2 * side], masks[2 * side + 1])

    def __len__(self) -> int:
        """Return the number of hands."""
        return len(self._items)

    def load_item(self, idx: int) -> dict[str, Any]:
        """Return hand `idx`; see `keep_hand`."""
        row, side = self._items[idx]
        return keep_hand(super().load_item(row), side)
