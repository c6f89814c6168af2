"""Hand detection with any mmdet detector."""

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
from ..checkpoints.shipped import choose_model
from ..errors import CheckpointError, ConfigError
from ..structures.boxes import scale_boxes
from ..structures.results import Detections
from ..utils.config import load_config
from .options import InferenceOptions

RIGHT, LEFT, UNKNOWN = 0, 1, -1
_NOT_A_HAND = -2
# Of two boxes that overlap more, the better one stays, even if one is a right and the other a left hand.
_NMS_IOU = 0.65
_READERS = ("LoadImageFromFile", "LoadImageFromNDArray")


def hand_sides(classes: Sequence[str]) -> dict[int, int]:
    """Return which labels of a detector are hands, and of which side.

    Args:
        classes: The detector's class names. Hands are called "hand", or have "right" or "left" anywhere in their name
            ("right_hand", EgoHands' "yourleft"). Other classes are ignored.

    Returns:
        {label: 0 right, 1 left, -1 unknown side}.

    Raises:
        ConfigError: No class is a hand.

    Example:
        >>> hand_sides(["person", "right_hand", "left_hand"])
        {1: 0, 2: 1}
        >>> hand_sides(["hand"])
        {0: -1}
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
    """Let mmdet find its own parts by their plain names inside this context, whatever scope the process uses."""
    import mmdet.registry  # noqa: F401  (registers the scope "mmdet")

    with DefaultScope.overwrite_default_scope(cfg.get("default_scope") or "mmdet"), warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"(mmdet|torch)\b")  # mmdet calls torch in deprecated ways
        yield


class HandDetector:
    """Detect hands with an mmdet config and its checkpoint, or with the detector that the package carries.

    The boxes are expected to be the tight box of a hand's joints, enlarged by 1.2, which is what the configs in
    `configs/detector` learn. For a detector that was trained on outlines of hands, see `InferenceOptions.box_scale`.

    Args:
        config: Any mmdet config with a `test_dataloader`, as a path or loaded. None for the shipped detector.
        checkpoint: Its weights, None for the shipped ones. Reading them executes no code.
        options: The fields `device`, `amp`, `batch_size`, `score_thr` and `box_scale` are used. With `amp`
            "bfloat16", backbone and neck compute in bfloat16; otherwise everything computes in float32.

    Raises:
        ConfigError: The config is missing, is not a detector's, or has no class that is a hand.
        CheckpointError: The checkpoint is missing, unsafe, broken, or belongs to another network.

    Example:
        >>> detector = HandDetector(det_config, det_checkpoint, InferenceOptions(score_thr=0.0))
        >>> [detections] = detector([image])
        >>> detections.boxes.shape[1], detections.scores.ndim
        (4, 1)
    """

    def __init__(
        self,
        config: str | Path | Config | None = None,
        checkpoint: str | Path | None = None,
        options: InferenceOptions = InferenceOptions(),
    ) -> None:
        config, checkpoint = choose_model("detector", config, checkpoint)
        self.cfg = config if isinstance(config, Config) else load_config(config)
        self.options, self.device = options, torch.device(options.device)
        weights = read_checkpoint(checkpoint)
        with detector_scope(self.cfg):
            self.pipeline = _array_pipeline(self.cfg)
            self.model = build_detector(self.cfg)
        load_detector(self.model, weights, self.cfg, checkpoint)
        self.classes = class_names(self.cfg, weights)
        hand_sides(self.classes)  # raises an error unless there is a class for hands
        # Channels-last weights double the speed of convolutions on a CPU, and are no slower on a GPU.
        self.model.to(self.device, memory_format=torch.channels_last).eval()
        if options.amp == "bfloat16":
            self.model.extract_feat = _in_bfloat16(self.model.extract_feat, self.device.type)

    @torch.inference_mode()
    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Detect the hands in images, which may differ in size.

        Args:
            images: (H, W, 3) uint8 BGR each.

        Returns:
            One `Detections` per image, boxes in px, highest score first.
        """
        found: list[Detections] = []
        with detector_scope(self.cfg):
            for start in range(0, len(images), self.options.batch_size):
                packed = [
                    self.pipeline(dict(img=image, img_id=i, img_path=""))
                    for i, image in enumerate(images[start : start + self.options.batch_size])
                ]
                batch = {key: [sample[key] for sample in packed] for key in ("inputs", "data_samples")}
                for sample in self.model.test_step(batch):
                    found.append(select_hands(sample.pred_instances, self.classes, self.options))
        return found


def select_hands(predicted: Any, classes: Sequence[str], options: InferenceOptions) -> Detections:
    """Keep the hands among a detector's boxes, the best one of boxes that overlap, and scale them.

    Args:
        predicted: mmdet's prediction for one image: `bboxes` (N, 4) px, `scores` (N,) and `labels` (N,).
        classes: The detector's class names, see `hand_sides`.
        options: The fields `score_thr` and `box_scale` are used.

    Returns:
        The hands, highest score first.
    """
    from mmcv.ops import nms

    side_of_label = torch.full((len(classes),), _NOT_A_HAND)
    for label, side in hand_sides(classes).items():
        side_of_label[label] = side
    sides, scores = side_of_label[predicted.labels.cpu()], predicted.scores.float().cpu()
    keep = (sides != _NOT_A_HAND) & (scores >= options.score_thr)
    boxes, scores, sides = predicted.bboxes.float().cpu()[keep], scores[keep], sides[keep]
    if len(boxes):
        # Over all classes at once, because a detector may find one hand both as a right and as a left one.
        _, best = nms(boxes, scores, _NMS_IOU)
        boxes, scores, sides = boxes[best], scores[best], sides[best]
    return Detections(scale_boxes(boxes.numpy(), options.box_scale), scores.numpy(), sides.numpy())


def _array_pipeline(cfg: Config) -> Any:
    """Return the config's own test transforms, reading from arrays and without annotations."""
    from mmengine.dataset import Compose

    dataset = (cfg.get("test_dataloader") or {}).get("dataset") or {}
    while "pipeline" not in dataset and "dataset" in dataset:  # a wrapper around a data set
        dataset = dataset["dataset"]
    steps = [dict(step) for step in dataset.get("pipeline") or ()]
    if not steps or steps[0]["type"].split(".")[-1] not in _READERS:
        raise ConfigError(
            f"not a detector's config: {cfg.filename}",
            got="no test_dataloader.dataset.pipeline that begins with LoadImageFromFile",
            want="an mmdet config",
            fix="ls configs/detector/",
        )
    steps = [step for step in steps[1:] if "LoadAnnotations" not in step["type"]]
    return Compose([dict(type="mmdet.LoadImageFromNDArray"), *steps])


def build_detector(cfg: Config) -> Any:
    """Build a config's detector with initial weights. mmdet publishes no types, so it is `Any`.

    Raises:
        ConfigError: mmdet cannot build it, or it is not a detector.
    """
    from mmdet.models.detectors.base import BaseDetector
    from mmdet.registry import MODELS
    from mmengine.model import revert_sync_batchnorm

    try:
        model: torch.nn.Module = MODELS.build(cfg.model)
    except (KeyError, TypeError, AttributeError) as error:
        raise ConfigError(f"mmdet cannot build the model of {cfg.filename}", got=str(error)[:500]) from error
    if not isinstance(model, BaseDetector):
        raise ConfigError(f"not a detector's config: {cfg.filename}", got=type(model).__name__, want="an mmdet config")
    return revert_sync_batchnorm(model)


def load_detector(model: torch.nn.Module, weights: dict[str, Any], cfg: Config, checkpoint: str | Path) -> None:
    """Load the content of a checkpoint into a detector that it must fit.

    Raises:
        CheckpointError: Names or shapes differ.
    """
    state = weights.get("state_dict", weights)
    found = {n: t for n, t in state.items() if torch.is_tensor(t) and not n.startswith("data_preprocessor.")}
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    check_shapes({n: t.shape for n, t in found.items()}, wanted, f"{checkpoint} (with {cfg.filename})")
    model.load_state_dict(found, strict=False)  # after the check, only batch counters can be missing


def _in_bfloat16(extract: Callable[..., Any], device_type: str) -> Callable[..., Any]:
    """Run backbone and neck under autocast.

    The heads stay in float32: boxes need more than 8 bits of precision, and mmcv's NMS needs float32 input.
    """

    def extract_feat(images: torch.Tensor) -> list[torch.Tensor]:
        with torch.autocast(device_type, torch.bfloat16):
            levels = extract(images)
        return [level.float() for level in levels]

    return extract_feat


def class_names(cfg: Config, weights: dict[str, Any]) -> tuple[str, ...]:
    """Return the detector's classes, from the checkpoint (mmdet 3 or 2) or else from the config's metainfo.

    Raises:
        CheckpointError: Neither of them names the classes.
    """
    meta = {key.lower(): value for key, value in (weights.get("meta") or {}).items()}
    meta = {key.lower(): value for key, value in (meta.get("dataset_meta") or meta).items()}
    metainfo = ((cfg.get("test_dataloader") or {}).get("dataset") or {}).get("metainfo") or {}
    classes = meta.get("classes") or metainfo.get("classes") or metainfo.get("CLASSES")
    if not classes:
        raise CheckpointError(
            "neither the checkpoint nor the config names the detector's classes",
            want="test_dataloader.dataset.metainfo.classes in the config",
            fix=f"add metainfo=dict(classes=('hand',)) to the data set in {cfg.filename}",
        )
    return (classes,) if isinstance(classes, str) else tuple(classes)
