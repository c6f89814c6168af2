"""Install everything this project needs into one virtual environment.

    python3 tools/install.py                 # into .venv; a second run does nothing
    python3 tools/install.py --venv DIR      # into another folder

The script uses the standard library only, so it runs on a new Python 3.11 with a C++ compiler. The order of the steps
matters: mmcv and xtcocotools are compiled against the torch and numpy that are installed before them. The compiled
wheels are kept in the user's cache, one folder for each combination of the versions of Python, torch and numpy, so a
machine compiles them only once.
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
    """Return the version of each package of a requirements file with exact pins."""
    pins = {}
    for line in (REQUIREMENTS / name).read_text(encoding="utf-8").splitlines():
        spec = line.split("#")[0].strip()
        if spec:
            package, version = spec.split("==")
            pins[package] = version
    return pins


def fingerprint() -> str:
    """Return a digest of everything that determines what is installed, as the stamp of a finished setup."""
    digest = hashlib.sha256(sys.version.encode())
    for path in [*sorted(REQUIREMENTS.glob("*.txt")), ROOT / "pyproject.toml", Path(__file__)]:
        digest.update(path.read_bytes())
    return digest.hexdigest()


def wheel_cache() -> Path:
    """Return the folder in the user's cache for the wheels compiled with these versions."""
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    pins = read_pins("torch.txt")
    key = f"torch{pins['torch']}-numpy{pins['numpy']}-py{platform.python_version()}-{platform.machine()}"
    return base / "interhand_mm" / "wheels" / key


class Installer:
    """Run pip in one virtual environment, and print the title of every step."""

    def __init__(self, venv: Path) -> None:
        self.venv = venv
        self.python = venv / ("Scripts" if os.name == "nt" else "bin") / "python"
        self.started = time.monotonic()

    def log(self, title: str) -> None:
        print(f"[{time.monotonic() - self.started:6.1f} s] {title}", flush=True)

    def pip(self, *args: str, **env: str) -> None:
        command = [str(self.python), "-m", "pip", *args]
        clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        done = subprocess.run(command, env={**clean, **env}, check=False)
        if done.returncode:
            fix = "read the messages of pip above, then run this again"
            raise SystemExit(f"install: this command failed: {' '.join(command)}\n  fix: {fix}")

    def compile_wheel(self, package: str, version: str, **env: str) -> None:
        """Install a package from the wheel in the cache, and compile that wheel first if it is missing."""
        cache = wheel_cache()
        cache.mkdir(parents=True, exist_ok=True)
        pattern = f"{package}-{version}-*.whl"
        if not list(cache.glob(pattern)):
            self.log(f"compiling {package} {version} (only once; mmcv takes 6 to 20 minutes on 2 cores)")
            with tempfile.TemporaryDirectory(dir=cache) as scratch:
                self.pip("wheel", "-q", "--no-deps", "--no-build-isolation", "--no-binary", package,
                         "-w", scratch, f"{package}=={version}", **env)  # fmt: skip
                for wheel in Path(scratch).glob(pattern):
                    os.replace(wheel, cache / wheel.name)  # atomic: another setup sees only complete wheels
        self.pip("install", "-q", "--no-deps", "--force-reinstall", str(next(cache.glob(pattern))))

    def run(self) -> None:
        openmmlab = read_pins("openmmlab.txt")
        self.log(f"virtual environment {self.venv}")
        if not self.python.exists():
            subprocess.run([sys.executable, "-m", "venv", str(self.venv)], check=True)
        self.pip("install", "-q", "-r", str(REQUIREMENTS / "build.txt"))
        self.log("torch and numpy")
        self.pip("install", "-q", "-r", str(REQUIREMENTS / "torch.txt"))
        self.log("mmcv with compiled ops")
        self.compile_wheel("mmcv", openmmlab.pop("mmcv"), MMCV_WITH_OPS="1", FORCE_CUDA="0",
                           CUDA_VISIBLE_DEVICES="", MAX_JOBS=str(os.cpu_count() or 1))  # fmt: skip
        self.log("xtcocotools")
        self.compile_wheel("xtcocotools", openmmlab.pop("xtcocotools"))
        self.log("mmengine, mmdet, mmpose")
        self.pip("install", "-q", "--no-deps", *(f"{name}=={version}" for name, version in openmmlab.items()))
        self.log("all other packages, and the tools for tests and documentation")
        self.pip("install", "-q", "-r", str(REQUIREMENTS / "torch.txt"), "-r", str(REQUIREMENTS / "runtime.txt"),
                 "-r", str(REQUIREMENTS / "dev.txt"))  # fmt: skip
        self.log("interhand_mm (editable)")
        self.pip("install", "-q", "--no-deps", "--no-build-isolation", "-e", str(ROOT))


def check_host() -> None:
    """Stop with a hint if this is not a checkout, or if the machine lacks something, before time is spent."""
    if not (ROOT / "setup.py").is_file():
        raise SystemExit(
            f"install: {ROOT} is not a checkout of the repository\n  fix: git clone it, and run this there"
        )
    if sys.version_info < (3, 11):  # noqa: UP036  (an older Python may run this file)
        raise SystemExit(f"install: Python is too old\n  got:  {platform.python_version()}\n  want: 3.11 or newer")
    if shutil.which("c++") is None and shutil.which("g++") is None:
        raise SystemExit("install: a C++ compiler is missing, which mmcv needs\n  fix: sudo apt-get install g++")
    try:
        import ensurepip  # noqa: F401  (a separate package on Debian, without which venv fails late)
    except ImportError:
        raise SystemExit("install: this Python has no venv module\n  fix: sudo apt-get install python3-venv") from None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv", help="folder of the environment [.venv]")
    venv = parser.parse_args().venv.absolute()
    stamp = venv / STAMP
    if stamp.exists() and stamp.read_text(encoding="utf-8") == fingerprint():
        print(f"{venv} is up to date")
        return
    check_host()
    stamp.unlink(missing_ok=True)
    installer = Installer(venv)
    installer.run()
    stamp.write_text(fingerprint())
    installer.log(f"done; check it with: {installer.python} tools/doctor.py")


if __name__ == "__main__":
    main()
