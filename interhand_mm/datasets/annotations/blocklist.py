"""Blocklists: images that a data set leaves out, as `tools/prepare_interhand26m.py` writes them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from ...errors import AnnotationError
from ...utils.files import write_text
from .index import SPLITS

_WANT = "one line per image, <split>/<file name as annotated>, or a comment after #"


def read_blocklist(path: str | Path, split: str) -> set[str]:
    """Return the file names of one split that a data set must leave out.

    Args:
        path: Blocklist.
        split: "train", "val" or "test".

    Raises:
        AnnotationError: The file is missing, or a line does not begin with a split.
    """
    try:
        lines = Path(path).read_text("utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise AnnotationError(f"blocklist cannot be read: {path}", got=error, want=_WANT) from error
    names = set()
    for number, line in enumerate(lines, 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        of_split, slash, name = line.partition("/")
        if of_split not in SPLITS or not slash or not name:
            raise AnnotationError(f"line {number} of the blocklist {path} names no image", got=line[:200], want=_WANT)
        if of_split == split:
            names.add(name)
    return names


def write_blocklist(path: str | Path, names: Iterable[str], comments: Iterable[str]) -> None:
    """Write a blocklist atomically.

    Args:
        path: File to write.
        names: Images as "<split>/<file name>", in any order.
        comments: Lines to put above them.
    """
    write_text(path, "".join(f"{line}\n" for line in [*(f"# {comment}" for comment in comments), *sorted(names)]))
