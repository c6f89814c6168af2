"""Networks. Importing this imports `mmpose.models` (and with it mmdet), so only the registry does."""

from ..hdr.models import (
    AmodalMaskHead,
    HandInpaintor,
    HandSegmentor,
    HDRPlugin,
    InpaintPreprocessor,
    MixVisionTransformer,
    PartialConvUNet,
    PatchDiscriminator,
    SingleHandPose,
)
from .backbones.unet import UNet
from .estimator import InterHandEstimator
from .heads.heatmap_2d import DiceHeatmapLoss, HandHeatmapHead
from .heads.internet_head import InterNetHead
from .heads.marginal_head import InterHandMarginalHead, MarginalLoss
from .losses import GaussianHeatmapLoss, HandednessLoss, RootDepthLoss

__all__ = [
    "AmodalMaskHead",
    "DiceHeatmapLoss",
    "GaussianHeatmapLoss",
    "HDRPlugin",
    "HandHeatmapHead",
    "HandInpaintor",
    "HandSegmentor",
    "HandednessLoss",
    "InpaintPreprocessor",
    "InterHandEstimator",
    "InterHandMarginalHead",
    "InterNetHead",
    "MarginalLoss",
    "MixVisionTransformer",
    "PartialConvUNet",
    "PatchDiscriminator",
    "RootDepthLoss",
    "SingleHandPose",
    "UNet",
]
