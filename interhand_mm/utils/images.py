"""Reading image files: the one place that opens them."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from ..errors import ImageError
from .files import write_bytes

_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
SHRINKS = {2: cv2.IMREAD_REDUCED_COLOR_2, 4: cv2.IMREAD_REDUCED_COLOR_4, 8: cv2.IMREAD_REDUCED_COLOR_8}
CHECK_DOWNLOAD = "check the download, or set strict='skip' to leave such samples out (they are counted)"


def is_cut_jpeg(data: bytes) -> bool:
    """True for a JPEG without its end: a decoder fills what is lacking with gray and says nothing.

    The end marker cannot occur inside; some cameras append a few bytes after it.
    """
    return data.startswith(_JPEG_START) and _JPEG_END not in data[-64:]


def read_image(
    path: str | Path, flags: int = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION, shrink: int = 1
) -> np.ndarray:
    """Read an image file, EXIF orientation ignored.

    Args:
        path: Any format that OpenCV reads.
        flags: OpenCV's imread flags.
        shrink: 1, 2, 4 or 8: decode a JPEG at 1/shrink of its size, in color. Its decoder leaves out the work, and
            each pixel is the mean of shrink x shrink. Files of other kinds stay as large as they are.

    Returns:
        (H, W, 3) uint8 BGR with the default flags; (ceil(H / shrink), ceil(W / shrink), 3) of a JPEG.

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
        flags = SHRINKS[shrink] | cv2.IMREAD_IGNORE_ORIENTATION
    image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    if image is None:
        raise ImageError(f"not an image: {path}", got=f"{len(data)} bytes", fix=CHECK_DOWNLOAD)
    return image


def read_mask(path: str | Path) -> np.ndarray:
    """Read a foreground mask, (H, W) bool: labels above 0, or in a JPEG, which blurs, the brighter half of the range.

    Raises:
        ImageError: See `read_image`.
    """
    stored = read_image(path, cv2.IMREAD_GRAYSCALE)
    return np.asarray(stored > (127 if Path(path).suffix.lower() in (".jpg", ".jpeg") else 0))


def write_image(path: str | Path, image: np.ndarray) -> None:
    """Write (H, W, 3) uint8 BGR in the format of the path's ending.

    The file is written atomically, see `files.atomic_path`.

    Raises:
        ImageError: The file name's ending names no image format.
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
