"""Names of the files that the results of an input go to."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ...errors import OutputError
from ...utils.files import shorten
from .frames import Source

_MAX_STEM_BYTES = 230
# The first and the last line of a JSON file of results.
_SOURCE, _COMPLETE = re.compile(rb'"source": ?("(?:[^"\\]|\\.)*")'), re.compile(rb'"complete": ?true\}\s*$')
_MAX_HEAD_BYTES, _END_BYTES = 1_000_000, 200


def output_stems(folder: str | Path, source: Source) -> dict[str, Path]:
    """Create the output folder, prove that it can be written, and name the files of a source.

    Args:
        folder: Folder to create.
        source: Source of the frames.

    Returns:
        {`Frame.source`: path without suffix}, one entry per image, or one for a video or camera. Two images of one
        name, a.jpg and a.png, become a_jpg and a_png. Very long names are cut.

    Raises:
        OutputError: The folder cannot be written, or contains an input that might be overwritten.
    """
    names = [re.sub(r"[^\w.-]+", "_", source.name)]  # the address of a stream contains slashes
    if source.paths:
        names = unique_stems([Path(path.name) for path in source.paths])
    sources = [str(path) for path in source.paths] or [source.name]
    return prepare_folder(folder, dict(zip(sources, names, strict=True)), source.paths)


def prepare_folder(folder: str | Path, names: dict[str, str], inputs: Sequence[Path]) -> dict[str, Path]:
    """Create the output folder and prove that it can be written.

    Args:
        folder: Folder to create.
        names: Paths below it, without suffix, by any key.
        inputs: Files that must not be overwritten.

    Returns:
        The whole path without suffix for every key of `names`.

    Raises:
        OutputError: The folder cannot be written, or files would be written to a folder that contains an input.
    """
    folder = Path(folder)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise OutputError(f"cannot write into {folder}", got=error.strerror, fix="--out-dir DIR") from error
    stems = {key: folder / name for key, name in names.items()}
    written = {parent.resolve() for parent in {stem.parent for stem in stems.values()}}
    for parent in {path.parent for path in inputs}:
        if parent.resolve() in written:
            raise OutputError(f"the input is in {parent} and might be overwritten", fix="--out-dir with another folder")
    return stems


def unique_stems(paths: Sequence[Path]) -> list[str]:
    """Return a path without suffix for every path. Where two would be the same in any case, the suffix is kept.

    Names are cut to `_MAX_STEM_BYTES`, so that the longest suffix and a number fit behind them.

    Example:
        >>> unique_stems([Path("a.jpg"), Path("b.v2.png"), Path("x/a.jpg")])
        ['a', 'b.v2', 'x/a']
        >>> unique_stems([Path("a.jpg"), Path("A.png")])
        ['a_jpg', 'A_png']
    """
    stems = [path.with_name(shorten(path.stem, _MAX_STEM_BYTES)).as_posix() for path in paths]
    lowered = [stem.lower() for stem in stems]
    counts = Counter(lowered)
    names: list[str] = []
    taken: set[str] = {stem for stem in lowered if counts[stem] == 1}
    for path, stem, low in zip(paths, stems, lowered, strict=True):
        name, number = stem, 1
        if low not in taken or counts[low] > 1:
            name = base = f"{stem}_{path.suffix[1:]}"
            while name.lower() in taken:
                number += 1
                name = f"{base}_{number}"
            taken.add(name.lower())
        names.append(name)
    return names


def is_finished(stem: Path, suffixes: Sequence[str], source: str) -> bool:
    """Return whether all outputs of an input exist, and its JSON file says that it is complete.

    Only the beginning and the end of the JSON file are read. Whether the input or the options of the run have changed
    since then is not checked.

    Args:
        stem: Path of the outputs without suffix.
        suffixes: Suffixes of the outputs, one of which is ".json".
        source: The input, as it stands in its JSON file.
    """
    paths = [stem.with_name(stem.name + suffix) for suffix in suffixes]
    if not all(path.is_file() for path in paths):
        return False
    with open(stem.with_name(f"{stem.name}.json"), "rb") as file:
        head = _SOURCE.search(file.readline(_MAX_HEAD_BYTES))
        file.seek(max(0, file.seek(0, 2) - _END_BYTES))
        end = file.read()
    return head is not None and json.loads(head[1]) == source and _COMPLETE.search(end) is not None
