"""Set up everything this project needs inside one virtual environment.

    python3 tools/install.py                 # .venv, all parts; a second run does nothing
    python3 tools/install.py --venv DIR      # somewhere else

Only the standard library is used, so it runs on a bare Python 3.10+ with a C++ compiler. The steps and
their order matter: mmcv and xtcocotools compile against the torch and numpy installed before them. The
wheels they give are kept in the user's cache under a name made of their versions and torch's, numpy's and
Python's, so the minutes of compiling are spent once a machine.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REQUIREMENTS = ROOT / "requirements"
STAMP = "interhand_mm.stamp"


def read_pins(name: str) -> dict[str, str]:
    """Return {package: version} of a requirements file with exact pins."""
    pins = {}
    for line in (REQUIREMENTS / name).read_text().splitlines():
        spec = line.split("#")[0].strip()
        if spec:
            package, version = spec.split("==")
            pins[package] = version
    return pins


def fingerprint() -> str:
    """Digest of everything that decides what gets installed; the stamp of a finished set-up."""
    digest = hashlib.sha256(sys.version.encode())
    for path in [*sorted(REQUIREMENTS.glob("*.txt")), ROOT / "pyproject.toml", Path(__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def wheel_cache() -> Path:
    """Folder in the user's cache that keeps compiled wheels for exactly this combination."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    pins = read_pins("torch.txt")
    key = f"torch{pins['torch']}-numpy{pins['numpy']}-py{platform.python_version()}-{platform.machine()}"
    return base / "interhand_mm" / "wheels" / key


class Installer:
    """Runs pip inside one virtual environment, a titled step at a time."""

    def __init__(self, venv: Path) -> None:
        self.venv = venv
        self.python = venv / ("Scripts" if os.name == "nt" else "bin") / "python"
        self.started = time.monotonic()

    def say(self, title: str) -> None:
        print(f"[{time.monotonic() - self.started:6.1f} s] {title}", flush=True)

    def pip(self, *args: str, **env: str) -> None:
        command = [str(self.python), "-m", "pip", *args]
        clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        done = subprocess.run(command, env={**clean, **env}, check=False)
        if done.returncode:
            raise SystemExit(f"install: step failed: {' '.join(command)}\n  fix what pip says above, then run again")

    def compile_wheel(self, package: str, version: str, **env: str) -> None:
        """Install `package` from the kept wheel, compiling it first where there is none."""
        cache = wheel_cache()
        cache.mkdir(parents=True, exist_ok=True)
        pattern = f"{package}-{version}-*.whl"
        if not list(cache.glob(pattern)):
            self.say(f"compiling {package} {version} (once for this machine; mmcv takes about 6 minutes on 2 cores)")
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                self.pip("wheel", "-q", "--no-deps", "--no-build-isolation", "--no-binary", package,
                         "-w", scratch, f"{package}=={version}", **env)  # fmt: skip
                for wheel in Path(scratch).glob(pattern):
                    os.replace(wheel, cache / wheel.name)  # atomic: a second set-up never sees half a wheel
        self.pip("install", "-q", "--no-deps", "--force-reinstall", str(next(cache.glob(pattern))))

    def run(self) -> None:
        openmmlab = read_pins("openmmlab.txt")
        self.say(f"virtual environment {self.venv}")
        if not self.python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(self.venv)], check=True)
        self.pip("install", "-q", "-r", str(REQUIREMENTS / "build.txt"))
        self.say("torch and numpy")
        self.pip("install", "-q", "-r", str(REQUIREMENTS / "torch.txt"))
        self.say("mmcv with compiled ops")
        self.compile_wheel("mmcv", openmmlab.pop("mmcv"), MMCV_WITH_OPS="1", FORCE_CUDA="0",
                           CUDA_VISIBLE_DEVICES="", MAX_JOBS=str(os.cpu_count() or 1))  # fmt: skip
        self.say("xtcocotools")
        self.compile_wheel("xtcocotools", openmmlab.pop("xtcocotools"))
        self.say("mmengine, mmdet, mmpose")
        self.pip("install", "-q", "--no-deps", *(f"{name}=={version}" for name, version in openmmlab.items()))
        self.say("everything they and we import, and the tools for tests")
        self.pip("install", "-q", "-r", str(REQUIREMENTS / "torch.txt"), "-r", str(REQUIREMENTS / "runtime.txt"),
                 "-r", str(REQUIREMENTS / "dev.txt"))  # fmt: skip
        self.say("interhand_mm itself (editable)")
        self.pip("install", "-q", "--no-deps", "--no-build-isolation", "-e", str(ROOT))


def check_host() -> None:
    """Say what a bare machine lacks before minutes are spent."""
    if sys.version_info < (3, 10):  # noqa: UP036  (this file is what an older Python runs first)
        raise SystemExit(f"install: Python {platform.python_version()}, want 3.10 or newer")
    if shutil.which("c++") is None and shutil.which("g++") is None:
        raise SystemExit("install: no C++ compiler, wanted to build mmcv\n  fix: sudo apt-get install g++")
    try:
        import ensurepip  # noqa: F401  (Debian splits it off; venv fails half way without it)
    except ImportError:
        raise SystemExit("install: this Python has no venv\n  fix: sudo apt-get install python3-venv") from None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv")
    venv = parser.parse_args().venv.absolute()
    stamp = venv / STAMP
    if stamp.exists() and stamp.read_text() == fingerprint():
        print(f"{venv} is up to date")
        return
    check_host()
    stamp.unlink(missing_ok=True)
    installer = Installer(venv)
    installer.run()
    stamp.write_text(fingerprint())
    installer.say("done; check it with: .venv/bin/python tools/doctor.py")


if __name__ == "__main__":
    main()
