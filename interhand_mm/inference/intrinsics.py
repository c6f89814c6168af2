"""A camera for every image: given by the user, from EXIF, or assumed."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from PIL import Image

from ..structures.results import Intrinsics
from .options import CameraOptions

# Across the longer side. A phone's main camera (26 mm equivalent) has 69 degrees, usual webcams have 55 to 65.
DEFAULT_FOV_DEG = 65.0
_FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)
_EXIF_IFD, _ORIENTATION = 0x8769, 0x0112
_TURNED = (5, 6, 7, 8)  # orientations that exchange width and height
_FOCAL_MM, _FOCAL_35MM, _PIXELS_X, _PIXELS_Y = 0x920A, 0xA405, 0xA002, 0xA003
_PLANE_X, _PLANE_Y, _PLANE_UNIT = 0xA20E, 0xA20F, 0xA210
_UNIT_MM = {2: 25.4, 3: 10.0, 4: 1.0, 5: 0.001}  # inch, cm, mm, um


def choose_intrinsics(
    size: tuple[int, int], exif: Image.Exif | None = None, camera: CameraOptions = CameraOptions()
) -> Intrinsics:
    """Return the user's camera if one is given, else the camera from EXIF, else one with an assumed field of view.

    Args:
        size: (width, height) of the upright image in px.
        exif: EXIF data of the image.
        camera: Camera parameters that the user knows. `fov_deg` takes precedence over EXIF. The default principal
            point is the image center, ((W - 1) / 2, (H - 1) / 2).

    Returns:
        Intrinsics. `source` is "user" only if the focal length or the field of view comes from the user, and "exif"
        only if EXIF describes the whole image. Of an image that was cropped since, the focal length of the original
        is returned as "assumed", because nobody knows where it was cut, and whether it was scaled.

    Example:
        >>> camera = choose_intrinsics((640, 480), camera=CameraOptions(fov_deg=90))
        >>> camera.focal.round(3).tolist(), camera.principal_pt.tolist(), camera.source
        ([320.0, 320.0], [319.5, 239.5], 'user')
        >>> choose_intrinsics((640, 480)).source
        'assumed'
    """
    middle = np.array([(size[0] - 1) / 2, (size[1] - 1) / 2])
    center = middle if camera.principal_pt is None else np.array(camera.principal_pt, np.float64)
    if camera.focal is not None:
        return Intrinsics(np.broadcast_to(np.array(camera.focal, np.float64), (2,)).copy(), center, "user")
    if camera.fov_deg is None and exif is not None:
        found = focal_from_exif(exif, size)
        if found is not None:
            focal, is_whole = found
            return Intrinsics(focal, center, "exif" if is_whole else "assumed")
    length = max(size) / 2 / math.tan(math.radians(camera.fov_deg or DEFAULT_FOV_DEG) / 2)
    return Intrinsics(np.array([length, length]), center, "assumed" if camera.fov_deg is None else "user")


def focal_from_exif(exif: Image.Exif, size: tuple[int, int]) -> tuple[np.ndarray, bool] | None:
    """Return the focal length in pixels of the upright image, or None if EXIF does not contain it.

    FocalLengthIn35mmFilm gives it by the ratio of diagonals (CIPA DCG-001). Otherwise FocalLength and the sensor's
    FocalPlaneResolution give it. Both describe the image that the camera recorded, of PixelXDimension by
    PixelYDimension. If the image has the same aspect ratio, it was at most resized, and the focal length with it.
    Otherwise it was cropped; it is then taken for a part of the recorded image that was not reduced.

    Args:
        exif: EXIF data of the image.
        size: (width, height) of the upright image in px.

    Returns:
        The focal length (2,) px, and whether the image shows all that the camera recorded; or None.
    """
    tags = exif.get_ifd(_EXIF_IFD)
    turned = exif.get(_ORIENTATION, 1) in _TURNED
    stored = np.array(size[::-1] if turned else size, np.float64)
    recorded = np.array(
        [_number(tags.get(key)) or side for key, side in zip((_PIXELS_X, _PIXELS_Y), stored, strict=True)]
    )
    if not _same_aspect(stored, recorded) and _same_aspect(stored, recorded[::-1]):
        # Some programs turn the pixels and the orientation, but not the recorded size.
        turned, stored = not turned, stored[::-1]
    is_whole = _same_aspect(stored, recorded)
    focal = _recorded_focal(tags, recorded)
    if focal is None:
        return None
    focal = focal * (stored / recorded if is_whole else max(1.0, float((stored / recorded).max())))
    return (focal[::-1].copy() if turned else focal), is_whole


def _same_aspect(first: np.ndarray, second: np.ndarray) -> bool:
    """Return True for sizes (width, height) of one aspect ratio, within 1 % and the rounding to pixels."""
    ratio = float(first[0] * second[1] / (first[1] * second[0]))
    return abs(ratio - 1) < 0.01 + float((1 / first).sum())


def _recorded_focal(tags: dict[int, Any], recorded: np.ndarray) -> np.ndarray | None:
    """Return the focal length (2,) in pixels of the image that the camera recorded, of size (width, height)."""
    equivalent = _number(tags.get(_FOCAL_35MM))
    if equivalent:
        length = equivalent * math.hypot(*recorded) / _FULL_FRAME_DIAGONAL_MM
        return np.array([length, length])
    focal_mm, per_unit = _number(tags.get(_FOCAL_MM)), _number(tags.get(_PLANE_X))
    unit_mm = _UNIT_MM.get(tags.get(_PLANE_UNIT, 2))
    if not (focal_mm and per_unit and unit_mm):
        return None
    per_unit_y = _number(tags.get(_PLANE_Y)) or per_unit
    return np.array([per_unit, per_unit_y]) / unit_mm * focal_mm


def _number(value: object) -> float | None:
    """Return an EXIF value if it is finite and positive. Cameras write 0 or 0/0 for an unknown value."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
