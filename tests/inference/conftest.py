from __future__ import annotations

import numpy as np

from interhand_mm.inference.pose import Pose
from interhand_mm.structures.boxes import square_bbox
from interhand_mm.structures.results import Detections


class FakeDetector:
    """Finds the bright blobs that `scene` paints; counts how often it was asked, and for how many pictures."""

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
    """x1 y1 x2 y2 of the painted rectangles, by their gray levels."""
    boxes = []
    for level in sorted(set(np.unique(image[..., 0])) - {0}):
        y, x = np.nonzero(image[..., 0] == level)
        boxes.append([x.min(), y.min(), x.max() + 1, y.max() + 1])
    return boxes


def scene(*boxes, size=(320, 240)):
    """A black picture with a gray rectangle a box."""
    image = np.zeros((size[1], size[0], 3), np.uint8)
    for i, (x1, y1, x2, y2) in enumerate(boxes):
        image[y1:y2, x1:x2] = 80 + 40 * i
    return image


class FakePose:
    """Stands for the network: the hands fill the blobs' box in the crop, with the probabilities it is told."""

    def __init__(self, hand_prob=(0.9, 0.1), noise_px=0.0):
        self.hand_prob, self.noise_px, self.rng = np.array(hand_prob), noise_px, np.random.default_rng(0)
        self.boxes, self.batches = [], []

    def predict(self, images, boxes, paddings, watch):
        self.batches.append(len(boxes))
        return [self._one(*each) for each in zip(images, boxes, paddings, strict=True)]

    def _one(self, image, box, padding):
        self.boxes.append(np.array(box))
        square = square_bbox(box, padding)
        y, x = np.nonzero(image[..., 0])
        inside = (x >= square[0]) & (x < square[2]) & (y >= square[1]) & (y < square[3])
        prob = self.hand_prob if inside.any() else np.array([0.01, 0.01])
        low, high = (0.0, 1.0) if not inside.any() else (0, 0)
        if inside.any():
            low, high = np.array([x[inside].min(), y[inside].min()]), np.array([x[inside].max(), y[inside].max()])
        grid = np.random.default_rng(1).uniform(0, 1, (42, 2))
        grid = (grid - grid.min(0)) / (grid.max(0) - grid.min(0))  # the same shape, from edge to edge
        points = low + grid * (np.subtract(high, low))
        points = points + self.rng.normal(0, self.noise_px, points.shape) if self.noise_px else points
        depth = np.linspace(-40, 40, 42)[:, None]
        return Pose(square, np.hstack([points, depth]), np.full(42, 0.8), 30.0, prob)
