"""Coordinates of the network: crop pixels and millimeters <-> bins, and volumes of bins."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..registry import CODECS
from .interhand_3d import InterHand3DCodec

__all__ = ["InterHand3DCodec", "build_codec"]


def build_codec(cfg: Mapping[str, Any]) -> Any:
    """Build this project's codec, or mmpose's by its scope ("mmpose.MSRAHeatmap"), whose registry has no parent."""
    if str(cfg["type"]).startswith("mmpose."):
        from mmpose.registry import KEYPOINT_CODECS

        return KEYPOINT_CODECS.build(dict(cfg))
    return CODECS.build(cfg)
