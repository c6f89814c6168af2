"""Hooks, optimizer wrappers and checkpoints."""

from .hooks import ChannelsLastHook, SampleSeedHook, SkipReportHook
from .optim import Bfloat16OptimWrapper

__all__ = ["Bfloat16OptimWrapper", "ChannelsLastHook", "SampleSeedHook", "SkipReportHook"]
