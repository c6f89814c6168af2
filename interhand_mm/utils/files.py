"""Atomic writes: a file appears whole under its name, or not at all."""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

from ..errors import OutputError


def write_json(path: str | Path, content: Any) -> None:
    """Write JSON so that a reader sees the old file or the whole new one. NaN becomes null."""
    write_text(path, json.dumps(_no_nan(content), indent=2) + "\n")


def write_text(path: str | Path, text: str) -> None:
    """Write a text file so that a reader sees the old one or the whole new one.

    Raises:
        OutputError: The folder cannot be written.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, text)
    except OSError as error:
        raise OutputError(f"cannot write {path}", got=error.strerror) from error


def _replace(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile("w", dir=path.parent, prefix=path.name, suffix=".tmp", delete=False) as file:
        file.write(text)
    os.chmod(file.name, 0o644)
    os.replace(file.name, path)


def _no_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _no_nan(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_no_nan(item) for item in value]
    return None if isinstance(value, float) and value != value else value
