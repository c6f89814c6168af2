"""The runner, hooks and optimizer wrappers."""

from .hooks import ChannelsLastHook, SampleSeedHook, SkipReportHook
from .loops import ResumableEpochLoop, ResumableIterLoop
from .optim import Bfloat16OptimWrapper, SubmoduleOptimWrapperConstructor
from .resume import ResumeHook
from .visualization_hook import HandVisualizationHook

__all__ = [
    "Bfloat16OptimWrapper",
    "ChannelsLastHook",
    "HandVisualizationHook",
    "ResumableEpochLoop",
    "ResumableIterLoop",
    "ResumeHook",
    "SampleSeedHook",
    "SkipReportHook",
    "SubmoduleOptimWrapperConstructor",
]
