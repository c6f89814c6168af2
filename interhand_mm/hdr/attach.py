"""Put an HDR plugin into a pose network's config."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config

from ..errors import ConfigError
from ..utils.config import load_config, share_crop

PARTS = ("segmentor", "inpaintor", "pose")


def with_hdr(config: str | Path | Config, hdr: str | Path, checkpoints: Sequence[str | Path] = ()) -> Config:
    """A pose config with the plugin of another config's `model.hdr`.

    Args:
        config: Of an `InterHandEstimator`; a file, or loaded (it is not changed).
        hdr: A config with `model.hdr`, as configs/hdr/small.py.
        checkpoints: Of segmentor, inpaintor and single-hand pose, in this order; where fewer are given, those that
            `hdr` names stay.

    Raises:
        ConfigError: No plugin in `hdr`, or too many checkpoints.
    """
    cfg = copy.deepcopy(config) if isinstance(config, Config) else load_config(config)
    plugin = copy.deepcopy((load_config(hdr).get("model") or {}).get("hdr"))
    if plugin is None:
        raise ConfigError(f"{hdr} has no model.hdr", fix="configs/hdr/small.py is an example")
    if len(checkpoints) > len(PARTS):
        raise ConfigError("checkpoints for HDR", got=len(checkpoints), want=f"at most {len(PARTS)}: {', '.join(PARTS)}")
    for part, checkpoint in zip(PARTS, checkpoints, strict=False):
        plugin[part]["checkpoint"] = str(checkpoint)
    cfg.model.hdr = plugin
    share_crop(cfg)
    return cfg
