"""HDR's networks: Segmentor, Inpaintor and SingleHandPose (Meng et al., ECCV 2022), and the plugin that joins them."""

from .discriminator import PatchDiscriminator
from .generator import PartialConvUNet
from .hdr_plugin import HDRPlugin
from .inpaintor import HandInpaintor, InpaintPreprocessor
from .segmentor import AmodalMaskHead, HandSegmentor, MixVisionTransformer
from .single_hand_pose import SingleHandPose

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
