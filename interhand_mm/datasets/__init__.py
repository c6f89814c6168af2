"""Registered data sets."""

from .coco_hand import CocoHandDataset
from .freihand import FreiHANDDataset
from .handover import collate_in_one_block
from .interhand import InterHandDataset
from .mixed import MixedHandDataset, SetSampler
from .rhd import RHDDataset
from .stb import STBDataset

__all__ = [
    "CocoHandDataset",
    "FreiHANDDataset",
    "InterHandDataset",
    "MixedHandDataset",
    "RHDDataset",
    "STBDataset",
    "SetSampler",
    "collate_in_one_block",
]
