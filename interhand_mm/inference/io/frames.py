"""The interfaces of inference's input and output: frames, sources of frames, and writers of results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from PIL import Image

from ...errors import InputError
from ...structures.results import FrameResult
from ..options import Section

SourceKind = Literal["images", "video", "camera"]


@dataclass(frozen=True)
class Frame:
    """A decoded frame.

    Attributes:
        source: Path of the file, or name of the camera.
        index: Frame number from 0; 0 for images.
        time_s: Time from the first frame in seconds; None for images.
        image: (H, W, 3) uint8 BGR, upright.
        exif: EXIF data of an image file, if it has any.
    """

    source: str
    index: int
    time_s: float | None
    image: np.ndarray
    exif: Image.Exif | None = None


class Source(Protocol):
    """A source of frames, as `open_source` returns it. Iterating over it decodes.

    Attributes:
        name: Name for messages.
        kind: Frames of "images" are independent of each other; those of a "video" and a "camera" are consecutive.
        paths: The files that are read; empty for arrays and cameras.
        fps: Mean frame rate, if known.
        length: Number of frames, if known.
        skipped: Number of frames or files so far that could not be decoded.
        problem: Description of the first of them.
    """

    name: str
    kind: SourceKind
    paths: Sequence[Path]
    fps: float | None
    length: int | None
    skipped: int
    problem: str | None

    def __iter__(self) -> Iterator[Frame]: ...


class Writer(Protocol):
    """A writer of results to a file. After `close` it can be opened again for another file."""

    def suffix(self, source: Source) -> str:
        """Return the suffix of the file for a source, such as ".json"."""

    def open(self, path: Path, name: str, source: Source) -> None:
        """Begin a file.

        Args:
            path: File to write. It appears under this name when it is closed.
            name: The file or camera whose frames follow.
            source: Source of the frames; for a folder of images, the whole folder.
        """

    def add(self, result: FrameResult, canvas: np.ndarray) -> None:
        """Append one frame.

        Args:
            result: Result of inference.
            canvas: (H, W, 3) uint8 BGR, the frame with the results drawn on it.
        """

    def close(self, complete: bool) -> None:
        """Finish the file.

        Args:
            complete: Whether the source was read to its end.
        """


def empty_section(name: str, section: Section, last_s: float) -> InputError:
    """Return the error of a video without frames in the section."""
    end = "the end" if section.end_s is None else f"{section.end_s:g} s"
    return InputError(
        f"no frame of {name} lies in the section",
        got=f"{section.start_s:g} s to {end}; the last frame that was read is at {last_s:.2f} s",
        fix="an earlier start, or a later end",
    )
