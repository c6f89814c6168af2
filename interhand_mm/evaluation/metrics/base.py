"""Parent of the metrics. It keeps running sums only, so results do not depend on how processes share the data."""

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
    """Stack the samples of a batch, given as dicts, into arrays with a leading batch axis.

    Returns:
        The predictions `pred_keypoints` (B, 42, 3), `pred_rel_root_depth` (B,) and `pred_hand_prob` (B, 2), and the
        fields with role "metric" of `structures/sample.py`, without the instance axis.
    """
    batch = {f"pred_{key}": np.stack([s["pred_instances"][key][0] for s in data_samples]) for key in _PREDICTED}
    for key in TRUTH:
        batch[key] = np.stack([s["gt_instances"][key][0] for s in data_samples])
    for key in SCALARS:
        batch[key] = np.stack([s[key] for s in data_samples])
    return batch


class RunningMetric(BaseMetric):
    """A metric as a vector of float64 sums, added up over batches and processes.

    A child implements `batch_sums` (the vector of a batch) and `finish` (numbers from the sums). Nothing is stored per
    sample.

    Args:
        prefix: Prefix of every number's name, for two test sets in one run.
        dataset: Evaluate only the samples of this `dataset_name`, if the loader mixes several sets. It is also the
            default prefix. None: evaluate all samples.
    """

    default_prefix = None

    def __init__(self, prefix: str | None = None, dataset: str | None = None) -> None:
        super().__init__(prefix=prefix or dataset)
        self.dataset = dataset
        self._sums: np.ndarray | None = None
        self._seen = 0
        self._own = np.zeros(2, np.int64)  # samples of this metric's data set, and how many of them were left out
        self.details: dict[
            str, Any
        ] = {}  # per-joint means and counts of the last evaluation; "skipped" is among "samples"

    def stack(self, data_samples: Sequence[dict[str, Any]]) -> dict[str, np.ndarray]:
        """Return the arrays of a batch for `batch_sums`; override it to evaluate other fields."""
        return stack_batch(data_samples)

    @abstractmethod
    def batch_sums(self, batch: dict[str, np.ndarray]) -> np.ndarray:
        """Return the sums of a stacked batch, a vector that always has the same length."""

    @abstractmethod
    def finish(self, sums: np.ndarray) -> tuple[dict[str, float], dict[str, Any]]:
        """Return the numbers, and details for the report, from the sums over the whole set."""

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Add the sums of a batch."""
        self._seen += len(data_samples)
        own = [s for s in data_samples if self.dataset in (None, s.get("dataset_name"))]
        if not own:
            return
        self._own += (len(own), sum(bool(s.get("skipped")) for s in own))
        sums = np.asarray(self.batch_sums(self.stack(own)), np.float64)
        self._sums = sums if self._sums is None else self._sums + sums

    def evaluate(self, size: int) -> dict[str, float]:
        """Add up the sums of all processes and return the numbers.

        Args:
            size: Number of samples in the data set; every one must have been seen exactly once.

        Raises:
            EvaluationError: If samples were left out or counted twice, for example by a sampler that pads.
        """
        sums = self._sums if self._sums is not None else np.zeros(0)
        seen, length = torch.tensor([self._seen, *self._own.tolist()]), torch.tensor([len(sums)])
        if get_world_size() > 1:
            all_reduce(length, "max")  # a process without samples needs the length from the others
            total = torch.from_numpy(np.pad(sums, (0, int(length) - len(sums))))
            all_reduce(total, "sum")
            all_reduce(seen, "sum")
            sums = total.numpy()
        self._sums, self._seen, self._own = None, 0, np.zeros(2, np.int64)
        seen_total, samples, skipped = seen.tolist()
        if seen_total != size:
            raise EvaluationError(
                f"{type(self).__name__} has not seen every sample exactly once",
                got=seen_total,
                want=size,
                fix="set round_up=False in the sampler of this dataloader, so that none is repeated",
            )
        if not len(sums):
            raise EvaluationError(
                f"{type(self).__name__}: none of the {size} samples belongs to data set '{self.dataset}'",
                fix="use the dataset_name of the data set's METAINFO, or leave `dataset` out",
            )
        numbers, self.details = self.finish(sums)
        counts = {**self.details.get("counts", {}), "samples": samples, "skipped": skipped}
        self.details = {**self.details, "counts": counts}
        return {f"{self.prefix}/{name}" if self.prefix else name: value for name, value in numbers.items()}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Raise an error: this metric works on sums, through `evaluate`."""
        raise EvaluationError(f"{type(self).__name__} has sums instead of results", fix="call evaluate(size)")
