"""What the crops of an image show. Hands that lie in the crops of two regions are shown once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ..structures.joints import HANDS
from ..structures.results import Presence
from .pose import Pose
from .tracking import Region

# Two poses of one hand differ by less than this, as a share of the hand's larger side. Two hands that hold each other
# lie in one crop, so this limit decides between crops only.
MAX_DISTANCE = 0.35


class CropHands(NamedTuple):
    """What one crop shows.

    Attributes:
        region: The region of the crop.
        pose: The prediction.
        presence: Decision for the right and the left hand.
        track_ids: Tracks of the right and the left hand; None for images, and for hands that are not shown.
    """

    region: Region
    pose: Pose
    presence: tuple[Presence, Presence]
    track_ids: tuple[int | None, int | None] = (None, None)


def hide_repeats(crops: Sequence[CropHands], scores: Sequence[float]) -> list[CropHands]:
    """Return the crops of an image, each hand shown in one of them; `scores` are as in `repeated_hands`."""
    if len(crops) < 2:
        return list(crops)
    uv = np.stack([crop.pose.keypoints[:, :2] for crop in crops])
    shown = np.array([[presence != "no" for presence in crop.presence] for crop in crops])
    return [_hide(crop, again) for crop, again in zip(crops, repeated_hands(uv, shown, np.array(scores)), strict=True)]


def _hide(crop: CropHands, hidden: np.ndarray) -> CropHands:
    (right, left), ids = crop.presence, crop.track_ids
    return crop._replace(
        presence=("no" if hidden[0] else right, "no" if hidden[1] else left),
        track_ids=(None if hidden[0] else ids[0], None if hidden[1] else ids[1]),
    )


def repeated_hands(uv: np.ndarray, shown: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return which hands of an image were already found in the crop of a better region.

    A region with two hands is better than one with a single hand, because it gives their relative depth; among equals
    the higher score decides. The side does not matter: the same hand may be called right in one crop and left in
    another.

    Args:
        uv: (N, 42, 2) px, joints found in the crops of N regions of one image.
        shown: (N, 2) bool, True where a region shows a right or left hand.
        scores: (N,) detector's score of each region.

    Returns:
        (N, 2) bool, True for hands that repeat a hand of a better region. Hands that are not shown are False.

    Example:
        >>> hand = np.random.default_rng(0).uniform(0, 90, (1, 42, 2))
        >>> shown = np.array([[True, False], [True, True]])
        >>> repeated_hands(np.concatenate([hand + 2, hand]), shown, np.array([0.9, 0.8])).tolist()
        [[True, False], [False, False]]
    """
    repeated = np.zeros_like(shown)
    kept: list[np.ndarray] = []
    order = sorted(range(len(shown)), key=lambda i: (-int(shown[i].sum()), -float(scores[i])))
    for region in order:
        own = []
        for side in np.flatnonzero(shown[region]):
            hand = uv[region, HANDS[side]]
            if any(same_joints(hand, other) for other in kept):
                repeated[region, side] = True
            else:
                own.append(hand)
        kept += own
    return repeated


def same_joints(first: np.ndarray, second: np.ndarray) -> bool:
    """Return whether two poses (21, 2) px are those of one hand. Joints that are not numbers are not."""
    distance = float(np.linalg.norm(first - second, axis=-1).mean())
    return distance < MAX_DISTANCE * max(float(np.ptp(hand, axis=0).max()) for hand in (first, second))
