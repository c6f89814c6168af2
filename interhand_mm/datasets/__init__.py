"""Registered data sets."""

from .aih import AIHDataset
from .interhand import InterHandDataset
from .one_hand import OneHandDataset

__all__ = ["AIHDataset", "InterHandDataset", "OneHandDataset"]
