"""The runner, hooks and optimizer wrappers."""

from .hooks import ChannelsLastHook, SampleSeedHook, SkipReportHook
from .optim import Bfloat16OptimWrapper, SubmoduleOptimWrapperConstructor
from .visualization_hook import HandVisualizationHook

__all__ = [
    "Bfloat16OptimWrapper",
    "ChannelsLastHook",
    "HandVisualizationHook",
    "SampleSeedHook",
    "SkipReportHook",
    "SubmoduleOptimWrapperConstructor",
]
