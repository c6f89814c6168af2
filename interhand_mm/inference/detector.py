"""Finding hands with any mmdet detector."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import DefaultScope

from ..checkpoints.io import check_shapes, read_checkpoint
from ..errors import CheckpointError, ConfigError
from ..structures.boxes import scale_boxes
from ..structures.results import Detections
from ..utils.config import load_config

RIGHT, LEFT, UNKNOWN = 0, 1, -1
_READERS = ("LoadImageFromFile", "LoadImageFromNDArray")


def hand_sides(classes: Sequence[str]) -> dict[int, int]:
    """Which of a detector's labels are hands, and whose.

    Args:
        classes: The detector's class names: "hand", or with "right" or "left" anywhere in them ("right_hand",
            EgoHands' "yourleft"). Others are left out.

    Returns:
        {label: 0 right, 1 left, -1 not known}.

    Raises:
        ConfigError: None of them is a hand.
    """
    sides = {}
    for label, name in enumerate(classes):
        text = name.lower()
        if "right" in text or "left" in text:
            sides[label] = RIGHT if "right" in text else LEFT
        elif any(word.endswith(("hand", "hands")) for word in re.split("[^a-z]+", text)):
            sides[label] = UNKNOWN
    if not sides:
        shown = ", ".join(classes[:12]) + (f", ... ({len(classes)} in all)" if len(classes) > 12 else "")
        raise ConfigError(
            "the detector does not detect hands",
            got=f"classes {shown}",
            want="a class 'hand', or classes with 'right' and 'left' in their names",
            fix="train one: python tools/train.py configs/detector/rtmdet_tiny_hands.py --data-root SCENES",
        )
    return sides


@contextmanager
def detector_scope(cfg: Config) -> Iterator[None]:
    """Let mmdet find its own parts by plain names in here, whatever scope the process works in outside."""
    import mmdet.registry  # noqa: F401  (makes the scope known)

    with DefaultScope.overwrite_default_scope(cfg.get("default_scope") or "mmdet"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(mmdet|torch)\b")  # about mmdet's way of calling torch
        yield


class HandDetector:
    """Detect hands with an mmdet config and its checkpoint.

    A box is taken as this project's: the tight box of a hand's joints, enlarged by 1.2, which is what the configs
    of `configs/detector` learn. For a detector that was trained on outlines of hands, see `box_scale`.

    Args:
        config: Any mmdet config with a `test_dataloader`.
        checkpoint: Its weights, read without executing anything.
        device: "cpu", "cuda" or "cuda:N".
        score_thr: Boxes that score less are left out.
        nms_iou: Of two boxes that overlap more, the better one stays, also where one is a right and one a left.
        box_scale: Factor on every box about its center. On rendered hands the box of a whole hand's outline is
            1.29 times the joints' (median; 1.08 to 1.57 from 5 to 95 %), so 0.93 suits detectors of outlines.
        batch_size: Images that go through the network at once.
        amp: None for float32, or "bfloat16" for backbone and neck.

    Raises:
        ConfigError: The config is missing, not a detector's, or has no class that is a hand.
        CheckpointError: The checkpoint is missing, unsafe, broken or of another network.
    """

    def __init__(
        self,
        config: str | Path,
        checkpoint: str | Path,
        device: str = "cpu",
        score_thr: float = 0.3,
        nms_iou: float = 0.65,
        box_scale: float = 1.0,
        batch_size: int = 16,
        amp: str | None = None,
    ) -> None:
        if amp not in (None, "bfloat16"):
            raise ConfigError("HandDetector: amp", got=amp, want="None or 'bfloat16'")
        self.cfg = load_config(config)
        self.score_thr, self.nms_iou, self.box_scale = score_thr, nms_iou, box_scale
        self.batch_size, self.device = batch_size, torch.device(device)
        weights = read_checkpoint(checkpoint)
        with detector_scope(self.cfg):
            self.pipeline = _array_pipeline(self.cfg, config)
            self.model = _build(self.cfg, config)
        _load(self.model, weights, config, checkpoint)
        self.classes = class_names(self.cfg, weights, config)
        self.side_of = hand_sides(self.classes)
        # Convolutions of channels-last weights run at twice the speed on a CPU, and no slower on a GPU.
        self.model.to(self.device, memory_format=torch.channels_last).eval()
        if amp:
            self.model.extract_feat = _in_bfloat16(self.model.extract_feat, self.device.type)

    @torch.inference_mode()
    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detect the hands of pictures, which may differ in size.

        Args:
            images: (H, W, 3) uint8 BGR each.

        Returns:
            One `Detections` a picture, boxes px, the highest score first.
        """
        found: list[Detections] = []
        with detector_scope(self.cfg):
            for start in range(0, len(images), self.batch_size):
                packed = [
                    self.pipeline(dict(img=image, img_id=i, img_path=""))
                    for i, image in enumerate(images[start : start + self.batch_size])
                ]
                batch = {key: [sample[key] for sample in packed] for key in ("inputs", "data_samples")}
                found += [self._hands(sample.pred_instances) for sample in self.model.test_step(batch)]
        return found

    def _hands(self, predicted: Any) -> Detections:
        from mmcv.ops import nms

        labels = predicted.labels.cpu()
        side_of_label = torch.full((len(self.classes),), -2)
        for label, side in self.side_of.items():
            side_of_label[label] = side
        sides, scores = side_of_label[labels], predicted.scores.float().cpu()
        keep = (sides > -2) & (scores >= self.score_thr)
        boxes, scores, sides = predicted.bboxes.float().cpu()[keep], scores[keep], sides[keep]
        if len(boxes):
            _, best = nms(boxes, scores, self.nms_iou)  # over all classes: the right and left of one hand meet here
            boxes, scores, sides = boxes[best], scores[best], sides[best]
        return Detections(scale_boxes(boxes.numpy(), self.box_scale), scores.numpy(), sides.numpy())


def _array_pipeline(cfg: Config, config: str | Path) -> Any:
    """The config's own test transforms, fed with arrays and without annotations."""
    from mmengine.dataset import Compose

    dataset = (cfg.get("test_dataloader") or {}).get("dataset") or {}
    while "pipeline" not in dataset and "dataset" in dataset:  # wrappers of a data set
        dataset = dataset["dataset"]
    steps = [dict(step) for step in dataset.get("pipeline") or ()]
    if not steps or steps[0]["type"].split(".")[-1] not in _READERS:
        raise ConfigError(
            f"not a detector's config: {config}",
            got="no test_dataloader.dataset.pipeline that begins with LoadImageFromFile",
            want="an mmdet config",
            fix="ls configs/detector/",
        )
    steps = [step for step in steps[1:] if "LoadAnnotations" not in step["type"]]
    return Compose([dict(type="mmdet.LoadImageFromNDArray"), *steps])


def _build(cfg: Config, config: str | Path) -> torch.nn.Module:
    from mmdet.models.detectors.base import BaseDetector
    from mmdet.registry import MODELS
    from mmengine.model import revert_sync_batchnorm

    try:
        model: torch.nn.Module = MODELS.build(cfg.model)
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"mmdet cannot build the model of {config}", got=str(error)[:500]) from error
    if not isinstance(model, BaseDetector):
        raise ConfigError(f"not a detector's config: {config}", got=type(model).__name__, want="an mmdet config")
    return revert_sync_batchnorm(model)


def _load(model: torch.nn.Module, weights: dict[str, Any], config: str | Path, checkpoint: str | Path) -> None:
    state = weights.get("state_dict", weights)
    found = {n: t for n, t in state.items() if torch.is_tensor(t) and not n.startswith("data_preprocessor.")}
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    check_shapes({n: t.shape for n, t in found.items()}, wanted, f"{checkpoint} (with {config})")
    model.load_state_dict(found, strict=False)  # what may lack after the check are counters of batches


def _in_bfloat16(extract: Callable[..., Any], device_type: str) -> Callable[..., Any]:
    """Backbone and neck under autocast; heads stay in float32, as boxes need more than 8 bits and mmcv's NMS floats."""

    def extract_feat(images: torch.Tensor) -> list[torch.Tensor]:
        with torch.autocast(device_type, torch.bfloat16):
            levels = extract(images)
        return [level.float() for level in levels]

    return extract_feat


def class_names(cfg: Config, weights: dict[str, Any], config: str | Path) -> tuple[str, ...]:
    """The detector's classes: from the checkpoint (mmdet 3 or 2), else from the config's metainfo.

    Raises:
        CheckpointError: Neither says.
    """
    meta = {key.lower(): value for key, value in (weights.get("meta") or {}).items()}
    meta = {key.lower(): value for key, value in (meta.get("dataset_meta") or meta).items()}
    metainfo = ((cfg.get("test_dataloader") or {}).get("dataset") or {}).get("metainfo") or {}
    classes = meta.get("classes") or metainfo.get("classes") or metainfo.get("CLASSES")
    if not classes:
        raise CheckpointError(
            "neither checkpoint nor config says what the detector's classes are",
            want="test_dataloader.dataset.metainfo.classes in the config",
            fix=f"add metainfo=dict(classes=('hand',)) to the data set in {config}",
        )
    return (classes,) if isinstance(classes, str) else tuple(classes)
