"""The metrics from saved predictions, without a network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope
from tqdm import tqdm

from ..checkpoints.io import read_checkpoint, write_checkpoint
from ..errors import EvaluationError
from ..evaluation.predictions_file import load_predictions
from ..evaluation.report import metrics_report
from ..inference.handedness import calibrate, cross_entropy
from ..registry import DATASETS, METRICS
from ..structures.sample import with_roles
from ..utils.config import map_pipelines
from ..utils.provenance import provenance
from .test import ORIGINAL, collect

_CHUNK = 256


def evaluate_predictions(cfg: Config, predictions: str) -> dict[str, Any]:
    """Evaluate preds.npz against the config's test set.

    Raises:
        EvaluationError: The file's samples are not the set's, in its order.
    """
    dataset, arrays = _read(cfg, predictions)
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
    """Fit the temperature of the hands' probabilities and write it into the checkpoint, for the inferencer.

    Args:
        cfg: Of a set that the checkpoint was not trained on; the validation set, if the test set is to stay unseen.
        predictions: preds.npz of that set.
        checkpoint: This project's file, rewritten at once or not at all.

    Returns:
        temperature, and cross_entropy and cross_entropy_calibrated: nats a hand, before and after.

    Raises:
        EvaluationError: The samples are not the set's, or none says which hands it shows.
        CheckpointError: The file is not a checkpoint.
    """
    dataset, arrays = _read(cfg, predictions)
    truth = [_sample(dataset, arrays, i) for i in range(len(dataset))]
    known = np.array([bool(sample["hand_type_valid"]) for sample in truth])
    if not known.any():
        raise EvaluationError("handedness", got="no sample says which hands it shows", want="one or more")
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
            f"{predictions}: samples", got=len(arrays["ann_id"]), want=len(dataset),
            fix="give the --data-root, --split and --annot-subset that the predictions were made with",
        )  # fmt: skip
    return dataset, arrays


def _sample(dataset: Any, arrays: dict[str, np.ndarray], i: int) -> dict[str, Any]:
    truth = dataset.get_data_info(i)
    if truth["ann_id"] != arrays["ann_id"][i]:
        raise EvaluationError(
            f"row {i} of the predictions", got=f"annotation {arrays['ann_id'][i]}", want=f"annotation {truth['ann_id']}"
        )
    predicted = {name: arrays[name][i : i + 1] for name in ("keypoints", "rel_root_depth", "hand_prob")}
    sample = {name: truth[name] for name in with_roles("metainfo") if name in truth}
    instances = {name: truth[name] for name in with_roles("truth", "metric")}
    return {**sample, "gt_instances": instances, "pred_instances": predicted}
