"""Checkpoints that an earlier version of this project wrote."""

from __future__ import annotations

import re
from typing import Any

from ..errors import CheckpointError

OLD_FAMILY = "interhand-0.1"  # its name in tools/convert_checkpoint.py
# The marginal head's decoder layers had other names for their modules.
_OLD_MODULE = re.compile(r"(?<=\.)(layers\.\d+)\.(look|talk|think)\.")
_NEW_MODULES = {"look": "cross_attn", "talk": "self_attn", "think": "ffn"}
_OLD_META = {"normalisation": "normalization"}


def is_old(checkpoint: dict[str, Any]) -> bool:
    """Return True where a checkpoint has parameter names of an earlier version."""
    state = checkpoint.get("state_dict")
    return isinstance(state, dict) and any(_OLD_MODULE.search(name) for name in state)


def input_normalization(checkpoint: dict[str, Any]) -> dict[str, list[float]] | None:
    """Return the `mean` and `std` of the input that the weights were trained with, or None where nothing is known.

    Files of earlier versions are read as well.
    """
    meta = upgraded_meta(checkpoint)
    found: dict[str, list[float]] | None = meta.get("normalization")
    return found


def upgraded_meta(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Return a checkpoint's `meta` under the present names, as a copy; empty where it has none."""
    return {_OLD_META.get(key, key): value for key, value in (checkpoint.get("meta") or {}).items()}


def upgrade(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Convert a checkpoint of an earlier version to the present names. Nothing but names changes.

    Args:
        checkpoint: Content of a checkpoint, from `read_checkpoint`.

    Returns:
        A new dict with all entries of the checkpoint, an optimizer's state included.

    Raises:
        CheckpointError: It has no "state_dict", or all of its names are present ones.

    >>> old = {"state_dict": {"head.joints.layers.0.look.query.bias": 1}, "meta": {"normalisation": {}}}
    >>> upgrade(old)
    {'state_dict': {'head.joints.layers.0.cross_attn.query.bias': 1}, 'meta': {'normalization': {}}}
    """
    meta = upgraded_meta(checkpoint)
    if not is_old(checkpoint) and meta == (checkpoint.get("meta") or {}):
        raise CheckpointError(
            "the checkpoint has no names of an earlier version",
            got=f"keys {sorted(map(str, checkpoint))[:8]}",
            fix="use it as it is, or name its real family",
        )
    state = checkpoint.get("state_dict", {})
    renamed = {
        _OLD_MODULE.sub(lambda found: f"{found[1]}.{_NEW_MODULES[found[2]]}.", name): value
        for name, value in state.items()
    }
    return {**checkpoint, "state_dict": renamed, "meta": meta}
