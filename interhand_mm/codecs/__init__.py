"""Coordinates of the network: crop pixels and millimetres <-> bins, and volumes of bins."""

from .interhand_3d import InterHand3DCodec

__all__ = ["InterHand3DCodec"]
