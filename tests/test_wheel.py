"""The wheel contains everything that an installed package needs, and works without the checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile

import pytest

from tests.conftest import ROOT

SOURCES = (
    "setup.py",
    "pyproject.toml",
    "README.md",
    "LICENSE",
    "requirements",
    "configs",
    "tools",
    "demo",
    "interhand_mm",
)
FOLDERS = {"configs": "*.py", "tools": "*.*", "demo": "*.py", "requirements": "*.txt"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Build the wheel from a copy of the sources, because setuptools writes its build folder beside them."""
    base = tmp_path_factory.mktemp("wheel")
    (base / "source").mkdir()
    for name in SOURCES:
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, base / "source" / name)
    stale = base / "source/build/lib/interhand_mm/removed.py"  # left by a build of an older version
    stale.parent.mkdir(parents=True)
    stale.touch()
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "--no-build-isolation", "-w", str(base)]
    subprocess.run([*pip, str(base / "source")], check=True, cwd=base)
    return next(base.glob("interhand_mm-*.whl"))


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """The wheel's files in a folder of their own."""
    site = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(site)
    return site


def run(site, folder, *arguments):
    env = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_contains_code_data_and_tools(wheel):
    found = set(zipfile.ZipFile(wheel).namelist())
    wanted = {"interhand_mm/py.typed"}
    wanted |= {str(path.relative_to(ROOT)) for path in (ROOT / "interhand_mm").rglob("*.py")}
    for data in ("visualization/viewer", "weights"):
        wanted |= {str(path.relative_to(ROOT)) for path in (ROOT / "interhand_mm" / data).iterdir()}
    for folder, pattern in FOLDERS.items():
        wanted |= {f"interhand_mm/.mim/{path.relative_to(ROOT)}" for path in (ROOT / folder).rglob(pattern)
                   if "__pycache__" not in path.parts}  # fmt: skip
    assert wanted <= found, wanted - found
    assert not [name for name in found if "__pycache__" in name or name.endswith("removed.py")]
    assert {name.split("/")[0] for name in found if ".dist-info/" not in name} == {"interhand_mm"}


def test_it_works_in_an_empty_folder(installed, tmp_path):
    code = (
        "import interhand_mm; from interhand_mm import InterHandInferencer, read_results; "
        "from interhand_mm.utils import paths, provenance; from interhand_mm.utils.config import load_config; "
        "print(interhand_mm.__file__, paths.IS_INSTALLED, provenance.git_commit(), "
        "load_config(paths.CONFIGS / 'internet.py').model.type, sep='\\n')"
    )
    folder = tmp_path / "empty"
    folder.mkdir()
    file, *rest = run(installed, folder, "-c", code).splitlines()
    assert file == str(installed / "interhand_mm/__init__.py")
    assert rest == ["True", "None", "InterHandEstimator"]
    assert not list(folder.iterdir())


def test_its_tools_and_quick_start_can_be_started(installed, tmp_path):
    assert "--minutes" in run(installed, tmp_path, "-m", "interhand_mm.quickstart", "--help")
    tool = installed / "interhand_mm/.mim/tools/train.py"
    assert "--data-root" in run(installed, tmp_path, str(tool), "--help")
