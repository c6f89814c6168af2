"""A camera for every image: given by the user, from EXIF, or assumed."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image

from ..structures.results import Intrinsics
from .options import CameraOptions

# Across the longer side. A phone's main camera (26 mm equivalent) has 69 degrees, usual webcams have 55 to 65.
DEFAULT_FOV_DEG = 65.0
_FULL_FRAME_DIAGONAL_MM = math.hypot(36.0, 24.0)
_EXIF_IFD, _ORIENTATION = 0x8769, 0x0112
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
        Intrinsics. `source` is "user" only if the focal length or the field of view comes from the user.

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
            return Intrinsics(found, center, "exif")
    length = max(size) / 2 / math.tan(math.radians(camera.fov_deg or DEFAULT_FOV_DEG) / 2)
    return Intrinsics(np.array([length, length]), center, "assumed" if camera.fov_deg is None else "user")


def focal_from_exif(exif: Image.Exif, size: tuple[int, int]) -> np.ndarray | None:
    """Return the focal length in pixels of the upright image, or None if EXIF does not contain it.

    FocalLengthIn35mmFilm gives it by the ratio of diagonals (CIPA DCG-001). Otherwise FocalLength and the sensor's
    FocalPlaneResolution give it. The latter counts the pixels that the camera recorded, so the result is scaled by
    PixelDimension if the image was resized since.

    Args:
        exif: EXIF data of the image.
        size: (width, height) of the upright image in px.

    Returns:
        (2,) px, or None.
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
    """Return an EXIF value if it is finite and positive. Cameras write 0 or 0/0 for an unknown value."""
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    return number if math.isfinite(number) and number > 0 else None
