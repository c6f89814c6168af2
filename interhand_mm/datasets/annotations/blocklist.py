"""Images that a data set leaves out, as `tools/prepare_interhand26m.py` lists them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ...errors import AnnotationError
from ...utils.files import write_text

_WANT = "a line for each image: <split>/<file name as annotated>, or a comment after #"
_SPLITS = ("train", "val", "test")


def read_blocklist(path: str | Path, split: str) -> set[str]:
    """File names of one split that are to be left out.

    Raises:
        AnnotationError: The file is missing, or a line names no split.
    """
    try:
        lines = Path(path).read_text().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"blocklist cannot be read: {path}", got=error, want=_WANT) from error
    names = set()
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        of_split, slash, name = line.partition("/")
        if of_split not in _SPLITS or not slash or not name:
            raise AnnotationError(f"{path}: line {number}", got=line[:200], want=_WANT)
        if of_split == split:
            names.add(name)
    return names


def write_blocklist(path: str | Path, names: Iterable[str], comments: Iterable[str]) -> None:
    """Write "<split>/<file name>" lines, sorted, under comments; the whole file or nothing."""
    write_text(path, "".join(f"{line}\n" for line in [*(f"# {comment}" for comment in comments), *sorted(names)]))
