"""Step "test": test both models and the mean pose on the original test set and with photographs as background."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.registry import init_default_scope

from ..evaluation.predictions_file import save_predictions
from ..registry import DATASETS
from ..structures.camera import apply_affine, invert_affine
from ..structures.joints import NUM_JOINTS
from ..utils.config import DataOptions, load_config
from ..utils.files import write_json
from ..utils.paths import CONFIGS
from .processes import QuickstartError, python, run_all
from .settings import MODEL_LABELS, PLAIN, Log, Settings, read_json
from .training import RunningTime, newest


def evaluate_models(settings: Settings, log: Log) -> None:
    """Test every model whose newest checkpoint is not tested yet, and write its metrics.json and preds.npz."""
    from ..checkpoints.io import sha256

    commands, logs = {}, {}
    for model in MODEL_LABELS:
        folder = settings.folder(model)
        checkpoint = newest(folder)
        if checkpoint is None:
            raise QuickstartError(f"{model} is not trained yet", fix="python -m interhand_mm.quickstart train")
        known = read_json(folder / "metrics.json")
        if known is not None and known["provenance"]["checkpoint_sha256"] == sha256(checkpoint):
            log(f"test: {model} is tested")
            continue
        files = ["--out", str(folder / "metrics.json"), "--dump", str(folder / "preds.npz")]
        options, *more = settings.options(model, training=False)
        commands[model] = python(
            "test.py", options, str(checkpoint), *more, *files, "--cfg-options", *settings.config_options()
        )
        logs[model] = folder / "test.log"
    if commands:
        log(f"test: {' and '.join(commands)} on {settings.num_test} images, original and augmented")
        for model, seconds in run_all(commands, logs, RunningTime("test", log)).items():
            log(f"test: {model} took {seconds:.0f} s")
    evaluate_constant(settings)
    log("test: evaluated the mean training pose, for comparison")


def config(settings: Settings) -> Config:
    """Return the config of the model without backgrounds, with the overrides of this run."""
    photos = [str(settings.photographs(split)) for split in ("train", "test")]
    return load_config(
        CONFIGS / "quickstart" / f"{PLAIN}.py",
        settings.config_options(),
        DataOptions(data_root=str(settings.data), backgrounds=photos),
    )


def build_dataset(loader: Any, without: tuple[str, ...]) -> Any:
    """Build the data set of a dataloader's config without some transforms of its pipeline."""
    steps = [step for step in loader["dataset"]["pipeline"] if step["type"] not in without]
    return DATASETS.build({**loader["dataset"], "pipeline": steps})


def mean_answer(dataset: Any, codec: Any) -> dict[str, np.ndarray]:
    """Return the best prediction that ignores the image: means over a training set's crops without augmentation.

    Args:
        dataset: Training set with an empty pipeline.
        codec: Codec that defines the size of the crops.

    Returns:
        `points` (42, 3): u, v px of the crop and d mm, averaged over visible joints. `rel_root_depth` () mm, averaged
        over two-hand samples. `hand_prob` (2,): share of samples with a right and with a left hand.
    """
    from ..structures.camera import crop_affine

    points, weights = np.zeros((NUM_JOINTS, 3)), np.zeros((NUM_JOINTS, 1))
    roots, hands = [], []
    for i in range(len(dataset)):
        sample = dataset.get_data_info(i)
        keypoints = sample["keypoints"][0].astype(np.float64)
        keypoints[:, :2] = apply_affine(keypoints[:, :2], crop_affine(sample["bbox"], codec.input_size))
        visible = sample["keypoints_visible"][0][:, None] > 0
        points += np.where(visible, keypoints, 0.0)
        weights += visible
        hands.append(sample["hand_type"][0])
        if sample["rel_root_valid"] > 0:
            roots.append(float(sample["rel_root_depth"]))
    return {
        "points": points / np.maximum(weights, 1),
        "rel_root_depth": np.float32(np.mean(roots) if roots else 0.0),
        "hand_prob": np.mean(hands, axis=0).astype(np.float32),
    }


def evaluate_constant(settings: Settings) -> None:
    """Test the baseline that places the mean training pose in every box, with the same code as a model."""
    from ..apis.evaluate_predictions import evaluate_predictions
    from ..registry import CODECS
    from ..structures.camera import crop_affine

    cfg = config(settings)
    init_default_scope(cfg.default_scope)
    codec = CODECS.build(cfg.codec)
    answer = mean_answer(DATASETS.build({**cfg.train_dataloader.dataset, "pipeline": []}), codec)
    dataset = DATASETS.build({**cfg.test_dataloader.dataset, "pipeline": []})
    rows = [dataset.get_data_info(i) for i in range(len(dataset))]
    keypoints = np.repeat(answer["points"][None], len(rows), axis=0)
    for row, points in zip(rows, keypoints, strict=True):
        points[:, :2] = apply_affine(points[:, :2], invert_affine(crop_affine(row["bbox"], codec.input_size)))
    path: Path = settings.constant / "preds.npz"
    save_predictions(
        path,
        {
            "img_path": np.array([row["img_path"] for row in rows]),
            "ann_id": np.array([row["ann_id"] for row in rows]),
            "keypoints": keypoints,
            "keypoint_scores": np.ones(keypoints.shape[:2]),
            "bins": np.repeat(codec.to_bins(answer["points"])[None], len(rows), axis=0),
            "rel_root_depth": np.full(len(rows), answer["rel_root_depth"]),
            "hand_prob": np.repeat(answer["hand_prob"][None], len(rows), axis=0),
            "bbox": np.stack([row["bbox"] for row in rows]),
        },
    )
    write_json(settings.constant / "metrics.json", evaluate_predictions(cfg, str(path)))
