"""Work in parts: chunks in processes, each leaving one file, so that a stopped run goes on where it was."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from .plan import PARTS, parse_shard


class Part(Protocol):
    """A unit of work and of a restart."""

    @property
    def name(self) -> str:
        """File name of the part; its presence says that the chunk is done."""


AnyPart = TypeVar("AnyPart", bound=Part)


def _results(todo: Sequence[AnyPart], job: Callable[[AnyPart], int], workers: int) -> Iterator[int]:
    if workers <= 1:
        yield from map(job, todo)
        return
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        yield from pool.imap_unordered(job, todo)


def make_parts(
    out: Path,
    chunks: Sequence[AnyPart],
    job: Callable[[AnyPart], int],
    size: Callable[[AnyPart], int],
    workers: int = 1,
    shard: str = "0/1",
    progress: bool = True,
) -> bool:
    """Do what is missing of `chunks`.

    Args:
        out: Folder whose `.parts` holds a file for each chunk that is done.
        chunks: All of them, in an order that workers and shards do not change.
        job: Makes a chunk, writes its part last and returns the number of its images; picklable.
        size: Images of a chunk, for the bar.
        workers: Processes.
        shard: "i/n" makes every n-th chunk from i.
        progress: Show a bar.

    Returns:
        Whether every chunk, those of other shards too, is done.
    """
    from tqdm import tqdm

    index, count = parse_shard(shard)
    todo = [c for c in chunks[index::count] if not (out / PARTS / c.name).exists()]
    with tqdm(total=sum(map(size, todo)), unit="image", disable=not progress) as bar:
        for images in _results(todo, job, workers):
            bar.update(images)
    return all((out / PARTS / c.name).exists() for c in chunks)
