"""Registered metrics."""

from .dump import DumpPredictions
from .hand_metrics import MPJPE, MRRPE, HandednessAccuracy

__all__ = ["MPJPE", "MRRPE", "DumpPredictions", "HandednessAccuracy"]
