"""What can be wrong with a downloaded InterHand2.6M, a frame and a count at a time."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from ..utils.images import is_cut_jpeg
from .annotations.index import HAND_TYPES, HandIndex

FAULTS = ("missing", "unreadable", "swapped_size", "other_size", "black")
BLACK_LEVEL = 8  # as LoadHandImage: a frame whose brightest value lies below shows nothing
# Only files of fewer bytes a pixel are decoded: black frames of 512 x 334 px take about 0.02, the smallest of four real
# frames 0.07.
BLACK_BYTES_PER_PX = 0.05

# Frames of single and of interacting hands, 5 fps (datasets.md 1.2; the authors' homepage).
PUBLISHED = {
    "v1.0": {
        ("train", "human_annot"): (142_231, 386_251),
        ("train", "machine_annot"): (594_189, 314_848),
        ("train", "all"): (687_548, 673_514),
        ("val", "machine_annot"): (234_183, 145_942),
        ("test", "human_annot"): (33_665, 87_908),
        ("test", "machine_annot"): (455_303, 272_284),
        ("test", "all"): (488_968, 360_192),
    },
    "v0.0": {
        ("train", "human_annot"): (76_445, 208_271),
        ("train", "machine_annot"): (322_675, 174_383),
        ("train", "all"): (371_800, 366_802),
        ("val", "machine_annot"): (113_370, 70_917),
        ("test", "human_annot"): (18_399, 48_323),
        ("test", "machine_annot"): (179_593, 106_582),
        ("test", "all"): (197_992, 154_905),
    },
}


def count_hands(index: HandIndex) -> tuple[int, int]:
    """Annotations of single and of interacting hands."""
    interacting = int((np.asarray(index.hand_type) == HAND_TYPES["interacting"]).sum())
    return len(index) - interacting, interacting


def matching_release(counts: tuple[int, int], split: str, subset: str) -> str | None:
    """The release whose published counts these are, or None."""
    return next((name for name, table in PUBLISHED.items() if table.get((split, subset)) == counts), None)


def image_fault(path: str, size: tuple[int, int], decode: bool = False) -> str | None:
    """One of `FAULTS`, or None.

    Reads the file and its header; decodes it only where it is small enough to be black, or with `decode`.

    Args:
        path: Of the frame.
        size: (width, height) px as annotated.
        decode: Decode whatever is there: finds damage in the middle of a file, and noisy black frames.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "unreadable"
    if not data or is_cut_jpeg(data):
        return "unreadable"
    try:
        with Image.open(io.BytesIO(data)) as header:
            found = header.size
    except OSError:
        return "unreadable"
    if found != size:
        return "swapped_size" if found == size[::-1] else "other_size"
    if decode or len(data) < BLACK_BYTES_PER_PX * size[0] * size[1]:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if image is None:
            return "unreadable"
        if image.max() < BLACK_LEVEL:
            return "black"
    return None


def image_faults(job: tuple[Sequence[str], Sequence[tuple[int, int]], bool]) -> list[str | None]:
    """`image_fault` of many (paths, sizes, decode), for a pool of processes."""
    paths, sizes, decode = job
    return [image_fault(path, size, decode) for path, size in zip(paths, sizes, strict=True)]
