"""Registered data sets."""

from .aih import AIHDataset
from .freihand import FreiHANDDataset
from .interhand import InterHandDataset
from .mixed import MixedHandDataset, SetSampler
from .one_hand import OneHandDataset
from .rhd import RHDDataset
from .stb import STBDataset

__all__ = [
    "AIHDataset",
    "FreiHANDDataset",
    "InterHandDataset",
    "MixedHandDataset",
    "OneHandDataset",
    "RHDDataset",
    "STBDataset",
    "SetSampler",
]
