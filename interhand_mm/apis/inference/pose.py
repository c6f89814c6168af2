"""From boxes to keypoints: the data set's own crop, and the network in batches."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config
from mmengine.structures import InstanceData
from mmpose.structures import PoseDataSample

from ...datasets.transforms.hand import Augment, crop_sample
from ...engine.checkpoint import load_checked
from ...errors import CheckpointError, ConfigError
from ...structures.camera import square_bbox
from ...utils.config import load_config
from ..launch import build_model
from .handedness import at_temperature
from .timing import Stopwatch

CROP_PADDING, WHOLE = 1.25, 1.0  # of a squared box, as in training; of the whole picture
_NOT_RESTORED = np.zeros((1, 2))
AMP = {None: None, "bfloat16": torch.bfloat16, "float16": torch.float16}


class Pose(NamedTuple):
    """What the network says of one crop; as in `HandsResult`, nothing decided yet."""

    bbox: np.ndarray
    keypoints: np.ndarray
    keypoint_scores: np.ndarray
    rel_root_depth_mm: float
    hand_prob: np.ndarray
    restored: tuple[bool, bool] = (False, False)


def pick_device(device: str) -> torch.device:
    """A torch device that is there.

    Raises:
        ConfigError: No such device here.
    """
    try:
        picked = torch.device(device)
        torch.zeros(1, device=picked)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"device {device}", got=str(error).splitlines()[0], mend="--device cpu") from error
    return picked


class PoseModel:
    """A pose network ready to predict.

    Args:
        config: A file of configs/, or one that is loaded.
        checkpoint: This project's file; its meta's "handedness_temperature" calibrates `hand_prob`.
        device: As torch names it.
        amp: None, "bfloat16" or "float16".
        batch_size: Crops that go through the network at once.

    Raises:
        ConfigError, CheckpointError: See `load_config` and `load_checked`.
    """

    def __init__(
        self, config: str | Path | Config, checkpoint: str | Path, device: str, amp: str | None, batch_size: int
    ) -> None:
        if amp not in AMP:
            raise ConfigError("amp", got=amp, want="None, bfloat16 or float16")
        cfg = config if isinstance(config, Config) else load_config(config)
        self.device, self.amp, self.batch_size = pick_device(device), AMP[amp], batch_size
        self.model = build_model(cfg)
        weights = load_checked(self.model, checkpoint)
        self.model.to(self.device).eval()
        self.temperature = (weights.get("meta") or {}).get("handedness_temperature", 1.0)
        if not (isinstance(self.temperature, (int, float)) and self.temperature > 0):
            raise CheckpointError(f"{checkpoint}: handedness_temperature", got=self.temperature, want="above 0")

    @torch.no_grad()
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
                size = self.model.crop_size
                batch = [pack(*each, size) for each in zip(images[part], boxes[part], paddings[part], strict=True)]
            with watch.measure("pose"):
                poses += self._forward(batch)
        return poses

    def _forward(self, batch: list[dict[str, Any]]) -> list[Pose]:
        data = self.model.data_preprocessor(
            {key: [each[key] for each in batch] for key in ("inputs", "data_samples")}, False
        )
        with torch.autocast(self.device.type, self.amp) if self.amp else nullcontext():
            samples = self.model(**data, mode="predict")
        poses = []
        for sample in samples:
            found = sample.pred_instances
            poses.append(
                Pose(
                    found.bboxes[0].astype(np.float64),
                    found.keypoints[0].astype(np.float64),
                    np.clip(found.keypoint_scores[0].astype(np.float64), 0, 1),
                    float(found.rel_root_depth[0]),
                    at_temperature(found.hand_prob[0], self.temperature),
                    tuple(bool(value) for value in found.get("pred_hdr", _NOT_RESTORED)[0]),
                )
            )
        return poses


def pack(image: np.ndarray, box: np.ndarray, padding: float, size: tuple[int, int]) -> dict[str, Any]:
    """Cut a crop exactly as the data sets do for testing.

    Args:
        image: (H, W, 3) uint8 BGR.
        box: (4,) px, x1 y1 x2 y2, as annotated.
        padding: See `square_bbox`.
        size: (width, height) px of the crop.

    Returns:
        {"inputs": (3, h, w) uint8 tensor, "data_samples": PoseDataSample with the crop's affine}.
    """
    sample = {
        "img": image,
        "image_size": (image.shape[1], image.shape[0]),
        "bbox": square_bbox(box, padding).astype(np.float32),
    }
    crop_sample(sample, Augment(), size)
    packed = PoseDataSample(metainfo={"affine": sample["affine"]})
    packed.gt_instances = InstanceData(bboxes=sample["bbox"][None])
    return {"inputs": torch.from_numpy(np.ascontiguousarray(sample["img"].transpose(2, 0, 1))), "data_samples": packed}
