"""Draw the data of a detector: boxes, outlines and categories of a COCO file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..errors import ConfigError
from ..utils.images import read_image, resize_image
from ..visualization.overlay import contact_sheet
from ..visualization.text import draw_text

_TILE_PX, _TITLE_PX = (480, 300), 26  # maximum width and height of an image, and height of the strip above it
_COLORS = ((60, 200, 255), (255, 170, 60), (120, 220, 90), (210, 110, 240))  # BGR, one per category
_IGNORED = (150, 150, 150)


def browse_coco(dataset: Mapping[str, Any], num: int, columns: int = 3) -> np.ndarray:
    """Draw a contact sheet of images with their boxes. Boxes that are ignored (`iscrowd`) are gray.

    Args:
        dataset: Config of a `CocoDataset` with data_root, ann_file and data_prefix.
        num: Number of images, spread evenly over the file.
        columns: Number of images per row.

    Returns:
        (H, W, 3) uint8 BGR.

    Raises:
        ConfigError: The file lists no images.
    """
    root = Path(dataset["data_root"])
    content = json.loads((root / dataset["ann_file"]).read_bytes())
    images = content["images"]
    if not images:
        raise ConfigError(f"{root / dataset['ann_file']} lists no images", fix="choose another --phase")
    names = {category["id"]: category["name"] for category in content["categories"]}
    of_image: dict[int, list[dict[str, Any]]] = {}
    for annotation in content["annotations"]:
        if np.isfinite(annotation["bbox"]).all():
            of_image.setdefault(annotation["image_id"], []).append(annotation)
    tiles = []
    for row in np.linspace(0, len(images), min(num, len(images)), endpoint=False).astype(int):
        record = images[row]
        path = root / dataset["data_prefix"]["img"] / record["file_name"]
        image = read_image(path, cv2.IMREAD_COLOR)  # upright, as mmdet reads it
        tiles.append(_tile(image, of_image.get(record["id"], []), names, Path(record["file_name"]).parent.name))
    return contact_sheet(tiles, columns, gap=6)


def _tile(image: np.ndarray, hands: list[dict[str, Any]], names: dict[int, str], title: str) -> np.ndarray:
    scale = min(_TILE_PX[0] / image.shape[1], _TILE_PX[1] / image.shape[0])
    drawn = resize_image(image, (round(scale * image.shape[1]), round(scale * image.shape[0])))
    for hand in hands:
        color = _IGNORED if hand.get("iscrowd") else _COLORS[(hand["category_id"] - 1) % len(_COLORS)]
        for outline in hand.get("segmentation") or []:
            points = np.rint(np.reshape(outline, (-1, 2)) * scale).astype(np.int32)
            cv2.polylines(drawn, [points], True, color, 1, cv2.LINE_AA)
        x, y, w, h = np.rint(np.array(hand["bbox"]) * scale).astype(int).tolist()
        cv2.rectangle(drawn, (x, y), (x + w - 1, y + h - 1), color, 2)
        if len(names) > 1:
            draw_text(drawn, names[hand["category_id"]], max(x, 0), max(y - 20, 0), 12, color)
    tile = np.zeros((_TITLE_PX + _TILE_PX[1], _TILE_PX[0], 3), np.uint8)
    tile[_TITLE_PX:][: drawn.shape[0], : drawn.shape[1]] = drawn
    draw_text(tile, f"{title} · {len(hands)} hands", 0, 0, 15)
    return tile
