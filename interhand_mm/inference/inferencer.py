"""The inferencer: pictures, folders, videos and cameras in, typed results out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from ..errors import ConfigError, InputError
from ..models.plugin import HandPlugin
from ..structures.anthropometry import HAND_LENGTH_MM, SEGMENT_FRACTIONS
from ..structures.joints import NUM_HAND_JOINTS
from ..structures.results import Detections, FrameResult, HandsResult, Intrinsics
from .grouping import group_hands, interaction_bbox
from .handedness import decide_presence
from .intrinsics import check_camera, choose_intrinsics
from .io.frames import Frame, Source
from .io.sources import open_source
from .lifting import lift_keypoints, wrist_depths_from_size, wrist_depths_given
from .pose import CROP_PADDING, WHOLE, Pose, PoseModel
from .smoothing import TrackSmoother
from .timing import Stopwatch
from .tracking import HandTracker, Region, has_size

Detector = Callable[[list[np.ndarray]], Sequence[Detections]]
# Wrist to the knuckles of index, middle, ring and pinky, mean of men and women (sources: synthesis/hand/anatomy.py).
ADULT_PALM_MM = SEGMENT_FRACTIONS[1:, 0] * float(np.mean([mean for mean, _ in HAND_LENGTH_MM]))
_BATCH_PIXELS = 1 << 26  # frames that wait for one another hold no more than this, about 200 MB
_NO_BOXES = np.zeros((0, 4))


class InterHandInferencer:
    """Hands of pictures and videos in 3D.

    A detector's boxes are grouped into single hands and interacting pairs, cropped as the data sets do, and lifted
    by the pose network; crops of several hands and frames share a batch wherever no frame depends on another's
    result. With neither detector nor `bbox` the whole picture is the crop.

    Args:
        pose_config: A file of configs/, or one that is loaded (`models.plugin.with_plugin`).
        pose_checkpoint: Its checkpoint, or for other backends the file of `tools/export_onnx.py`.
        detector: Gives the `Detections` of a list of (H, W, 3) uint8 BGR images, as `HandDetector` does.
        device: Of the pose network, as torch names it.
        amp: None, "bfloat16" or "float16".
        batch_size: Frames read, and crops predicted, at once.
        detect_every: In videos and cameras the detector sees every n-th frame; in between, crops follow the hands.
        smooth: Filter the keypoints of videos over time (One-Euro).
        mirror: The pictures are mirrored, as selfie cameras show them: the network sees them unmirrored, and the
            results are given in the pictures' own coordinates. Right stays the person's right hand.
        focal: px, one number or (fx, fy); None takes EXIF's, or else the field of view.
        principal_pt: px; None is the middle.
        fov_deg: Across the longer side; None takes EXIF's focal length, or assumes 65.
        depth_mm: Absolute depth of the wrists where it is known: see `wrist_depths_given`. None solves it from an
            average adult's hand size; `keypoints_mm` is then not metric.
        bbox: (4,) px, x1 y1 x2 y2 in the picture: one box round the hands for every frame, in place of a detector.
        backend: Of the pose network: "torch", "onnxruntime" or "openvino".

    Raises:
        ConfigError, CheckpointError, InputError: An argument, or what it names, cannot be used.
    """

    def __init__(
        self,
        pose_config: str | Path | Config,
        pose_checkpoint: str | Path,
        detector: Detector | None = None,
        device: str = "cpu",
        amp: str | None = None,
        batch_size: int = 16,
        detect_every: int = 1,
        smooth: bool = False,
        mirror: bool = False,
        focal: float | tuple[float, float] | None = None,
        principal_pt: tuple[float, float] | None = None,
        fov_deg: float | None = None,
        depth_mm: float | tuple[float, float] | None = None,
        bbox: Sequence[float] | None = None,
        backend: str = "torch",
    ) -> None:
        for name, value in (("batch_size", batch_size), ("detect_every", detect_every)):
            if value < 1:
                raise ConfigError(name, got=value, want="1 or more")
        if detector is not None and bbox is not None:
            raise ConfigError("a detector and a bbox are both given", fix="leave one of them out")
        check_camera(focal, principal_pt, fov_deg, depth_mm)
        self.bbox = None if bbox is None else check_bbox(bbox)
        self.detector, self.batch_size = detector, batch_size
        self.detect_every = 1 if detector is None else detect_every
        self.smooth, self.mirror, self.depth_mm = smooth, mirror, depth_mm
        self.camera = dict(focal=focal, principal_pt=principal_pt, fov_deg=fov_deg)
        self.pose = PoseModel(pose_config, pose_checkpoint, device, amp, batch_size, backend)
        self.watch = Stopwatch()

    @property
    def plugin(self) -> HandPlugin | None:
        """The pose network's plugin, or None."""
        return self.pose.network.plugin

    def infer(self, source: Any) -> Iterator[FrameResult]:
        """Yield one result a frame, in order.

        Args:
            source: (H, W, 3) uint8 BGR array, picture file, folder of pictures, video file or animated GIF, a
                camera's number, or what `open_source` gave.

        Raises:
            InputError, ImageError: See `open_source`; raised here, before the first frame is asked for.
        """
        return self._run(open_source(source))

    def _run(self, source: Source) -> Iterator[FrameResult]:
        clip = None if source.kind == "pictures" else _Clip(self, source)
        alone = clip is not None and (source.kind == "camera" or self.detect_every > 1)
        for frames in self._chunks(source, 1 if alone else self.batch_size):
            yield from self._process(frames, clip)
            if clip is not None:
                clip.forget_ended()
            self.watch.frames += len(frames)

    def _chunks(self, source: Source, size: int) -> Iterator[list[Frame]]:
        """Frames in lists of at most `size`, fewer where they are large."""
        chunk: list[Frame] = []
        frames = iter(source)
        while True:
            with self.watch.measure("decode"):
                frame = next(frames, None)
            if frame is None:
                break
            chunk.append(frame)
            if len(chunk) == size or sum(each.image.size // 3 for each in chunk) > _BATCH_PIXELS:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _process(self, frames: list[Frame], clip: _Clip | None) -> Iterator[FrameResult]:
        views = [_mirrored(frame.image) if self.mirror else frame.image for frame in frames]
        with self.watch.measure("detect"):
            found = self._detect(views) if clip is None or clip.detector_is_due() else [None] * len(views)
            if clip is not None:
                found = [clip.step(each, frame.time_s or 0.0) for each, frame in zip(found, frames, strict=True)]
            regions = [each or [] for each in found]
        owners = [i for i, each in enumerate(regions) for _ in each]
        flat = [region for each in regions for region in each]
        padding = WHOLE if self.detector is None and self.bbox is None else CROP_PADDING
        poses = self.pose.predict(
            [views[i] for i in owners], [region.box for region in flat], [padding] * len(flat), self.watch
        )
        for i, frame in enumerate(frames):
            with self.watch.measure("lift"):
                own = [(flat[k], poses[k]) for k, owner in enumerate(owners) if owner == i]
                result = self._result(frame, own, clip)
            yield result

    def _detect(self, views: list[np.ndarray]) -> list[list[Region]]:
        """Regions of every view, in its own (mirrored) pixels."""
        if self.detector is None:
            return [[self._given(view)] for view in views]
        return [_grouped(detections) for detections in self.detector(views)]

    def _given(self, view: np.ndarray) -> Region:
        height, width = view.shape[:2]
        if self.bbox is None:
            return Region(np.array([0.0, 0.0, width, height]), _NO_BOXES, 1.0, None)
        inside = np.minimum(self.bbox[2:], (width, height)) - np.maximum(self.bbox[:2], 0)
        # Annotated boxes reach out of the picture too, where a hand does; but not with most of their area.
        if np.prod(np.maximum(inside, 0)) < 0.5 * np.prod(self.bbox[2:] - self.bbox[:2]):
            raise InputError(
                "less than half of the bbox lies in the picture",
                got=f"{self.bbox.tolist()} in {width} x {height} px",
                want="x1 y1 x2 y2 of two corners, not x y width height",
            )
        return Region(_mirrored_boxes(self.bbox, width) if self.mirror else self.bbox, _NO_BOXES, 1.0, None)

    def _result(self, frame: Frame, found: list[tuple[Region, Pose]], clip: _Clip | None) -> FrameResult:
        size = (frame.image.shape[1], frame.image.shape[0])
        intrinsics = choose_intrinsics(size, frame.exif, **self.camera)
        hands = []
        for region, pose in found:
            presence = decide_presence(pose.hand_prob, region.num_hands)
            if presence == ("no", "no"):
                continue
            shown = np.repeat([each != "no" for each in presence], NUM_HAND_JOINTS)
            keypoints = np.where(shown[:, None], pose.keypoints, np.nan)
            rel_root = pose.rel_root_depth_mm if shown.all() else float("nan")
            if clip is not None:
                keypoints, rel_root = clip.take(region, pose, keypoints, rel_root, frame.time_s)
            bbox, detections = pose.bbox, region.detections
            if self.mirror:
                keypoints[:, 0] = size[0] - 1 - keypoints[:, 0]
                bbox, detections = _mirrored_boxes(bbox, size[0]), _mirrored_boxes(detections, size[0])
            hands.append(
                HandsResult(
                    bbox=bbox,
                    detections=detections,
                    bbox_score=region.score,
                    hand_prob=pose.hand_prob,
                    presence=presence,
                    keypoints=keypoints,
                    keypoint_scores=np.where(shown, pose.keypoint_scores, 0.0),
                    rel_root_depth_mm=rel_root,
                    keypoints_mm=self._lift(keypoints, shown, rel_root, intrinsics),
                    depth_source="hand_size" if self.depth_mm is None else "given",
                    track_id=region.track_id,
                    restored=pose.restored,
                )
            )
        return FrameResult(frame.source, frame.index, frame.time_s, frame.image, intrinsics, tuple(hands))

    def _lift(
        self, keypoints: np.ndarray, shown: np.ndarray, rel_root_depth_mm: float, intrinsics: Intrinsics
    ) -> np.ndarray:
        focal, principal_pt = intrinsics.focal, intrinsics.principal_pt
        if self.depth_mm is None:
            depths = wrist_depths_from_size(keypoints, shown, rel_root_depth_mm, focal, principal_pt, ADULT_PALM_MM)
        else:
            depths = wrist_depths_given(self.depth_mm, shown, rel_root_depth_mm)
        return lift_keypoints(keypoints, depths, focal, principal_pt)


class _Clip:
    """What lasts over the frames of one video or camera: tracks, filters, and whose turn it is."""

    def __init__(self, owner: InterHandInferencer, source: Source) -> None:
        self.tracker = HandTracker()
        self.smoother = TrackSmoother(source.fps or 30.0) if owner.smooth else None
        self.detect_every, self._turn = owner.detect_every, 0

    def detector_is_due(self) -> bool:
        """True in the first frame and every n-th; asked once a chunk, which is one frame where n > 1."""
        due = self._turn % self.detect_every == 0
        self._turn += 1
        return due

    def step(self, found: list[Region] | None, time_s: float) -> list[Region]:
        """Regions of the next frame, tracked, and their boxes smoothed where that is asked for."""
        regions = self.tracker.step(found)
        if self.smoother is None:
            return regions
        return [replace(each, box=self.smoother.box(each.track_id or 0, each.box, time_s)) for each in regions]

    def take(
        self, region: Region, pose: Pose, keypoints: np.ndarray, rel_root_depth_mm: float, time_s: float | None
    ) -> tuple[np.ndarray, float]:
        """Let the track follow this frame's keypoints, and smooth them where that is asked for."""
        self.tracker.follow(region, keypoints[~np.isnan(keypoints[:, 0]), :2])
        if self.smoother is None or region.track_id is None:
            return keypoints, rel_root_depth_mm
        side = float(pose.bbox[2] - pose.bbox[0])
        return self.smoother(region.track_id, keypoints, rel_root_depth_mm, side, time_s or 0.0)

    def forget_ended(self) -> None:
        """Drop the filters of tracks that ended; after a chunk, whose last frame's tracks the tracker knows."""
        if self.smoother is not None:
            self.smoother.keep(self.tracker.alive)


def check_bbox(bbox: Sequence[float]) -> np.ndarray:
    """A box as (4,) float64.

    Raises:
        InputError: Not four finite numbers, or the second corner is not right of and below the first.
    """
    box = np.asarray(bbox, np.float64)
    if box.shape != (4,) or not np.isfinite(box).all() or box[2] <= box[0] or box[3] <= box[1]:
        raise InputError("bbox", got=list(bbox), want="x1 y1 x2 y2 with x1 < x2 and y1 < y2, not x y width height")
    return box


def _grouped(detections: Detections) -> list[Region]:
    """Single hands and interacting pairs of one picture."""
    boxes, scores = detections.boxes, detections.scores
    groups = group_hands(boxes, scores, detections.sides)
    regions = [Region(interaction_bbox(boxes[g]), boxes[g], float(scores[g].min()), len(g)) for g in groups]
    return [region for region in regions if has_size(region.box)]


def _mirrored(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


def _mirrored_boxes(boxes: np.ndarray, width: int) -> np.ndarray:
    """(..., 4) boxes under x -> W - 1 - x."""
    mirrored = boxes.copy()
    mirrored[..., 0], mirrored[..., 2] = width - 1 - boxes[..., 2], width - 1 - boxes[..., 0]
    return mirrored
