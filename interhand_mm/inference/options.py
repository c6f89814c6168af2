"""Options of inference. The command line fills these dataclasses; every other function passes them on whole."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from ..errors import ConfigError, InputError

Amp = Literal["bfloat16", "float16"]
Backend = Literal["torch", "onnxruntime", "openvino"]
BACKENDS: tuple[Backend, ...] = get_args(Backend)
MIN_BOX_PX = 8
_BOX_FIX = "--bbox-xywh takes a corner, width and height"


@dataclass(frozen=True)
class InferenceOptions:
    """How the detector and the pose network run, and how the frames of a video are treated.

    Pass one object to both `HandDetector` and `InterHandInferencer`; each reads the fields that concern it.

    Attributes:
        device: Device of the networks: "cpu", "cuda", "cuda:1", ...
        amp: 16-bit type for mixed precision. None computes in float32. The detector supports "bfloat16" and stays in
            float32 otherwise.
        batch_size: Maximum number of images or crops in one batch.
        backend: Runtime of the pose network.
        score_thr: Minimum score of a detection, 0 to 1. At 0.4 the shipped detector finds 97 % of the hands in
            photographs that were held back from its training, with 7 false boxes in 100 images.
        box_scale: Factor that the detector's boxes are scaled with about their centers. The pose network expects the
            tight box of a hand's joints, enlarged by 1.2. On rendered hands the box of a whole hand's outline is 1.29
            times the joints' box (median; 1.08 to 1.57 from 5 to 95 %), so 0.93 suits detectors that were trained on
            outlines.
        detect_every: Run the detector on every n-th frame of a video. In between, the crops follow the keypoints of
            the previous frame.
        smooth: Filter the keypoints of videos over time (One-Euro filter).
        mirror: The input is mirrored, as selfie cameras record it. The networks see it unmirrored, so the right hand
            is the person's right hand; results are in the coordinates of the mirrored input.
        bbox: Box around the hands, two corners (x1, y1, x2, y2) in px of the image, at least `MIN_BOX_PX` per side. It
            replaces the detector in every frame.

    Raises:
        ConfigError: A number or a name is out of range.
        InputError: `bbox` is not a box.

    Example:
        >>> options = InferenceOptions(device="cuda", batch_size=8, bbox=[80, 40, 310, 270])
        >>> options.bbox
        (80.0, 40.0, 310.0, 270.0)
        >>> InferenceOptions(batch_size=0)
        Traceback (most recent call last):
        interhand_mm.errors.ConfigError: batch_size must be at least 1
          got:  0
    """

    device: str = "cpu"
    amp: Amp | None = None
    batch_size: int = 16
    backend: Backend = "torch"
    score_thr: float = 0.4
    box_scale: float = 1.0
    detect_every: int = 1
    smooth: bool = False
    mirror: bool = False
    bbox: Sequence[float] | None = None

    def __post_init__(self) -> None:
        for name in ("batch_size", "detect_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1", got=getattr(self, name))
        for name, choices in (("amp", (None, *get_args(Amp))), ("backend", BACKENDS)):
            if getattr(self, name) not in choices:
                raise ConfigError(
                    f"the value of {name} is not supported", got=getattr(self, name), want=f"one of {choices}"
                )
        if not 0 <= self.score_thr <= 1:
            raise ConfigError("score_thr must lie between 0 and 1", got=self.score_thr)
        if not (math.isfinite(self.box_scale) and self.box_scale > 0):
            raise ConfigError("box_scale must be a positive number", got=self.box_scale)
        if self.bbox is not None:
            object.__setattr__(self, "bbox", _box(self.bbox))


@dataclass(frozen=True)
class CameraOptions:
    """What is known about the camera and the distance of the hands. Everything is optional.

    Without a focal length or a field of view, the camera comes from the image's EXIF data, or else a field of view is
    assumed (`DEFAULT_FOV_DEG`); `Intrinsics.source` says which.

    Attributes:
        focal: Focal length in px, one number or (fx, fy).
        principal_pt: Principal point (cx, cy) in px. Default: the image center.
        fov_deg: Field of view across the longer side of the image, in degrees, instead of `focal`.
        depth_mm: Absolute depth of the wrists in mm. One number is the depth of the right wrist, or of the only hand;
            two numbers are right and left. Without it, depth is solved from the size of an average adult's hand, and
            `keypoints_mm` is not metric.

    Raises:
        InputError: A number is not finite, not positive or out of range, or `focal` and `fov_deg` are both given.

    Example:
        >>> CameraOptions(focal=[600, 610], depth_mm=750)
        CameraOptions(focal=(600.0, 610.0), principal_pt=None, fov_deg=None, depth_mm=750.0)
        >>> CameraOptions(fov_deg=200)
        Traceback (most recent call last):
        interhand_mm.errors.InputError: fov_deg must lie between 1 and 170 degrees
          got:  200
    """

    focal: float | Sequence[float] | None = None
    principal_pt: Sequence[float] | None = None
    fov_deg: float | None = None
    depth_mm: float | Sequence[float] | None = None

    def __post_init__(self) -> None:
        for name in ("focal", "depth_mm"):
            object.__setattr__(self, name, _one_or_two(name, getattr(self, name)))
        if self.principal_pt is not None:
            object.__setattr__(self, "principal_pt", _point(self.principal_pt))
        if self.fov_deg is not None and not 1 <= self.fov_deg <= 170:
            raise InputError("fov_deg must lie between 1 and 170 degrees", got=self.fov_deg)
        if self.focal is not None and self.fov_deg is not None:
            raise InputError("focal and fov_deg cannot both be given", fix="give one of them")


@dataclass(frozen=True)
class Section:
    """The frames of a video that are read.

    Attributes:
        start_s: Time of the first frame that is read, in seconds from the beginning of the video.
        end_s: Time before which the section ends, s. None reads to the end.
        stride: Distance of the frames that are read: 3 takes every third frame of the section.

    Raises:
        ConfigError: A number is out of range, or the section ends before it begins.

    Example:
        >>> Section(start_s=60, end_s=30)
        Traceback (most recent call last):
        interhand_mm.errors.ConfigError: the section of the video ends before it begins
          got:  60 to 30 seconds
    """

    start_s: float = 0.0
    end_s: float | None = None
    stride: int = 1

    def __post_init__(self) -> None:
        for name, value in (("start_s", self.start_s), ("end_s", self.end_s)):
            if value is not None and not (math.isfinite(value) and value >= 0):
                raise ConfigError(f"{name} must be a number of seconds, at least 0", got=value)
        if self.end_s is not None and self.end_s <= self.start_s:
            raise ConfigError(
                "the section of the video ends before it begins", got=f"{self.start_s} to {self.end_s} seconds"
            )
        if self.stride < 1:
            raise ConfigError("stride must be at least 1", got=self.stride)

    @property
    def is_whole(self) -> bool:
        """Whether all frames are read."""
        return self.start_s == 0 and self.end_s is None and self.stride == 1

    def ends_before(self, time_s: float) -> bool:
        """Return True for the time of a frame after the section."""
        return self.end_s is not None and time_s >= self.end_s

    def count(self, length: int | None, fps: float | None) -> int | None:
        """Return the approximate number of frames in the section of a video, or None if it is not known.

        >>> Section(start_s=1, end_s=3, stride=2).count(300, 30.0)
        30
        """
        if length is None or self.is_whole:
            return length
        if not fps:
            return None
        last = length if self.end_s is None else min(length, math.ceil(self.end_s * fps))
        return max(0, math.ceil((last - math.ceil(self.start_s * fps)) / self.stride))


WHOLE_VIDEO = Section()


@dataclass(frozen=True)
class InputOptions:
    """What is read of the inputs of a run.

    Attributes:
        section: Frames of the videos to read.
        clip_fps: Frame rate of the clip that the images of each folder form. None: each image is on its own.
        skip_existing: Leave out inputs whose outputs are complete.

    Raises:
        ConfigError: The frame rate is not a positive number.
    """

    section: Section = WHOLE_VIDEO
    clip_fps: float | None = None
    skip_existing: bool = False

    def __post_init__(self) -> None:
        if self.clip_fps is not None and not (math.isfinite(self.clip_fps) and self.clip_fps > 0):
            raise ConfigError("the frame rate of a clip must be a positive number", got=self.clip_fps)


DEFAULT_INPUT = InputOptions()


@dataclass(frozen=True)
class OutputOptions:
    """The files that a run writes, and what they look like.

    Attributes:
        gif: Write videos as GIF instead of MP4.
        html: Write the interactive 3D page.
        html_range: First and last second of a video that the page shows. Default: the whole video, with a page for
            each minute.
        json_lines: Also write JSON lines, which can be read while they are being written.
        csv: Also write CSV, one row per hand and frame.
        line_width: Thickness of the drawn bones in px. Default: it grows with the hand and the image.
        point_size: Diameter of the drawn joints in px. Default: it grows with the bones.

    Raises:
        ConfigError: A number is out of range, or a range is given for a page that is not written.

    Example:
        >>> OutputOptions(html_range=(90, 60))
        Traceback (most recent call last):
        interhand_mm.errors.ConfigError: html_range must be two increasing times in seconds
          got:  (90, 60)
    """

    gif: bool = False
    html: bool = True
    html_range: tuple[float, float] | None = None
    json_lines: bool = False
    csv: bool = False
    line_width: float | None = None
    point_size: float | None = None

    def __post_init__(self) -> None:
        if self.html_range is not None:
            numbers = _numbers(self.html_range)
            if numbers is None or len(numbers) != 2 or not 0 <= numbers[0] < numbers[1]:
                raise ConfigError("html_range must be two increasing times in seconds", got=self.html_range)
            if not self.html:
                raise ConfigError("html_range has no effect without the 3D page", fix="leave one of both out")
        for name in ("line_width", "point_size"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ConfigError(f"{name} must be a positive number of pixels", got=value)


DEFAULT_OUTPUT = OutputOptions()


def _numbers(value: Any) -> tuple[float, ...] | None:
    """Return a number or a sequence as finite floats, or None if it is something else."""
    try:
        numbers = tuple(float(each) for each in ([value] if isinstance(value, (int, float)) else value))
    except (TypeError, ValueError):
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _one_or_two(name: str, value: Any) -> float | tuple[float, ...] | None:
    if value is None:
        return None
    numbers = _numbers(value)
    if numbers is None or len(numbers) not in (1, 2) or min(numbers) <= 0:
        raise InputError(f"{name} must be one or two positive numbers", got=value)
    return numbers[0] if len(numbers) == 1 else numbers


def _point(value: Any) -> tuple[float, ...]:
    numbers = _numbers(value)
    if numbers is None or len(numbers) != 2:
        raise InputError("principal_pt must be two numbers", got=value, want="cx cy in px")
    return numbers


def _box(value: Any) -> tuple[float, ...]:
    numbers = _numbers(value)
    want = "x1 y1 x2 y2 with x1 < x2 and y1 < y2 (two corners, not a corner, width and height)"
    if numbers is None or len(numbers) != 4 or numbers[2] <= numbers[0] or numbers[3] <= numbers[1]:
        raise InputError("bbox is not a box", got=value, want=want, fix=_BOX_FIX)
    if min(numbers[2] - numbers[0], numbers[3] - numbers[1]) < MIN_BOX_PX:
        want = f"at least {MIN_BOX_PX} px per side; pixels of the image, not fractions of it"
        raise InputError("bbox is too small for a hand", got=value, want=want)
    return numbers
