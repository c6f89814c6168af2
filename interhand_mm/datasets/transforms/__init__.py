"""Registered transforms; each changes a sample in place."""

from .amodal import CropTarget, JointColorJitter, LoadAIH, LoadLimbMasks, MirrorHands, PackAmodalInputs
from .background import RandomBackgroundReplace
from .hand import ChannelJitter, EncodeHand, HandCrop, HandCropAugment
from .hand_2d import GreenScreen, PackHand2DInputs
from .hand_masks import CropHandMasks
from .load import LoadHandImage
from .occlusion import SynthesizeInteraction
from .one_hand import OneHandCrop, PackOneHand
from .pack import PackHandInputs

__all__ = [
    "ChannelJitter",
    "CropHandMasks",
    "CropTarget",
    "EncodeHand",
    "GreenScreen",
    "HandCrop",
    "HandCropAugment",
    "JointColorJitter",
    "LoadAIH",
    "LoadHandImage",
    "LoadLimbMasks",
    "MirrorHands",
    "OneHandCrop",
    "PackAmodalInputs",
    "PackHand2DInputs",
    "PackHandInputs",
    "PackOneHand",
    "RandomBackgroundReplace",
    "SynthesizeInteraction",
]
