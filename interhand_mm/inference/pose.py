"""From boxes to keypoints: the data set's own crop, and the network in batches."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.config import Config

from ..structures.boxes import square_bbox
from ..structures.warp import Warp
from ..utils.config import load_config
from .handedness import at_temperature
from .network.open import open_network
from .timing import Stopwatch

CROP_PADDING, WHOLE = 1.25, 1.0  # of a squared box, as in training; of the whole picture


class Pose(NamedTuple):
    """What the network says of one crop; as in `HandsResult`, nothing decided yet."""

    bbox: np.ndarray
    keypoints: np.ndarray
    keypoint_scores: np.ndarray
    rel_root_depth_mm: float
    hand_prob: np.ndarray
    restored: tuple[bool, bool] = (False, False)


class Crop(NamedTuple):
    """A crop and where it came from."""

    image: np.ndarray  # (3, h, w) uint8 BGR
    warp: Warp
    bbox: np.ndarray  # (4,) px, the square that was cut


class PoseModel:
    """A pose network ready to predict.

    Args:
        config: A file of configs/, or one that is loaded.
        checkpoint: This project's file; its meta's "handedness_temperature" calibrates `hand_prob`. With a backend
            other than "torch" the file of `tools/export_onnx.py`.
        device: As torch names it.
        amp: None, "bfloat16" or "float16".
        batch_size: Crops that go through the network at once.
        backend: "torch", "onnxruntime" or "openvino".

    Raises:
        ConfigError, CheckpointError: See `load_config` and `open_network`.
    """

    def __init__(
        self,
        config: str | Path | Config,
        checkpoint: str | Path,
        device: str,
        amp: str | None,
        batch_size: int,
        backend: str = "torch",
    ) -> None:
        cfg = config if isinstance(config, Config) else load_config(config)
        self.batch_size = batch_size
        self.network = open_network(cfg, checkpoint, device, amp, backend)

    def predict(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray], paddings: Sequence[float], watch: Stopwatch
    ) -> list[Pose]:
        """Predict one crop for every box.

        Args:
            images: (H, W, 3) uint8 BGR, one a box; the same array may come several times.
            boxes: (4,) px, x1 y1 x2 y2, as InterHand2.6M annotates: the joints' box times `BBOX_ENLARGE`.
            paddings: Factor of each squared box: `CROP_PADDING` or `WHOLE`.
            watch: Adds to its "crop" and "pose".
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

    def _forward(self, crops: list[Crop]) -> list[Pose]:
        found = self.network(np.stack([crop.image for crop in crops]))
        restored = found.get("replaced", np.zeros((len(crops), 2)))
        poses = []
        for i, crop in enumerate(crops):
            points = found["keypoints"][i].astype(np.float64)
            points[:, :2] = crop.warp.to_full(points[:, :2])
            poses.append(
                Pose(
                    crop.bbox.astype(np.float64),
                    points,
                    np.clip(found["keypoint_scores"][i].astype(np.float64), 0, 1),
                    float(found["rel_root_depth"][i]),
                    at_temperature(found["hand_prob"][i], self.network.temperature),
                    (bool(restored[i, 0]), bool(restored[i, 1])),
                )
            )
        return poses


def cut(image: np.ndarray, box: np.ndarray, padding: float, size: tuple[int, int]) -> Crop:
    """Cut a crop exactly as the data sets do for testing.

    Args:
        image: (H, W, 3) uint8 BGR.
        box: (4,) px, x1 y1 x2 y2, as annotated.
        padding: See `square_bbox`.
        size: (width, height) px of the crop.
    """
    bbox = square_bbox(box, padding).astype(np.float32)
    warp = Warp.from_box(bbox, size, (image.shape[1], image.shape[0]))
    return Crop(warp.crop_read(image).transpose(2, 0, 1), warp, bbox)
