"""Error of interacting hands by their hidden share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ...errors import EvaluationError
from ...registry import METRICS
from ...structures.joints import SIDES
from .metrics import HandEPE, sample_array


@METRICS.register_module()
class OcclusionEPE(HandEPE):
    """`HandEPE` of the hands of two-hand samples, in bins of their occlusion rate. Single hands do not count.

    A sample contains `occlusion` (2,), the hidden share of the right and the left hand by its true masks (see
    `CropHandMasks`). The numbers are "EPE_root/0-10", "EPE_root/all" and so on, in mm. The details count the hands of
    every bin, and those of them whose keypoints come from a plugin.

    Args:
        edges: Increasing edges of the bins, from 0 to 1. A bin contains its lower edge, and the last bin also 1.
        prefix: Prefix of every number's name, for two test sets in one run.
    """

    def __init__(self, edges: Sequence[float] = (0.0, 0.1, 0.3, 0.5, 1.0), prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        if len(edges) < 2 or edges[0] != 0 or edges[-1] != 1 or (np.diff(edges) <= 0).any():
            raise EvaluationError("OcclusionEPE.edges must be increasing numbers from 0 to 1", got=tuple(edges))
        self.edges = np.array(edges, np.float64)
        percent = [f"{100 * edge:g}" for edge in edges]
        self.group_names = tuple(f"{low}-{high}" for low, high in pairwise(percent))

    def stack(self, data_samples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Stack like the parent class, and add `occlusion` (B, 2) and `restored` (B, 2)."""
        batch = super().stack(data_samples)
        batch["occlusion"] = np.stack([sample_array(sample, "occlusion", (len(SIDES),)) for sample in data_samples])
        restored = [sample["pred_instances"].get("replaced", np.zeros((1, len(SIDES))))[0] for sample in data_samples]
        batch["restored"] = np.stack(restored)
        return batch

    def groups(self, batch: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Return a mask over the hands (B * 2,) for each bin."""
        index = np.searchsorted(self.edges, batch["occlusion"].astype(np.float64).ravel() + 1e-9, side="right") - 1
        index = np.minimum(index, len(self.group_names) - 1)
        interacting = np.repeat(batch["hand_type"].min(-1) > 0, len(SIDES))
        return [interacting & (index == bin_) for bin_ in range(len(self.group_names))]

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Return the sums of the parent class, then the hands and the restored hands of every bin."""
        hands = [(members.sum(), batch["restored"].ravel()[members].sum()) for members in self.groups(batch)]
        return np.concatenate([super().batch_sums(batch), np.array(hands, np.float64).ravel()])

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """Return the numbers of the parent class, with the hands and the restored hands of every bin in the details."""
        bins = len(self.group_names)
        numbers, details = super().finish(sums[: 4 * bins])
        hands, restored = sums[4 * bins :].reshape(bins, 2).T.astype(int).tolist()
        details["counts"]["hands"] = dict(zip(self.group_names, hands, strict=True))
        details["counts"]["restored"] = dict(zip(self.group_names, restored, strict=True))
        return numbers, details
