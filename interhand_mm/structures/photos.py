"""Photographs of hands, as annotated and as an estimator of hands answers."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .joints import NUM_HAND_JOINTS

UNKNOWN_SIDE = -1


@dataclass(frozen=True)
class LabelledHand:
    """The joints of one annotated hand.

    Attributes:
        side: 0 right, 1 left, -1 unknown.
        points: (21, 2) px.
        visible: (21,) bool, True where the joint is annotated.
        joints_mm: (21, 3) mm in the camera frame, or None.
    """

    side: int
    points: np.ndarray
    visible: np.ndarray
    joints_mm: np.ndarray | None = None


@dataclass(frozen=True)
class AnnotatedPhoto:
    """One annotated photograph. Boxes are (N, 4) px, x1 y1 x2 y2.

    Attributes:
        file_name: Path of the image, relative to the folder of the images.
        part: Name of the group of images that it belongs to.
        size: (width, height) px.
        boxes: Boxes of single hands.
        pairs: Boxes around two hands each.
        ignored: Boxes in which hands are neither looked for nor wrong.
        labels: Hands whose joints are annotated, single ones and those of pairs.
        camera: Focal lengths (2,) and principal point (2,) in px, or None if they are unknown.
    """

    file_name: str
    part: str
    size: tuple[int, int]
    boxes: np.ndarray
    pairs: np.ndarray
    ignored: np.ndarray
    labels: tuple[LabelledHand, ...] = ()
    camera: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def is_empty(self) -> bool:
        """Return whether no hand is annotated."""
        return not (len(self.boxes) or len(self.pairs) or len(self.ignored))


@dataclass(frozen=True)
class FoundHands:
    """The answer to one photograph. Boxes are px, x1 y1 x2 y2.

    Attributes:
        points: (N, 21, 2) px, joints of the hands.
        boxes: (N, 4) boxes of these joints, see `joints_bbox`.
        scores: (N,) confidences, 0 to 1.
        sides: (N,) 0 right, 1 left.
        joints_mm: (N, 21, 3) mm with any origin and orientation.
        milliseconds: Time for the image without reading it.
        detections: (D, 4) boxes of a detector, down to very low scores; None if it does not report any.
        detection_scores: (D,) confidences, 0 to 1.
    """

    points: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    sides: np.ndarray
    joints_mm: np.ndarray
    milliseconds: float = float("nan")
    detections: np.ndarray | None = None
    detection_scores: np.ndarray = field(default_factory=lambda: np.zeros(0))

    @classmethod
    def nothing(cls, milliseconds: float = float("nan")) -> FoundHands:
        """Return the answer "no hands"."""
        points = np.zeros((0, NUM_HAND_JOINTS, 2))
        return cls(
            points, np.zeros((0, 4)), np.zeros(0), np.zeros(0, int), np.zeros((0, NUM_HAND_JOINTS, 3)), milliseconds
        )
