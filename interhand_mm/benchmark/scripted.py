"""Clips with exact truth, and stand-ins for both networks that answer from the truth with noise.

With the stand-ins a clip needs no images: every frame is black, and its first pixel holds its number.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from ..inference.io.frames import Frame, SourceKind
from ..inference.pose import Pose
from ..inference.timing import Stopwatch
from ..structures.anthropometry import SEGMENT_FRACTIONS
from ..structures.boxes import joints_bbox, square_bbox
from ..structures.joints import HANDS, NUM_HAND_JOINTS, NUM_JOINTS
from ..structures.results import Detections
from ..utils.images import read_image

SIZE = (640, 480)
FPS, SECONDS = 30.0, 10
_HAND_PX = 110.0  # length of a scripted hand
_FOCAL_PX, _DEPTH_MM = 550.0, 900.0
_FINGER_DEG = (-50.0, -18.0, -4.0, 10.0, 24.0)  # thumb to pinky, from straight up, of a right hand seen from its back
_NO_EVIDENCE = -4.0  # logit of a hand in a crop without hands


@dataclass(frozen=True)
class Noise:
    """Errors of the stand-ins.

    Attributes:
        box: Standard deviation of each edge of a detected box, as a share of the box.
        miss: Probability that the detector misses a hand.
        joint: Standard deviation of u and v, as a share of the hand's size.
        depth_mm: Standard deviation of d.
        logit: Mean logit of a hand that is wholly in the crop. A hand outside has the negative of it.
        logit_std: Standard deviation of the logits.
    """

    box: float = 0.03
    miss: float = 0.02
    joint: float = 0.02
    depth_mm: float = 5.0
    logit: float = 4.0
    logit_std: float = 1.0


@dataclass(frozen=True)
class TrueClip:
    """T frames with the exact positions of H hands.

    Attributes:
        name: Name in the table.
        size: Width and height of the frames, px.
        keypoints: (T, H, 21, 3) u, v px and d mm relative to the own wrist.
        sides: (H,) 0 right, 1 left.
        visible: (T, H) bool, whether at least half of the joints are in the image.
        wrist_depth_mm: (T, H) absolute depth of the wrists.
        focal, principal_pt: (2,) px.
        paths: Image files; empty if there are only the positions.
        noise: Errors of the stand-ins on this clip.
    """

    name: str
    size: tuple[int, int]
    keypoints: np.ndarray
    sides: np.ndarray
    visible: np.ndarray
    wrist_depth_mm: np.ndarray
    focal: np.ndarray
    principal_pt: np.ndarray
    paths: Sequence[Path] = ()
    noise: Noise = field(default=Noise())


class ClipSource:
    """A `Source` of a clip's frames.

    Args:
        clip: The clip.
        images: Decode the image files. Otherwise the frames are black, and their first pixel holds their number.
    """

    kind: SourceKind = "video"

    def __init__(self, clip: TrueClip, images: bool = False) -> None:
        self.clip, self.images, self.name = clip, images, clip.name
        self.paths: Sequence[Path] = ()
        self.fps: float | None = FPS
        self.length: int | None = len(clip.keypoints)
        self.skipped = 0
        self.problem: str | None = None

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames."""
        for t in range(len(self.clip.keypoints)):
            image = read_image(self.clip.paths[t]) if self.images else _numbered(t, self.clip.size)
            yield Frame(self.name, t, t / FPS, image)


def _numbered(number: int, size: tuple[int, int]) -> np.ndarray:
    image = np.zeros((size[1], size[0], 3), np.uint8)
    image[0, 0] = number % 256, number // 256, 0
    return image


def frame_number(image: np.ndarray) -> int:
    """Return the number of a frame of `ClipSource`."""
    return int(image[0, 0, 0]) + 256 * int(image[0, 0, 1])


class ScriptedDetector:
    """A `Detector` that knows the truth. Whatever the order of the calls, a frame always gets the same answer.

    Args:
        clip: The clip.
        seed: Seed of the noise.
    """

    def __init__(self, clip: TrueClip, seed: int = 0) -> None:
        self.clip, self.seed = clip, seed

    def __call__(self, images: Sequence[np.ndarray]) -> list[Detections]:
        """Return the boxes of the visible hands, without sides."""
        return [self._detect(frame_number(image)) for image in images]

    def _detect(self, t: int) -> Detections:
        noise, rng = self.clip.noise, np.random.default_rng((self.seed, t, 0))
        boxes = joints_bbox(self.clip.keypoints[t, :, :, :2])
        spread = np.tile(boxes[:, 2:] - boxes[:, :2], 2) * noise.box
        boxes = boxes + spread * rng.standard_normal(boxes.shape)
        kept = self.clip.visible[t] & (rng.random(len(boxes)) >= noise.miss)
        return Detections(boxes[kept], np.full(kept.sum(), 0.9), np.full(kept.sum(), -1))


class ScriptedPose:
    """Stands in for `inference.pose.PoseModel`: it sees the true hands that lie in a crop, with noise.

    The logit of a hand grows with the share of its joints in the crop. If there is one hand, the output for the other
    side shows the same hand with the opposite logit, as networks do that mistake left for right.

    Args:
        clip: The clip.
        seed: Seed of the noise.
    """

    def __init__(self, clip: TrueClip, seed: int = 0) -> None:
        self.clip, self.seed = clip, seed
        self.network: Any = None

    def predict(
        self, images: Sequence[np.ndarray], boxes: Sequence[np.ndarray], paddings: Sequence[float], watch: Stopwatch
    ) -> list[Pose]:
        """Return one pose per box; arguments as in `PoseModel.predict`."""
        return [
            self._pose(frame_number(image), square_bbox(box, padding))
            for image, box, padding in zip(images, boxes, paddings, strict=True)
        ]

    def _pose(self, t: int, crop: np.ndarray) -> Pose:
        clip, noise = self.clip, self.clip.noise
        uv = clip.keypoints[t, :, :, :2]
        share = ((uv >= crop[:2]) & (uv <= crop[2:])).all(axis=-1).mean(axis=-1) * clip.visible[t]
        off_center = np.linalg.norm(uv.mean(axis=1) - (crop[:2] + crop[2:]) / 2, axis=-1) / np.ptp(crop[::2])
        order = np.lexsort((off_center, -share.round(1)))
        main = int(order[0])
        rng = np.random.default_rng((self.seed, t, 1 + main))
        keypoints, logits = np.zeros((NUM_JOINTS, 3)), np.full(2, _NO_EVIDENCE)
        for side, rows in enumerate(HANDS):
            own = [int(h) for h in order if clip.sides[h] == side and share[h] > 0]
            shown = own[0] if own else main
            size = np.ptp(uv[shown], axis=0).max()
            spread = np.array([noise.joint * size, noise.joint * size, noise.depth_mm])
            keypoints[rows] = clip.keypoints[t, shown] + spread * rng.standard_normal((NUM_HAND_JOINTS, 3))
            evidence = noise.logit * (2 * share[shown] - 1) + noise.logit_std * rng.standard_normal()
            logits[side] = evidence if own else np.nan
        if share[main] == 0:
            logits[:] = _NO_EVIDENCE
        logits = np.where(np.isnan(logits), -logits[::-1], logits)
        return Pose(crop, keypoints, np.full(NUM_JOINTS, 0.9), self._root_depth(t), 1 / (1 + np.exp(-logits)))

    def _root_depth(self, t: int) -> float:
        depth, sides = self.clip.wrist_depth_mm[t], self.clip.sides
        right, left = depth[sides == 0], depth[sides == 1]
        return float(left[0] - right[0]) if len(right) and len(left) else 0.0


def hand_outline(side: int, length_px: float = _HAND_PX) -> np.ndarray:
    """Return the joints (21, 2) px of an open hand that points up, with the wrist at the origin."""
    angle = np.deg2rad(_FINGER_DEG) * (1 - 2 * side)
    reach = length_px * np.cumsum(SEGMENT_FRACTIONS, axis=1)[:, ::-1]
    fingers = reach[..., None] * np.stack([np.sin(angle), -np.cos(angle)], axis=-1)[:, None]
    return np.concatenate([fingers.reshape(-1, 2), np.zeros((1, 2))])


def scripted_clip(name: str, sides: Sequence[int], wrists: np.ndarray, noise: Noise = Noise()) -> TrueClip:
    """Return a clip of open hands that move without turning, all at one depth.

    Args:
        name: Name in the table.
        sides: Side of each of the H hands, 0 right and 1 left.
        wrists: (T, H, 2) px.
        noise: Errors of the stand-ins.
    """
    shape = np.stack([hand_outline(side) for side in sides])
    uv = wrists[:, :, None] + shape
    inside = ((uv >= 0) & (uv <= np.array(SIZE) - 1)).all(axis=-1).mean(axis=-1) >= 0.5
    keypoints = np.concatenate([uv, np.zeros((*uv.shape[:-1], 1))], axis=-1)
    depth = np.full(wrists.shape[:2], _DEPTH_MM)
    focal, center = np.full(2, _FOCAL_PX), (np.array(SIZE) - 1) / 2
    return TrueClip(name, SIZE, keypoints, np.array(sides), inside, depth, focal, center, noise=noise)


def resting_hands(gap: float) -> TrueClip:
    """Return two hands at rest.

    Args:
        gap: Distance of their boxes divided by the size of a box, as `pair_affinity` computes it.
    """
    boxes = joints_bbox(np.stack([hand_outline(0), hand_outline(1)]))
    size = np.sqrt(np.prod(boxes[0, 2:] - boxes[0, :2]))
    apart = boxes[0, 2] - boxes[1, 0] + gap * size
    wrists = np.array([[320 - apart / 2, 280], [320 + apart / 2, 280]])
    return scripted_clip(f"resting, gap {gap:.2f}", (0, 1), np.tile(wrists, (_frames(), 1, 1)))


def crossing_hands() -> TrueClip:
    """Return two hands that pass each other four times, one a little lower than the other."""
    swing = 140 * np.cos(2 * np.pi * np.arange(_frames()) / 150)
    right, left = (np.stack([320 + s * swing, np.full_like(swing, 280 + 12 * s)], axis=-1) for s in (-1, 1))
    return scripted_clip("crossing", (0, 1), np.stack([right, left], axis=1))


def uncertain_side() -> TrueClip:
    """Return a right hand that moves slowly, and of which the pose network can hardly tell the side."""
    angle = 2 * np.pi * np.arange(_frames()) / 120
    wrists = np.stack([320 + 60 * np.cos(angle), 280 + 40 * np.sin(angle)], axis=-1)[:, None]
    return scripted_clip("side logit 1.0 +- 1.0", (0,), wrists, Noise(logit=1.0))


def entering_hand() -> TrueClip:
    """Return a right hand that stays, and a left one that comes from the edge of the image and leaves again."""
    t = np.arange(_frames())
    wave = 320 + 30 * np.sin(2 * np.pi * t / 90)
    x = 760 - np.clip(np.minimum(t - 32, 260 - t) * 6.0, 0, 240)
    right, left = (np.stack([u - 160 * s, np.full(len(t), 280.0)], axis=-1) for u, s in ((wave, 1), (x, 0)))
    return scripted_clip("entering and leaving", (0, 1), np.stack([right, left], axis=1))


def _frames() -> int:
    return round(FPS * SECONDS)
