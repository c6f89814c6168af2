"""Converting checkpoint files."""

from __future__ import annotations

from ..checkpoints import internet as names
from ..checkpoints.io import read_checkpoint, write_checkpoint
from ..engine.runner import build_model
from ..utils.config import load_config


def convert(src: str, dst: str, source: str | None, target: str | None, config: str) -> int:
    """Convert `src` to `dst`; nothing is written unless every name and shape is right.

    Args:
        src: File to read.
        dst: File to write.
        source: Family of `src` ("mmpose" or one of `names.ORDERS`); None when it is ours.
        target: Family of `dst`; None when it shall be ours.
        config: Config of the model that gives names and shapes.

    Returns:
        Number of entries written.
    """
    checkpoint = read_checkpoint(src)
    if target is not None:
        converted = names.to_mmpose(checkpoint) if target == "mmpose" else names.to_official(checkpoint, target)
    else:
        wanted = build_model(load_config(config)).state_dict()
        if source == "mmpose":
            converted = names.from_mmpose(checkpoint, wanted)
        else:
            converted = names.from_official(checkpoint, wanted, source or "official")
    write_checkpoint(dst, converted)
    return len(converted.get("state_dict", converted.get("network", {})))
