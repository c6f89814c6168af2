"""The two-hand samples of a data set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch.utils.data import Subset

from ...errors import EvaluationError
from ...registry import DATASETS

_BOTH = 3  # value of `hand_kinds` for samples that show both hands


def two_hand_samples(config: Mapping[str, Any], limit: int | None = None) -> Subset[Any]:
    """Build a data set and return its samples with two hands.

    Args:
        config: Config of an `InterHandDataset`.
        limit: Maximum number of samples, taken evenly from all of them.

    Raises:
        EvaluationError: The data set has no two-hand samples.
    """
    dataset = DATASETS.build(config)
    chosen = np.flatnonzero(dataset.hand_kinds == _BOTH)
    if not len(chosen):
        raise EvaluationError(f"split '{config.get('split')}' in {config.get('data_root')} has no two-hand samples")
    if limit is not None and limit < len(chosen):
        chosen = chosen[np.linspace(0, len(chosen) - 1, limit).astype(int)]
    return Subset(dataset, chosen.tolist())
