"""HDR's three networks: segment both hands amodally, restore one hand, estimate its pose (Meng et al., ECCV 2022)."""

from .discriminator import PatchDiscriminator
from .generator import PartialConvUNet
from .inpaintor import HandInpaintor, InpaintPreprocessor
from .plugin import HDRPlugin
from .pose import SingleHandPose
from .segmentor import AmodalMaskHead, HandSegmentor, MixVisionTransformer

__all__ = [
    "AmodalMaskHead",
    "HDRPlugin",
    "HandInpaintor",
    "HandSegmentor",
    "InpaintPreprocessor",
    "MixVisionTransformer",
    "PartialConvUNet",
    "PatchDiscriminator",
    "SingleHandPose",
]
