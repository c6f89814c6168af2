"""Atomic writes: a file or folder appears complete under its name, or not at all.

Everything is written under a hidden temporary name in the target's own folder and renamed at the end. No other module
of the package renames files, so the rules for cleaning up and for reporting a full disk exist once.
"""

from __future__ import annotations

import errno
import json
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Literal, overload

from ..errors import OutputError

_SUFFIX = ".tmp"
_MAX_NAME_BYTES = 255  # of every common file system
_FIXES = {
    errno.ENOSPC: "free some disk space, or write to another disk",
    errno.EDQUOT: "free some of your disk quota, or write to another disk",
    errno.EROFS: "write to a folder that is not read-only",
    errno.EACCES: "write to a folder that belongs to you",
}


@contextmanager
def atomic_path(path: str | Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path to write to, and rename it to `path` when the block ends without an error.

    For writers that open a file themselves. Use `atomic_write` where a stream is enough.

    Args:
        path: File to create or replace. Missing parent folders are created.
        durable: Flush the file to the disk before the rename, so that it survives a power failure. Set it to False
            for large numbers of small files that can be written again.

    Raises:
        OutputError: The disk is full, or the folder cannot be written. An existing file stays as it was.
    """
    path = Path(path)
    temporary = _temporary(path)
    with _report_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            if durable:
                _sync(temporary)
            os.replace(temporary, path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        if durable:
            _sync_folder(path.parent)


@overload
def atomic_write(
    path: str | Path, mode: Literal["wb"] = "wb", *, durable: bool = True
) -> AbstractContextManager[IO[bytes]]: ...
@overload
def atomic_write(path: str | Path, mode: Literal["w"], *, durable: bool = True) -> AbstractContextManager[IO[str]]: ...
@contextmanager
def atomic_write(path: str | Path, mode: Literal["wb", "w"] = "wb", *, durable: bool = True) -> Iterator[IO[Any]]:
    """Open a stream whose content appears under `path` when the block ends without an error.

    Args:
        path: File to create or replace. Missing parent folders are created.
        mode: "wb" for bytes, "w" for UTF-8 text.
        durable: Whether the content is flushed to the disk before the file appears.

    Raises:
        OutputError: See `atomic_path`.

    Example:
        >>> import tempfile
        >>> folder = Path(tempfile.mkdtemp())
        >>> with atomic_write(folder / "joints.txt", "w") as stream:
        ...     _ = stream.write("wrist")
        ...     print((folder / "joints.txt").exists())
        False
        >>> (folder / "joints.txt").read_text()
        'wrist'
    """
    encoding, newline = (None, None) if mode == "wb" else ("utf-8", "\n")
    with (
        atomic_path(path, durable=durable) as temporary,
        open(temporary, mode, encoding=encoding, newline=newline) as stream,
    ):
        yield stream


@contextmanager
def growing_write(path: str | Path) -> Iterator[IO[bytes]]:
    r"""Open a binary stream that others can read under `path` while it grows, up to its last flush.

    This is the exception to the rule of this module. Use it for files that say by themselves whether they are complete.
    A reader that has an older file of this name open keeps reading the older one.

    Args:
        path: File to create or replace. Missing parent folders are created.

    Raises:
        OutputError: The disk is full, or the folder cannot be written.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "lines.txt"
        >>> with growing_write(path) as stream:
        ...     _ = stream.write(b"first\n")
        ...     stream.flush()
        ...     print(path.read_bytes())
        b'first\n'
    """
    path = Path(path)
    with _report_os_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.unlink(missing_ok=True)
        with open(path, "xb") as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        _sync_folder(path.parent)


@contextmanager
def atomic_folder(path: str | Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield a temporary folder to fill, and rename it to `path` when the block ends without an error.

    Every file in it is flushed to the disk before the rename.

    Args:
        path: Folder to create.
        replace: Replace an existing folder. Otherwise an existing folder is an error.

    Raises:
        OutputError: The disk is full, the parent folder cannot be written, or the folder exists.
    """
    path = Path(path)
    temporary = _temporary(path)
    with _report_os_errors(path):
        try:
            temporary.mkdir(parents=True)
            yield temporary
            for folder, _, names in os.walk(temporary):
                for name in names:
                    _sync(Path(folder, name))
                _sync_folder(Path(folder))
            if replace and path.exists():
                old = _temporary(path)
                os.rename(path, old)
                os.rename(temporary, path)
                shutil.rmtree(old, ignore_errors=True)
            else:
                os.rename(temporary, path)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _sync_folder(path.parent)


def remove_leftovers(folder: str | Path, pattern: str) -> None:
    """Delete temporary files and folders that a killed process left behind.

    Call it only while no other process writes targets of these names.

    Args:
        folder: Folder of the targets.
        pattern: Name of the targets, as a glob pattern.
    """
    for path in Path(folder).glob(f".{pattern}{_SUFFIX}"):
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def write_bytes(path: str | Path, data: bytes, *, durable: bool = True) -> None:
    """Write a binary file atomically. See `atomic_path` for the arguments and errors."""
    with atomic_write(path, durable=durable) as stream:
        stream.write(data)


def write_text(path: str | Path, text: str) -> None:
    """Write a UTF-8 text file atomically. See `atomic_path` for the errors."""
    with atomic_write(path, "w") as stream:
        stream.write(text)


def write_json(path: str | Path, content: Any) -> None:
    """Write an indented JSON file atomically. NaN becomes null. See `atomic_path` for the errors."""
    write_text(path, json.dumps(_nan_to_none(content), indent=2) + "\n")


def _temporary(path: Path) -> Path:
    """Return a hidden name beside `path` that no other process or thread uses."""
    ending = f".{secrets.token_hex(4)}{_SUFFIX}"
    return path.with_name(f".{shorten(path.name, _MAX_NAME_BYTES - len(ending) - 1)}{ending}")


def shorten(name: str, max_bytes: int) -> str:
    """Return the first characters of a file name, of at most `max_bytes` in the file system's encoding.

    Example:
        >>> shorten("clip", 255), shorten("\u624b" * 100, 9)
        ('clip', '手手手')
    """
    while len(os.fsencode(name)) > max_bytes:
        name = name[:-1]
    return name


@contextmanager
def _report_os_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise OutputError(
            f"cannot write {path}", got=error.strerror or error, fix=_FIXES.get(error.errno or 0)
        ) from error


def _sync(path: Path) -> None:
    """Flush a file's content to the disk."""
    with open(path, "rb+") as file:  # Windows refuses to flush a file that is open for reading
        os.fsync(file.fileno())


def _sync_folder(folder: Path) -> None:
    """Flush a folder's list of names to the disk, so that a rename in it survives a power failure."""
    if os.name != "posix":  # elsewhere a folder cannot be opened
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems cannot flush a folder; the rename itself succeeded
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _nan_to_none(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _nan_to_none(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_nan_to_none(item) for item in value]
    return None if isinstance(value, float) and value != value else value
