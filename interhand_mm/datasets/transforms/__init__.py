"""Registered transforms; each changes a sample in place."""

from ...hdr.data.transforms.aih import (
    CropTarget,
    JointColorJitter,
    LoadAIH,
    LoadLimbMasks,
    MirrorHands,
    PackAmodalInputs,
)
from ...hdr.data.transforms.hand_masks import CropHandMasks
from ...hdr.data.transforms.interaction import SynthesizeInteraction
from ...hdr.data.transforms.one_hand import OneHandCrop, PackOneHand
from .background import RandomBackgroundReplace
from .formatting import PackHandInputs
from .geometry import ChannelJitter, EncodeHand, HandCrop, HandCropAugment
from .hand_2d import GreenScreen, PackHand2DInputs
from .loading import LoadHandImage

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
