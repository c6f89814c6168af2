"""Where a result comes from: versions, command, commit, hardware."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from .paths import IS_INSTALLED, PACKAGE

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
    if IS_INSTALLED:  # a folder above the package may be a repository, but another project's
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
    """Everything above plus the time, the command line and what the caller adds."""
    return {
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join(sys.argv),
        "git_commit": git_commit(),
        "versions": versions(),
        "hardware": hardware(),
        **more,
    }
