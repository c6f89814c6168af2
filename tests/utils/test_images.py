from __future__ import annotations

import os

import cv2
import numpy as np
import pytest

from interhand_mm.errors import ImageError
from interhand_mm.utils.images import find_images, is_cut_jpeg, read_image, visible_files

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


def with_thumbnail(data):
    """Return the JPEG with an EXIF segment that contains a whole small JPEG."""
    segment = b"Exif\0\0" + PIXELS
    return data[:2] + b"\xff\xe1" + (len(segment) + 2).to_bytes(2, "big") + segment + data[2:]


@pytest.mark.parametrize("trailer", [b"", b"\0" * 5000, b"ftypmp42" + bytes(range(256)) * 40])
@pytest.mark.parametrize("thumbnail", [False, True])
def test_a_jpeg_with_a_trailer_is_whole_and_a_cut_one_is_not(tmp_path, trailer, thumbnail):
    image = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    data = cv2.imencode(".jpg", image)[1].tobytes()
    data = with_thumbnail(data) if thumbnail else data
    path = tmp_path / "a.jpg"
    path.write_bytes(data + trailer)
    assert read_image(path).shape == image.shape
    for length in (len(data) - 2, len(data) // 2, 700, 30, 3):
        assert is_cut_jpeg(data[:length]), length


def test_backslashes_are_named(tmp_path):
    with pytest.raises(ImageError, match="cannot be read") as caught:
        read_image(tmp_path / "Capture0\\cam1\\a.jpg")
    assert "backslashes" in caught.value.fix
