"""Registered data sets."""

from .interhand import InterHandDataset

__all__ = ["InterHandDataset"]
