"""Data sets of the HDR plugin."""

from .aih import AIHDataset
from .one_hand import OneHandDataset

__all__ = ["AIHDataset", "OneHandDataset"]
