"""Registered metrics."""

from .amodal import AmodalIoU, HandEPE, RestorationScore
from .dump import DumpPredictions
from .hand_metrics import MPJPE, MRRPE, HandednessAccuracy
from .keypoints_2d import Keypoints2D

__all__ = [
    "MPJPE",
    "MRRPE",
    "AmodalIoU",
    "DumpPredictions",
    "HandEPE",
    "HandednessAccuracy",
    "Keypoints2D",
    "RestorationScore",
]
