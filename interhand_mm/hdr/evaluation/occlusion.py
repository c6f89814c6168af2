"""Single-hand error of interacting hands by how much of the hand is hidden."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ...errors import EvaluationError
from ...registry import METRICS
from ...structures.joints import SIDES
from .metrics import HandEPE, _array


@METRICS.register_module()
class OcclusionEPE(HandEPE):
    """`HandEPE` of the hands of two-hand samples, in bins of their occlusion rate; single hands do not count.

    A sample brings `occlusion` (2,), the share of the right and the left hand that is hidden by its true masks
    (`CropHandMasks`). Numbers: "EPE_root/0-10", "EPE_root/all" and so on, mm; details: hands in every bin, and those
    of them whose keypoints are the HDR plugin's.

    Args:
        edges: Rising, from 0 to 1; a bin holds its lower edge, and the last one also 1.
        prefix: See `RunningMetric`.
    """

    def __init__(self, edges: Sequence[float] = (0.0, 0.1, 0.3, 0.5, 1.0), prefix: str | None = None) -> None:
        super().__init__(prefix=prefix)
        if len(edges) < 2 or edges[0] != 0 or edges[-1] != 1 or (np.diff(edges) <= 0).any():
            raise EvaluationError("OcclusionEPE: edges", got=tuple(edges), want="rising numbers from 0 to 1")
        self.edges = np.array(edges, np.float64)
        percent = [f"{100 * edge:g}" for edge in edges]
        self.group_names = tuple(f"{low}-{high}" for low, high in pairwise(percent))

    def stack(self, data_samples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
        """As the parent's, with `occlusion` (B, 2) and `restored` (B, 2)."""
        batch = super().stack(data_samples)
        batch["occlusion"] = np.stack([_array(sample, "occlusion", (len(SIDES),)) for sample in data_samples])
        restored = [sample["pred_instances"].get("replaced", np.zeros((1, len(SIDES))))[0] for sample in data_samples]
        batch["restored"] = np.stack(restored)
        return batch

    def groups(self, batch: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Hands (B * 2,) of each bin."""
        index = np.searchsorted(self.edges, batch["occlusion"].astype(np.float64).ravel() + 1e-9, side="right") - 1
        index = np.minimum(index, len(self.group_names) - 1)
        interacting = np.repeat(batch["hand_type"].min(-1) > 0, len(SIDES))
        return [interacting & (index == bin_) for bin_ in range(len(self.group_names))]

    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """The parent's sums, then hands and restored hands of every bin."""
        hands = [(members.sum(), batch["restored"].ravel()[members].sum()) for members in self.groups(batch)]
        return np.concatenate([super().batch_sums(batch), np.array(hands, np.float64).ravel()])

    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """See the parent."""
        bins = len(self.group_names)
        numbers, details = super().finish(sums[: 4 * bins])
        hands, restored = sums[4 * bins :].reshape(bins, 2).T.astype(int).tolist()
        details["counts"]["hands"] = dict(zip(self.group_names, hands, strict=True))
        details["counts"]["restored"] = dict(zip(self.group_names, restored, strict=True))
        return numbers, details
