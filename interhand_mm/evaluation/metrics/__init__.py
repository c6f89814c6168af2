"""Registered metrics."""

from .amodal import AmodalIoU, HandEPE, RestorationScore
from .dump import DumpPredictions
from .freihand import FreiHANDScore, FreiHANDSubmission
from .hand_metrics import MPJPE, MRRPE, HandednessAccuracy
from .keypoints_2d import Keypoints2D
from .occlusion import OcclusionEPE
from .single_hand import EPE, HandAUC

__all__ = [
    "EPE",
    "MPJPE",
    "MRRPE",
    "AmodalIoU",
    "DumpPredictions",
    "FreiHANDScore",
    "FreiHANDSubmission",
    "HandAUC",
    "HandEPE",
    "HandednessAccuracy",
    "Keypoints2D",
    "OcclusionEPE",
    "RestorationScore",
]
