"""HDR's networks: Segmentor, Inpaintor and SingleHandPose (Meng et al., ECCV 2022), and the plugin that joins them."""

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
