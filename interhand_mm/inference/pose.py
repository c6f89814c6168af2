"""From boxes to keypoints: the crop of the data sets, and the pose network in batches."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log

from ..structures.boxes import square_bbox
from ..structures.warp import Warp
from ..utils.config import load_config
from .handedness import at_temperature
from .network.open import open_network
from .options import InferenceOptions
from .timing import Stopwatch

# Factors on the square box: annotated and detected boxes are enlarged as in training, a whole image is not.
CROP_PADDING, WHOLE = 1.25, 1.0


class Pose(NamedTuple):
    """Prediction for one crop, before it is decided which hands are present. Fields as in `HandsResult`."""

    bbox: np.ndarray
    keypoints: np.ndarray
    keypoint_scores: np.ndarray
    rel_root_depth_mm: float
    hand_prob: np.ndarray
    restored: tuple[bool, bool] = (False, False)


class Crop(NamedTuple):
    """A crop and where it comes from.

    Attributes:
        image: (3, h, w) uint8 BGR.
        warp: The mapping between full-image and crop pixels.
        bbox: (4,) px of the full image, x1 y1 x2 y2: the square that was cut.
    """

    image: np.ndarray
    warp: Warp
    bbox: np.ndarray


class PoseModel:
    """A pose network, ready to predict.

    Args:
        config: Config of the pose network, as a path or loaded.
        checkpoint: Checkpoint of the network; "handedness_temperature" in its metadata calibrates `hand_prob`. For
            another backend than "torch", the file that `tools/export_onnx.py` writes.
        options: The fields `device`, `amp`, `backend` and `batch_size` are used.

    Raises:
        ConfigError, CheckpointError: See `load_config` and `open_network`.
    """

    def __init__(self, config: str | Path | Config, checkpoint: str | Path, options: InferenceOptions) -> None:
        cfg = config if isinstance(config, Config) else load_config(config)
        self.batch_size, self._warned = options.batch_size, False
        self.network = open_network(cfg, checkpoint, options.device, options.amp, options.backend)

    def predict(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray], paddings: Sequence[float], watch: Stopwatch
    ) -> list[Pose]:
        """Predict the pose in one crop per box.

        Args:
            images: One (H, W, 3) uint8 BGR image per box. The same array may occur several times.
            boxes: (4,) px, x1 y1 x2 y2, as InterHand2.6M annotates: the joints' tight box times `BBOX_ENLARGE`.
            paddings: Factor on each square box, `CROP_PADDING` or `WHOLE`.
            watch: Stopwatch that measures the stages "crop" and "pose".
        """
        poses = []
        for start in range(0, len(boxes), self.batch_size):
            part = slice(start, start + self.batch_size)
            with watch.measure("crop"):
                size = self.network.input_size
                crops = [cut(*each, size) for each in zip(images[part], boxes[part], paddings[part], strict=True)]
            with watch.measure("pose"):
                poses += self._forward(crops)
        return poses

    def _check_numbers(self, points: np.ndarray) -> None:
        """Turn joints that are not numbers into NaN as a whole, and warn of the first ones. They occur in float16."""
        broken = ~np.isfinite(points).all(axis=-1)
        points[broken] = np.nan
        if broken.any() and not self._warned:
            self._warned = True
            message = "the pose network returned joints that are not numbers; they are left out\n  fix:  --amp float32"
            print_log(message, "current", logging.WARNING)

    def _forward(self, crops: list[Crop]) -> list[Pose]:
        found = self.network(np.stack([crop.image for crop in crops]))
        restored = found.get("replaced", np.zeros((len(crops), 2)))
        poses = []
        for i, crop in enumerate(crops):
            points = found["keypoints"][i].astype(np.float64)
            points[:, :2] = crop.warp.to_full(points[:, :2])
            self._check_numbers(points)
            poses.append(
                Pose(
                    crop.bbox.astype(np.float64),
                    points,
                    np.clip(found["keypoint_scores"][i].astype(np.float64), 0, 1),
                    float(found["rel_root_depth"][i]),
                    np.nan_to_num(at_temperature(found["hand_prob"][i], self.network.temperature)),
                    (bool(restored[i, 0]), bool(restored[i, 1])),
                )
            )
        return poses


def cut(image: np.ndarray, box: np.ndarray, padding: float, size: tuple[int, int]) -> Crop:
    """Cut a crop exactly as the data sets do for testing.

    Args:
        image: (H, W, 3) uint8 BGR.
        box: (4,) px, x1 y1 x2 y2, as annotated.
        padding: Factor on the square box, see `square_bbox`.
        size: (width, height) of the crop in px.
    """
    bbox = square_bbox(box, padding).astype(np.float32)
    warp = Warp.from_box(bbox, size, (image.shape[1], image.shape[0]))
    return Crop(warp.crop_read(image).transpose(2, 0, 1), warp, bbox)
