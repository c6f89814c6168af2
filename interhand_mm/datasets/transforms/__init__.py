"""Registered transforms. Each one changes a sample in place."""

from .background import GreenScreen, RandomBackgroundReplace
from .camera_effects import CameraEffects
from .formatting import PackHand2DInputs, PackHandInputs
from .geometry import EmptyCrop, HandCrop, HandCropAugment
from .loading import LoadHandImage
from .photometric import ChannelJitter
from .targets import EncodeHand

__all__ = [
    "CameraEffects",
    "ChannelJitter",
    "EmptyCrop",
    "EncodeHand",
    "GreenScreen",
    "HandCrop",
    "HandCropAugment",
    "LoadHandImage",
    "PackHand2DInputs",
    "PackHandInputs",
    "RandomBackgroundReplace",
]
