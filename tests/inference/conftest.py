from __future__ import annotations

from dataclasses import fields

import numpy as np

from interhand_mm.inference.inferencer import InterHandInferencer
from interhand_mm.inference.io.frames import Frame
from interhand_mm.inference.options import CameraOptions, InferenceOptions
from interhand_mm.structures.joints import NUM_JOINTS
from interhand_mm.structures.results import Detections

CAMERA = [field.name for field in fields(CameraOptions)]


class FakeDetector:
    """Find the bright rectangles that `scene` paints, and count the calls and the images of each."""

    def __init__(self, blind=()):
        self.calls, self.blind, self.seen = [], set(blind), 0

    def __call__(self, images):
        self.calls.append(len(images))
        found = []
        for image in images:
            boxes = [] if self.seen in self.blind else blobs(image)
            self.seen += 1
            count = len(boxes)
            found.append(Detections(np.array(boxes, float).reshape(count, 4), np.full(count, 0.9), np.full(count, -1)))
        return found


def blobs(image):
    """Return x1 y1 x2 y2 of the painted rectangles, distinguished by their gray levels."""
    boxes = []
    for level in sorted(set(np.unique(image[..., 0])) - {0}):
        y, x = np.nonzero(image[..., 0] == level)
        boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
    return boxes


def scene(*boxes, size=(320, 240)):
    """Paint a black image with one rectangle per box, gray and without red in turn."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for i, (x1, y1, x2, y2) in enumerate(boxes):
        image[y1:y2, x1:x2] = 80 + 40 * i
        image[y1:y2, x1:x2, 2] *= 1 - i % 2
    return image


class FakeNetwork:
    """A `Network` whose hands fill the box of what is bright in the crop, with fixed probabilities.

    Everything around it, from cropping to lifting, is the real code.
    """

    input_size, temperature, plugin = (128, 128), 1.0, None

    def __init__(self, hand_prob=(0.9, 0.1), noise_px=0.0):
        self.hand_prob, self.noise_px, self.rng = np.array(hand_prob), noise_px, np.random.default_rng(0)
        self.batches = []
        shape = np.random.default_rng(1).uniform(0, 1, (NUM_JOINTS, 2))
        self.shape = (shape - shape.min(0)) / (shape.max(0) - shape.min(0))  # from edge to edge of the box

    def __call__(self, crops):
        self.batches.append(len(crops))
        found = [self.predict(crop) for crop in crops]
        return {name: np.stack([each[name] for each in found]) for name in found[0]}

    def predict(self, crop):
        y, x = np.nonzero(crop[0] > 40)
        seen = len(x) > 0
        low, high = (np.array([x.min(), y.min()]), np.array([x.max(), y.max()])) if seen else (0.0, 1.0)
        points = low + self.shape * np.subtract(high, low) + self.rng.normal(0, 1, self.shape.shape) * self.noise_px
        return {
            "keypoints": np.column_stack([points, np.linspace(-40, 40, NUM_JOINTS)]),
            "keypoint_scores": np.full(NUM_JOINTS, 0.8),
            "rel_root_depth": np.float64(30),
            "hand_prob": self.hand_prob if seen else np.array([0.01, 0.01]),
        }


class PairNetwork(FakeNetwork):
    """Sees the right hand in what is gray and the left one in what has no red; each side has frames where it is blind.

    Args:
        blind: {side: numbers of the frames in which that hand is taken for absent}.
    """

    def __init__(self, blind=None):
        super().__init__()
        self.blind, self.frame = blind or {}, -1

    def predict(self, crop):
        self.frame += 1
        points, prob = np.zeros((42, 2)), np.full(2, 0.01)
        for side in (0, 1):
            y, x = np.nonzero((crop[0] > 40) & ((crop[2] < 0.5 * crop[0]) == side))
            if len(x) < 100:
                continue
            low, high = np.array([x.min(), y.min()]), np.array([x.max(), y.max()])
            points[21 * side : 21 * side + 21] = low + self.shape[:21] * (high - low)
            prob[side] = 0.1 if self.frame in self.blind.get(side, ()) else 0.95
        return {
            "keypoints": np.column_stack([points, np.zeros(42)]),
            "keypoint_scores": np.full(42, 0.8),
            "rel_root_depth": np.float64(30),
            "hand_prob": prob,
        }


def inferencer(tiny_pose, hand_prob=None, detector=None, **changes):
    """An inferencer with these fields of its options and camera."""
    camera = {name: changes.pop(name) for name in CAMERA if name in changes}
    made = InterHandInferencer(*tiny_pose, detector, InferenceOptions(**changes), CameraOptions(**camera))
    if hand_prob is not None:
        made.pose.network = FakeNetwork(hand_prob)
    return made


class Clip:
    """A video that is already decoded."""

    name, kind, skipped, problem, paths = "clip", "video", 0, None, ()

    def __init__(self, images, fps=10.0):
        self.images, self.length, self.fps = images, len(images), fps

    def __iter__(self):
        for i, image in enumerate(self.images):
            self.frame = i
            yield Frame(self.name, i, i / self.fps, image)


def track_ids(result):
    return sorted({each for hands in result.hands for each in hands.track_ids if each is not None})
