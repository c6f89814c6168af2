"""Cache of columns on disk: a folder of plain .npy files and a meta.json, memory-mapped when it is opened.

A folder ``<stem>-<content key>`` appears by one rename after all its files are on the disk, so a folder with such a
name is complete. Only damage from outside, such as a truncated copy, can change that, so sizes are checked when it is
opened. One process builds while it holds a lock. The kernel releases the lock if that process dies.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import platformdirs

from ...errors import AnnotationError
from ...utils.files import atomic_folder, remove_leftovers, write_json

Columns = dict[str, np.ndarray]

SCHEMA = 2  # increase it when the name, type or meaning of a column changes, so that older indexes are rebuilt

_LOG = logging.getLogger(__name__)
_FOLDER = ".interhand_mm"
_KEY_CHARS = 16


class DamagedIndex(AnnotationError):
    """Raised when an index on disk is incomplete. Opening it through its annotation files rebuilds it."""


def open_columns(
    kind: str,
    sources: Sequence[Path],
    build: Callable[[], Columns],
    names: Sequence[str],
    cache_dir: str | Path | None = None,
) -> Path:
    """Return the folder of an index, and build the index if there is no usable one.

    Args:
        kind: Kind of the index. An index of another kind is never used.
        sources: Files that the index is made from. The first one determines its place and name.
        build: Function that reads the sources into columns. It is called at most once, by one process.
        names: Names of the columns that an index of this kind contains.
        cache_dir: Folder for the index. Default: ``.interhand_mm`` beside the first source or, if that folder cannot be
            written, the user's cache folder (XDG_CACHE_HOME).
    """
    stamps = _stamps(sources)
    stem, homes = sources[0].stem, _homes(sources[0], cache_dir)
    for home in homes:
        if folder := _find(home, stem, kind, stamps, names):
            return folder
    home = _first_writable(homes)
    with _FileLock(home / f".{stem}.lock"):
        # Another process may have built it while this one waited.
        if folder := _find(home, stem, kind, stamps, names):
            return folder
        remove_leftovers(home, f"{stem}-*")  # left by a process that was killed while it built an index
        folder = _rebuild(home, stem, kind, sources, stamps, build, names)
        _remove(home.glob("*"), _folder_pattern(stem), keep=folder)
        return folder


def load_columns(folder: Path, names: Sequence[str]) -> Columns:
    """Map the columns of an index into memory without reading them.

    Args:
        folder: Folder of the index.
        names: Names of the columns to map.

    Raises:
        DamagedIndex: A file is missing or has another size than when it was written.
    """
    meta = _read_meta(folder)
    if meta is None:
        raise DamagedIndex(f"annotation index is not complete: {folder}", got="no readable meta.json")
    return {name: _load_column(folder, name, meta["columns"].get(name)) for name in names}


def _load_column(folder: Path, name: str, entry: dict[str, Any] | None) -> np.ndarray:
    path = folder / f"{name}.npy"
    try:
        if entry is None:
            raise ValueError("no entry in meta.json")
        if (size := path.stat().st_size) != entry["bytes"]:
            raise ValueError(f"{size} bytes instead of {entry['bytes']}")
        empty = 0 in entry["shape"]  # an empty file cannot be mapped
        column = np.load(path, mmap_mode=None if empty else "r", allow_pickle=False).view(np.ndarray)
        if list(column.shape) != entry["shape"] or str(column.dtype) != entry["dtype"]:
            raise ValueError(f"{column.dtype} {column.shape} instead of {entry['dtype']} {entry['shape']}")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DamagedIndex(f"column {name} of the annotation index {folder} is damaged", got=error) from None
    return column


def _stamps(sources: Sequence[Path]) -> list[dict[str, Any]]:
    stamps = []
    for path in sources:
        try:
            stat = path.stat()
        except OSError as error:
            fix = "check the data root"
            raise AnnotationError(f"annotation file cannot be read: {path}", got=error, fix=fix) from None
        stamps.append({"name": path.name, "size": stat.st_size, "mtime_ns": stat.st_mtime_ns})
    return stamps


def _homes(source: Path, cache_dir: str | Path | None) -> list[Path]:
    parent = source.parent.resolve()
    # One cache serves many data roots, whose files have the same names.
    place = f"{parent.name}-{hashlib.blake2b(os.fsencode(parent), digest_size=6).hexdigest()}"
    if cache_dir is not None:
        return [Path(cache_dir) / place]
    return [parent / _FOLDER, Path(platformdirs.user_cache_dir("interhand_mm")) / "index" / place]


def _first_writable(homes: list[Path]) -> Path:
    reasons = []
    for home in homes:
        try:
            home.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=home):
                return home
        except OSError as error:
            reasons.append(str(error))
    fix = "set cache_dir or XDG_CACHE_HOME to a folder that can be written"
    raise AnnotationError("there is no writable folder for the annotation index", got="; ".join(reasons), fix=fix)


class _FileLock:
    """Hold a file lock. Logs one warning if another process holds it."""

    def __init__(self, path: Path) -> None:
        self._lock = filelock.FileLock(path)

    def __enter__(self) -> None:
        try:
            self._lock.acquire(timeout=0)
        except filelock.Timeout:
            _LOG.warning("waiting for another process to build the index (%s)", self._lock.lock_file)
            self._lock.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()


def _folder_pattern(stem: str) -> re.Pattern[str]:
    return re.compile(rf"{re.escape(stem)}-[0-9a-f]{{{_KEY_CHARS}}}")


def _find(home: Path, stem: str, kind: str, stamps: list[dict[str, Any]], names: Sequence[str]) -> Path | None:
    """Return the undamaged index whose sources had these sizes and times, or None."""
    try:
        folders = [path for path in sorted(home.iterdir()) if _folder_pattern(stem).fullmatch(path.name)]
    except OSError:
        return None
    for folder in folders:
        meta = _read_meta(folder)
        if meta is None:
            _LOG.warning("the annotation index %s has no readable meta.json and is not used", folder)
            continue
        fresh = (meta.get("schema"), meta.get("kind"), meta.get("sources")) == (SCHEMA, kind, stamps)
        if fresh and _is_complete(folder, names):
            return folder
    return None


def _is_complete(folder: Path, names: Sequence[str]) -> bool:
    try:
        load_columns(folder, names)
    except DamagedIndex as error:
        _LOG.warning("the annotation index is damaged and is not used: %s", error)
        return False
    return True


def _read_meta(folder: Path) -> dict[str, Any] | None:
    try:
        meta = json.loads((folder / "meta.json").read_bytes())
    except (OSError, ValueError):
        return None
    complete = isinstance(meta, dict) and isinstance(meta.get("columns"), dict)
    return meta if complete else None


def _rebuild(
    home: Path,
    stem: str,
    kind: str,
    sources: Sequence[Path],
    stamps: list[dict[str, Any]],
    build: Callable[[], Columns],
    names: Sequence[str],
) -> Path:
    """Build the index, or reuse one whose sources had the same contents but other modification times."""
    start = time.perf_counter()
    with ThreadPoolExecutor(1) as pool:
        pending_key = pool.submit(_content_key, kind, sources)  # hashing releases the GIL
        if any(_folder_pattern(stem).fullmatch(path.name) for path in home.iterdir()):
            folder = home / f"{stem}-{pending_key.result()}"
            meta = _read_meta(folder)
            if meta is not None and _is_complete(folder, names):
                write_json(folder / "meta.json", {**meta, "sources": stamps})
                return folder
        _LOG.info("building the annotation index of %s; later runs reuse it", sources[0])
        columns = build()
        key = pending_key.result()
    if _stamps(sources) != stamps:
        raise AnnotationError(
            f"annotation files changed while they were read: {sources[0]} and the files beside it", fix="run again"
        )
    assert set(columns) == set(names), set(columns) ^ set(names)
    folder = _publish(home, stem, key, columns, {"schema": SCHEMA, "kind": kind, "key": key, "sources": stamps})
    _LOG.info("built %s in %.1f s", folder, time.perf_counter() - start)
    return folder


def _content_key(kind: str, sources: Sequence[Path]) -> str:
    digest = hashlib.blake2b(f"{kind} {SCHEMA}".encode(), digest_size=_KEY_CHARS // 2)
    for path in sources:
        digest.update(f" {path.stat().st_size} ".encode())  # the size separates the files in the hash
        with path.open("rb", buffering=0) as file:
            while block := file.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def _publish(home: Path, stem: str, key: str, columns: Columns, meta: dict[str, Any]) -> Path:
    target = home / f"{stem}-{key}"
    with atomic_folder(target, replace=True) as folder:  # an existing folder is damaged, otherwise it would be in use
        entries = {}
        for name, column in columns.items():
            path = folder / f"{name}.npy"
            np.save(path, column, allow_pickle=False)
            entries[name] = {"shape": list(column.shape), "dtype": str(column.dtype), "bytes": path.stat().st_size}
        write_json(folder / "meta.json", {**meta, "columns": entries})
    return target


def _remove(paths: Any, pattern: re.Pattern[str], keep: Path | None = None) -> None:
    for path in paths:
        if path != keep and pattern.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)
