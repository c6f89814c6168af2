"""COCO detection files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def coco_detection(
    images: Iterable[dict[str, Any]], boxes: Iterable[dict[str, Any]], categories: Sequence[str]
) -> dict[str, list[dict[str, Any]]]:
    """Return the content of a COCO detection file.

    Args:
        images: One dict per image with at least `id`, `file_name`, `width` and `height`; other keys are dropped.
        boxes: One dict per box with at least `image_id`, `category` (index into `categories`), `bbox` (x, y, w, h px),
            `area` (px^2) and `iscrowd`; other keys are kept.
        categories: Names of the categories. If there is one name only, every box belongs to it.

    Example:
        >>> image = {"id": 3, "file_name": "a.jpg", "width": 8, "height": 6}
        >>> box = {"image_id": 3, "category": 1, "bbox": [1, 1, 4, 2], "area": 8, "iscrowd": 0}
        >>> content = coco_detection([image], [box], ["right_hand", "left_hand"])
        >>> content["annotations"]
        [{'id': 1, 'image_id': 3, 'category_id': 2, 'bbox': [1, 1, 4, 2], 'area': 8, 'iscrowd': 0}]
    """
    return {
        "images": [{key: image[key] for key in ("id", "file_name", "width", "height")} for image in images],
        "categories": [{"id": i + 1, "name": name} for i, name in enumerate(categories)],
        "annotations": [_annotation(i + 1, box, len(categories)) for i, box in enumerate(boxes)],
    }


def _annotation(number: int, box: dict[str, Any], categories: int) -> dict[str, Any]:
    first = {
        "id": number,
        "image_id": box["image_id"],
        "category_id": box["category"] + 1 if categories > 1 else 1,
        **{key: box[key] for key in ("bbox", "area", "iscrowd")},
    }
    return first | {key: value for key, value in box.items() if key != "category"}
