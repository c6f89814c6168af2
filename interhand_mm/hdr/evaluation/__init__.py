"""Metrics of the HDR plugin."""

from .metrics import AmodalIoU, HandEPE, RestorationScore
from .occlusion import OcclusionEPE

__all__ = ["AmodalIoU", "HandEPE", "OcclusionEPE", "RestorationScore"]
