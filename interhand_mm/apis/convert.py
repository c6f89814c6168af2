"""Converting checkpoint files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import torch

from ..engine import convert as names
from ..engine.checkpoint import read_checkpoint
from ..utils.config import load_config
from .launch import build_model


def convert(src: str, dst: str, source: str | None, target: str | None, config: str) -> int:
    """Convert `src` to `dst`; nothing is written unless every name and shape is right.

    Args:
        src: File to read.
        dst: File to write.
        source: Family of `src` ("official" or "mmpose"); None when it is ours.
        target: Family of `dst`; None when it shall be ours.
        config: Config of the model that gives names and shapes.

    Returns:
        Number of entries written.
    """
    checkpoint = read_checkpoint(src)
    if target is not None:
        converted = {"official": names.to_official, "mmpose": names.to_mmpose}[target](checkpoint)
    else:
        wanted = build_model(load_config(config)).state_dict()
        read = {"official": names.from_official, "mmpose": names.from_mmpose}[source or "official"]
        converted = read(checkpoint, wanted)
    save_checkpoint(dst, converted)
    return len(converted.get("state_dict", converted.get("network", {})))


def save_checkpoint(path: str, checkpoint: dict[str, Any]) -> None:
    """Write a checkpoint atomically."""
    temporary = Path(f"{path}.{os.getpid()}.tmp")
    temporary.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.save(checkpoint, temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
