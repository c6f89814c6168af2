"""Restartable runs: work is divided into chunks, and every finished chunk leaves one file.

A run that was stopped continues with the chunks whose files are missing. Chunks depend on the options alone, so the
number of processes and shards does not change the output.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from ..errors import ConfigError
from ..utils.files import write_bytes
from ..utils.parallel import parallel_map

MANIFEST = "synthesis.json"
_DONE_FOLDER = ".parts"


class Options(Protocol):
    """Options of a generator: a dataclass of everything that decides its bytes."""

    __dataclass_fields__: ClassVar[dict[str, Any]]
    VERSION: ClassVar[int]  # increased when the same options produce other images or labels


class NamedChunk(Protocol):
    """One unit of work."""

    @property
    def name(self) -> str:
        """Name of the file that the chunk leaves when it is finished."""


AnyChunk = TypeVar("AnyChunk", bound=NamedChunk)


def chunk_file(out: Path, chunk: NamedChunk) -> Path:
    """Return the path of the file that a finished chunk leaves under `out`."""
    return out / _DONE_FOLDER / chunk.name


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
    with parallel_map(workers) as run, tqdm(total=sum(map(size, todo)), unit="image", disable=not progress) as bar:
        for images in run(job, todo):
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


def manifest(options: Options, sources: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return what a folder of generated data records about its making.

    Args:
        options: Options of the generator.
        sources: Origin of the input data, for example the manifests of other folders.
    """
    parts = {"version": options.VERSION, **asdict(options), **(sources or {})}
    recorded: dict[str, Any] = json.loads(json.dumps(parts))
    return recorded


def is_started(out: Path, options: Options, sources: dict[str, Any] | None = None) -> bool:
    """Return whether the folder contains data of the same generator, options and sources, complete or not.

    Raises:
        ConfigError: The folder contains something else, or was started with other options or by other code.
    """
    path = out / MANIFEST
    if not path.exists():
        if out.exists() and any(out.iterdir()):
            raise ConfigError(f"{out} is not empty", want="an empty or new folder", fix="choose another --out")
        return False
    wanted, found = manifest(options, sources), json.loads(path.read_text(encoding="utf-8"))
    differ = {key: (found.get(key), value) for key, value in wanted.items() if found.get(key) != value}
    if set(differ) == {"version"}:
        raise ConfigError(
            f"{out} was made by another version of the generator",
            got=f"version {found.get('version')}",
            want=f"version {wanted['version']}, whose images or labels differ",
            fix="choose another folder, or delete this one to make it anew",
        )
    if differ:
        raise ConfigError(
            f"{out} was started with other options",
            got={key: value[0] for key, value in differ.items()},
            want={key: value[1] for key, value in differ.items()},
            fix="repeat the first command to continue with it, or choose another folder",
        )
    return True


def claim_folder(out: Path, options: Options, sources: dict[str, Any] | None = None) -> None:
    """Record the options in a new or empty output folder, or check that it was started with the same options.

    Raises:
        ConfigError: The folder contains something else, or was started with other options or by other code.
    """
    if not is_started(out, options, sources):
        write_bytes(out / MANIFEST, (json.dumps(manifest(options, sources), indent=1) + "\n").encode())
