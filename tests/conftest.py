"""Shared fixtures. The checks of the data contract are on in every test."""

from __future__ import annotations

import os

os.environ["INTERHAND_CHECKS"] = "1"

from pathlib import Path

import pytest
import torch

from tests.fixtures.tiny_pose import write_tiny_pose
from tests.fixtures.tiny_sets import Hand, render

ROOT = Path(__file__).resolve().parents[1]
# Four real frames of InterHand2.6M (CC BY-NC 4.0) are not part of the project; without them some tests are skipped.
SAMPLE = Path(os.environ.get("INTERHAND26M_SAMPLE", ROOT / "data" / "interhand26m_sample"))


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--regen`, which records the golden files of `test_golden.py` again."""
    parser.addoption("--regen", action="store_true", help="record tests/golden/ again instead of comparing with it")


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give each test its own cache folder, so that no test sees the index of another."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture(scope="session", autouse=True)
def _threads() -> None:
    torch.set_num_threads(1 if "PYTEST_XDIST_WORKER" in os.environ else 2)


@pytest.fixture
def sample_root(tmp_path: Path) -> Path:
    """Return four real InterHand2.6M frames, linked so that nothing is written beside them; skip where they are absent."""
    if not SAMPLE.is_dir():
        pytest.skip("the InterHand2.6M sample frames are not here (CC-BY-NC, not part of this project)")
    root = tmp_path / "interhand26m"
    for source in SAMPLE.rglob("*"):
        name = source.relative_to(SAMPLE)
        link = root / name
        if source.is_file() and not any(part.startswith(".") for part in name.parts):  # not an index of the frames
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(source)
    return root


@pytest.fixture(scope="session")
def rendered_hands(tmp_path_factory: pytest.TempPathFactory) -> list[Hand]:
    """Return four rendered single hands, for the data sets of `tests.fixtures.tiny_sets`."""
    return render(tmp_path_factory.mktemp("rendered") / "set")


@pytest.fixture(scope="session")
def tiny_pose(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """Return config and checkpoint of a small untrained pose network."""
    return write_tiny_pose(tmp_path_factory.mktemp("tiny_pose"))
