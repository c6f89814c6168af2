"""A camera for every picture: given, from EXIF, or assumed."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from ..errors import InputError
from ..structures.results import Intrinsics

# Across the longer side: between a phone's main camera (26 mm equivalent: 69 deg) and usual webcams (55 to 65 deg).
DEFAULT_FOV_DEG = 65.0
_FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)
_EXIF_IFD, _ORIENTATION = 0x8769, 0x0112
_FOCAL_MM, _FOCAL_35MM, _PIXELS_X, _PIXELS_Y = 0x920A, 0xA405, 0xA002, 0xA003
_PLANE_X, _PLANE_Y, _PLANE_UNIT = 0xA20E, 0xA20F, 0xA210
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # inch, cm, mm, um


def choose_intrinsics(
    size: tuple[int, int],
    exif: Image.Exif | None = None,
    focal: float | tuple[float, float] | None = None,
    principal_pt: tuple[float, float] | None = None,
    fov_deg: float | None = None,
) -> Intrinsics:
    """The user's numbers where there are any, else the picture's EXIF, else an assumed field of view.

    Args:
        size: (width, height) px of the upright picture.
        exif: The picture's.
        focal: px; one number or (fx, fy).
        principal_pt: px; None is the middle, ((W - 1) / 2, (H - 1) / 2).
        fov_deg: Across the longer side: the user's where given, which then outranks EXIF.

    Returns:
        Intrinsics; the source is "user" only where the focal length or the field of view is the user's.
    """
    middle = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2])
    center = middle if principal_pt is None else np.array(principal_pt, np.float64)
    if focal is not None:
        return Intrinsics(np.broadcast_to(np.array(focal, np.float64), (2,)).copy(), center, "user")
    if fov_deg is None and exif is not None:
        found = focal_from_exif(exif, size)
        if found is not None:
            return Intrinsics(found, center, "exif")
    length = max(size) / 2 / math.tan(math.radians(fov_deg or DEFAULT_FOV_DEG) / 2)
    return Intrinsics(np.array([length, length]), center, "assumed" if fov_deg is None else "user")


def focal_from_exif(exif: Image.Exif, size: tuple[int, int]) -> np.ndarray | None:
    """Focal length in pixels of the upright picture.

    From FocalLengthIn35mmFilm by the ratio of diagonals (CIPA DCG-001), or from FocalLength and the sensor's
    FocalPlaneResolution; the latter counts pixels as the camera took them, so it is scaled by
    PixelDimension where the picture was resized since.

    Args:
        exif: Of the picture.
        size: (width, height) px, upright.

    Returns:
        (2,) px, or None where EXIF does not say.
    """
    tags = exif.get_ifd(_EXIF_IFD)
    equivalent = _number(tags.get(_FOCAL_35MM))
    if equivalent:
        length = equivalent * math.hypot(*size) / _FULL_FRAME_DIAGONAL_MM
        return np.array([length, length])
    focal_mm, per_unit = _number(tags.get(_FOCAL_MM)), _number(tags.get(_PLANE_X))
    unit_mm = _UNIT_MM.get(tags.get(_PLANE_UNIT, 2))
    if not (focal_mm and per_unit and unit_mm):
        return None
    turned = exif.get(_ORIENTATION, 1) in (5, 6, 7, 8)
    taken = size[::-1] if turned else size
    per_unit_y = _number(tags.get(_PLANE_Y)) or per_unit
    scale_x = taken[0] / (_number(tags.get(_PIXELS_X)) or taken[0])
    scale_y = taken[1] / (_number(tags.get(_PIXELS_Y)) or taken[1])
    focal = np.array([per_unit * scale_x, per_unit_y * scale_y]) / unit_mm * focal_mm
    return focal[::-1].copy() if turned else focal


def _number(value: object) -> float | None:
    """A finite positive EXIF value as float; cameras that do not know write 0 or 0/0."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None


def check_camera(
    focal: float | tuple[float, float] | None,
    principal_pt: tuple[float, float] | None,
    fov_deg: float | None,
    depth_mm: float | tuple[float, float] | None,
) -> None:
    """Refuse numbers that no camera has, before any work.

    Raises:
        InputError: Not finite, not positive, of another length, or focal length and field of view both given.
    """
    for name, value, lengths in (("focal", focal, (1, 2)), ("depth_mm", depth_mm, (1, 2))):
        numbers = np.atleast_1d(np.array([] if value is None else value, np.float64))
        if value is not None and (numbers.size not in lengths or not np.isfinite(numbers).all() or numbers.min() <= 0):
            raise InputError(name, got=value, want="one or two positive numbers")
    if principal_pt is not None and (len(principal_pt) != 2 or not np.isfinite(principal_pt).all()):
        raise InputError("principal_pt", got=principal_pt, want="two numbers, px")
    if fov_deg is not None and not 1 <= fov_deg <= 170:
        raise InputError("fov_deg", got=fov_deg, want="1 to 170 degrees across the longer side")
    if focal is not None and fov_deg is not None:
        raise InputError("focal and fov_deg are both given", fix="give one of them")
