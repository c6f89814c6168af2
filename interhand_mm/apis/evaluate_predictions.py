"""Evaluate saved predictions, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tqdm import tqdm

from ..checkpoints.io import read_checkpoint, write_checkpoint
from ..datasets.base import invalidate
from ..errors import EvaluationError
from ..evaluation.predictions_file import load_predictions
from ..evaluation.report import MetricsReport, metrics_report
from ..inference.handedness import calibrate, cross_entropy
from ..registry import DATASETS, METRICS
from ..structures.sample import with_roles
from ..utils.config import map_pipelines, place_outputs
from ..utils.provenance import provenance
from .test import ORIGINAL, collect

_CHUNK = 256


def evaluate_predictions(cfg: Config, predictions: str) -> MetricsReport:
    """Evaluate a preds.npz on the test set of a config.

    Args:
        cfg: Config from `load_config`.
        predictions: Path of the preds.npz.

    Returns:
        The content of metrics.json, see `metrics_report`.

    Raises:
        EvaluationError: The predictions are not those of the test set's samples, in its order.
    """
    dataset, arrays = _read(cfg, predictions)
    place_outputs(cfg)
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


def calibrate_handedness(cfg: Config, predictions: str, checkpoint: str | Path) -> dict[str, float]:
    """Fit the temperature of the hand probabilities, and write it into the checkpoint for the inferencer.

    Args:
        cfg: Config whose test set was not used for training. To keep the real test set unseen, use the validation set.
        predictions: Path of the preds.npz with the checkpoint's predictions on this set.
        checkpoint: Checkpoint of this project. It is replaced atomically.

    Returns:
        "temperature", and "cross_entropy" and "cross_entropy_calibrated" in nats per hand, before and after.

    Raises:
        EvaluationError: The predictions are not those of the test set's samples, or no sample has a valid `hand_type`.
        CheckpointError: The file is not a checkpoint.
    """
    dataset, arrays = _read(cfg, predictions)
    truth = [_sample(dataset, arrays, i) for i in range(len(dataset))]
    known = np.array([bool(sample["hand_type_valid"]) for sample in truth])
    if not known.any():
        raise EvaluationError(
            "the temperature cannot be fitted", got="no sample with a valid hand_type", want="at least one"
        )
    hand_type = np.stack([np.asarray(sample["gt_instances"]["hand_type"]).reshape(2) for sample in truth])[known]
    hand_prob = arrays["hand_prob"][known]
    temperature = calibrate(hand_prob, hand_type)
    weights = read_checkpoint(checkpoint)
    weights["meta"] = {**(weights.get("meta") or {}), "handedness_temperature": temperature}
    write_checkpoint(checkpoint, weights)
    return {
        "temperature": temperature,
        "cross_entropy": cross_entropy(hand_prob, hand_type, 1.0),
        "cross_entropy_calibrated": cross_entropy(hand_prob, hand_type, temperature),
    }


def _read(cfg: Config, predictions: str) -> tuple[Any, dict[str, np.ndarray]]:
    init_default_scope(cfg.default_scope)
    arrays = load_predictions(predictions)
    dataset = DATASETS.build(map_pipelines(cfg.test_dataloader.dataset, lambda _: []))
    if len(dataset) != len(arrays["ann_id"]):
        raise EvaluationError(
            f"{predictions} has another number of samples than the test set",
            got=len(arrays["ann_id"]),
            want=len(dataset),
            fix="use the --data-root, --split and --annot-subset that the predictions were made with",
        )
    return dataset, arrays


def _sample(dataset: Any, arrays: dict[str, np.ndarray], i: int) -> dict[str, Any]:
    truth = dataset.get_data_info(i)
    if truth["ann_id"] != arrays["ann_id"][i]:
        raise EvaluationError(
            f"row {i} of the predictions belongs to another sample",
            got=f"annotation {arrays['ann_id'][i]}",
            want=f"annotation {truth['ann_id']}",
        )
    if arrays["skipped"][i]:
        truth = invalidate(truth, "skipped when the predictions were made")
    predicted = {name: arrays[name][i : i + 1] for name in ("keypoints", "rel_root_depth", "hand_prob")}
    sample = {name: truth[name] for name in with_roles("metainfo") if name in truth}
    instances = {name: truth[name] for name in with_roles("truth", "metric")}
    return {**sample, "gt_instances": instances, "pred_instances": predicted}
