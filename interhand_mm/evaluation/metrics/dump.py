"""Saves predictions during a test (`tools/test.py --dump`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import gather_object, is_main_process
from mmengine.evaluator import BaseMetric

from ...errors import EvaluationError
from ...registry import METRICS
from ..predictions_file import save_predictions

_OF_SAMPLE = ("img_path", "ann_id")
_PREDICTED = ("keypoints", "keypoint_scores", "bins", "rel_root_depth", "hand_prob", "bbox")


@METRICS.register_module()
class DumpPredictions(BaseMetric):
    """Write preds.npz in the order of the data set. It adds no number to the metrics.

    Args:
        out_file: Path of preds.npz.
    """

    def __init__(self, out_file: str) -> None:
        super().__init__()
        self.results: list[dict[str, np.ndarray]] = []  # one dict of columns per batch
        self.out_file = Path(out_file)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep the predictions of a batch, about 1 KB per sample."""
        if any("bins" not in sample["pred_instances"] for sample in data_samples):
            raise EvaluationError("preds.npz holds 42 joints in 3D, which this network does not predict", want="bins")
        columns = {name: np.array([sample[name] for sample in data_samples]) for name in ("sample_idx", *_OF_SAMPLE)}
        columns["skipped"] = np.array([bool(sample.get("skipped")) for sample in data_samples])
        for name in _PREDICTED:
            values = [sample["pred_instances"]["bboxes" if name == "bbox" else name][0] for sample in data_samples]
            columns[name] = np.array(values, np.float32)
        self.results.append(columns)

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather the samples of all processes in the first one, which writes each once, in the order of the data set.

        Raises:
            EvaluationError: Samples are missing, or several samples have the same number.
        """
        parts = gather_object(self.results)
        self.results = []
        if not is_main_process():
            return {}
        batches = [batch for part in parts or [] for batch in part]
        columns = {name: np.concatenate([batch.pop(name) for batch in batches]) for name in list(batches[0])}
        numbers, rows = np.unique(columns.pop("sample_idx"), return_index=True)
        if len(numbers) != size:
            raise EvaluationError(
                f"{self.out_file} would not contain every sample of the test set once",
                got=f"{len(numbers)} different samples",
                want=size,
                fix="join data sets with MixedHandDataset, which numbers the samples of all of them",
            )
        save_predictions(self.out_file, {name: column[rows] for name, column in columns.items()})
        return {}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return no numbers."""
        return {}
