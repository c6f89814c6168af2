"""What the HDR plugin finds in a batch of crops, stage by stage."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from ..models.plugin import ReplacedHands


@dataclass
class CleanHands:
    """Each hand of B crops of S x S px on its own. N of the 2 B possible hands passed the gates.

    Attributes:
        present: (B, 2) bool, right and left hands that passed the gates.
        hands: (N, 2) int64, one row per hand that passed: index of its crop, and its side (0 right, 1 left).
        masks: (B, 4, S, S) float, 0 or 1, in the order of `hdr.masks.MASK_NAMES`.
        affines: (N, 2, 3) float64, from the crop to the hand's own crop. Left hands are mirrored there.
        seen: (N, 3, h, h) BGR, 0 to 255: the hand's own crop as it was cut out.
        clean: (N, 3, h, h) BGR, 0 to 255: the same crop without the other hand and with the hidden part filled in.
            Equal to `seen` where nothing was edited.
    """

    present: np.ndarray
    hands: np.ndarray
    masks: Tensor
    affines: np.ndarray
    seen: Tensor
    clean: Tensor


@dataclass
class RestoredHands(CleanHands, ReplacedHands):
    """`CleanHands` together with the keypoints that were estimated from `clean`, in px of the crop."""
