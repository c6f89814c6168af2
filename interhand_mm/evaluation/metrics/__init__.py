"""Registered metrics."""

from .dump import DumpPredictions
from .freihand import FreiHANDScore, FreiHANDSubmission
from .interhand import MPJPE, MRRPE, HandednessAccuracy
from .keypoints_2d import Keypoints2D
from .single_hand import EPE, HandAUC

__all__ = [
    "EPE",
    "MPJPE",
    "MRRPE",
    "DumpPredictions",
    "FreiHANDScore",
    "FreiHANDSubmission",
    "HandAUC",
    "HandednessAccuracy",
    "Keypoints2D",
]
