"""Where a result comes from: versions, command, commit, hardware."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from datetime import datetime, timezone
from importlib import metadata
from pathlib import Path
from typing import Any

from ..errors import OutputError

PACKAGES = (
    *("torch", "numpy", "opencv-python-headless", "msgspec", "pycocotools", "xtcocotools"),
    *("mmengine", "mmcv", "mmdet", "mmpose", "interhand_mm"),
)


def versions() -> dict[str, str]:
    """Python's and the main packages' versions; "missing" where one is not installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def hardware() -> dict[str, Any]:
    """Processor, cores and GPUs."""
    import torch

    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":")[1].strip() for line in cpuinfo.read_text().splitlines() if line.startswith("model name")
        ]
        model = names[0] if names else model
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"cpu": model, "cores": os.cpu_count(), "gpus": gpus}


def git_commit() -> str | None:
    """Commit of the checkout this package stands in, with "+" where files differ from it."""
    root = Path(__file__).resolve().parents[2]
    try:
        commit = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
        dirty = subprocess.run(["git", "-C", str(root), "status", "--porcelain"], capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def provenance(**more: Any) -> dict[str, Any]:
    """Everything above plus the time, the command line and what the caller adds."""
    return {
        "time": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "git_commit": git_commit(),
        "versions": versions(),
        "hardware": hardware(),
        **more,
    }


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
