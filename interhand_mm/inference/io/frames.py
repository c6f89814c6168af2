"""What every image source yields."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Frame:
    """A decoded frame: where it is from, (H, W, 3) uint8 BGR upright, and the picture's EXIF where it has any."""

    source: str
    index: int
    time_s: float | None
    image: np.ndarray
    exif: Image.Exif | None = None


class Source(Protocol):
    """What `open_source` gives back; iterating decodes.

    Attributes:
        name: For messages.
        kind: "pictures", "video" or "camera".
        fps: Mean rate where known.
        length: Number of frames where known.
        skipped: Frames (or files) that could not be decoded so far.
        problem: The first of them, in words.
    """

    name: str
    kind: str
    fps: float | None
    length: int | None
    skipped: int
    problem: str | None

    def __iter__(self) -> Iterator[Frame]: ...
