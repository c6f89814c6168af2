"""Sources of frames: arrays, image files and folders. Videos are in `video.py`, cameras in `live.py`.

The content of a file decides what it is, not its name: animated GIFs and PNGs are videos, everything else that OpenCV
decodes is an image, HEIC is too, and the rest is passed to the video reader.
"""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from ...errors import ImageError, InputError
from ...utils.early import is_address
from ...utils.heif import decode_heif, heif_format
from ...utils.images import (
    IMAGE_SUFFIXES,
    check_single_image,
    find_images,
    is_animation,
    is_cut_jpeg,
    visible_files,
)
from ...utils.paths import printable
from ..options import Section
from .frames import Frame, Source, SourceKind, empty_section
from .live import Camera, LiveSource
from .pixels import as_bgr

_LONGEST_SIDE_PX = 32_766  # OpenCV's warp counts pixels in 16 bits
VIDEO_SUFFIXES = (
    *(".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm", ".wmv", ".flv", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts"),
    *(".3gp", ".ogv", ".gif", ".apng"),
)
# Endings of images that cannot be read. In a folder, such files are left out, but not silently.
UNREADABLE_SUFFIXES = (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".rw2", ".orf", ".psd", ".jxl")
_WANT = "an image, a folder of images, a video, the number of a camera, or the address of a live stream"


def open_source(source: Any) -> Source:
    """Open an array, an image file, a folder of images, a video file or GIF, a camera, or a network stream.

    Args:
        source: A (H, W, 3) uint8 BGR array, a path, the number of a camera, the address of a live stream
            ("rtsp://..."), or a source, which is returned as it is.

    Raises:
        InputError: The source is missing, empty, or none of these.
        ImageError: The image is cut short or otherwise broken. In a folder, such images are counted instead.
    """
    if hasattr(source, "kind"):
        return source
    if isinstance(source, np.ndarray):
        return ArrayImage(as_bgr(source))
    if isinstance(source, int):
        return open_camera(source)
    check_input(source)
    if is_address(source):
        return open_camera(source)
    path = Path(source)
    if path.is_dir():
        return ImageFiles(list_images(path), str(path))
    if is_image(path):
        return ImageFiles([path], str(path))
    from .video import Video  # imported late, because images do not need it

    return Video(path)


def open_camera(camera: int | str, mirror: bool = False) -> LiveSource:
    """Open a camera by its number, or a live stream by its address.

    Args:
        camera: Number of the camera, or address of the stream.
        mirror: Mirror the frames, so that people see themselves as in a mirror.

    Raises:
        InputError: It cannot be opened.
    """
    if isinstance(camera, int):
        return Camera(camera, mirror)
    from .streams import NetworkStream  # imported late, because images do not need it

    return NetworkStream(camera, mirror)


def check_input(source: str | Path) -> None:
    """Raise `InputError` unless a path exists and could be an image, a folder or a video.

    Nothing is decoded, and addresses are not contacted.
    """
    if is_address(source):
        if str(source).lower().startswith("file:"):
            raise InputError(f"files are opened by their path: {source}", want=_WANT, fix="write the path alone")
        return
    path = Path(source)
    camera = re.fullmatch(r"/dev/video(\d+)", str(source))
    if not path.exists():
        fix = f"a camera is opened by its number: {camera[1]}" if camera else None
        raise InputError(f"input does not exist: {path}", want=_WANT, fix=fix)
    if not path.is_dir() and (not path.is_file() or path.stat().st_size == 0):
        fix = f"a camera is opened by its number: {camera[1]}" if camera else None
        raise InputError(f"input is empty or not a file: {path}", want=_WANT, fix=fix)


def is_image(path: Path) -> bool:
    """Return whether the content of a file is one image that OpenCV or pillow-heif decodes."""
    with open(path, "rb") as file:
        start = file.read(4096)
    if heif_format(start):
        return True
    if start.startswith((b"GIF", b"\x89PNG")) and is_animation(path.read_bytes()):
        return False
    # As bytes, because OpenCV crashes on a str whose name is not UTF-8.
    return cv2.haveImageReader(os.fsencode(path))  # type: ignore[arg-type]  # missing in OpenCV's stubs


def natural_key(path: Path) -> list[list[int | str]]:
    """Return a sort key by which frame2 comes before frame10, in every folder of the path.

    Example:
        >>> sorted([Path("take10/a.jpg"), Path("take2/b.jpg")], key=natural_key)[0].name
        'b.jpg'
    """
    return [[int(part) if part.isdigit() else part.lower() for part in re.split(r"(\d+)", name)] for name in path.parts]


def list_images(folder: Path) -> list[Path]:
    """Return the image files directly in a folder, in natural order, without hidden ones.

    Videos, and images of formats that cannot be read, are left out and named in a warning.

    Raises:
        InputError: There is none.
    """
    images = sorted(map(Path, find_images(folder, recursive=False)), key=natural_key)
    files = visible_files(folder, recursive=False)
    if not images:
        raise InputError(
            f"there are no images in {folder}",
            got=f"{len(files)} other files",
            want=" ".join(IMAGE_SUFFIXES),
            fix="give the path of the video, not of its folder" if files else None,
        )
    warn_left_out(folder, [file for file in files if file.lower().endswith(VIDEO_SUFFIXES + UNREADABLE_SUFFIXES)])
    return images


def warn_left_out(folder: str | Path, files: Sequence[str | Path], kinds: str = "images") -> None:
    """Name the files of a folder that are left out in a warning, unless there are none.

    Args:
        folder: The folder.
        files: The files.
        kinds: The kinds of files that are read.
    """
    if not files:
        return
    from mmengine.logging import print_log  # imported late, because it loads torch

    names = ", ".join(printable(Path(file).name) for file in files[:5]) + (", ..." if len(files) > 5 else "")
    message = f"{len(files)} files in {printable(folder)} are not {kinds} that can be read, and are left out: {names}"
    print_log(message, "current", logging.WARNING)


def read_upright(path: Path) -> tuple[np.ndarray, Image.Exif | None]:
    """Decode an image at full size, turned upright by its EXIF orientation, or as a HEIC or AVIF file says.

    Gray, palette, 16-bit, CMYK and transparent files are converted to 8-bit BGR. Transparency is dropped.

    Returns:
        The image (H, W, 3) uint8 BGR, and its EXIF data or None.

    Raises:
        ImageError: The file is missing, empty, cut short, not an image or several images, or a side is too long for
            OpenCV.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ImageError(f"image cannot be read: {path}", got=error.strerror) from error
    if is_cut_jpeg(data):
        raise ImageError(f"image is cut short: {path}", got=f"{len(data)} bytes without a JPEG end marker")
    check_single_image(data, path)
    image, exif = decode_heif(data, path) if heif_format(data) else _decode(data, path)
    if max(image.shape) > _LONGEST_SIDE_PX:
        raise ImageError(
            f"image is too large: {path}",
            got=f"{image.shape[1]} x {image.shape[0]} px",
            want=f"at most {_LONGEST_SIDE_PX} px per side",
        )
    return image, _parse_exif(exif) if exif else None


def _decode(data: bytes, path: Path) -> tuple[np.ndarray, bytes | None]:
    """Return the image (H, W, 3) uint8 BGR, upright, and its EXIF block or None."""
    image = None
    if data:
        try:
            image, kinds, blocks = cv2.imdecodeWithMetadata(np.frombuffer(data, np.uint8), flags=cv2.IMREAD_COLOR)
        except cv2.error:
            image = None
    if image is None or image.size == 0:
        raise ImageError(f"not an image: {path}", got=f"{len(data)} bytes", fix="copy or download it again")
    exif = [np.asarray(block).tobytes() for kind, block in zip(kinds, blocks, strict=True) if kind == 0]
    return image, exif[0] if exif else None


def _parse_exif(block: bytes) -> Image.Exif | None:
    exif = Image.Exif()
    try:
        exif.load(block if block.startswith(b"Exif\0\0") else b"Exif\0\0" + block)
        exif.get_ifd(0x8769)  # parse the block now, so that a broken one is noticed here
    except Exception:  # whatever error a broken block causes in the parser, the image itself is usable
        return None
    return exif


class ArrayImage:
    """A `Source` of one image that is already in memory.

    Args:
        image: (H, W, 3) uint8 BGR.
    """

    kind: SourceKind = "images"

    def __init__(self, image: np.ndarray) -> None:
        self.image, self.name = image, "array"
        self.paths: Sequence[Path] = ()
        self.fps: float | None = None
        self.length: int | None = 1
        self.skipped = 0
        self.problem: str | None = None

    def __iter__(self) -> Iterator[Frame]:
        """Yield the image."""
        yield Frame(self.name, 0, None, self.image)


class ImageFiles:
    """A `Source` of image files. If there is only one, a broken image is an error; otherwise it is counted.

    Args:
        paths: The files.
        name: Name for messages.
    """

    kind: SourceKind = "images"

    def __init__(self, paths: Sequence[Path], name: str) -> None:
        self.paths, self.name = paths, name
        self.fps: float | None = None
        self.length: int | None = len(paths)
        self.skipped = 0
        self.problem: str | None = None

    def __iter__(self) -> Iterator[Frame]:
        """Decode one image after the other."""
        for path in self.paths:
            try:
                image, exif = read_upright(path)
            except ImageError as error:
                if self.length == 1:
                    raise
                self.skipped += 1
                self.problem = self.problem or str(error)
                continue
            yield Frame(str(path), 0, None, image, exif)


class ImageClip:
    """A `Source` of image files that are the frames of one clip. Broken ones are counted; the others keep their times.

    Args:
        paths: The files, in order.
        name: Name for messages.
        fps: Frame rate of the clip.
        section: Frames to read.
    """

    kind: SourceKind = "video"

    def __init__(self, paths: Sequence[Path], name: str, fps: float, section: Section) -> None:
        self.paths, self.name, self._fps, self.section = paths, name, fps, section
        self.fps: float | None = fps / section.stride
        inside = [i for i in range(len(paths)) if i / fps >= section.start_s and not section.ends_before(i / fps)]
        self._indices = inside[:: section.stride]
        self.length: int | None = len(self._indices)
        self.skipped = 0
        self.problem: str | None = None

    def __iter__(self) -> Iterator[Frame]:
        """Decode one image after the other.

        Raises:
            InputError: No image could be decoded, or none lies in the section.
        """
        if not self._indices:
            raise empty_section(self.name, self.section, (len(self.paths) - 1) / self._fps)
        for index in self._indices:
            try:
                image, exif = read_upright(self.paths[index])
            except ImageError as error:
                self.skipped += 1
                self.problem = self.problem or str(error)
                continue
            yield Frame(self.name, index, index / self._fps, image, exif)
        if self.skipped == self.length:
            raise InputError(f"no frame of {self.name} could be decoded", got=self.problem)
