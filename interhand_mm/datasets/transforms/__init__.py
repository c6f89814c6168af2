"""Registered transforms; each changes a sample in place."""

from .background import RandomBackgroundReplace
from .hand import ChannelJitter, EncodeHand, HandCrop, HandCropAugment
from .load import LoadHandImage
from .pack import PackHandInputs

__all__ = [
    "ChannelJitter",
    "EncodeHand",
    "HandCrop",
    "HandCropAugment",
    "LoadHandImage",
    "PackHandInputs",
    "RandomBackgroundReplace",
]
