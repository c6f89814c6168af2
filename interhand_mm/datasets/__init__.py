"""Registered data sets."""

from ..hdr.data.aih import AIHDataset
from ..hdr.data.one_hand import OneHandDataset
from .freihand import FreiHANDDataset
from .interhand import InterHandDataset
from .mixed import MixedHandDataset, SetSampler
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
