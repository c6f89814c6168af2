"""Check the installation, and show the command that fixes each problem.

.venv/bin/python tools/doctor.py
"""

from __future__ import annotations

import argparse
import importlib
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from install import read_pins

FIX = "make env"
# Packages that install the module cv2; the first is the one this project uses.
OPENCV = (
    "opencv-python-headless",
    "opencv-python",
    "opencv-contrib-python",
    "opencv-contrib-python-headless",
)


def check_versions() -> list[tuple[bool, str, str]]:
    """Check that every pinned package has the version that this project is tested with."""
    from importlib import metadata

    rows = []
    pins = {k: v for name in ("torch.txt", "openmmlab.txt", "runtime.txt") for k, v in read_pins(name).items()}
    for package, wanted in pins.items():
        try:
            found = metadata.version(package)
        except metadata.PackageNotFoundError:
            found = "missing"
        good = found.split("+")[0] == wanted
        rows.append((good, f"{package} {found}", "" if good else f"want {wanted}: {FIX}"))
    return rows


def check_opencv() -> list[tuple[bool, str, str]]:
    """Check that one package alone provides cv2. Several overwrite each other's files."""
    from importlib import metadata

    found = [name for name in OPENCV if _is_installed(metadata, name)]
    if len(found) <= 1:
        return [(True, f"one OpenCV: {', '.join(found) or 'none'}", "")]
    others = " ".join(name for name in found if name != OPENCV[0])
    fix = f"pip uninstall -y {others} {OPENCV[0]}, then {FIX}"
    return [(False, f"{len(found)} OpenCV packages overwrite each other: {', '.join(found)}", fix)]


def _is_installed(metadata: Any, name: str) -> bool:
    try:
        return bool(metadata.version(name))
    except metadata.PackageNotFoundError:
        return False


def check_imports() -> list[tuple[bool, str, str]]:
    """Check that the modules load which fail first after a broken build."""
    rows = []
    for module, why in (
        ("mmcv.ops", "compiled ops; mmdet and mmpose.models import them"),
        ("xtcocotools._mask", "fails if it was compiled against another numpy"),
        ("mmpose.models", "backbones"),
        ("mmdet.models", "hand detectors"),
        ("interhand_mm.registry", "this project"),
    ):
        try:
            importlib.import_module(module)
            rows.append((True, f"{module} loads", ""))
        except Exception as error:  # a broken extension can raise any error
            rows.append((False, f"{module} does not load: {error}", f"{why}: {FIX}"))
    return rows


def check_hardware() -> list[tuple[bool, str, str]]:
    """Report the GPU, the shared memory, and the bfloat16 instructions that make CPU inference twice as fast."""
    import os

    import torch

    rows = [(True, f"{os.cpu_count()} cores, torch uses {torch.get_num_threads()} threads", "")]
    if torch.cuda.is_available():
        rows.append((True, f"CUDA {torch.version.cuda}: {torch.cuda.get_device_name(0)}", ""))
    else:
        build = "CPU build of torch" if torch.version.cuda is None else "no GPU or driver found"
        rows.append((True, f"no CUDA ({build}); everything runs on the CPU", ""))
    shared = Path("/dev/shm")  # where the workers of a data loader put their batches
    if shared.is_dir():
        free = shutil.disk_usage(shared).free / 1e6
        hint = "" if free > 500 else "docker run --shm-size=8g, or few workers and small batches"
        rows.append((True, f"{free:.0f} MB of shared memory in {shared}", hint))
    flags = Path("/proc/cpuinfo").read_text(encoding="utf-8") if Path("/proc/cpuinfo").exists() else ""
    found = [flag for flag in ("avx2", "avx512f", "avx512_bf16", "amx_bf16") if f" {flag}" in flags]
    bf16 = (
        "bfloat16 is fast: use --amp bfloat16" if "avx512_bf16" in found else "no AVX512-bf16: use float32 on the CPU"
    )
    rows.append((True, f"{' '.join(found) or 'no AVX instructions found'}; {bf16}", ""))
    return rows


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    print(f"Python {sys.version.split()[0]} at {sys.executable}")
    failed = 0
    checks: list[Callable[[], list[tuple[bool, str, str]]]] = [
        check_versions,
        check_opencv,
        check_imports,
        check_hardware,
    ]
    for check in checks:
        try:
            rows = check()
        except ImportError as error:
            rows = [(False, str(error), FIX)]
        for good, found, fix in rows:
            failed += not good
            print(f"  {'ok  ' if good else 'FAIL'}  {found}{'   <- ' + fix if fix else ''}")
    print("All checks passed." if not failed else f"{failed} checks failed. Start with: {FIX}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
