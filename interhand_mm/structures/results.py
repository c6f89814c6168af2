"""Results of inference, with the origin of every number in millimeters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from .joints import NUM_HAND_JOINTS

# A hand is present from the first calibrated probability, and absent up to the second one.
PRESENT, ABSENT = 0.7, 0.3
# "no": absent. "unsure": the network cannot tell; such a hand is drawn, with a mark.
Presence = Literal["no", "unsure", "yes"]
# "user": given by the user. "exif": from the focal length in the image file. "assumed": from an assumed field of view.
IntrinsicsSource = Literal["user", "exif", "assumed"]
# "given": the depths of the wrists are known, so `keypoints_mm` is metric in the camera frame. "hand_size": the depths
# give the hand the size of an average adult's, so the scale of `keypoints_mm` is a guess.
DepthSource = Literal["given", "hand_size"]


@dataclass(frozen=True)
class Intrinsics:
    """The pinhole camera of one image.

    Attributes:
        focal: (2,) focal lengths, px.
        principal_pt: (2,) principal point, px.
        source: Origin of these numbers.
    """

    focal: np.ndarray
    principal_pt: np.ndarray
    source: IntrinsicsSource


@dataclass(frozen=True)
class Detections:
    """Hands that a detector found in one image.

    Attributes:
        boxes: (N, 4) px of the full image, x1 y1 x2 y2: the tight box of a hand's joints, enlarged by `BBOX_ENLARGE`.
        scores: (N,) confidences, 0 to 1.
        sides: (N,) 0 right, 1 left, -1 if the detector has a single class "hand".
    """

    boxes: np.ndarray
    scores: np.ndarray
    sides: np.ndarray


@dataclass(frozen=True)
class HandsResult:
    """The result of one crop: one hand, or two hands that share a scale. Joints are as in `joints.py`.

    Attributes:
        bbox: (4,) px of the full image, x1 y1 x2 y2: the square that was cropped.
        detections: (N, 4) px, x1 y1 x2 y2: the detections that form the box; N = 0 if the box was given.
        bbox_score: Lowest score of the detections; 1 if the box was given.
        hand_prob: (2,) calibrated probabilities that the right and the left hand are present.
        presence: Decision for the right and the left hand.
        keypoints: (42, 3) u, v px of the full image, d mm relative to the joint's own wrist. NaN for hands
            whose presence is "no".
        keypoint_scores: (42,) confidences, 0 to 1.
        rel_root_depth_mm: z(left wrist) - z(right wrist); NaN unless both hands are present.
        keypoints_mm: (42, 3) mm, camera frame; metric only if `depth_source` is "given".
        depth_source: Origin of the depths in `keypoints_mm`.
        track_ids: Numbers of the right and the left hand, the same for a hand in all frames of a video. None for
            images, and for hands whose presence is "no".
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
    track_ids: tuple[int | None, int | None] = (None, None)
    restored: tuple[bool, bool] = (False, False)

    @property
    def shown(self) -> np.ndarray:
        """Return which joints (42,) belong to hands whose presence is "yes" or "unsure"."""
        return np.repeat([presence != "no" for presence in self.presence], NUM_HAND_JOINTS)


@dataclass(frozen=True)
class FrameResult:
    """The result of one image, or of one frame of a video or camera.

    Attributes:
        source: Path of the file, or name of the camera.
        index: Number of the frame, from 0; 0 for images.
        time_s: Presentation time from the start of the video, s; None for images.
        image: (H, W, 3) uint8 BGR, decoded and rotated upright.
        intrinsics: Camera that `keypoints_mm` was computed with.
        hands: One entry per crop; empty if no hand was found.
    """

    source: str
    index: int
    time_s: float | None
    image: np.ndarray
    intrinsics: Intrinsics
    hands: tuple[HandsResult, ...]
