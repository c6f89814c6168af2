"""Codecs: coordinates in crop pixels and millimeters <-> bins, and heatmaps of bins."""

from .build import build_codec
from .interhand_3d import InterHand3DCodec

__all__ = ["InterHand3DCodec", "build_codec"]
