"""Saves predictions during a test (`tools/test.py --dump`)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.dist import all_gather_object, is_main_process
from mmengine.evaluator import BaseMetric

from ...errors import EvaluationError
from ...registry import METRICS
from ..predictions_file import save_predictions


@METRICS.register_module()
class DumpPredictions(BaseMetric):
    """Write preds.npz in the order of the data set. It adds no number to the metrics.

    Args:
        out_file: Path of preds.npz.
    """

    def __init__(self, out_file: str) -> None:
        super().__init__()
        self.out_file = Path(out_file)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep the predictions of a batch, about 1 KB per sample."""
        for sample in data_samples:
            predicted = sample["pred_instances"]
            if "bins" not in predicted:
                raise EvaluationError(
                    "preds.npz holds 42 joints in 3D, which this network does not predict", want="bins"
                )
            self.results.append(
                {
                    "sample_idx": sample["sample_idx"],
                    "img_path": sample["img_path"],
                    "ann_id": sample["ann_id"],
                    "keypoints": predicted["keypoints"][0],
                    "keypoint_scores": predicted["keypoint_scores"][0],
                    "bins": predicted["bins"][0],
                    "rel_root_depth": predicted["rel_root_depth"][0],
                    "hand_prob": predicted["hand_prob"][0],
                    "bbox": predicted["bboxes"][0],
                }
            )

    def evaluate(self, size: int) -> dict[str, float]:
        """Gather the samples of all processes and write each once, in the order of the data set."""
        rows = {row["sample_idx"]: row for part in all_gather_object(self.results) for row in part}
        self.results.clear()
        if is_main_process():
            ordered = [rows[index] for index in sorted(rows)]
            save_predictions(
                self.out_file, {key: np.array([r[key] for r in ordered]) for key in ordered[0] if key != "sample_idx"}
            )
        return {}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Return no numbers."""
        return {}
