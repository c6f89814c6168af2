"""Build a runner from a config, for one or several processes, on CPUs or GPUs."""

from __future__ import annotations

import os
import warnings

import torch
import torch.distributed
from mmengine.config import Config
from mmengine.model import is_model_wrapper
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from ..checkpoints.io import allow_safe_types
from ..models.plugin import load_plugin
from ..registry import MODELS
from .hooks import NormalizationHook, SyncStatisticsHook

_WORKER_TIMEOUT_S = 600  # time for a batch; the default of torch waits without end


def build_runner(cfg: Config, launcher: str = "none") -> Runner:
    """Build mmengine's runner with safe checkpoint loading, and with gloo instead of nccl if there is no GPU.

    Args:
        cfg: Config from `load_config`; it is changed.
        launcher: "none", "pytorch" or "slurm".
    """
    cfg.launcher = launcher
    allow_safe_types()
    ignore_strides_of_one()
    _set_handover(cfg)
    if launcher != "none" and not torch.cuda.is_available():
        # mmengine's launcher requires a GPU for every process, unless a process group exists already.
        if launcher == "slurm":
            _slurm_environment()
        if not torch.distributed.is_initialized():
            torch.distributed.init_process_group("gloo")
        cfg.env_cfg.dist_cfg = dict(backend="gloo")
        wrapper = cfg.get("model_wrapper_cfg") or dict(type="MMDistributedDataParallel")
        cfg.model_wrapper_cfg = dict(wrapper, broadcast_buffers=False, device_ids=None)
    runner = Runner.from_cfg(cfg)
    for hook in (SyncStatisticsHook(), NormalizationHook()):
        runner.register_hook(hook)
    load_plugin(bare_model(runner.model))
    return runner


def _set_handover(cfg: Config) -> None:
    """Let workers hand over a batch in one block of memory, and make a worker that hands over nothing an error."""
    for name in ("train_dataloader", "val_dataloader", "test_dataloader"):
        loader = cfg.get(name)
        if isinstance(loader, dict) and loader.get("num_workers"):
            loader.setdefault("collate_fn", dict(type="interhand_mm.collate_in_one_block"))
            loader.setdefault("timeout", _WORKER_TIMEOUT_S)


def ignore_strides_of_one() -> None:
    """Silence a harmless warning of data-parallel training about the gradients of 1x1 convolutions.

    The strides of axes of length 1 differ between a matrix and a channels-last kernel, but the memory is the same.
    """
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")


def leave_group() -> None:
    """Synchronize all ranks, then destroy the process group.

    Otherwise a rank that exits early can abort one that is still writing.
    """
    if torch.distributed.is_initialized():
        torch.distributed.barrier()
        torch.distributed.destroy_process_group()


def _slurm_environment() -> None:
    """Set torch's rendezvous variables from those of Slurm; slurm_train.sh exports the address."""
    os.environ.setdefault("RANK", os.environ["SLURM_PROCID"])
    os.environ.setdefault("WORLD_SIZE", os.environ["SLURM_NTASKS"])
    os.environ.setdefault("LOCAL_RANK", os.environ.get("SLURM_LOCALID", "0"))


def build_model(cfg: Config) -> torch.nn.Module:
    """Build the config's model on the CPU with initial weights, and a plugin with those of its checkpoints."""
    init_default_scope(cfg.get("default_scope", "interhand_mm"))
    model: torch.nn.Module = MODELS.build(cfg.model)
    load_plugin(model)
    return model


def bare_model(model: torch.nn.Module) -> torch.nn.Module:
    """Return the model inside a data-parallel wrapper, or the model itself."""
    inner = model.module if is_model_wrapper(model) else model
    assert isinstance(inner, torch.nn.Module)
    return inner
