"""Saving predictions beside the metrics (`tools/test.py --dump`)."""

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
    """Write preds.npz in dataset order; adds no number.

    Args:
        out_file: Where to.
    """

    def __init__(self, out_file: str) -> None:
        super().__init__()
        self.out_file = Path(out_file)

    def process(self, data_batch: Any, data_samples: Sequence[dict[str, Any]]) -> None:
        """Keep one batch's predictions (about 1 KB a sample)."""
        for sample in data_samples:
            predicted = sample["pred_instances"]
            if "bins" not in predicted:
                raise EvaluationError("DumpPredictions: a network without bins", want="one of 42 joints in 3D")
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
        """Gather all processes' samples and write them, each once, in dataset order."""
        rows = {row["sample_idx"]: row for part in all_gather_object(self.results) for row in part}
        self.results.clear()
        if is_main_process():
            ordered = [rows[index] for index in sorted(rows)]
            save_predictions(
                self.out_file, {key: np.array([r[key] for r in ordered]) for key in ordered[0] if key != "sample_idx"}
            )
        return {}

    def compute_metrics(self, results: list) -> dict[str, float]:
        """No number comes of it."""
        return {}
