"""Wrong paths and options answer with the error alone, before torch is imported."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from interhand_mm.cli.arguments import ToolParser
from interhand_mm.cli.launch import pick_port
from interhand_mm.errors import ConfigError
from tests.conftest import ROOT
from tests.fixtures.tiny import write_set

# Runs a tool in this process, and says at the end whether torch was imported.
_RUN = """
import runpy, sys
sys.argv = sys.argv[1:]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
finally:
    print("torch", "torch" in sys.modules)
"""
NET = ["configs/internet.py"]
# Command -> beginning of the error, and a part of its hint.
WRONG = {
    "config": (["tools/train.py", "configs/no.py"], "ConfigError: config does not exist: configs/no.py", "ls configs/"),
    "data root": (
        ["tools/train.py", *NET, "--data-root", "/no"], "AnnotationError: data folder does not exist: /no", "--data-root DIR"
    ),
    "data of the config": (
        ["tools/train.py", *NET], "AnnotationError: data folder does not exist: data/InterHand2.6M", "--data-root DIR"
    ),
    "folder without data": (
        ["tools/train.py", *NET, "--data-root", "{tmp}"], "AnnotationError: there are no annotations of split 'train'",
        "annotations/ and images/",
    ),
    "mix": (
        ["tools/train.py", "configs/internet_joint.py", "--data-root", "InterHandDataset={set}"],
        "AnnotationError: data folder does not exist: data/RHD", "--data-root RHDDataset=DIR",
    ),
    "start": (
        ["tools/train.py", *NET, "--load-from", "/no.pth"], "CheckpointError: checkpoint does not exist: /no.pth", ""
    ),
    "resume": (["tools/train.py", *NET, "--resume", "/no.pth"], "CheckpointError: checkpoint does not exist", ""),
    "address": (
        ["tools/test.py", *NET, "https://example.org/w/net.pth"], "CheckpointError: checkpoint does not exist: https://example.org",
        "curl -L -o net.pth https://example.org/w/net.pth",
    ),
    "start of the config": (
        ["tools/train.py", "configs/internet_bgaug.py", "--data-root", "{set}", "--backgrounds", "{tmp}"],
        "CheckpointError: the checkpoint that this config starts from does not exist: work_dirs/internet/epoch_20.pth",
        "--load-from CHECKPOINT",
    ),
    "photographs of the config": (
        ["tools/train.py", "configs/internet_bgaug.py", "--data-root", "{set}"],
        "BackgroundError: the photographs for the backgrounds do not exist", "--backgrounds TRAIN_DIR TEST_DIR",
    ),
    "photographs": (
        ["tools/train.py", "configs/internet_bgaug.py", "--backgrounds", "/no"],
        "BackgroundError: folder of photographs does not exist: /no", "--backgrounds TRAIN_DIR",
    ),
    "boxes": (["tools/test.py", *NET, "{file}", "--boxes", "/no"], "InputError: file does not exist: /no", ""),
    "predictions": (["tools/eval_preds.py", *NET, "/no.npz"], "InputError: file does not exist: /no.npz", ""),
    "folder of images": (
        ["tools/evaluate_photos.py", "{file}", "/no"], "InputError: folder of images does not exist: /no", "",
    ),
    "work dir": (["tools/train.py", *NET, "--work-dir", "/proc/no"], "OutputError: cannot write into /proc/no", ""),
    "work dir is a file": (["tools/train.py", *NET, "--work-dir", "{file}"], "OutputError: cannot write", ""),
    "output": (["tools/test.py", *NET, "{file}", "--out", "/proc/no/m.json"], "OutputError: cannot write into /proc/no", ""),
    "split of a training": (
        ["tools/train.py", *NET, "--data-root", "{val}", "--split", "val"], "ConfigError: --split has no effect", "leave --split out"
    ),
    "misspelled option": (
        ["tools/train.py", *NET, "--data-rot", "x"], "ConfigError: train.py has no option --data-rot",
        "did you mean --data-root?",
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def places(tmp_path_factory) -> dict[str, str]:
    tmp = tmp_path_factory.mktemp("places")
    (tmp / "file.pth").write_bytes(b"x")
    both = write_set(tmp / "both")
    write_set(both, split="val")
    return {"tmp": str(tmp), "set": str(both), "val": str(both), "file": str(tmp / "file.pth")}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_paths_answer_with_the_error_alone(name, places):
    command, message, hint = WRONG[name]
    arguments = [part.format(**places) if "{" in part else part for part in command]
    done = subprocess.run([sys.executable, "-c", _RUN, *arguments], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2, done.stderr
    error = done.stderr.removeprefix("Matplotlib is building the font cache; this may take a moment.\n")
    assert error.startswith(message), error
    assert hint in done.stderr
    assert "Traceback" not in done.stderr
    if name != "split of a training":
        assert done.stdout == "torch False\n"


def test_a_work_dir_that_can_be_made_is_not_left_behind(tmp_path):
    from interhand_mm.cli.path_types import output_file, output_folder

    assert output_folder(str(tmp_path / "a/b")) == str(tmp_path / "a/b")
    assert output_file(str(tmp_path / "c/d.json"))
    assert list(tmp_path.iterdir()) == []


def test_suggestions_for_commands_of_a_parser():
    parser = ToolParser("Two commands.")
    one = parser.add_subparsers(dest="command").add_parser("one")
    one.add_argument("--repeat")
    with pytest.raises(ConfigError, match="did you mean --repeat"):
        parser.parse_args(["one", "--repeet=3"])


def test_a_free_port_is_taken_on_one_machine():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert pick_port(None, 1) != port
        with pytest.raises(ConfigError, match=f"port {port} cannot be used"):
            pick_port(str(port), 1)
    assert pick_port(str(port), 1) == port
    assert pick_port(None, 2) == 29500


def test_a_worker_prints_its_error_last(places):
    arguments = ["configs/internet.py", "2", "--data-root", places["tmp"]]
    done = subprocess.run(
        ["bash", "tools/dist_train.sh", *arguments], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHON": sys.executable, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 2
    last = done.stderr[done.stderr.rindex("AnnotationError") :]
    assert last.startswith("AnnotationError: there are no annotations of split 'train'")
    assert last.splitlines()[-1].startswith("  fix:  set data_root")


def test_every_tool_checks_its_paths():
    """A path of a command line is an argument with a type; these are the names of paths."""
    names = ("config", "checkpoint", "--data-root", "--load-from", "--boxes", "--work-dir")
    for path in [
        *(ROOT / "tools").glob("*.py"),
        *(ROOT / "demo").glob("*.py"),
        Path(ROOT / "interhand_mm/cli/arguments.py"),
    ]:
        for line in path.read_text().splitlines():
            if any(f'("{name}", ' in line for name in names):
                assert "type=" in line, f"{path.name}: {line.strip()}"
