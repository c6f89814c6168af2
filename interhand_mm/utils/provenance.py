"""Provenance of a result: versions, command line, commit and hardware."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from .early import public_address
from .paths import IS_INSTALLED, PACKAGE, printable

PACKAGES = (
    *("torch", "numpy", "opencv-python-headless", "msgspec", "pycocotools", "xtcocotools"),
    *("mmengine", "mmcv", "mmdet", "mmpose", "interhand_mm"),
)


def versions() -> dict[str, str]:
    """Return the versions of Python and of the main packages, "missing" for a package that is not installed."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            found[name] = "missing"
    return found


def hardware() -> dict[str, Any]:
    """Return the name of the processor, the number of its cores and the names of the GPUs."""
    import torch

    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            line.split(":")[1].strip()
            for line in cpuinfo.read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return {"cpu": model, "cores": os.cpu_count(), "gpus": gpus}


def git_commit() -> str | None:
    """Return the commit of the checkout, with "+" if files differ from it.

    None for an installed package, or without git.
    """
    if IS_INSTALLED:  # the environment may lie inside the repository of another project
        return None
    root = PACKAGE.parent
    try:
        commit = subprocess.run(
            ["git", "-C", str(root), "rev-parse", "HEAD"], capture_output=True, text=True, check=True
        )
        dirty = subprocess.run(["git", "-C", str(root), "status", "--porcelain"], capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def provenance(**more: Any) -> dict[str, Any]:
    """Return everything that identifies how a result was made.

    Args:
        **more: Additional entries, such as `seed` or `config`.
    """
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": public_address(printable(" ".join(sys.argv))),
        "git_commit": git_commit(),
        "versions": versions(),
        "hardware": hardware(),
        **{key: printable(value) if isinstance(value, str) else value for key, value in more.items()},
    }
