"""Checks of paths before anything slow starts. This module imports nothing heavy, so that tools can answer at once."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path

from ..errors import CheckpointError, ConfigError, OutputError

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]+://", re.IGNORECASE)
_SECRETS = re.compile(r"([a-z][a-z0-9+.-]+://)(?:[^/\s]*@)?([^\s?]*)\S*", re.IGNORECASE)


def is_address(path: str | Path) -> bool:
    """Return True for a URL, such as that of a file on the web or of a network stream.

    Example:
        >>> is_address("rtsp://127.0.0.1/hands"), is_address("C:/hands.jpg")
        (True, False)
    """
    return isinstance(path, str) and _ADDRESS.match(path) is not None


def public_address(text: str) -> str:
    """Return a text in which addresses have no user name, password and query, since these may be secret.

    Example:
        >>> public_address("--camera=rtsp://me:secret@10.0.0.5:554/live?token=1 --smooth")
        '--camera=rtsp://10.0.0.5:554/live --smooth'
    """
    return _SECRETS.sub(r"\1\2", text)


def check_config(path: str | Path) -> None:
    """Raise `ConfigError` unless a config exists."""
    if not Path(path).is_file():
        raise ConfigError(f"config does not exist: {path}", fix=_download(path) or "ls configs/")


def check_checkpoint(path: str | Path, name: str = "checkpoint", fix: str | None = None) -> None:
    """Raise `CheckpointError` unless a file with weights exists.

    Args:
        path: The file.
        name: Name of the file for the message, such as "exported model".
        fix: How to get it.
    """
    if not Path(path).is_file():
        raise CheckpointError(f"{name} does not exist: {path}", fix=_download(path) or fix)


def check_writable(folder: str | Path, fix: str | None = None) -> None:
    """Raise `OutputError` unless a folder can be written, or could be created. Nothing is created.

    Args:
        folder: The folder.
        fix: Option that names another folder.
    """
    nearest = next(path for path in (Path(folder).absolute(), *Path(folder).absolute().parents) if path.exists())
    try:
        with tempfile.TemporaryDirectory(dir=nearest):  # permissions alone do not tell about quotas and special folders
            pass
    except OSError as error:
        raise OutputError(f"cannot write into {folder}", got=f"{error.strerror}: {nearest}", fix=fix) from error


def _download(path: str | Path) -> str | None:
    """Return how to get a file that is named by its address, or None if it is not."""
    if not is_address(path):
        return None
    name = str(path).rstrip("/").rpartition("/")[2]
    return f"download it first: curl -L -o {name} {path}"
