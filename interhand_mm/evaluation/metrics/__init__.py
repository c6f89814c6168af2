"""Registered metrics."""

from .amodal import AmodalIoU, HandEPE, RestorationScore
from .dump import DumpPredictions
from .hand_metrics import MPJPE, MRRPE, HandednessAccuracy
from .occlusion import OcclusionEPE

__all__ = [
    "MPJPE",
    "MRRPE",
    "AmodalIoU",
    "DumpPredictions",
    "HandEPE",
    "HandednessAccuracy",
    "OcclusionEPE",
    "RestorationScore",
]
