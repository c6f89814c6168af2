"""What inference gives back: frames of interactions, typed, with where every millimeter comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .joints import NUM_HAND_JOINTS

# "no": not there. "unsure": the network cannot tell; such a hand is shown, and marked, but not counted on.
Presence = Literal["no", "unsure", "yes"]
# "user": given. "exif": from the picture's focal length. "assumed": from a field of view that nobody measured.
IntrinsicsSource = Literal["user", "exif", "assumed"]
# "given": the user or the data set knows the wrists' depth, so `keypoints_mm` is metric in the camera frame.
# "hand_size": depth is what gives the hand an average adult's size, so `keypoints_mm` is a scale guess.
DepthSource = Literal["given", "hand_size"]


@dataclass(frozen=True)
class Intrinsics:
    """A pinhole camera of one picture.

    Attributes:
        focal: (2,) px.
        principal_pt: (2,) px.
        source: Who says so.
    """

    focal: np.ndarray
    principal_pt: np.ndarray
    source: IntrinsicsSource


@dataclass(frozen=True)
class Detections:
    """Hands that a detector found in one picture.

    Attributes:
        boxes: (N, 4) px of the full image, x1 y1 x2 y2: the tight box of a hand's joints, enlarged by `BBOX_ENLARGE`.
        scores: (N,) 0 to 1.
        sides: (N,) 0 right, 1 left, -1 where the detector has one class "hand".
    """

    boxes: np.ndarray
    scores: np.ndarray
    sides: np.ndarray


@dataclass(frozen=True)
class HandsResult:
    """One crop: a single hand, or two that were lifted together. Right before left; joints as in `joints.py`.

    Attributes:
        bbox: (4,) px of the full image, x1 y1 x2 y2: the square that was cropped.
        detections: (N, 4) px, x1 y1 x2 y2: the detector's boxes it was grouped from; N = 0 where the box was given.
        bbox_score: The lowest score of those boxes, 1 where the box was given.
        hand_prob: (2,) calibrated probabilities that the right and the left hand are there.
        presence: Decision for the right and the left hand.
        keypoints: (42, 3) u, v px of the full image, d mm relative to the joint's own wrist. Hands whose presence
            is "no" hold NaN.
        keypoint_scores: (42,) 0 to 1.
        rel_root_depth_mm: z(left wrist) - z(right wrist); NaN unless both hands are there.
        keypoints_mm: (42, 3) camera frame; metric only where `depth_source` is "given".
        depth_source: Where the depth in `keypoints_mm` comes from.
        track_id: The same number for the same hands over the frames of a video; None for pictures.
        restored: Whether the keypoints of the right and the left hand come from a plugin; where not, and
            always the relative root depth and the handedness, they are the base network's.
    """

    bbox: np.ndarray
    detections: np.ndarray
    bbox_score: float
    hand_prob: np.ndarray
    presence: tuple[Presence, Presence]
    keypoints: np.ndarray
    keypoint_scores: np.ndarray
    rel_root_depth_mm: float
    keypoints_mm: np.ndarray
    depth_source: DepthSource
    track_id: int | None = None
    restored: tuple[bool, bool] = (False, False)

    @property
    def shown(self) -> np.ndarray:
        """(42,) bool: joints of the hands that are there, surely or not."""
        return np.repeat([presence != "no" for presence in self.presence], NUM_HAND_JOINTS)


@dataclass(frozen=True)
class FrameResult:
    """One picture, or one frame of a video or camera.

    Attributes:
        source: Path, or name of the camera.
        index: Frame number from 0; 0 for pictures.
        time_s: Presentation time from the start of the video, None for pictures.
        image: (H, W, 3) uint8 BGR as it was decoded and turned upright.
        intrinsics: Camera that `keypoints_mm` was made with.
        hands: One entry a crop, none where no hand was found.
    """

    source: str
    index: int
    time_s: float | None
    image: np.ndarray
    intrinsics: Intrinsics
    hands: tuple[HandsResult, ...]
