"""Hooks, optimizer wrappers and checkpoints."""

from .hooks import SampleSeedHook, SkipReportHook
from .optim import Bfloat16OptimWrapper

__all__ = ["Bfloat16OptimWrapper", "SampleSeedHook", "SkipReportHook"]
