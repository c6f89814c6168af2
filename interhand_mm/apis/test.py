"""Test a checkpoint on the test set and its variants, and write the metrics and the predictions."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.logging import MMLogger
from mmengine.registry import LOOPS
from mmengine.runner import Runner
from mmengine.runner.loops import TestLoop

from ..checkpoints.io import check_fits, read_checkpoint, sha256
from ..datasets.mixed import number_samples
from ..engine.runner import bare_model, build_runner
from ..errors import ConfigError
from ..evaluation.report import MetricsBlock, MetricsReport, metrics_report, metrics_table
from ..utils.config import is_detector, map_pipelines, place_outputs
from ..utils.files import write_json
from ..utils.provenance import provenance
from .evaluate_detector import run_detector_test

ORIGINAL = "original"


def run_test(
    cfg: Config, checkpoint: str, launcher: str = "none", out: str | None = None, dump: str | None = None
) -> MetricsReport | dict[str, Any]:
    """Test a checkpoint on the config's `test_dataloader`, then once more on each of its `test_variants`.

    Args:
        cfg: Config from `load_config`.
        checkpoint: Checkpoint of this project.
        launcher: "none", "pytorch" or "slurm".
        out: Path of metrics.json. Default: in the work_dir.
        dump: Path of preds.npz. The predictions on a variant are written beside it as `<stem>_<variant>.npz`.

    Returns:
        The content of metrics.json, see `MetricsReport`; for a detector, see `run_detector_test`.
    """
    if is_detector(cfg):
        if dump is not None:
            raise ConfigError(
                "--dump writes poses, but the config is a detector's",
                fix="tools/detect.py writes the boxes of a detector",
            )
        return run_detector_test(cfg, checkpoint, launcher, out)
    cfg.train_dataloader = cfg.train_cfg = cfg.optim_wrapper = cfg.param_scheduler = None
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    cfg.test_cfg = dict(type="VariantTestLoop", variants=dict(cfg.get("test_variants") or {}), dump=dump)
    place_outputs(cfg)
    weights = read_checkpoint(checkpoint)
    cfg.load_from, cfg.resume = str(checkpoint), False
    runner = build_runner(cfg, launcher)
    check_fits(weights, bare_model(runner.model), checkpoint)
    reports = runner.test()
    origin = provenance(
        config=str(cfg.filename), checkpoint=str(checkpoint), checkpoint_sha256=sha256(checkpoint), seed=runner.seed
    )
    report = metrics_report(reports, runner.test_dataloader.dataset, origin)
    if is_main_process():
        target = Path(out) if out else Path(cfg.work_dir) / "metrics.json"
        write_json(target, report)
        MMLogger.get_current_instance().info(f"\n{metrics_table(report)}\nwritten to {target}")
    return report


@LOOPS.register_module()
class VariantTestLoop(TestLoop):
    """Test on the original test set, then on each of its variants.

    All data sets are built before the first batch, so a missing photograph is an error at once.

    Args:
        runner: The runner.
        dataloader: Config of the original `test_dataloader`.
        evaluator: Config of the `test_evaluator`; each pass builds its own.
        variants: Name of a variant -> transforms that are inserted after the crop.
        dump: Path of preds.npz, see `run_test`.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: Any,
        evaluator: list[dict[str, Any]],
        variants: dict[str, list[dict[str, Any]]],
        dump: str | None = None,
    ) -> None:
        loaders = {ORIGINAL: dataloader}
        loaders |= {name: with_variant(dataloader, transforms) for name, transforms in variants.items()}
        self.passes = {
            name: TestLoop(runner, loader, [*copy.deepcopy(list(evaluator)), *_dumper(dump, name)])
            for name, loader in loaders.items()
        }
        for one in self.passes.values():
            number_samples(one.dataloader.dataset)
        original = self.passes[ORIGINAL]
        super().__init__(runner, original.dataloader, original.evaluator)

    def run(self) -> dict[str, MetricsBlock]:
        """Return {name: what `collect` returns} for the original test set and every variant."""
        reports = {}
        for name, one in self.passes.items():
            # The runner's hooks read both from this loop.
            self.dataloader, self.evaluator = one.dataloader, one.evaluator
            self.runner.logger.info(f"testing {len(one.dataloader.dataset)} samples, {name}")
            reports[name] = collect(super().run(), one.evaluator.metrics)
        self.dataloader, self.evaluator = self.passes[ORIGINAL].dataloader, self.passes[ORIGINAL].evaluator
        return reports


def _dumper(dump: str | None, name: str) -> list[dict[str, Any]]:
    """Return the metric that writes the predictions of a pass, if they are to be written."""
    if dump is None:
        return []
    path = Path(dump)
    if name != ORIGINAL:
        path = path.with_name(f"{path.stem}_{name}{path.suffix}")
    return [dict(type="DumpPredictions", out_file=str(path))]


def with_variant(loader: Any, transforms: list[dict[str, Any]]) -> Any:
    """Return a copy of a dataloader's config with `transforms` inserted right after the crop."""

    def insert(pipeline: list[Any]) -> list[Any]:
        crop = next((i for i, step in enumerate(pipeline) if step["type"] in ("HandCrop", "HandCropAugment")), None)
        if crop is None:
            raise ConfigError(
                "test_variants need a crop in the test pipeline, because their transforms come after it",
                got=[step["type"] for step in pipeline],
                want="HandCrop",
                fix="test_variants=dict(_delete_=True) if they do not apply",
            )
        return [*pipeline[: crop + 1], *copy.deepcopy(transforms), *pipeline[crop + 1 :]]

    loader = copy.deepcopy(loader)
    loader["dataset"] = map_pipelines(loader["dataset"], insert)
    return loader


def collect(numbers: dict[str, float], metrics: list[Any]) -> MetricsBlock:
    """Join an evaluator's numbers with the details of its metrics.

    Returns:
        "metrics", "per_joint" and "counts". If metrics have a prefix, as those of one set of a mix have, "sets" holds
        the same three for every prefix; its numbers are also among "metrics" under their full names.
    """
    report: MetricsBlock = {"metrics": dict(numbers), "per_joint": {}, "counts": {}}
    for metric in metrics:
        details, block, prefix = getattr(metric, "details", {}), report, getattr(metric, "prefix", None)
        if prefix:
            own = {k.removeprefix(f"{prefix}/"): v for k, v in numbers.items() if k.startswith(f"{prefix}/")}
            empty: MetricsBlock = {"metrics": own, "per_joint": {}, "counts": {}}
            block = report.setdefault("sets", {}).setdefault(prefix, empty)
        block["per_joint"].update(details.get("per_joint", {}))
        block["counts"].update(details.get("counts", {}))
    return report
