"""Parent of the metrics: running sums only, equal results for any split of the data over processes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from mmengine.dist import all_reduce, get_world_size
from mmengine.evaluator import BaseMetric

from ...errors import EvaluationError
from ...structures.sample import with_roles

TRUTH, SCALARS = with_roles("truth", "metric"), with_roles("metainfo", "metric")
_PREDICTED = ("keypoints", "rel_root_depth", "hand_prob")


def stack_batch(data_samples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Stack one batch's samples (as dicts) into arrays with a leading batch axis.

    Keys: the prediction's `keypoints` (B, 42, 3), `rel_root_depth` (B,) and `hand_prob` (B, 2) under
    "pred_...", the ground truth under its contract names without the instance axis.
    """
    batch = {f"pred_{key}": np.stack([s["pred_instances"][key][0] for s in data_samples]) for key in _PREDICTED}
    for key in TRUTH:
        batch[key] = np.stack([s["gt_instances"][key][0] for s in data_samples])
    for key in SCALARS:
        batch[key] = np.stack([s[key] for s in data_samples])
    return batch


class RunningMetric(BaseMetric):
    """A metric as a vector of float64 sums, added up over batches and processes.

    A child gives `batch_sums` (the vector of one batch) and `finish` (sums to numbers). Nothing is held for
    each sample.

    Args:
        prefix: Put before every number's name, for two test sets in one run.
        dataset: Evaluate the samples of this `dataset_name` alone, of a loader that mixes several sets; it is also
            the prefix where none is given. None takes all.
    """

    default_prefix = None

    def __init__(self, prefix: str | None = None, dataset: str | None = None) -> None:
        super().__init__(prefix=prefix or dataset)
        self.dataset = dataset
        self._sums: np.ndarray | None = None
        self._seen = 0
        self.details: dict[str, Any] = {}  # per-joint means and counts of the last evaluation

    def stack(self, data_samples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Arrays of one batch for `batch_sums`; a child that evaluates something else than 42 joints has its own."""
        return stack_batch(data_samples)

    @abstractmethod
    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Sums of one stacked batch, always of the same length."""

    @abstractmethod
    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """Turn sums over the whole set into numbers, and details for the report."""

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Add one batch."""
        self._seen += len(data_samples)
        own = [s for s in data_samples if self.dataset in (None, s.get("dataset_name"))]
        if not own:
            return
        sums = np.asarray(self.batch_sums(self.stack(own)), np.float64)
        self._sums = sums if self._sums is None else self._sums + sums

    def evaluate(self, size: int) -> dict[str, float]:
        """Add up over processes and finish.

        Args:
            size: Samples in the data set; every one must have been seen exactly once.

        Raises:
            EvaluationError: Samples were left out or counted twice, as by a sampler that pads.
        """
        sums = self._sums if self._sums is not None else np.zeros(0)
        seen, length = torch.tensor([self._seen]), torch.tensor([len(sums)])
        if get_world_size() > 1:
            all_reduce(length, "max")  # a process without samples learns the vector's length from the others
            total = torch.from_numpy(np.pad(sums, (0, int(length) - len(sums))))
            all_reduce(total, "sum")
            all_reduce(seen, "sum")
            sums = total.numpy()
        self._sums, self._seen, seen_total = None, 0, int(seen)
        if seen_total != size:
            raise EvaluationError(
                f"{type(self).__name__}: samples seen",
                got=seen_total,
                want=size,
                fix="set round_up=False in the sampler of this dataloader, so that none is repeated",
            )
        if not len(sums):
            raise EvaluationError(
                f"{type(self).__name__}: none of {size} samples is of data set '{self.dataset}'",
                fix="name it as the data set's METAINFO does, or leave `dataset` out",
            )
        numbers, self.details = self.finish(sums)
        return {f"{self.prefix}/{name}" if self.prefix else name: value for name, value in numbers.items()}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Not used: `evaluate` works on sums."""
        raise EvaluationError(f"{type(self).__name__} keeps sums, not results", fix="call evaluate(size)")
