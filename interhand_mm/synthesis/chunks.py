"""Restartable runs: work is divided into chunks, and every finished chunk leaves one file.

A run that was stopped continues with the chunks whose files are missing. Chunks depend on the options alone, so the
number of processes and shards does not change the output.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

from ..errors import ConfigError
from ..utils.files import write_bytes

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_VERSION = 1  # increase when the same options produce other bytes
MANIFEST = "synthesis.json"
_DONE_FOLDER = ".parts"


class NamedChunk(Protocol):
    """One unit of work."""

    @property
    def name(self) -> str:
        """Name of the file that the chunk leaves when it is finished."""


AnyChunk = TypeVar("AnyChunk", bound=NamedChunk)


def chunk_file(out: Path, chunk: NamedChunk) -> Path:
    """Return the path of the file that a finished chunk leaves under `out`."""
    return out / _DONE_FOLDER / chunk.name


def _results(todo: Sequence[AnyChunk], job: Callable[[AnyChunk], int], workers: int) -> Iterator[int]:
    if workers <= 1:
        yield from map(job, todo)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap_unordered(job, todo)


def make_chunks(
    out: Path,
    chunks: Sequence[AnyChunk],
    job: Callable[[AnyChunk], int],
    size: Callable[[AnyChunk], int],
    workers: int = 1,
    shard: str = "0/1",
    progress: bool = True,
) -> bool:
    """Run the chunks that are not finished yet.

    Args:
        out: Output folder.
        chunks: All chunks, in an order that does not depend on `workers` and `shard`.
        job: Picklable function that makes one chunk, writes its `chunk_file` last and returns its number of images.
        size: Function that returns the number of images of a chunk, for the progress bar.
        workers: Number of processes.
        shard: "i/n" makes every n-th chunk, starting from chunk i.
        progress: Show a progress bar.

    Returns:
        True if all chunks are finished, including those of other shards.
    """
    from tqdm import tqdm

    index, count = parse_shard(shard)
    todo = [c for c in chunks[index::count] if not chunk_file(out, c).exists()]
    with tqdm(total=sum(map(size, todo)), unit="image", disable=not progress) as bar:
        for images in _results(todo, job, workers):
            bar.update(images)
    return all(chunk_file(out, c).exists() for c in chunks)


def parse_shard(text: str) -> tuple[int, int]:
    """Parse "i/n" with 0 <= i < n.

    Example:
        >>> parse_shard("0/4")
        (0, 4)
    """
    parts = text.split("/")
    if len(parts) == 2 and all(p.isdigit() for p in parts):
        i, n = int(parts[0]), int(parts[1])
        if 0 <= i < n:
            return i, n
    raise ConfigError("--shard is not of the form i/n", got=text, want="i/n with 0 <= i < n, for example 0/4")


def claim_folder(out: Path, options: DataclassInstance) -> None:
    """Record the options in a new or empty output folder, or check that it was started with the same options.

    Raises:
        ConfigError: The folder contains something else, or was started with other options.
    """
    wanted = json.loads(json.dumps({"version": _VERSION, **asdict(options)}))
    path = out / MANIFEST
    if not path.exists():
        if out.exists() and any(out.iterdir()):
            raise ConfigError(f"{out} is not empty", want="an empty or new folder", fix="choose another --out")
        write_bytes(path, (json.dumps(wanted, indent=1) + "\n").encode())
        return
    found = json.loads(path.read_text())
    differ = {k: (found.get(k), v) for k, v in wanted.items() if found.get(k) != v}
    if differ:
        raise ConfigError(
            f"{out} was started with other options",
            got={k: v[0] for k, v in differ.items()},
            want={k: v[1] for k, v in differ.items()},
            fix="repeat the first command to continue with it, or choose another --out",
        )
