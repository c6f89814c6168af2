"""Networks. Importing this imports `mmpose.models` (and with it mmdet), so only the registry does."""

from .estimator import InterHandEstimator
from .heads.internet_head import InterNetHead
from .losses import GaussianHeatmapLoss, HandednessLoss, RootDepthLoss

__all__ = ["GaussianHeatmapLoss", "HandednessLoss", "InterHandEstimator", "InterNetHead", "RootDepthLoss"]
