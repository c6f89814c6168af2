"""Find, read and write image files."""

from __future__ import annotations

import os
from importlib import util
from pathlib import Path

import cv2
import numpy as np

from ..errors import ImageError
from .files import write_bytes

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pnm", ".jp2", ".avif", ".jfif"),
)
# An image whose brightest value is below this shows nothing; JPEG noise on pure black stays under it.
BLACK_LEVEL = 8
CHECK_DOWNLOAD = "check the download, or set strict='skip' to leave such samples out (they are counted)"

# Photographs inside packages that are installed anyway: name -> (package, file inside it). scikit-image downloads its
# other photographs.
PACKAGED_PHOTOGRAPHS = {
    **{
        name: ("skimage", f"data/{name}.png")
        for name in ("astronaut", "chelsea", "coffee", "motorcycle_left", "brick", "grass", "gravel")
    },
    "rocket": ("skimage", "data/rocket.jpg"),
    "china": ("sklearn", "datasets/images/china.jpg"),
    "flower": ("sklearn", "datasets/images/flower.jpg"),
}

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_SHRINK_FLAGS = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}


def visible_files(folder: str | Path, recursive: bool = True) -> list[str]:
    """Return the paths of the files in a folder, sorted, without those that nobody put there on purpose.

    These are files and folders whose names begin with a dot, such as the `._hand.jpg` that macOS writes beside
    `hand.jpg`, and the folder `__MACOSX` of its archives. Links to folders are not followed.

    Args:
        folder: Folder to list.
        recursive: Also list its subfolders.
    """
    paths: list[str] = []
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if recursive and not _is_hidden(name)]
        paths += [os.path.join(parent, name) for name in names if not _is_hidden(name)]
    return sorted(paths)


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name == "__MACOSX"


def find_images(folder: str | Path, recursive: bool = True) -> list[str]:
    """Return the paths of the image files in a folder, sorted; see `visible_files`."""
    return [path for path in visible_files(folder, recursive) if path.lower().endswith(IMAGE_SUFFIXES)]


def packaged_photograph(name: str) -> Path | None:
    """Return the path of a photograph of `PACKAGED_PHOTOGRAPHS`, or None where its package does not contain it."""
    package, file = PACKAGED_PHOTOGRAPHS[name]
    spec = util.find_spec(package)  # finds the package without importing it
    path = Path(spec.origin).parent / file if spec and spec.origin else None
    return path if path is not None and path.is_file() else None


def is_cut_jpeg(data: bytes) -> bool:
    r"""Return True for a JPEG without its end marker. Decoders fill the missing part with gray and report no error.

    The marker cannot occur inside the compressed data. Some cameras append a few bytes after it.

    >>> is_cut_jpeg(b"\xff\xd8 pixels"), is_cut_jpeg(b"\xff\xd8 pixels \xff\xd9")
    (True, False)
    """
    return data.startswith(_JPEG_START) and _JPEG_END not in data[-64:]


def read_image(
    path: str | Path, flags: int = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION, shrink: int = 1
) -> np.ndarray:
    """Read an image file, ignoring its EXIF orientation.

    Args:
        path: File in any format that OpenCV reads.
        flags: OpenCV's imread flags.
        shrink: 1, 2, 4 or 8. Decodes a JPEG at 1/shrink of its size, in color, which is faster: each pixel is the mean
            of shrink x shrink pixels. Files of other formats keep their size.

    Returns:
        (H, W, 3) uint8 BGR with the default flags; (ceil(H / shrink), ceil(W / shrink), 3) for a JPEG.

    Raises:
        ImageError: The file is missing, empty, cut short or not an image.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ImageError(f"image cannot be read: {path}", got=error.strerror, fix=CHECK_DOWNLOAD) from error
    if is_cut_jpeg(data):
        raise ImageError(
            f"image is cut short: {path}", got=f"{len(data)} bytes without a JPEG end marker", fix=CHECK_DOWNLOAD
        )
    if shrink > 1 and data.startswith(_JPEG_START):
        flags = _SHRINK_FLAGS[shrink] | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if image is None:
        raise ImageError(f"file is not an image: {path}", got=f"{len(data)} bytes", fix=CHECK_DOWNLOAD)
    return image


def read_mask(path: str | Path) -> np.ndarray:
    """Read a foreground mask.

    Returns:
        (H, W) bool: True for labels above 0. In a JPEG, whose compression blurs edges, True for values above 127.

    Raises:
        ImageError: See `read_image`.
    """
    stored = read_image(path, cv2.IMREAD_GRAYSCALE)
    return np.asarray(stored > (127 if Path(path).suffix.lower() in (".jpg", ".jpeg") else 0))


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write an image atomically, in the format that the suffix of the path names.

    Args:
        path: File to write. Missing parent folders are created.
        image: (H, W, 3) uint8 BGR, or (H, W) uint8 gray.

    Raises:
        ImageError: The suffix names no image format.
        OutputError: The disk is full, or the folder cannot be written.
    """
    path = Path(path)
    try:
        encoded, data = cv2.imencode(path.suffix or ".", image)
    except cv2.error:
        encoded = False
    if not encoded:
        raise ImageError(f"cannot write an image to {path}", want="a name ending in .jpg or .png")
    write_bytes(path, data.tobytes(), durable=False)
