"""Registered data sets."""

from .aih import AIHDataset
from .interhand import InterHandDataset
from .single_hand import SingleHandDataset

__all__ = ["AIHDataset", "InterHandDataset", "SingleHandDataset"]
