"""Testing: one checkpoint on the test set and its variants, numbers and predictions written."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmengine.runner.loops import TestLoop

from ..checkpoints.io import check_fits, read_checkpoint, sha256
from ..engine.runner import bare_model, build_runner
from ..errors import ConfigError
from ..evaluation.report import metrics_report, metrics_table
from ..utils.config import is_detector, map_pipelines
from ..utils.files import write_json
from ..utils.provenance import provenance
from .evaluate_detector import run_detector_test

ORIGINAL = "original"


def run_test(
    cfg: Config, checkpoint: str, launcher: str = "none", out: str | None = None, dump: str | None = None
) -> dict[str, Any]:
    """Test by the config's `test_dataloader`, then once more for each of its `test_variants`.

    Args:
        cfg: From `load_config`.
        checkpoint: This project's file.
        launcher: "none", "pytorch" or "slurm".
        out: metrics.json; None writes it into the work_dir.
        dump: preds.npz; a variant's goes beside it as `<stem>_<variant>.npz`.

    Returns:
        The content of metrics.json: metrics, variants, ratios, per_joint, counts, protocol and provenance. For a
        detector, the result of `run_detector_test`.
    """
    if is_detector(cfg):
        if dump is not None:
            raise ConfigError("--dump writes poses", got="a detector", fix="tools/detect.py writes boxes")
        return run_detector_test(cfg, checkpoint, launcher, out)
    cfg.train_dataloader = cfg.train_cfg = cfg.optim_wrapper = cfg.param_scheduler = None
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    variants = cfg.get("test_variants") or {}
    loaders = {ORIGINAL: cfg.test_dataloader}
    loaders |= {name: with_variant(cfg.test_dataloader, transforms) for name, transforms in variants.items()}
    weights = read_checkpoint(checkpoint)
    cfg.load_from, cfg.resume = str(checkpoint), False
    runner = build_runner(cfg, launcher)
    check_fits(weights, bare_model(runner.model), checkpoint)
    # All before the first batch: a missing photograph shows before minutes of testing without.
    datasets = {name: runner.build_dataloader(loader, seed=runner.seed) for name, loader in loaders.items()}
    reports = {}
    for name, loader in datasets.items():
        runner.logger.info(f"testing {len(loader.dataset)} samples, {name}")
        reports[name] = _run(runner, cfg, loader, _dump_path(dump, name))
    origin = provenance(
        config=str(cfg.filename), checkpoint=str(checkpoint), checkpoint_sha256=sha256(checkpoint), seed=runner.seed
    )
    report = metrics_report(reports, datasets[ORIGINAL].dataset, origin)
    if is_main_process():
        target = Path(out) if out else Path(cfg.work_dir) / "metrics.json"
        write_json(target, report)
        MMLogger.get_current_instance().info(f"\n{metrics_table(report)}\nwritten to {target}")
    return report


def _dump_path(dump: str | None, name: str) -> str | None:
    if dump is None or name == ORIGINAL:
        return dump
    path = Path(dump)
    return str(path.with_name(f"{path.stem}_{name}{path.suffix}"))


def with_variant(loader: Any, transforms: list[dict[str, Any]]) -> Any:
    """Return a copy of a dataloader's config with `transforms` put right after the crop."""

    def insert(pipeline: list[Any]) -> list[Any]:
        crop = next((i for i, step in enumerate(pipeline) if step["type"] in ("HandCrop", "HandCropAugment")), None)
        if crop is None:
            raise ConfigError(
                "test_variants: the test pipeline has no crop to put their transforms after",
                got=[step["type"] for step in pipeline],
                want="HandCrop",
                fix="test_variants=dict(_delete_=True) where they do not apply",
            )
        return [*pipeline[: crop + 1], *copy.deepcopy(transforms), *pipeline[crop + 1 :]]

    loader = copy.deepcopy(loader)
    loader["dataset"] = map_pipelines(loader["dataset"], insert)
    return loader


def _run(runner: Runner, cfg: Config, loader: Any, dump: str | None) -> dict[str, Any]:
    """One pass; returns {"metrics", "per_joint", "counts"}."""
    evaluator = [*copy.deepcopy(list(cfg.test_evaluator))]
    if dump is not None:
        evaluator.append(dict(type="DumpPredictions", out_file=dump))
    loop = TestLoop(runner, loader, evaluator)
    runner._test_loop = loop  # the runner takes a finished loop as it is, and its hooks read it from here
    return collect(runner.test(), loop.evaluator.metrics)


def collect(numbers: dict[str, float], metrics: list[Any]) -> dict[str, Any]:
    """Join an evaluator's numbers with its metrics' details.

    Returns:
        metrics, per_joint and counts; where metrics have a prefix, as those of one set of a mix, `sets` with the same
        of each prefix, and its numbers also among all `metrics` under their full names.
    """
    report: dict[str, Any] = {"metrics": dict(numbers), "per_joint": {}, "counts": {}}
    for metric in metrics:
        details, block, prefix = getattr(metric, "details", {}), report, getattr(metric, "prefix", None)
        if prefix:
            own = {k.removeprefix(f"{prefix}/"): v for k, v in numbers.items() if k.startswith(f"{prefix}/")}
            empty = {"metrics": own, "per_joint": {}, "counts": {}}
            block = report.setdefault("sets", {}).setdefault(prefix, empty)
        block["per_joint"].update(details.get("per_joint", {}))
        block["counts"].update(details.get("counts", {}))
    return report
