"""Read HEIC and AVIF images. Such a file may consist of several tiles, which a video library takes for videos."""

from __future__ import annotations

import importlib
import io
from pathlib import Path
from typing import Any, Literal

import cv2
import numpy as np

from ..errors import ImageError

HEIF_SUFFIXES = (".heic", ".heif", ".hif")
_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
_AVIF_BRANDS = {b"avif", b"avis"}


def heif_format(start: bytes) -> Literal["HEIC", "AVIF"] | None:
    r"""Return the format of a file by its first bytes, or None if it is neither HEIC nor AVIF.

    Args:
        start: The file, or at least its first 64 bytes.

    Example:
        >>> heif_format(b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic"), heif_format(b"\0\0\0\x14ftypisom\0\0\0\0avc1")
        ('HEIC', None)
    """
    main = start[8:12]
    if start[4:8] != b"ftyp" or main not in _HEIC_BRANDS | _AVIF_BRANDS:
        return None
    length = int.from_bytes(start[:4], "big")
    brands = {main, *(start[at : at + 4] for at in range(16, min(length, len(start)), 4))}
    return "AVIF" if brands & _AVIF_BRANDS else "HEIC"


def decode_heif(data: bytes, path: str | Path) -> tuple[np.ndarray, bytes | None]:
    """Decode the main image of a HEIC or AVIF file, with all tiles, turned and mirrored as the file demands.

    OpenCV reads no HEIC, and ignores the turn in AVIF.

    Args:
        data: The file.
        path: Its path, for error messages.

    Returns:
        The image (H, W, 3) uint8 BGR, and its EXIF block or None.

    Raises:
        ImageError: The file is broken, or a HEIC file and pillow-heif is not installed.
    """
    if heif_format(data) == "HEIC":
        return _decode_heic(data, path)
    from PIL import Image, ImageOps

    try:
        with Image.open(io.BytesIO(data), formats=["AVIF"]) as image:
            upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
            return np.ascontiguousarray(upright[..., ::-1]), image.info.get("exif")
    except Exception as error:  # Pillow's decoders raise errors of many classes
        raise ImageError(f"not an AVIF image: {path}", got=error, fix="copy or download it again") from error


def _decode_heic(data: bytes, path: str | Path) -> tuple[np.ndarray, bytes | None]:
    try:
        pillow_heif: Any = importlib.import_module("pillow_heif")
    except ImportError as error:
        raise ImageError(
            f"HEIC images need the package pillow-heif: {path}",
            got=error,
            fix="pip install -r requirements/heic.txt, or convert the image to JPEG",
        ) from error
    try:
        image = pillow_heif.open_heif(io.BytesIO(data), bgr_mode=True)  # the main image, if the file contains several
        pixels = np.asarray(image)
    except Exception as error:  # libheif's errors have no common base class
        raise ImageError(f"not a HEIC image: {path}", got=error, fix="copy or download it again") from error
    if pixels.ndim == 2:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR)
    return np.ascontiguousarray(pixels[..., :3]), image.info.get("exif")
