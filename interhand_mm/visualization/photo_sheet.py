"""Draw what was found in annotated photographs, for looking at many of them."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ..structures.photos import AnnotatedPhoto
from ..structures.results import FrameResult
from ..utils.images import resize_image
from .overlay import draw_frame
from .text import draw_text

TILE_PX, _TITLE_PX = (480, 360), 24
_ANNOTATED, _PAIR = (90, 220, 90), (60, 210, 255)  # BGR


def photo_tile(photo: AnnotatedPhoto, frame: FrameResult, number: int) -> np.ndarray:
    """Draw an image with the hands that were found and the boxes that are annotated, and its number and name above.

    Annotated boxes are green, those around two hands are yellow.

    Args:
        photo: The annotations.
        frame: Result of inference on the image.
        number: Number of the tile.

    Returns:
        (384, 480, 3) uint8 BGR.
    """
    height, width = frame.image.shape[:2]
    scale = min(TILE_PX[0] / width, TILE_PX[1] / height)
    image = resize_image(frame.image, (round(scale * width), round(scale * height)))
    for boxes, color in ((photo.boxes, _ANNOTATED), (photo.pairs, _PAIR)):
        for box in np.rint(boxes * scale).astype(int).tolist():
            cv2.rectangle(image, (box[0], box[1]), (box[2], box[3]), color, 1)
    factors = np.array([scale, scale, 1.0])
    hands = tuple(
        replace(each, bbox=each.bbox * scale, detections=each.detections * scale, keypoints=each.keypoints * factors)
        for each in frame.hands
    )
    tile = np.zeros((_TITLE_PX + TILE_PX[1], TILE_PX[0], 3), np.uint8)
    drawn = draw_frame(replace(frame, image=image, hands=hands))
    tile[_TITLE_PX:][: drawn.shape[0], : drawn.shape[1]] = drawn
    draw_text(tile, f"{number} · {photo.file_name}", 0, 0, 14)
    return tile
