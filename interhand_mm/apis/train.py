"""Train a model by its config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from ..checkpoints.io import check_fits, check_start, read_checkpoint
from ..checkpoints.newest import newest_checkpoint
from ..checkpoints.pretrained import check_pretrained, drop_pretrained, fetch_pretrained
from ..datasets.coco_check import check_coco
from ..datasets.crop_cache import cache_bytes, write_crop_cache
from ..datasets.plausibility import check_plausible
from ..engine.resume import ResumeHook
from ..engine.runner import bare_model, build_runner
from ..errors import CheckpointError, ConfigError
from ..registry import DATASETS, MODELS
from ..utils.config import declared_options, is_detector

# With their scope, because that of a detector's config is mmdet.
_LOOPS = {
    "EpochBasedTrainLoop": "interhand_mm.ResumableEpochLoop",
    "IterBasedTrainLoop": "interhand_mm.ResumableIterLoop",
}


def train(
    cfg: Config,
    launcher: str = "none",
    resume: str | None = None,
    amp: str | None = None,
    from_scratch: bool = False,
) -> Runner:
    """Train by a config. Faults of the data, photographs or checkpoints raise an error before the first step.

    Args:
        cfg: Config from `load_config`.
        launcher: "none", "pytorch" or "slurm".
        resume: None for a new training, which starts from the weights of `cfg.load_from` if given. "auto" to continue
            from the newest checkpoint of the work_dir; without one, it is a new training. Or a checkpoint to continue
            from. Where the config differs from the checkpoint's, see `ResumeHook`.
        amp: Type for mixed precision: None, "bfloat16" or "float16".
        from_scratch: Start from random weights where the config names others.

    Returns:
        The runner after training.

    Raises:
        AnnotationError: The annotations of the training set cannot be true; see `check_plausible`.
        ConfigError: float16 is requested without a GPU, or `from_scratch` has no effect.
        CheckpointError: The checkpoint to start or resume from does not fit, or the weights that the config starts from
            cannot be downloaded.
    """
    _use_amp(cfg, amp)
    if from_scratch:
        forget_start(cfg)
    start, checkpoint, notes = _find_start(cfg, resume)
    _use_resumable_loop(cfg)
    if is_detector(cfg):
        check_coco(cfg)
    if start is not None:
        drop_pretrained(cfg.model, "backbone" if _borrows(cfg) and not cfg.resume else "")
    fetch_pretrained(cfg.model)
    runner = build_runner(cfg, launcher)
    for note in notes:
        runner.logger.warning(note)
    check_pretrained(bare_model(runner.model))
    check_plausible(runner.train_loop.dataloader.dataset)
    if checkpoint is not None:
        _check_start(cfg, checkpoint, bare_model(runner.model), str(start))
    runner.register_hook(ResumeHook(checkpoint if cfg.resume else None))
    runner.train()
    return runner


def _find_start(cfg: Config, resume: str | None) -> tuple[str | None, dict[str, Any] | None, list[str]]:
    """Set `cfg.load_from` and `cfg.resume`, and return the checkpoint's path and content, and warnings about it."""
    if resume is None and cfg.get("resume"):  # as mmengine reads these two keys
        resume = cfg.get("load_from") or "auto"
    newest = newest_checkpoint(cfg.work_dir) if resume == "auto" else None
    if newest is not None:
        cfg.resume, cfg.load_from = True, str(newest.path)
        return cfg.load_from, newest.checkpoint, newest.problems
    given = None if resume == "auto" else resume
    start = given or cfg.get("load_from")
    cfg.resume, cfg.load_from = given is not None, start
    return start, None if start is None else read_checkpoint(start), []


def _check_start(cfg: Config, checkpoint: dict[str, Any], model: torch.nn.Module, start: str) -> None:
    check = check_start if _borrows(cfg) and not cfg.resume else check_fits
    check(checkpoint, model, start)
    if cfg.resume and "optimizer" not in checkpoint:
        raise CheckpointError(
            f"{start} cannot be resumed, because it contains no optimizer",
            fix=f"start a new training from it: --load-from {start}",
        )


def _use_resumable_loop(cfg: Config) -> None:
    """Replace mmengine's training loops by those that continue inside an epoch."""
    loop = dict(cfg.train_cfg)
    name = loop.pop("type", None)
    if name is None:
        name = "EpochBasedTrainLoop" if loop.pop("by_epoch", True) else "IterBasedTrainLoop"
    if name in _LOOPS:
        cfg.train_cfg = dict(type=_LOOPS[name], **loop)


def forget_start(cfg: Config) -> None:
    """Let a config start from random weights: drop its `load_from` and the weights of its `init_cfg`.

    Raises:
        ConfigError: The config starts from random weights anyway.
    """
    if not drop_pretrained(cfg.model) and cfg.get("load_from") is None:
        raise ConfigError("--from-scratch has no effect: the config starts from random weights", fix="leave it out")
    cfg.load_from = None


def use_crop_cache(cfg: Config, folder: str | Path) -> None:
    """Let the training set read a crop cache. If the cache does not exist, it is written first, and its size is logged.

    Args:
        cfg: Config from `load_config`, whose training set is an `InterHandDataset`.
        folder: Folder of the cache.

    Raises:
        ConfigError: The training set does not support a crop cache, or the cache was written for other samples.
        OutputError: The disk is full.
    """
    spec, folder = cfg.train_dataloader.dataset, Path(folder)
    if "crop_cache" not in declared_options(spec):
        raise ConfigError("--crop-cache: the training set does not support it", got=spec.type, want="InterHandDataset")
    init_default_scope(cfg.default_scope)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{folder}.lock"):  # only one of several processes writes it
        if not (folder / "head.json").is_file():
            dataset = DATASETS.build({**spec, "crop_cache": None})
            size = cache_bytes(dataset)
            print_log(f"crop cache of {len(dataset)} samples: {size / 1e9:.2f} GB into {folder}", "current")
            write_crop_cache(dataset, folder)
    spec.crop_cache = str(folder)


def _use_amp(cfg: Config, amp: str | None) -> None:
    if amp == "bfloat16":
        change_wrappers(
            cfg, type="interhand_mm.Bfloat16OptimWrapper"
        )  # with its scope, because that of a detector's config is mmdet
    elif amp == "float16":
        if not torch.cuda.is_available():
            raise ConfigError("--amp float16 needs a GPU", fix="--amp bfloat16")
        change_wrappers(cfg, type="AmpOptimWrapper", dtype="float16", loss_scale="dynamic")


def change_wrappers(cfg: Config, **changes: Any) -> None:
    """Change the config's optimizer wrapper, or all of them if submodules have their own."""
    several = "constructor" in cfg.optim_wrapper and "optimizer" not in cfg.optim_wrapper
    wrappers = [value for value in cfg.optim_wrapper.values() if isinstance(value, dict)] if several else []
    for wrapper in wrappers or [cfg.optim_wrapper]:
        wrapper.update(changes)


def _borrows(cfg: Config) -> bool:
    """Return True for a detector and for a model that declares it: they may start from another network's backbone."""
    return is_detector(cfg) or getattr(MODELS.get(cfg.model.type), "starts_from_backbone", False)
