"""The tools other than training and testing, run as commands."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2
import numpy as np
import pytest

from interhand_mm.apis.browse import browse
from interhand_mm.structures.joints import COLORS
from interhand_mm.utils.config import DataOptions, load_config
from interhand_mm.visualization.overlay import contact_sheet, draw_hands
from tests.conftest import ROOT
from tests.fixtures.tiny import write_photographs, write_set


def run(*command: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, *command], cwd=ROOT, capture_output=True, text=True, timeout=300, env={**os.environ}
    )


def test_doctor_passes():
    done = run("tools/doctor.py")
    assert done.returncode == 0, done.stdout
    assert "mmcv.ops loads" in done.stdout
    assert done.stdout.rstrip().endswith("All checks passed.")


@pytest.mark.parametrize("tool", sorted(path.name for path in (ROOT / "tools").glob("*.py")))
def test_every_tool_has_a_help_text(tool):
    done = run(f"tools/{tool}", "--help")
    assert done.returncode == 0, done.stderr
    assert "usage:" in done.stdout


@pytest.mark.parametrize("script", ["dist_train", "dist_test", "slurm_train", "slurm_test"])
def test_shell_scripts_parse_and_say_how_to_be_called(script):
    path = str(ROOT / f"tools/{script}.sh")
    assert subprocess.run(["bash", "-n", path], check=False).returncode == 0
    done = subprocess.run(["bash", path], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert f"bash tools/{script}.sh" in done.stderr


TILE, GAP = 288, 6


def test_browse_draws_frames_joints_and_backgrounds(tmp_path):
    data = DataOptions(
        data_root=str(write_set(tmp_path / "tiny")), backgrounds=[str(write_photographs(tmp_path / "photos"))]
    )
    cfg = load_config(ROOT / "configs/internet_bgaug.py", ["test_dataloader.dataset.split=train"], data)
    plain, augmented = (browse(cfg, "test", num=8, seed=0, variant=variant) for variant in (None, "augmented"))
    assert plain.shape == augmented.shape == (4 * (TILE + GAP) + GAP, 2 * (3 * TILE + GAP) + GAP, 3)
    assert browse(cfg, "train", num=8, seed=0).shape == plain.shape
    rows = slice(GAP, GAP + TILE)
    frame, fed = (slice(GAP + i * TILE, GAP + (i + 1) * TILE) for i in (0, 2))
    assert np.array_equal(plain[rows, frame], augmented[rows, frame])
    changed = (plain[rows, fed] != augmented[rows, fed]).any(axis=-1).mean()
    assert 0.2 < changed < 1  # the background, and not the hand
    joints = slice(GAP + TILE, GAP + 2 * TILE)
    pixels = np.unique(plain[rows, joints].reshape(-1, 3), axis=0).astype(int)
    assert sum((np.abs(pixels - color).max(axis=1) < 16).any() for color in COLORS) > 5


def test_drawing_leaves_its_input_and_skips_invisible():
    image = np.full((64, 64, 3), 50, np.uint8)
    points = np.full((42, 2), 32.0)
    assert np.array_equal(draw_hands(image, points, np.zeros(42)), image)
    drawn = draw_hands(image, points, np.ones(42))
    assert not np.array_equal(drawn, image)
    assert (image == 50).all()
    assert draw_hands(image, np.full((42, 2), np.nan), np.ones(42)).shape == image.shape
    assert contact_sheet([image] * 5, columns=3).shape == (2 * 68 + 4, 3 * 68 + 4, 3)


def test_browse_command(tmp_path):
    root = write_set(tmp_path / "tiny")
    done = run(
        "tools/browse_dataset.py",
        "configs/internet.py",
        "--data-root",
        str(root),
        "--num",
        "4",
        "--out",
        str(tmp_path / "s.jpg"),
    )
    assert done.returncode == 0, done.stderr
    assert cv2.imread(str(tmp_path / "s.jpg")) is not None
