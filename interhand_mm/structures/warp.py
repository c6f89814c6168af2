"""Where the pixels of a crop come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from .camera import apply_affine, compose_affine, crop_affine, invert_affine, mirror_affine


@dataclass(frozen=True, eq=False)
class Warp:
    """How a crop was cut out of its image. It relates four sets of pixels.

    - *stored*: the image file at its full resolution.
    - *read*: the pixels that were decoded: all of the stored image, a part of it, or a smaller version.
    - *full*: the image that the annotations of the sample describe: the stored image, mirrored if `flipped`.
    - *crop*: the input of the network.

    All affines are (2, 3) float64 and map a point as ``A @ (x, y, 1)``. A warp is never changed.

    Attributes:
        full_to_crop: Affine from full to crop pixels.
        read_to_crop: Affine from read to crop pixels, the mirror included.
        flipped: Whether the full image is the mirrored stored image.
        image_size: (width, height) px of the full image.
        crop_size: (width, height) px of the crop.

    Examples:
        >>> warp = Warp.from_box(np.array([10.0, 20.0, 30.0, 40.0]), crop_size=(40, 40), image_size=(64, 64))
        >>> warp.to_crop(np.array([[10.0, 20.0], [20.0, 30.0]])).tolist()
        [[0.0, 0.0], [20.0, 20.0]]
        >>> warp.to_full(np.array([[20.0, 20.0]])).tolist()
        [[20.0, 30.0]]
    """

    full_to_crop: np.ndarray
    read_to_crop: np.ndarray
    flipped: bool
    image_size: tuple[int, int]
    crop_size: tuple[int, int]

    @classmethod
    def from_box(
        cls,
        bbox: np.ndarray,
        crop_size: tuple[int, int],
        image_size: tuple[int, int],
        *,
        scale: float = 1.0,
        rotation_deg: float = 0.0,
        flipped: bool = False,
        read_to_stored: np.ndarray | None = None,
    ) -> Warp:
        """Return the warp that fills the crop with a box.

        Args:
            bbox: (4,) px of the full image, x1 y1 x2 y2, in the crop's aspect ratio.
            crop_size: (width, height) px of the crop.
            image_size: (width, height) px of the full image.
            scale: Factor on the box; above 1 shows more of the image.
            rotation_deg: Rotation of the crop; see `crop_affine`.
            flipped: Whether the full image is the mirrored stored image.
            read_to_stored: (2, 3) affine from read to stored pixels. None means that the whole image was read.
        """
        full_to_crop = crop_affine(bbox, crop_size, scale, rotation_deg)
        stored_to_crop = compose_affine(full_to_crop, mirror_affine(image_size[0])) if flipped else full_to_crop
        read_to_crop = stored_to_crop if read_to_stored is None else compose_affine(stored_to_crop, read_to_stored)
        return cls(full_to_crop, read_to_crop, flipped, image_size, crop_size)

    def __deepcopy__(self, memo: dict[int, Any]) -> Warp:
        """Return the warp itself; mmengine deep-copies the metainfo of every sample that moves to a device."""
        return self

    @property
    def stored_to_crop(self) -> np.ndarray:
        """Affine (2, 3) from stored to crop pixels."""
        return (
            compose_affine(self.full_to_crop, mirror_affine(self.image_size[0])) if self.flipped else self.full_to_crop
        )

    @property
    def zoom(self) -> float:
        """Crop pixels per pixel of the full image."""
        return float(np.sqrt(abs(np.linalg.det(self.full_to_crop[:, :2]))))

    @property
    def rotation_deg(self) -> float:
        """Rotation of the crop against the full image."""
        return float(np.rad2deg(np.arctan2(self.full_to_crop[0, 1], self.full_to_crop[0, 0])))

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """Map (..., 2) points from full to crop pixels, in float64."""
        return apply_affine(np.asarray(points, np.float64), self.full_to_crop)

    def to_full(self, points: np.ndarray) -> np.ndarray:
        """Map (..., 2) points from crop to full pixels, in float64."""
        return apply_affine(np.asarray(points, np.float64), invert_affine(self.full_to_crop))

    def to_read(self, points: np.ndarray) -> np.ndarray:
        """Map (..., 2) points from crop to read pixels, in float64."""
        return apply_affine(np.asarray(points, np.float64), invert_affine(self.read_to_crop))

    def crop_read(self, image: np.ndarray) -> np.ndarray:
        """Cut the crop out of an image (H, W) or (H, W, C) of read pixels, bilinearly; pixels outside are 0."""
        return cv2.warpAffine(image, self.read_to_crop, self.crop_size, flags=cv2.INTER_LINEAR)

    def crop_stored(self, image: np.ndarray, flags: int = cv2.INTER_LINEAR) -> np.ndarray:
        """Cut the crop out of an image (H, W) or (H, W, C) of stored pixels; pixels outside are 0.

        Args:
            image: For example a mask of the image's full size.
            flags: OpenCV's interpolation.
        """
        return cv2.warpAffine(image, self.stored_to_crop, self.crop_size, flags=flags)
