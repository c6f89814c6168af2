"""Reads the image of a sample."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform

from ...errors import ConfigError, ImageError
from ...registry import TRANSFORMS
from ...utils.images import BLACK_LEVEL, CHECK_DOWNLOAD, read_image

_TURNED = (
    "the annotations may follow the EXIF orientation, which is ignored here: store the images upright, without it; or "
)


@TRANSFORMS.register_module()
class LoadHandImage(BaseTransform):
    """Read `img_path` into `img` (H, W, 3) uint8 BGR. Black images and sizes other than annotated are errors.

    Args:
        min_box_px: Decode JPEGs at 1/2, 1/4 or 1/8 of their size as long as the box to crop keeps at least this many
            pixels per side; with the size of the crop only aliasing is lost. `read_to_stored` then maps the pixels to
            those of the stored image. None: read every image at full size.
    """

    def __init__(self, min_box_px: int | None = None) -> None:
        if min_box_px is not None and min_box_px < 1:
            raise ConfigError("LoadHandImage: min_box_px must be at least 1", got=min_box_px, want="1 or more, or None")
        self.min_box_px = min_box_px

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add `img`, unless the sample has one already: a blanked sample, or one from the crop cache.

        Raises:
            ImageError: If the image cannot be read, is all black, or has another size than `image_size`.
        """
        if "img" in results:
            return results
        path = results["img_path"]
        shrink = self._shrink(results["bbox"])
        image = read_image(path, shrink=shrink)
        size, annotated = (image.shape[1], image.shape[0]), tuple(results["image_size"])
        if shrink > 1 and size == tuple(-(-side // shrink) for side in annotated):
            # A small pixel is the mean of shrink x shrink stored pixels, so its center is theirs.
            offset = (shrink - 1) / 2
            results["read_to_stored"] = np.array([[shrink, 0, offset], [0, shrink, offset]], np.float64)
        elif size != annotated:
            raise ImageError(
                f"image {path} of annotation {results['ann_id']} has another size than annotated",
                got=f"(width, height) {size}",
                want=f"(width, height) {annotated}",
                fix=(_TURNED if size == annotated[::-1] else "images and annotations are of different releases; ")
                + CHECK_DOWNLOAD,
            )
        if image.max() < BLACK_LEVEL:
            raise ImageError(f"image {path} of annotation {results['ann_id']} is all black", fix=CHECK_DOWNLOAD)
        results["img"] = image
        return results

    def _shrink(self, bbox: np.ndarray) -> int:
        """Return the largest of 8, 4, 2 and 1 that leaves the box enough pixels."""
        if self.min_box_px is None:
            return 1
        side = min(bbox[2] - bbox[0], bbox[3] - bbox[1])
        return next((k for k in (8, 4, 2) if side >= k * self.min_box_px), 1)
