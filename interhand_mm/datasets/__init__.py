"""Registered data sets."""

from .aih import AIHDataset
from .interhand import InterHandDataset

__all__ = ["AIHDataset", "InterHandDataset"]
