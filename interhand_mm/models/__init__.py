"""Networks. Importing this package imports `mmpose.models` and mmdet, so only the registry imports it."""

from .backbones.unet import UNet
from .estimator import InterHandEstimator
from .heads.heatmap_2d import DiceHeatmapLoss, HandHeatmapHead
from .heads.internet_head import InterNetHead
from .heads.marginal_head import InterHandMarginalHead, MarginalLoss
from .losses import GaussianHeatmapLoss, HandednessLoss, RootDepthLoss

__all__ = [
    "DiceHeatmapLoss",
    "GaussianHeatmapLoss",
    "HandHeatmapHead",
    "HandednessLoss",
    "InterHandEstimator",
    "InterHandMarginalHead",
    "InterNetHead",
    "MarginalLoss",
    "RootDepthLoss",
    "UNet",
]
