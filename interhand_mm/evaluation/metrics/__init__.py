"""Registered metrics."""

from ...hdr.evaluation.metrics import AmodalIoU, HandEPE, RestorationScore
from ...hdr.evaluation.occlusion import OcclusionEPE
from .dump import DumpPredictions
from .freihand import FreiHANDScore, FreiHANDSubmission
from .interhand import MPJPE, MRRPE, HandednessAccuracy
from .keypoints_2d import Keypoints2D
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
