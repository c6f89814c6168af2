"""The metrics from saved predictions, without a network."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tqdm import tqdm

from ..errors import EvaluationError
from ..evaluation.metrics.base import SCALARS, TRUTH
from ..registry import DATASETS, METRICS
from ..utils.config import map_pipelines
from ..utils.predictions import load_predictions
from ..utils.provenance import provenance
from .report import metrics_report
from .test import ORIGINAL, collect

_CHUNK = 256


def evaluate_predictions(cfg: Config, predictions: str) -> dict[str, Any]:
    """Evaluate preds.npz against the config's test set.

    Raises:
        EvaluationError: The file's samples are not the set's, in its order.
    """
    init_default_scope(cfg.default_scope)
    arrays = load_predictions(predictions)
    dataset = DATASETS.build(map_pipelines(cfg.test_dataloader.dataset, lambda _: []))
    if len(dataset) != len(arrays["ann_id"]):
        raise EvaluationError(
            f"{predictions}: samples", got=len(arrays["ann_id"]), want=len(dataset),
            mend="give the --data-root, --split and --annot-subset that the predictions were made with",
        )  # fmt: skip
    metrics = [METRICS.build(metric) for metric in cfg.test_evaluator]
    for start in tqdm(range(0, len(dataset), _CHUNK), desc="evaluating", disable=len(dataset) < 10 * _CHUNK):
        batch = [_sample(dataset, arrays, i) for i in range(start, min(start + _CHUNK, len(dataset)))]
        for metric in metrics:
            metric.process(None, batch)
    numbers: dict[str, float] = {}
    for metric in metrics:
        numbers.update(metric.evaluate(len(dataset)))
    report = collect(numbers, metrics)
    origin = provenance(config=str(cfg.filename), predictions=str(predictions))
    return metrics_report({ORIGINAL: report}, dataset, origin)


def _sample(dataset: Any, arrays: dict[str, np.ndarray], i: int) -> dict[str, Any]:
    truth = dataset.get_data_info(i)
    if truth["ann_id"] != arrays["ann_id"][i]:
        raise EvaluationError(
            f"row {i} of the predictions", got=f"annotation {arrays['ann_id'][i]}", want=f"annotation {truth['ann_id']}"
        )
    predicted = {name: arrays[name][i : i + 1] for name in ("keypoints", "rel_root_depth", "hand_prob")}
    sample = {name: truth[name] for name in (*SCALARS, "dataset_name", "sample_idx", "bone_mm") if name in truth}
    return {**sample, "gt_instances": {name: truth[name] for name in TRUTH}, "pred_instances": predicted}
