"""Atomic writes: complete or not there, cleaned up after an error, and a full disk is reported."""

import json
import os
import subprocess
import sys

import pytest

from interhand_mm.errors import OutputError
from interhand_mm.utils import files


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_when_its_block_ends(tmp_path):
    with files.atomic_write(tmp_path / "deep" / "a.bin") as stream:
        stream.write(b"12")
        assert not (tmp_path / "deep" / "a.bin").exists()
    assert names(tmp_path / "deep") == ["a.bin"]
    assert (tmp_path / "deep" / "a.bin").read_bytes() == b"12"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_keeps_the_old_file_and_leaves_nothing(tmp_path, error):
    files.write_text(tmp_path / "a.txt", "old")

    def stop():
        with files.atomic_write(tmp_path / "a.txt", "w") as stream:
            stream.write("new")
            raise error

    with pytest.raises(error):
        stop()
    assert names(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text() == "old"


def test_text_is_utf8_with_unix_lines_and_json_has_no_nan(tmp_path):
    files.write_text(tmp_path / "a.txt", "µ\nm")
    files.write_json(tmp_path / "a.json", {"a": [float("nan"), 1]})
    assert (tmp_path / "a.txt").read_bytes() == b"\xc2\xb5\nm"
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [None, 1]}
    with pytest.raises(TypeError):
        files.write_json(tmp_path / "a.json", {"a": object()})
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": [None, 1]}


def test_others_may_read_what_the_umask_allows(tmp_path):
    before = os.umask(0o027)
    try:
        files.write_bytes(tmp_path / "a", b"")
        with files.atomic_folder(tmp_path / "b"):
            pass
    finally:
        os.umask(before)
    assert [oct((tmp_path / name).stat().st_mode & 0o777) for name in "ab"] == ["0o640", "0o750"]


def test_a_folder_appears_when_its_block_ends(tmp_path):
    with files.atomic_folder(tmp_path / "a") as folder:
        (folder / "one").write_text("1")
        assert not (tmp_path / "a").exists()
    assert names(tmp_path) == ["a"]

    def stop():
        with files.atomic_folder(tmp_path / "b") as folder:
            (folder / "one").write_text("1")
            raise ValueError("stop")

    with pytest.raises(ValueError, match="stop"):
        stop()
    assert names(tmp_path) == ["a"]


def test_a_folder_is_replaced_only_when_asked_to(tmp_path):
    files.write_text(tmp_path / "a" / "old", "")
    with pytest.raises(OutputError, match="cannot write"), files.atomic_folder(tmp_path / "a") as folder:
        (folder / "new").touch()
    assert names(tmp_path / "a") == ["old"]
    with files.atomic_folder(tmp_path / "a", replace=True) as folder:
        (folder / "new").touch()
    assert names(tmp_path) == ["a"]
    assert names(tmp_path / "a") == ["new"]


def test_leftovers_of_a_killed_process_are_removed(tmp_path):
    for name, write in (("x-1", files.atomic_folder), ("x-2", files.atomic_path), ("y", files.atomic_path)):
        code = (
            "import os, sys; from interhand_mm.utils import files\n"
            f"with files.{write.__name__}(sys.argv[1]) as path:\n"
            "    path.is_dir() or path.touch(); os._exit(1)"
        )
        assert subprocess.run([sys.executable, "-c", code, str(tmp_path / name)]).returncode == 1
    assert len(names(tmp_path)) == 3
    files.remove_leftovers(tmp_path, "x-*")
    assert [name.split(".")[1] for name in names(tmp_path)] == ["y"]


FULL_DISK = """
import resource, sys
import torch
from interhand_mm.checkpoints.io import write_checkpoint
from interhand_mm.errors import OutputError
from interhand_mm.utils.files import write_bytes
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
for write in (
    lambda: write_bytes(sys.argv[1], bytes(20_000)),
    lambda: write_checkpoint(sys.argv[1], {"state_dict": {"a": torch.zeros(20_000)}}),
):
    try:
        write()
    except OutputError as error:
        print(error.got)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="resource limits exist on POSIX systems only")
def test_a_full_disk_is_reported_and_nothing_is_left(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path / "a.pth")], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["File too large"] * 2
    assert not list(tmp_path.glob("*a.pth*"))


def test_a_folder_that_cannot_be_made_is_reported(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError, match=r"cannot write .*file/a\n  got:  File exists"):
        files.write_bytes(tmp_path / "file" / "a", b"")
