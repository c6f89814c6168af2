"""Evaluate the hand detector and the pose network together, as the demo runs them, on annotated photographs."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..checkpoints.io import sha256
from ..checkpoints.shipped import SHIPPED, ModelName, shipped_record
from ..datasets.coco_hand import PARTS, in_validation
from ..datasets.coco_photos import read_photos
from ..errors import ConfigError, EvaluationError, ImageError
from ..evaluation.photo_report import DEFINITIONS, photo_metrics
from ..inference.inferencer import Detector, InterHandInferencer
from ..inference.options import CameraOptions, InferenceOptions
from ..structures.boxes import joints_bbox, scale_boxes
from ..structures.joints import HANDS
from ..structures.photos import AnnotatedPhoto, FoundHands
from ..structures.results import Detections, FrameResult
from ..utils.images import CHECK_DOWNLOAD, read_image, write_image
from ..utils.mediapipe_hands import MEDIAPIPE_VERSION, find_hands_by_mediapipe
from ..utils.provenance import provenance
from ..visualization.overlay import contact_sheet
from ..visualization.photo_sheet import photo_tile

BOXES = ("detected", "annotated")
OWN, MEDIAPIPE = "interhand_mm", f"MediaPipe Hands {MEDIAPIPE_VERSION}"
# Average precision needs the detections below the score threshold too.
_LOWEST_SCORE = 0.01
_SHEET_COLUMNS, _SHEET_ROWS = 4, 3


@dataclass(frozen=True)
class PhotoChoice:
    """Which photographs of a COCO file are used.

    Attributes:
        label_prefix: Prefix of `keypoints`, `side` and `hands` in the file, such as "pseudo_".
        split: "train" and "val" divide the images by a hash of their names, as in `CocoHandDataset`; "all" takes both.
        val_share: Share of the images that "val" contains.
        parts: Names of the parts (first folder of the file names) to use. None: all.
        num: Maximum number of images, evenly spread over the parts. None: all.
    """

    label_prefix: str = ""
    split: str = "all"
    val_share: float = 0.1
    parts: Sequence[str] | None = None
    num: int | None = None


@dataclass(frozen=True)
class SheetOptions:
    """Drawings of the result, for looking at it.

    Attributes:
        folder: Folder for sheet_1.jpg, sheet_2.jpg, ..., twelve images each.
        num: Number of images, evenly spread over the parts.
    """

    folder: str
    num: int = 60


class RecordingDetector:
    """Pass on the detections with enough score, and keep all of them for the average precision.

    Args:
        detector: Detector that reports detections with low scores too.
        score_thr: Minimum score of the detections that are passed on.

    Attributes:
        last: All detections in the images of the last call.
    """

    def __init__(self, detector: Detector, score_thr: float) -> None:
        self.detector, self.score_thr = detector, score_thr
        self.last: Sequence[Detections] = ()

    def __call__(self, images: list[np.ndarray]) -> list[Detections]:
        """Detect the hands in images (H, W, 3) uint8 BGR."""
        self.last = self.detector(images)
        sure = [found.scores >= self.score_thr for found in self.last]
        return [
            Detections(found.boxes[keep], found.scores[keep], found.sides[keep])
            for found, keep in zip(self.last, sure, strict=True)
        ]


class AnnotatedBoxes:
    """Answer with the annotated boxes of a photograph, in place of a detector.

    A box around two hands is given twice. The inferencer takes the two as a pair, and crops the box.

    Args:
        box_scale: Factor on the boxes, see `InferenceOptions`.

    Attributes:
        photo: Photograph that the next call is about.
    """

    def __init__(self, box_scale: float) -> None:
        self.box_scale = box_scale
        self.photo: AnnotatedPhoto | None = None

    def __call__(self, images: list[np.ndarray]) -> list[Detections]:
        """Return the boxes of `photo` for one image."""
        assert self.photo is not None
        assert len(images) == 1
        boxes = np.concatenate([self.photo.boxes, np.repeat(self.photo.pairs, 2, axis=0)])
        return [Detections(scale_boxes(boxes, self.box_scale), np.ones(len(boxes)), np.full(len(boxes), -1))]


def choose_photos(ann_file: str, img_dir: str, choice: PhotoChoice = PhotoChoice()) -> list[AnnotatedPhoto]:
    """Read the photographs that `choice` names, and check that their files exist.

    Raises:
        AnnotationError: The file cannot be read, see `read_photos`.
        ConfigError: An option has a value that does not exist.
        EvaluationError: No image is left.
        ImageError: Images are missing.
    """
    if choice.split not in PARTS:
        raise ConfigError("the split of the photographs is unknown", got=choice.split, want=" or ".join(PARTS))
    if choice.num is not None and choice.num < 1:
        raise ConfigError("the number of images must be at least 1", got=choice.num)
    photos = sorted(read_photos(ann_file, choice.label_prefix), key=lambda photo: photo.part)
    known = sorted({photo.part for photo in photos})
    if unknown := sorted(set(choice.parts or ()) - set(known)):
        raise ConfigError(f"{ann_file} has no such part", got=", ".join(unknown), want=", ".join(known))
    if choice.parts:
        photos = [photo for photo in photos if photo.part in choice.parts]
    if choice.split != "all":
        wanted = choice.split == "val"
        photos = [photo for photo in photos if in_validation(photo.file_name, choice.val_share) == wanted]
    if not photos:
        raise EvaluationError(f"no image of {ann_file} is left", got=f"split {choice.split}", want="at least 1")
    photos = _spread(photos, choice.num)
    missing = [path for photo in photos if not (path := Path(img_dir) / photo.file_name).is_file()]
    if missing:
        raise ImageError(
            f"{len(missing)} of {len(photos)} images of {ann_file} are missing", got=str(missing[0]),
            fix="the second argument is the folder that the file names are relative to",
        )  # fmt: skip
    return photos


def _spread(photos: list[AnnotatedPhoto], num: int | None) -> list[AnnotatedPhoto]:
    """Return at most `num` photographs, evenly spread."""
    if num is None or num >= len(photos):
        return photos
    return [photos[i] for i in np.linspace(0, len(photos), num, endpoint=False).astype(int)]


def build_chain(
    detector: Sequence[str], pose: Sequence[str], options: InferenceOptions, boxes: str = "detected"
) -> InterHandInferencer:
    """Build the inferencer of the demo, whose detector also keeps what is below the threshold.

    Args:
        detector: Config and checkpoint of the detector; empty for the shipped one.
        pose: Config and checkpoint of the pose network; empty for the shipped one.
        options: Options of inference.
        boxes: "detected", or "annotated" for the boxes of the file in place of a detector.

    Raises:
        ConfigError, CheckpointError: See `HandDetector` and `InterHandInferencer`.
    """
    if boxes not in BOXES:
        raise ConfigError("the source of the boxes is unknown", got=boxes, want=" or ".join(BOXES))
    finder: Detector
    if boxes == "annotated":
        finder = AnnotatedBoxes(options.box_scale)
    else:
        from ..inference.detector import HandDetector  # imported late, because it loads mmdet

        low = replace(options, score_thr=min(_LOWEST_SCORE, options.score_thr), amp=_of_detector(options))
        finder = RecordingDetector(
            HandDetector(**_given("config", "checkpoint", detector), options=low), options.score_thr
        )
    return InterHandInferencer(**_given("pose_config", "pose_checkpoint", pose), detector=finder, options=options)


def _given(config: str, checkpoint: str, files: Sequence[str]) -> dict[str, Any]:
    """Return the arguments that name a network; none for a shipped one."""
    return dict(zip((config, checkpoint), files, strict=True)) if files else {}


def _of_detector(options: InferenceOptions) -> Any:
    return options.amp if options.amp == "bfloat16" else None


def find_hands(inferencer: InterHandInferencer, photo: AnnotatedPhoto, img_dir: str) -> tuple[FoundHands, FrameResult]:
    """Run the inferencer on one photograph.

    Args:
        inferencer: Inferencer from `build_chain`.
        photo: The photograph. Its camera is used if it is known.
        img_dir: Folder that the file names are relative to.

    Raises:
        ImageError: The image cannot be read, or has another size than annotated.
    """
    path = Path(img_dir) / photo.file_name
    image = read_image(path)
    if (image.shape[1], image.shape[0]) != photo.size:
        raise ImageError(
            f"image has another size than annotated: {path}", got=f"{image.shape[1]} x {image.shape[0]} px",
            want=f"{photo.size[0]} x {photo.size[1]} px", fix=CHECK_DOWNLOAD,
        )  # fmt: skip
    detector = inferencer.detector
    if isinstance(detector, AnnotatedBoxes):
        detector.photo = photo
    inferencer.camera = CameraOptions()
    if photo.camera is not None:
        inferencer.camera = CameraOptions(focal=photo.camera[0].tolist(), principal_pt=photo.camera[1].tolist())
    start = time.perf_counter()
    [frame] = inferencer.infer(image)
    hands = hands_of_frame(frame, 1000 * (time.perf_counter() - start))
    if isinstance(detector, RecordingDetector):
        [every] = detector.last
        hands = replace(hands, detections=every.boxes, detection_scores=every.scores)
    return hands, frame


def hands_of_frame(frame: FrameResult, milliseconds: float = float("nan")) -> FoundHands:
    """Return the single hands that are shown in a frame. Hands with joints that are not numbers are left out."""
    shown = [
        (hands, side, HANDS[side])
        for hands in frame.hands
        for side, presence in enumerate(hands.presence)
        if presence != "no" and np.isfinite(hands.keypoints[HANDS[side]]).all()
    ]
    if not shown:
        return FoundHands.nothing(milliseconds)
    points = np.stack([hands.keypoints[own, :2] for hands, _, own in shown])
    return FoundHands(
        points,
        joints_bbox(points),
        np.array([hands.bbox_score * hands.hand_prob[side] for hands, side, _ in shown]),
        np.array([side for _, side, _ in shown]),
        np.stack([hands.keypoints_mm[own] for hands, _, own in shown]),
        milliseconds,
    )


def evaluate_photos(
    inferencer: InterHandInferencer,
    photos: Sequence[AnnotatedPhoto],
    img_dir: str,
    mediapipe: str | None = None,
    sheet: SheetOptions | None = None,
    progress: bool = True,
) -> dict[str, Any]:
    """Evaluate the inferencer, and MediaPipe Hands if wanted, on photographs.

    Args:
        inferencer: Inferencer from `build_chain`.
        photos: Photographs from `choose_photos`.
        img_dir: Folder that the file names are relative to.
        mediapipe: Interpreter of an environment with MediaPipe, see `find_hands_by_mediapipe`.
        sheet: Drawings to write.
        progress: Show a progress bar.

    Returns:
        "networks": name of the estimator -> part -> metrics, see `photo_metrics`; "protocol": how they are defined.

    Raises:
        ImageError: An image cannot be read, or has another size than annotated.
        EvaluationError: MediaPipe cannot be run.
    """
    files = [str(Path(img_dir) / photo.file_name) for photo in photos]
    other = None if mediapipe is None else find_hands_by_mediapipe(mediapipe, files)
    drawn = {id(photo) for photo in _spread(list(photos), sheet.num)} if sheet else set()
    found: list[FoundHands] = []
    tiles: list[np.ndarray] = []
    for photo in tqdm(photos, desc="photographs", disable=None if progress else True):
        hands, frame = find_hands(inferencer, photo, img_dir)
        found.append(hands)
        if id(photo) in drawn:
            tiles.append(photo_tile(photo, frame, len(tiles) + 1))
    if sheet:
        write_sheets(sheet.folder, tiles)
    score_thr = inferencer.options.score_thr
    networks = {OWN: photo_metrics(photos, found, score_thr)}
    if other is not None:
        networks[MEDIAPIPE] = photo_metrics(photos, other, score_thr)
    protocol = {
        "boxes": "annotated" if isinstance(inferencer.detector, AnnotatedBoxes) else "detected",
        "score_thr": score_thr,
        "box_scale": inferencer.options.box_scale,
        "images": len(photos),
        "definitions": DEFINITIONS,
    }
    return {"networks": networks, "protocol": protocol}


def write_sheets(folder: str, tiles: Sequence[np.ndarray]) -> None:
    """Write tiles (H, W, 3) of equal size as sheet_1.jpg, sheet_2.jpg, ..., twelve on each."""
    size = _SHEET_COLUMNS * _SHEET_ROWS
    for number, start in enumerate(range(0, len(tiles), size)):
        sheet = contact_sheet(tiles[start : start + size], _SHEET_COLUMNS)
        write_image(Path(folder) / f"sheet_{number + 1}.jpg", sheet)


def photo_provenance(networks: Mapping[ModelName, Sequence[str]], **more: Any) -> dict[str, Any]:
    """Return the provenance with config, checkpoint and sha256 of each network.

    Args:
        networks: Name of each network -> its config and checkpoint; empty for the shipped one.
        **more: Further entries.
    """
    entries: dict[str, Any] = {}
    for name, files in networks.items():
        if files:
            entries[name] = {"config": files[0], "checkpoint": files[1], "sha256": sha256(files[1])}
        else:
            record = shipped_record(name)
            entries[name] = {"config": SHIPPED, "version": record.version, "sha256": record.sha256}
    return provenance(**entries, **more)
