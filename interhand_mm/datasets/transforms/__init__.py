"""Registered transforms; each changes a sample in place."""

from .amodal import JointColorJitter, LoadAIH, MirrorHands, PackAmodalInputs
from .background import RandomBackgroundReplace
from .hand import ChannelJitter, EncodeHand, HandCrop, HandCropAugment
from .hand_2d import GreenScreen, PackHand2DInputs
from .load import LoadHandImage
from .occlusion import SynthesizeInteraction
from .pack import PackHandInputs

__all__ = [
    "ChannelJitter",
    "EncodeHand",
    "GreenScreen",
    "HandCrop",
    "HandCropAugment",
    "JointColorJitter",
    "LoadAIH",
    "LoadHandImage",
    "MirrorHands",
    "PackAmodalInputs",
    "PackHand2DInputs",
    "PackHandInputs",
    "RandomBackgroundReplace",
    "SynthesizeInteraction",
]
