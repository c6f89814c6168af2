"""Places and terminals that are not as usual: read-only folders, no home, an ASCII terminal, two OpenCVs."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from interhand_mm.evaluation.report import metrics_table
from interhand_mm.utils import numba_cache
from interhand_mm.utils.numba_cache import use_writable_numba_cache
from tests.conftest import ROOT


def test_numba_caches_in_a_temporary_folder_if_nothing_else_can_be_written(monkeypatch, tmp_path):
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    use_writable_numba_cache(tmp_path)
    assert "NUMBA_CACHE_DIR" not in os.environ
    monkeypatch.setenv("XDG_CACHE_HOME", "/proc/no")
    monkeypatch.setattr(numba_cache.atexit, "register", lambda *_, **__: None)
    use_writable_numba_cache(Path("/proc/interhand_mm"))
    folder = Path(os.environ["NUMBA_CACHE_DIR"])
    assert folder.is_dir()
    folder.rmdir()
    monkeypatch.delenv("NUMBA_CACHE_DIR")


def test_numba_itself_takes_the_folder():
    code = (
        "from interhand_mm.utils import numba_cache; numba_cache._is_writable = lambda _: False;"
        "import interhand_mm.synthesis, numba, os; print(numba.config.CACHE_DIR == os.environ['NUMBA_CACHE_DIR'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "True", done.stderr


@pytest.mark.parametrize(("encoding", "plain"), [("ascii", True), ("utf-8", False)])
def test_tables_can_be_printed_on_every_terminal(monkeypatch, encoding, plain):
    names = ("MPJPE", "MPJPE_micro", "MPJPE_no_wrist")
    metrics = {f"{name}/{group}": 1.0 for name in names for group in ("all", "single", "interacting")}
    report = {
        "metrics": {**metrics, "MRRPE": 1.0, "HandednessAccuracy": 1.0}, "variants": {}, "ratios": {}, "per_joint": {},
        "counts": {}, "protocol": {"box": "gt", "depth": "gt"}, "provenance": {},
    }  # fmt: skip
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert metrics_table(report).isascii() is plain


def test_text_files_are_read_as_utf8():
    """`read_text()` without an encoding depends on the machine."""
    for path in [*(ROOT / "interhand_mm").rglob("*.py"), *(ROOT / "tools").glob("*.py")]:
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if ">>>" not in line]
        assert not [line for line in lines if ".read_text()" in line], path


def test_the_doctor_finds_two_opencvs(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import doctor

    assert all(good for good, _, _ in doctor.check_opencv())
    monkeypatch.setattr(doctor, "_is_installed", lambda _, name: name in ("opencv-python", "opencv-python-headless"))
    ((good, found, fix),) = doctor.check_opencv()
    assert not good
    assert "opencv-python-headless, opencv-python" in found
    assert "pip uninstall -y opencv-python opencv-python-headless" in fix
