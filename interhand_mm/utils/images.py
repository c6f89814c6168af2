"""Find, read and write image files."""

from __future__ import annotations

import io
import os
from importlib import util
from pathlib import Path

import cv2
import numpy as np

from ..errors import ImageError
from .files import write_bytes
from .heif import HEIF_SUFFIXES, decode_heif, heif_format

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pnm", ".jp2", ".avif", ".jfif"),
    *HEIF_SUFFIXES,
)
# An image whose brightest value is below this shows nothing; JPEG noise on pure black stays under it.
BLACK_LEVEL = 8
CHECK_DOWNLOAD = "check the download, or set strict='skip' to leave such samples out (they are counted)"
BACKSLASHES = "the annotations were written on Windows: replace the backslashes in their file names by slashes"

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

_EXIF_ORIENTATION, _TURNED = 0x0112, (5, 6, 7, 8)
_JPEG_START, _JPEG_END = b"\xff\xd8", b"\xff\xd9"
_JPEG_SCAN = 0xDA
_TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_GIF_STARTS = (b"GIF87a", b"GIF89a")
_WEBP_FLAGS = len(b"RIFFsizeWEBPVP8Xsize")  # position of a byte; its bit 2 says that there is an animation
_TIFF_IS_REDUCED, _TIFF_IS_DNG = 254, 50706  # tags
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

    The marker cannot occur inside the compressed data. Cameras append a few bytes after it, and phones a whole video
    (motion photos), so it need not be the end of the file.

    >>> is_cut_jpeg(b"\xff\xd8 pixels"), is_cut_jpeg(b"\xff\xd8 pixels \xff\xd9")
    (True, False)
    """
    return data.startswith(_JPEG_START) and data.rfind(_JPEG_END, _start_of_pixels(data)) < 0


def _start_of_pixels(data: bytes) -> int:
    """Return the position of a JPEG's first scan. A thumbnail in a segment before it has an end marker of its own."""
    at = len(_JPEG_START)
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != _JPEG_SCAN:
        at += 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    return min(at, len(data))


def count_images(data: bytes) -> int:
    """Return how many images a TIFF, GIF, animated PNG, animated WebP or AVIF file contains; 1 for every other format.

    A JPEG with a second image behind it (MPO) counts as 1, because the first is the photograph and the second its
    other view, depth or brightness map.
    """
    may_be_several = (
        data.startswith((*_TIFF_STARTS, *_GIF_STARTS))
        or (data.startswith(b"\x89PNG") and b"acTL" in data[:4096])
        or (data[8:16] == b"WEBPVP8X" and data[_WEBP_FLAGS] & 2 > 0)
        or data[4:12] == b"ftypavis"
    )
    if not may_be_several:
        return 1
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            return int(getattr(image, "n_frames", 1))
    except Exception:  # whatever error a broken file causes here, its decoder reports it
        return 1


def is_animation(data: bytes) -> bool:
    """Return True for a GIF or PNG with several frames, which the video library reads."""
    return data.startswith((*_GIF_STARTS, b"\x89PNG")) and count_images(data) > 1


def check_single_image(data: bytes, path: str | Path) -> None:
    """Raise `ImageError` unless the first image of a file is all that it shows.

    OpenCV reads the first page of a TIFF, the first frame of an animation, and of a raw photograph the thumbnail.

    Args:
        data: The file.
        path: Its path, for the error message.
    """
    number = count_images(data)
    if data.startswith(_TIFF_STARTS) and _is_raw_photograph(data):
        raise ImageError(f"raw photographs cannot be read: {path}", fix="convert it to JPEG or PNG")
    if number > 1:
        raise ImageError(
            f"the file contains several images: {path}",
            got=f"{number} pages or frames",
            want="one image",
            fix="save its pages as single images, or convert an animation to a video (mp4)",
        )


def _is_raw_photograph(data: bytes) -> bool:
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as image:
            tags = getattr(image, "tag_v2", {})
            return bool(tags.get(_TIFF_IS_REDUCED, 0) & 1) or _TIFF_IS_DNG in tags
    except Exception:  # as in `count_images`
        return False


def read_image(
    path: str | Path, flags: int = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION, shrink: int = 1
) -> np.ndarray:
    """Read an image file, ignoring its EXIF orientation.

    HEIC and AVIF are turned as their containers say.

    Args:
        path: File in any format that OpenCV reads, or HEIC where pillow-heif is installed.
        flags: OpenCV's imread flags.
        shrink: 1, 2, 4 or 8. Decodes a JPEG at 1/shrink of its size, in color, which is faster: each pixel is the mean
            of shrink x shrink pixels. Files of other formats keep their size.

    Returns:
        (H, W, 3) uint8 BGR with the default flags; (ceil(H / shrink), ceil(W / shrink), 3) for a JPEG.

    Raises:
        ImageError: The file is missing, empty, cut short, not an image, or contains several images.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        fix = BACKSLASHES if os.sep != "\\" and "\\" in str(path) else CHECK_DOWNLOAD
        raise ImageError(f"image cannot be read: {path}", got=error.strerror, fix=fix) from error
    if is_cut_jpeg(data):
        raise ImageError(
            f"image is cut short: {path}", got=f"{len(data)} bytes without a JPEG end marker", fix=CHECK_DOWNLOAD
        )
    if shrink > 1 and data.startswith(_JPEG_START):
        flags = _SHRINK_FLAGS[shrink] | cv2.IMREAD_IGNORE_ORIENTATION
    check_single_image(data, path)
    if heif_format(data):
        pixels, _ = decode_heif(data, path)
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2GRAY) if flags == cv2.IMREAD_GRAYSCALE else pixels
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


def shown_size(path: str | Path) -> tuple[tuple[int, int], bool]:
    """Read from an image's header how large it is shown.

    Args:
        path: Image file.

    Returns:
        (width, height) in px after the turn by the EXIF orientation, and whether this turn exchanges the two.

    Raises:
        ImageError: The file is missing or not an image.
    """
    from PIL import Image

    try:
        with Image.open(path) as header:
            size, turned = header.size, header.getexif().get(_EXIF_ORIENTATION) in _TURNED
    except OSError as error:
        raise ImageError(f"image cannot be read: {path}", got=error.strerror or error, fix=CHECK_DOWNLOAD) from error
    return (size[::-1] if turned else size), turned


def resize_image(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Resize an image: area averages along a side that shrinks, bicubic interpolation along one that grows.

    OpenCV's INTER_AREA repeats pixels where it enlarges, and the other methods skip pixels where they shrink.

    Args:
        image: (H, W, 3) or (H, W) uint8.
        size: (width, height) px.

    >>> resize_image(np.array([[0, 100]], np.uint8), (1, 1)).tolist()
    [[50]]
    """
    height, width = image.shape[:2]
    smaller = (min(width, size[0]), min(height, size[1]))
    if smaller != (width, height):
        image = cv2.resize(image, smaller, interpolation=cv2.INTER_AREA)
    return image if smaller == size else cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)


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
