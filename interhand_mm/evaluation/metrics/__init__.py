"""Registered metrics."""

from .amodal import AmodalIoU, HandEPE, RestorationScore
from .dump import DumpPredictions
from .hand_metrics import MPJPE, MRRPE, HandednessAccuracy

__all__ = [
    "MPJPE",
    "MRRPE",
    "AmodalIoU",
    "DumpPredictions",
    "HandEPE",
    "HandednessAccuracy",
    "RestorationScore",
]
