"""Seeds: every random draw comes from a generator that depends on (seed, split, purpose, index) alone."""

from __future__ import annotations

import numpy as np

SEED_SPLITS = ("train", "val", "test")  # the index of a split is part of every seed, so this order must not change
# Purposes: the third number of a seed, so that different purposes never share a random stream.
SUBJECT, STEP, SEQUENCE, PAINT, TONE, SCENE, VIEW, PHOTO, OBJECT = 1, 2, 3, 4, 6, 7, 8, 9, 10
AIH_RECIPES = 5  # the second number of the seed of the AIH recipes


def stream(seed: int, split: str, purpose: int, *index: int) -> np.random.Generator:
    """Return the random generator of one purpose and index.

    Args:
        seed: Seed of the whole data set.
        split: "train", "val" or "test".
        purpose: One of the constants above.
        index: Number of the subject, time step, sequence or scene, and further numbers where one needs several streams.

    Example:
        >>> a, b = stream(0, "train", STEP, 7), stream(0, "train", STEP, 7)
        >>> a.random() == b.random()
        True
        >>> stream(0, "test", STEP, 7).random() == stream(0, "train", STEP, 7).random()
        False
    """
    return np.random.default_rng((seed, SEED_SPLITS.index(split), purpose, *index))
