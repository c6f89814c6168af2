"""Networks. Importing this imports `mmpose.models` (and with it mmdet), so only the registry does."""

from .estimator import InterHandEstimator
from .heads.internet_head import InterNetHead
from .heads.marginal_head import InterHandMarginalHead, MarginalLoss
from .losses import GaussianHeatmapLoss, HandednessLoss, RootDepthLoss

__all__ = [
    "GaussianHeatmapLoss",
    "HandednessLoss",
    "InterHandEstimator",
    "InterHandMarginalHead",
    "InterNetHead",
    "MarginalLoss",
    "RootDepthLoss",
]
