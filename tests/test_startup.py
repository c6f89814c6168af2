"""Nothing heavy is imported before it is needed: by `import interhand_mm`, by --help, and by wrong arguments."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.conftest import ROOT

HEAVY = ("torch", "torchvision", "mmdet", "mmpose.models", "mmcv", "mmengine.runner")
SCRIPTS = sorted(
    f"{folder}/{path.name}"
    for folder in ("tools", "demo")
    for path in (ROOT / folder).glob("*.py")
    if "argparse" in path.read_text()
)
# Runs a script's --help in this process, and prints which heavy modules that imported.
_RUN = """
import runpy, sys
sys.argv = [sys.argv[1], *sys.argv[2:]]
sys.path.insert(0, "tools")
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as end:
    print("exit", end.code)
print("heavy", [name for name in {heavy!r} if name in sys.modules])
"""


def run(*arguments: str) -> list[str]:
    """Return the exit code and the heavy modules that a script leaves behind, as the last two lines of its output."""
    command = [sys.executable, "-c", _RUN.format(heavy=HEAVY), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    return done.stdout.splitlines()[-2:]


@pytest.mark.parametrize("script", SCRIPTS)
def test_help_imports_nothing_heavy(script):
    assert run(script, "--help") == ["exit 0", "heavy []"]


@pytest.mark.parametrize("script", ["tools/train.py", "tools/test.py", "demo/topdown_demo.py"])
def test_wrong_arguments_import_nothing_heavy(script):
    assert run(script, "--no-such-option") == ["exit 2", "heavy []"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"--input": "no.jpg"}, "input does not exist: no.jpg"),
        ({"--input": "file:///tmp/hand.jpg"}, "files are opened by their path: file:///tmp/hand.jpg"),
        ({"pose_config": "no.py"}, "config does not exist: no.py"),
        ({"pose_checkpoint": "https://host/a.pth"}, "checkpoint does not exist: https://host/a.pth"),
        ({"--out-dir": "README.md/out"}, "cannot write into README.md/out"),
        ({"--hdr": "configs/hdr/small.py no.pth"}, "checkpoint does not exist: no.pth"),
        ({"det_config": "configs/internet.py"}, "the detector needs a config and a checkpoint"),
        ({"--depth-mm": "-5"}, "depth_mm must be one or two positive numbers"),
    ],
)
def test_a_demo_answers_a_mistake_before_it_loads_anything(tmp_path, changes, message):
    given = {
        "det_config": "none",
        "det_checkpoint": "none",
        "pose_config": "configs/internet.py",
        "pose_checkpoint": "README.md",
        "--input": "README.md",
        "--out-dir": str(tmp_path / "out"),
        **changes,
    }
    options = [word for name, value in given.items() if name.startswith("-") for word in (name, *value.split())]
    done = subprocess.run(
        [sys.executable, "-c", _RUN.format(heavy=HEAVY), "demo/topdown_demo.py",
         *(value for name, value in given.items() if not name.startswith("-")), *options],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip
    assert done.stdout.splitlines() == ["exit 2", "heavy []"]
    assert message in done.stderr.splitlines()[0]
    assert not (tmp_path / "out").exists()


def test_the_package_has_a_typed_front_door():
    code = (
        "import sys, interhand_mm; heavy = 'torch' in sys.modules; names = dir(interhand_mm);"
        "print(heavy, all(hasattr(interhand_mm, name) for name in interhand_mm.__all__),"
        " set(interhand_mm.__all__) <= set(names), 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.split() == ["False", "True", "True", "True"]
    assert (ROOT / "interhand_mm/py.typed").is_file()


def test_an_unknown_name_is_an_attribute_error():
    import interhand_mm

    with pytest.raises(AttributeError, match="no attribute 'Inferencer'"):
        _ = interhand_mm.Inferencer
