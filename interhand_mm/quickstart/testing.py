"""Stage "test": both models and the mean pose, on the test set as it is and with photographs behind it."""

from __future__ import annotations

import time
from collections.abc import Callable
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
from ..utils.paths import ROOT
from .processes import QuickstartError, python, run_all
from .settings import MODELS, PLAIN, Settings, read_json
from .training import newest


def evaluate_models(settings: Settings, say: Callable[[str], None]) -> None:
    """Write metrics.json and preds.npz of every model that has none of its newest checkpoint."""
    from ..checkpoints.io import sha256

    commands, logs = {}, {}
    for model in MODELS:
        folder = settings.folder(model)
        checkpoint = newest(folder)
        if checkpoint is None:
            raise QuickstartError(f"{model} is not trained", fix="python tools/quickstart.py train")
        known = read_json(folder / "metrics.json")
        if known is not None and known["provenance"]["checkpoint_sha256"] == sha256(checkpoint):
            say(f"test: {model} is tested")
            continue
        files = ["--out", str(folder / "metrics.json"), "--dump", str(folder / "preds.npz")]
        options, *more = settings.options(model)
        commands[model] = python(
            "test.py", options, str(checkpoint), *more, *files, "--cfg-options", *settings.config_options()
        )
        logs[model] = folder / "test.log"
    if commands:
        say(f"test: {' and '.join(commands)} on {settings.num_test} images, original and augmented")
        for model, seconds in run_all(commands, logs, _Dots(say)).items():
            say(f"test: {model} took {seconds:.0f} s")
    evaluate_constant(settings)
    say("test: the mean training pose, for comparison")


class _Dots:
    def __init__(self, say: Callable[[str], None], every: float = 20.0) -> None:
        self.say, self.every, self.begun, self.shown = say, every, time.monotonic(), time.monotonic()

    def __call__(self, name: str) -> None:
        if time.monotonic() - self.shown >= self.every:
            self.shown = time.monotonic()
            self.say(f"test: running for {self.shown - self.begun:.0f} s")


def config(settings: Settings) -> Config:
    """Config of the model without backgrounds, as its steps read it."""
    photos = [str(settings.photographs(split)) for split in ("train", "test")]
    return load_config(
        ROOT / "configs" / "quickstart" / f"{PLAIN}.py",
        settings.config_options(),
        DataOptions(data_root=str(settings.data), backgrounds=photos),
    )


def build_dataset(loader: Any, without: tuple[str, ...]) -> Any:
    """Data set of a dataloader's config, leaving steps of its pipeline out."""
    steps = [step for step in loader["dataset"]["pipeline"] if step["type"] not in without]
    return DATASETS.build({**loader["dataset"], "pipeline": steps})


def mean_answer(dataset: Any, codec: Any) -> dict[str, np.ndarray]:
    """What is best answered without looking: means over a training set's unaugmented crops.

    Args:
        dataset: Gives samples without a pipeline.
        codec: For the crop's size.

    Returns:
        points (42, 3), mean u, v px of the crop and d mm over visible joints; rel_root_depth () mm over two-hand
        samples; hand_prob (2,) share of right and left.
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
    """Test the predictor that puts the mean training pose into every box, by the same code as a model."""
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
