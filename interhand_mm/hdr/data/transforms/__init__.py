"""Transforms of the HDR plugin. Each changes a sample in place."""

from .aih import CropTarget, JointColorJitter, LoadAIH, LoadLimbMasks, MirrorHands, PackAmodalInputs
from .hand_masks import CropHandMasks
from .interaction import SynthesizeInteraction
from .one_hand import OneHandCrop, PackOneHand

__all__ = [
    "CropHandMasks",
    "CropTarget",
    "JointColorJitter",
    "LoadAIH",
    "LoadLimbMasks",
    "MirrorHands",
    "OneHandCrop",
    "PackAmodalInputs",
    "PackOneHand",
    "SynthesizeInteraction",
]
