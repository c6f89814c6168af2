"""Networks. Importing this imports `mmpose.models` (and with it mmdet), so only the registry does."""

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
