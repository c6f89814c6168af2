"""Convert checkpoint files between families."""

from __future__ import annotations

from pathlib import Path

from ..checkpoints import imagenet, internet
from ..checkpoints.io import read_checkpoint, write_checkpoint
from ..checkpoints.versions import OLD_FAMILY, upgrade
from ..engine.runner import build_model
from ..utils.config import load_config


def convert(src: str | Path, dst: str | Path, source: str | None, target: str | None, config: str | Path) -> int:
    """Convert the checkpoint `src` to `dst`. Nothing is written unless every name and shape is right.

    Args:
        src: File to read.
        dst: File to write.
        source: Family of `src`: "mmpose", "interhand-0.1", "mobilenetv2-imagenet" or one of
            `checkpoints.internet.ORDERS`. None for a file of this version.
        target: Family of `dst`: "mmpose" or one of `checkpoints.internet.ORDERS`. None for a file of this version.
        config: Config of the model that defines names and shapes. Only read for conversions to this version.

    Returns:
        The number of entries written.

    Raises:
        CheckpointError: `src` cannot be read or belongs to another family, or its names and shapes are wrong.
    """
    checkpoint = imagenet.read_packaged(src) if source == imagenet.FAMILY else read_checkpoint(src)
    if target is not None:
        to_mmpose = target == "mmpose"
        converted = internet.to_mmpose(checkpoint) if to_mmpose else internet.to_official(checkpoint, target)
    elif source == OLD_FAMILY:
        converted = upgrade(checkpoint)
    elif source == imagenet.FAMILY:
        converted = imagenet.from_torchvision(checkpoint)
    else:
        wanted = build_model(load_config(config)).state_dict()
        if source == "mmpose":
            converted = internet.from_mmpose(checkpoint, wanted)
        else:
            converted = internet.from_official(checkpoint, wanted, source or "official")
    write_checkpoint(dst, converted)
    return len(converted.get("state_dict", converted.get("network", {})))
