"""Registered transforms; each changes a sample in place."""

from .amodal import CropTarget, JointColorJitter, LoadAIH, LoadLimbMasks, MirrorHands, PackAmodalInputs
from .background import RandomBackgroundReplace
from .hand import ChannelJitter, EncodeHand, HandCrop, HandCropAugment
from .load import LoadHandImage
from .occlusion import SynthesizeInteraction
from .pack import PackHandInputs

__all__ = [
    "ChannelJitter",
    "CropTarget",
    "EncodeHand",
    "HandCrop",
    "HandCropAugment",
    "JointColorJitter",
    "LoadAIH",
    "LoadHandImage",
    "LoadLimbMasks",
    "MirrorHands",
    "PackAmodalInputs",
    "PackHandInputs",
    "RandomBackgroundReplace",
    "SynthesizeInteraction",
]
