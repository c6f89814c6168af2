"""A pool of photographs to put behind hands."""

from __future__ import annotations

import codecs
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ...errors import BackgroundError, ImageError
from ...utils.images import IMAGE_SUFFIXES, find_images, read_image

_TRIES = 20


class BackgroundPool:
    """A pool of photographs; the caller passes the random generator.

    Args:
        source: Directory (searched recursively, without hidden files), text file with one path per line (relative to
            the folder of the file), or sequence of paths.
        keep_mb: Memory in MB for decoded photographs in each process. A small pool, such as the quick start's, is
            decoded only once.

    Raises:
        BackgroundError: If there are no photographs. This is raised before any training starts.
    """

    def __init__(self, source: str | Path | Sequence[str], keep_mb: float = 64.0) -> None:
        self.source = str(source)
        self._kept: dict[int, np.ndarray] = {}
        self._room = int(keep_mb * 1e6)
        # One array of bytes, so that workers do not hold a Python object per photograph.
        self._paths = np.array([os.fsencode(path) for path in _find(source)], dtype=bytes)
        if not len(self._paths):
            raise BackgroundError(
                f"no photographs in {self.source}",
                want=f"files ending in {', '.join(IMAGE_SUFFIXES)}",
                fix="pass --backgrounds DIR with some hundreds of photographs (COCO's train2017 was used in print)",
            )

    def __len__(self) -> int:
        """Return the number of photographs."""
        return len(self._paths)

    def draw(self, rng: np.random.Generator) -> tuple[np.ndarray, int, str]:
        """Draw one photograph.

        Returns:
            The photograph (H, W, 3) uint8 BGR, which must not be changed; the number of unreadable photographs that
            were drawn before it; and its path.

        Raises:
            BackgroundError: If twenty photographs in a row cannot be read.
        """
        reason = ""
        for tries in range(_TRIES):
            number = int(rng.integers(len(self._paths)))
            path = os.fsdecode(self._paths[number])
            try:
                return self._read(number, path), tries, path
            except ImageError as error:
                reason = error.what
        raise BackgroundError(f"{_TRIES} photographs in a row could not be read in {self.source}", got=reason)

    def _read(self, number: int, path: str) -> np.ndarray:
        """Return photograph `number`; the first ones stay in memory until the room is used up."""
        if number in self._kept:
            return self._kept[number]
        image = read_image(path)
        if image.nbytes <= self._room:
            image.flags.writeable = False
            self._kept[number] = image
            self._room -= image.nbytes
        return image


def _find(source: str | Path | Sequence[str]) -> list[str]:
    if not isinstance(source, (str, Path)):
        return sorted(str(path) for path in source)
    path = Path(source)
    if path.is_dir():
        return find_images(path)
    if path.is_file():
        # File names are bytes, whatever their encoding.
        lines = [line.strip() for line in path.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines()]
        names = [os.fsdecode(line) for line in lines if line and not line.startswith(b"#")]
        return sorted(str(path.parent / name) for name in names)
    raise BackgroundError(f"background directory does not exist: {source}", fix="pass --backgrounds DIR")
