"""Hands that were found twice in one image, because they lie in the crops of two regions."""

from __future__ import annotations

import numpy as np

from ..structures.joints import HANDS

# Two poses of one hand differ by less than this, as a share of the hand's larger side. Two hands that hold each other
# lie in one crop, so this limit decides between crops only.
MAX_DISTANCE = 0.35


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
            if any(_same(hand, other) for other in kept):
                repeated[region, side] = True
            else:
                own.append(hand)
        kept += own
    return repeated


def _same(first: np.ndarray, second: np.ndarray) -> bool:
    distance = float(np.linalg.norm(first - second, axis=-1).mean())
    return distance < MAX_DISTANCE * max(float(np.ptp(hand, axis=0).max()) for hand in (first, second))
