"""Test a detector on a COCO split."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.dist import is_main_process
from mmengine.logging import MMLogger

from ..checkpoints.io import check_fits, read_checkpoint, sha256
from ..datasets.coco_check import check_coco
from ..engine.runner import bare_model, build_runner
from ..utils.files import write_json
from ..utils.provenance import provenance

# Names of CocoMetric -> names in metrics.json. AP is the mean over IoU .50 to .95; areas are small, medium, large.
_NAMES = {
    "coco/bbox_mAP": "AP", "coco/bbox_mAP_50": "AP50", "coco/bbox_mAP_75": "AP75",
    "coco/bbox_mAP_s": "AP_small", "coco/bbox_mAP_m": "AP_medium", "coco/bbox_mAP_l": "AP_large",
}  # fmt: skip


def run_detector_test(cfg: Config, checkpoint: str, launcher: str = "none", out: str | None = None) -> dict[str, Any]:
    """Test a detector on the config's `test_dataloader`.

    Args:
        cfg: Config from `load_config`.
        checkpoint: Checkpoint of the detector.
        launcher: "none", "pytorch" or "slurm".
        out: Path of metrics.json. Default: in the work_dir.

    Returns:
        The content of metrics.json: "metrics" (AP, AP50, AP75, AP_small, ...), "counts" and "provenance".
    """
    cfg.train_dataloader = cfg.train_cfg = cfg.optim_wrapper = cfg.param_scheduler = None
    cfg.val_dataloader = cfg.val_cfg = cfg.val_evaluator = None
    # The weights in the file are already the averaged ones. The hook would look for the raw ones as well.
    cfg.custom_hooks = [hook for hook in cfg.get("custom_hooks") or [] if hook["type"].split(".")[-1] != "EMAHook"]
    check_coco(cfg)
    weights = read_checkpoint(checkpoint)
    cfg.load_from, cfg.resume = str(checkpoint), False
    runner = build_runner(cfg, launcher)
    check_fits(weights, bare_model(runner.model), checkpoint)
    numbers = runner.test()
    dataset = runner.test_dataloader.dataset
    report: dict[str, Any] = {
        "metrics": _metrics(numbers),
        "counts": {
            "images": len(dataset),
            "hands": sum(len(dataset.get_data_info(i)["instances"]) for i in range(len(dataset))),
        },
        "provenance": provenance(
            config=str(cfg.filename), checkpoint=str(checkpoint), checkpoint_sha256=sha256(checkpoint), seed=runner.seed
        ),
    }
    if is_main_process():
        target = Path(out) if out else Path(cfg.work_dir) / "metrics.json"
        write_json(target, report)
        text = "  ".join(f"{name} {value:.3f}" for name, value in report["metrics"].items())
        MMLogger.get_current_instance().info(f"{report['counts']['hands']} hands: {text}\nwritten to {target}")
    return report


def _metrics(numbers: dict[str, float]) -> dict[str, float]:
    """Rename the numbers of CocoMetric.

    A missing number means that nothing was detected, and becomes 0. The number -1 means that there are no such hands,
    and becomes NaN.
    """
    found = {short: float(numbers.get(name, 0.0)) for name, short in _NAMES.items()}
    return {name: value if value >= 0 else float("nan") for name, value in found.items()}
