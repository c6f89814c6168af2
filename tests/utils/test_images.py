from __future__ import annotations

import os

import cv2
import numpy as np

from interhand_mm.utils.images import find_images, visible_files

PIXELS = cv2.imencode(".jpg", np.full((8, 8, 3), 90, np.uint8))[1].tobytes()
NOT_UTF8 = b"\xca\xd6\xb2\xbf.jpg"  # a name in GBK


def test_hidden_files_are_not_data(tmp_path):
    for name in ("a.jpg", "._a.jpg", "__MACOSX/a.jpg", ".Trash/a.jpg", "sub/b.PNG", "sub/.DS_Store", "sub/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(PIXELS)
    relative = [os.path.relpath(path, tmp_path) for path in find_images(tmp_path)]
    assert relative == ["a.jpg", "sub/b.PNG"]
    assert [os.path.relpath(path, tmp_path) for path in find_images(tmp_path, recursive=False)] == ["a.jpg"]
    assert [os.path.relpath(path, tmp_path) for path in visible_files(tmp_path)] == [*relative, "sub/notes.txt"]


def test_the_folder_itself_may_be_hidden(tmp_path):
    folder = tmp_path / ".cache" / "photos"
    folder.mkdir(parents=True)
    (folder / "a.jpg").write_bytes(PIXELS)
    assert find_images(folder) == [str(folder / "a.jpg")]


def test_names_that_are_not_utf8_are_found(tmp_path):
    (tmp_path / os.fsdecode(NOT_UTF8)).write_bytes(PIXELS)
    assert [os.fsencode(os.path.basename(path)) for path in find_images(tmp_path)] == [NOT_UTF8]
