"""The inferencer: images, folders, videos and cameras in, typed 3D hands out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config

from ..checkpoints.shipped import choose_model
from ..errors import ConfigError, InputError
from ..models.plugin import HandPlugin
from ..structures.anthropometry import HAND_LENGTH_MM, SEGMENT_FRACTIONS
from ..structures.camera import lift_to_camera, relative_to_wrists
from ..structures.joints import NUM_HAND_JOINTS
from ..structures.results import Detections, FrameResult, HandsResult, Intrinsics
from .clip import ClipHands
from .grouping import group_hands, interaction_bbox
from .handedness import decide_presence
from .intrinsics import choose_intrinsics
from .io.frames import Frame, Source
from .io.sources import open_source
from .lifting import wrist_depths_from_size, wrist_depths_given
from .options import CameraOptions, InferenceOptions
from .pose import CROP_PADDING, WHOLE, Pose, PoseModel
from .repeats import CropHands, hide_repeats
from .timing import Stopwatch
from .tracking import Region, has_size

Detector = Callable[[list[np.ndarray]], Sequence[Detections]]
# Lengths of the bones from the wrist to the knuckles of index, middle, ring and pinky, mean of men and women.
ADULT_PALM_MM = SEGMENT_FRACTIONS[1:, 0] * float(np.mean([mean for mean, _ in HAND_LENGTH_MM]))
_MAX_CHUNK_PIXELS = 1 << 26  # frames that are decoded ahead take at most about 200 MB
_NO_BOXES = np.zeros((0, 4))


class InterHandInferencer:
    """Estimate the 3D pose of all hands in images, videos and camera streams.

    The detector's boxes are grouped into single hands and interacting pairs, cropped as in training, and passed
    through the pose network. Crops of several hands and images share a batch. In videos, hands are tracked, so the
    crops of a frame depend on the previous frame, and only the detector and fixed boxes share batches over frames.

    Without arguments, the detector and the pose network that the package carries are used. A pose network without a
    detector and without `options.bbox` takes the whole image as its crop.

    Args:
        pose_config: Config of the pose network, as a path or loaded (`load_config`, `with_plugin`). None for the
            shipped network.
        pose_checkpoint: Checkpoint of the pose network, None for the shipped one. For the backends "onnxruntime" and
            "openvino", the file that `tools/export_onnx.py` writes.
        detector: Hand detector, such as a `HandDetector`: a function from a list of (H, W, 3) uint8 BGR images to one
            `Detections` per image. None for the shipped one if the pose network is the shipped one too, unless
            `options.bbox` is given.
        options: Device, precision, batch size, video options, and a fixed box instead of a detector.
        camera: Known parameters of the camera, and the known distance of the hands.

    Raises:
        ConfigError, CheckpointError: A config, a checkpoint or an option cannot be used.

    Example:
        >>> options = InferenceOptions(bbox=[5, 5, 60, 60])
        >>> inferencer = InterHandInferencer(pose_config, pose_checkpoint, options=options)
        >>> [frame] = inferencer.infer(image)
        >>> frame.image.shape, frame.intrinsics.source
        ((64, 64, 3), 'assumed')
        >>> for hands in frame.hands:  # one entry per crop; right hand in rows 0 to 20, left hand in rows 21 to 41
        ...     assert hands.keypoints_mm.shape == (42, 3)
    """

    def __init__(
        self,
        pose_config: str | Path | Config | None = None,
        pose_checkpoint: str | Path | None = None,
        detector: Detector | None = None,
        options: InferenceOptions = InferenceOptions(),
        camera: CameraOptions = CameraOptions(),
    ) -> None:
        if detector is not None and options.bbox is not None:
            raise ConfigError("a detector and a bbox cannot be used together", fix="leave one of them out")
        with_detector = pose_config is None and detector is None and options.bbox is None
        pose_config, pose_checkpoint = choose_model("pose", pose_config, pose_checkpoint, options.backend != "torch")
        if with_detector:
            from .detector import HandDetector  # imported late, because it loads mmdet

            detector = HandDetector(options=options)
        self.detector, self.options, self.camera = detector, options, camera
        self.pose = PoseModel(pose_config, pose_checkpoint, options)
        self.watch = Stopwatch()

    @property
    def plugin(self) -> HandPlugin | None:
        """The plugin of the pose network, or None."""
        return self.pose.network.plugin

    def infer(self, source: Any) -> Iterator[FrameResult]:
        """Yield one result per frame, in order.

        Args:
            source: An image as (H, W, 3) uint8 BGR array, an image file, a folder of images, a video file or animated
                GIF, the number of a camera, or a source from `open_source`.

        Raises:
            InputError, ImageError: The source cannot be opened. Raised here, before the first frame is requested.
        """
        return self._run(open_source(source))

    def _run(self, source: Source) -> Iterator[FrameResult]:
        clip = None if source.kind == "images" else ClipHands(self.options)
        one_by_one = clip is not None and (source.kind == "camera" or self._detect_every > 1)
        for frames in self._chunks(source, 1 if one_by_one else self.options.batch_size):
            if clip is None or self.detector is None:
                yield from self._process(frames, clip)
            else:
                yield from self._process_clip(frames, clip)
            self.watch.frames += len(frames)

    @property
    def _detect_every(self) -> int:
        """Without a detector the box is the same in every frame, so no frame depends on the previous one."""
        return 1 if self.detector is None else self.options.detect_every

    def _chunks(self, source: Source, size: int) -> Iterator[list[Frame]]:
        """Yield lists of at most `size` frames, fewer if the frames are large."""
        chunk: list[Frame] = []
        frames = iter(source)
        while True:
            with self.watch.measure("decode"):
                frame = next(frames, None)
            if frame is None:
                break
            chunk.append(frame)
            if len(chunk) == size or sum(each.image.size // 3 for each in chunk) > _MAX_CHUNK_PIXELS:
                yield chunk
                chunk = []
        if chunk:
            yield chunk

    def _process_clip(self, frames: list[Frame], clip: ClipHands) -> Iterator[FrameResult]:
        """Process frames of a video with a detector: detect in all frames, then follow the hands frame by frame."""
        views = [self._view(frame) for frame in frames]
        with self.watch.measure("detect"):
            found: Sequence[Detections | None] = [None] * len(views)
            if self.detector is not None and clip.detector_is_due():
                found = self.detector(views)
        for frame, view, detections in zip(frames, views, found, strict=True):
            with self.watch.measure("detect"):
                regions = clip.step(detections, (view.shape[1], view.shape[0]), frame.time_s or 0.0)
            boxes = [region.box for region in regions]
            poses = self.pose.predict([view] * len(boxes), boxes, [CROP_PADDING] * len(boxes), self.watch)
            with self.watch.measure("lift"):
                result = self._result(frame, list(zip(regions, poses, strict=True)), clip)
            yield result

    def _process(self, frames: list[Frame], clip: ClipHands | None) -> Iterator[FrameResult]:
        """Process images, or frames of a video whose box is given, in common batches."""
        views = [self._view(frame) for frame in frames]
        with self.watch.measure("detect"):
            regions = self._regions(views)
        owners = [i for i, each in enumerate(regions) for _ in each]
        flat = [region for each in regions for region in each]
        padding = WHOLE if self.detector is None and self.options.bbox is None else CROP_PADDING
        poses = self.pose.predict(
            [views[i] for i in owners], [region.box for region in flat], [padding] * len(flat), self.watch
        )
        for i, frame in enumerate(frames):
            with self.watch.measure("lift"):
                own = [(flat[k], poses[k]) for k, owner in enumerate(owners) if owner == i]
                result = self._result(frame, own, clip)
            yield result

    def _view(self, frame: Frame) -> np.ndarray:
        """Return the image that the networks see, which is never mirrored."""
        return _mirror(frame.image) if self.options.mirror else frame.image

    def _regions(self, views: list[np.ndarray]) -> list[list[Region]]:
        """Return the regions of every view, in the pixels of the view (which is unmirrored)."""
        if self.detector is None:
            return [[self._given_region(view)] for view in views]
        return [_group(detections) for detections in self.detector(views)]

    def _given_region(self, view: np.ndarray) -> Region:
        """Return the whole view, or the user's box, as a region."""
        height, width = view.shape[:2]
        if self.options.bbox is None:
            return Region(np.array([0.0, 0.0, width, height]), _NO_BOXES, 1.0, None)
        bbox = np.array(self.options.bbox)
        inside = np.minimum(bbox[2:], (width, height)) - np.maximum(bbox[:2], 0)
        # A hand may reach out of the image, and then its box does too, but not with most of its area.
        if np.prod(np.maximum(inside, 0)) < 0.5 * np.prod(bbox[2:] - bbox[:2]):
            raise InputError(
                "less than half of the bbox lies in the image",
                got=f"{bbox.tolist()} in {width} x {height} px",
                want="x1 y1 x2 y2 (two corners, not a corner, width and height)",
                fix="--bbox-xywh takes a corner, width and height",
            )
        return Region(_mirror_boxes(bbox, width) if self.options.mirror else bbox, _NO_BOXES, 1.0, None)

    def _result(self, frame: Frame, found: list[tuple[Region, Pose]], clip: ClipHands | None) -> FrameResult:
        size = (frame.image.shape[1], frame.image.shape[0])
        intrinsics = choose_intrinsics(size, frame.exif, self.camera)
        crops = _of_image(found) if clip is None else clip.settle(found, size)
        hands = tuple(self._hands(crop, frame, intrinsics, clip) for crop in crops if crop.presence != ("no", "no"))
        return FrameResult(frame.source, frame.index, frame.time_s, frame.image, intrinsics, hands)

    def _hands(self, crop: CropHands, frame: Frame, intrinsics: Intrinsics, clip: ClipHands | None) -> HandsResult:
        region, pose, presence, track_ids = crop
        shown = np.repeat([each != "no" for each in presence], NUM_HAND_JOINTS)
        keypoints = np.where(shown[:, None], relative_to_wrists(pose.keypoints), np.nan)
        rel_root = pose.rel_root_depth_mm if shown.all() else float("nan")
        bones = None
        if clip is not None:
            keypoints, rel_root = clip.smooth(crop, keypoints, rel_root, frame.time_s or 0.0)
            bones = clip.bone_lengths(crop, ADULT_PALM_MM)
        bbox, detections = pose.bbox, region.detections
        if self.options.mirror:
            width = frame.image.shape[1]
            keypoints[:, 0] = width - 1 - keypoints[:, 0]
            bbox, detections = _mirror_boxes(bbox, width), _mirror_boxes(detections, width)
        keypoints_mm = self._lift(keypoints, shown, rel_root, intrinsics, bones)
        if clip is not None:
            clip.learn_bones(crop, keypoints_mm)
        return HandsResult(
            bbox=bbox,
            detections=detections,
            bbox_score=region.score,
            hand_prob=pose.hand_prob,
            presence=presence,
            keypoints=keypoints,
            keypoint_scores=np.where(shown, pose.keypoint_scores, 0.0),
            rel_root_depth_mm=rel_root,
            keypoints_mm=keypoints_mm,
            depth_source="hand_size" if self.camera.depth_mm is None else "given",
            track_ids=track_ids,
            restored=(pose.restored[0] and presence[0] != "no", pose.restored[1] and presence[1] != "no"),
        )

    def _lift(
        self,
        keypoints: np.ndarray,
        shown: np.ndarray,
        rel_root_depth_mm: float,
        intrinsics: Intrinsics,
        bones_mm: np.ndarray | None,
    ) -> np.ndarray:
        focal, principal_pt, depth_mm = intrinsics.focal, intrinsics.principal_pt, self.camera.depth_mm
        shown = shown & np.isfinite(keypoints).all(axis=-1)
        if not shown.any():
            return np.full_like(keypoints, np.nan)
        if depth_mm is None:
            depths = wrist_depths_from_size(
                keypoints, shown, rel_root_depth_mm, focal, principal_pt, ADULT_PALM_MM, bones_mm
            )
        else:
            depths = wrist_depths_given(depth_mm, shown, rel_root_depth_mm)
        return lift_to_camera(keypoints, depths, focal, principal_pt)


def _of_image(found: list[tuple[Region, Pose]]) -> list[CropHands]:
    """Return what the crops of a single image show."""
    crops = [CropHands(region, pose, decide_presence(pose.hand_prob, region.num_hands)) for region, pose in found]
    return hide_repeats(crops, [region.score for region, _ in found])


def _group(detections: Detections) -> list[Region]:
    """Return the single hands and interacting pairs of one image."""
    boxes, scores = detections.boxes, detections.scores
    groups = group_hands(boxes, scores, detections.sides)
    regions = [Region(interaction_bbox(boxes[g]), boxes[g], float(scores[g].min()), len(g)) for g in groups]
    return [region for region in regions if has_size(region.box)]


def _mirror(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image[:, ::-1])


def _mirror_boxes(boxes: np.ndarray, width: int) -> np.ndarray:
    """Mirror (..., 4) boxes: x -> W - 1 - x."""
    mirrored = boxes.copy()
    mirrored[..., 0], mirrored[..., 2] = width - 1 - boxes[..., 2], width - 1 - boxes[..., 0]
    return mirrored
