"""Hooks and checkpoints."""

from .hooks import SampleSeedHook, SkipReportHook

__all__ = ["SampleSeedHook", "SkipReportHook"]
