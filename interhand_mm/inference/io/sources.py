"""Where frames come from: arrays, picture files, folders and cameras; videos stand in `video.py`.

What a file is, its content says and not its name: animated GIFs are videos, everything else that OpenCV decodes
is a picture, and the rest is given to the video reader.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ...errors import ImageError, InputError
from ...utils.images import is_cut_jpeg
from .frames import Frame, Source

PICTURE_SUFFIXES = (
    *(".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"),
    *(".ppm", ".pgm", ".pnm", ".jp2", ".avif", ".jfif"),
)
_LONGEST_SIDE_PX = 32_766  # OpenCV's warp counts pixels in 16 bits
_CAMERA_TRIES = 5  # some drivers lose single frames


def open_source(source: Any) -> Source:
    """Open an array, an image file, a folder of images, a video file or GIF, or a camera's number.

    Raises:
        InputError: Missing, empty, or of no kind above.
        ImageError: A picture that is cut short or otherwise broken (for a folder: counted, not raised).
    """
    if hasattr(source, "kind"):
        return source
    if isinstance(source, np.ndarray):
        return Pictures([as_bgr(source)], "array")
    if isinstance(source, int):
        return Camera(source)
    path = Path(source)
    if path.is_dir():
        return Pictures(list_pictures(path), str(path))
    if not path.exists():
        raise InputError(f"input does not exist: {path}", want="a picture, a folder, a video or a camera's number")
    if not path.is_file() or path.stat().st_size == 0:
        raise InputError(f"input is empty or not a file: {path}", want="a picture, a folder or a video")
    with open(path, "rb") as file:
        start = file.read(6)
    if not start.startswith((b"GIF87a", b"GIF89a")) and cv2.haveImageReader(str(path)):
        return Pictures([path], str(path))
    from .video import Video  # late: pictures need no video library

    return Video(path)


def natural_key(path: Path) -> list:
    """Sort key under which frame2 comes before frame10."""
    return [int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", path.name)]


def list_pictures(folder: Path) -> list[Path]:
    """Picture files directly in a folder, by the numbers in their names.

    Raises:
        InputError: None there.
    """
    files = [path for path in folder.iterdir() if path.is_file()]
    pictures = sorted((path for path in files if path.suffix.lower() in PICTURE_SUFFIXES), key=natural_key)
    if not pictures:
        raise InputError(
            f"no pictures in {folder}",
            got=f"{len(files)} other files",
            want=" ".join(PICTURE_SUFFIXES),
            fix="name a video as a file, not its folder" if files else None,
        )
    return pictures


def as_bgr(image: np.ndarray) -> np.ndarray:
    """Turn a gray (H, W), BGR (H, W, 3) or BGRA (H, W, 4) uint8 array into (H, W, 3) uint8 BGR.

    Raises:
        InputError: Another shape or type.
    """
    channels = image.shape[2] if image.ndim == 3 else {2: 1}.get(image.ndim)
    if image.dtype != np.uint8 or channels not in (1, 3, 4) or 0 in image.shape:
        raise InputError("image array", got=f"{image.dtype} {image.shape}", want="uint8 (H, W, 3) BGR")
    if channels == 3:
        return image
    return cv2.cvtColor(image, cv2.COLOR_GRAY2BGR if channels == 1 else cv2.COLOR_BGRA2BGR)


def read_picture(path: Path) -> tuple[np.ndarray, Image.Exif | None]:
    """Decode a picture at full size, turned upright by its EXIF orientation.

    Gray, palette, 16-bit, CMYK and transparent files come out as 8-bit BGR (the transparency is dropped).

    Returns:
        (H, W, 3) uint8 BGR, and its EXIF or None.

    Raises:
        ImageError: Missing, empty, cut short, not an image, or a side longer than OpenCV can warp.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"picture cannot be read: {path}", got=error.strerror) from error
    if is_cut_jpeg(data):
        raise ImageError(f"picture is cut short: {path}", got=f"{len(data)} bytes without a JPEG end marker")
    image = None
    if data:
        try:
            image, kinds, blocks = cv2.imdecodeWithMetadata(np.frombuffer(data, np.uint8), flags=cv2.IMREAD_COLOR)
        except cv2.error:
            image = None
    if image is None or image.size == 0:
        raise ImageError(f"not a picture: {path}", got=f"{len(data)} bytes", fix="copy or download it again")
    if max(image.shape) > _LONGEST_SIDE_PX:
        raise ImageError(
            f"picture is too long: {path}", got=f"{image.shape[1]} x {image.shape[0]}", want=f"<= {_LONGEST_SIDE_PX} px"
        )
    exif = [np.asarray(block).tobytes() for kind, block in zip(kinds, blocks, strict=True) if kind == 0]
    return image, _parse_exif(exif[0]) if exif else None


def _parse_exif(block: bytes) -> Image.Exif | None:
    exif = Image.Exif()
    try:
        exif.load(block if block.startswith(b"Exif\0\0") else b"Exif\0\0" + block)
        exif.get_ifd(0x8769)  # parsed here, so that a broken block is found here
    except Exception:  # whatever a stranger's EXIF makes the parser raise, the picture itself is fine
        return None
    return exif


class Pictures:
    """Picture files, or one array. A single broken picture raises; one of several is counted and left out."""

    kind, fps = "pictures", None

    def __init__(self, pictures: Sequence[Path | np.ndarray], name: str) -> None:
        self.pictures, self.name, self.length = pictures, name, len(pictures)
        self.skipped, self.problem = 0, None

    def __iter__(self) -> Iterator[Frame]:
        """Decode one after the other."""
        for picture in self.pictures:
            if isinstance(picture, np.ndarray):
                yield Frame(self.name, 0, None, picture)
                continue
            try:
                image, exif = read_picture(picture)
            except ImageError as error:
                if self.length == 1:
                    raise
                self.skipped += 1
                self.problem = self.problem or str(error)
                continue
            yield Frame(str(picture), 0, None, image, exif)


class Camera:
    """A camera by its number. It ends with an error when frames stop coming, never by itself.

    Args:
        number: As the system counts them, from 0.
        mirror: Give the frames mirrored, so that people see themselves as they are used to; drivers do not.
    """

    kind, fps, length, skipped, problem = "camera", None, None, 0, None

    def __init__(self, number: int, mirror: bool = False) -> None:
        self.number, self.name, self.mirror = number, f"camera{number}", mirror
        self._capture = cv2.VideoCapture(number)
        if not self._capture.isOpened():
            raise InputError(
                f"camera {number} cannot be opened",
                fix="try another number (0, 1, ...), close the program that uses it, or check its permissions",
            )
        self.fps = self._capture.get(cv2.CAP_PROP_FPS) or None

    def __iter__(self) -> Iterator[Frame]:
        """Frames as they come, with the seconds since the first."""
        index, start, misses = 0, None, 0
        try:
            while True:
                found, image = self._capture.read()
                if not found:
                    misses += 1
                    if misses == _CAMERA_TRIES:
                        raise InputError(
                            f"camera {self.number} gives no more frames, {index} came", fix="check its plug; try again"
                        )
                    time.sleep(0.02)
                    continue
                misses, now = 0, time.monotonic()
                start = now if start is None else start
                image = as_bgr(image)
                yield Frame(self.name, index, now - start, cv2.flip(image, 1) if self.mirror else image)
                index += 1
        finally:
            self._capture.release()
