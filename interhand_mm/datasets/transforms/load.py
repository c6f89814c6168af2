"""Loading a sample's image."""

from __future__ import annotations

from typing import Any

from mmcv.transforms import BaseTransform

from ...errors import ImageError
from ...registry import TRANSFORMS
from ...utils.images import CHECK_DOWNLOAD, read_image

# A frame whose brightest value lies below this shows nothing; JPEG noise on pure black stays under it.
BLACK_LEVEL = 8


@TRANSFORMS.register_module()
class LoadHandImage(BaseTransform):
    """Read `img_path` into `img` (H, W, 3) uint8 BGR; refuse black frames and sizes other than annotated."""

    def transform(self, results: dict[str, Any]) -> dict[str, Any]:
        """Add `img`; a sample that was blanked already keeps its black image.

        Raises:
            ImageError: See `read_image`; also all black, or not `image_size`.
        """
        if "img" in results:
            return results
        path = results["img_path"]
        image = read_image(path)
        size = (image.shape[1], image.shape[0])
        if size != tuple(results["image_size"]):
            raise ImageError(
                f"image {path} of annotation {results['ann_id']}: (width, height)",
                got=size,
                want=tuple(results["image_size"]),
                mend="images and annotations are of different releases; " + CHECK_DOWNLOAD,
            )
        if image.max() < BLACK_LEVEL:
            raise ImageError(f"image {path} of annotation {results['ann_id']} is all black", mend=CHECK_DOWNLOAD)
        results["img"] = image
        return results
