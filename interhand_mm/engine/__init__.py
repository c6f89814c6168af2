"""Hooks, optimizer wrappers and checkpoints."""

from .hooks import SampleSeedHook, SkipReportHook
from .optim import Bfloat16OptimWrapper, SubmoduleOptimWrapperConstructor
from .visualize import HandVisualizationHook

__all__ = [
    "Bfloat16OptimWrapper",
    "HandVisualizationHook",
    "SampleSeedHook",
    "SkipReportHook",
    "SubmoduleOptimWrapperConstructor",
]
