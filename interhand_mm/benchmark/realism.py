"""Yardstick of realism: the same statistics of rendered hands and of photographed ones.

Both are read by `HandDataset`s and resampled, so that a hand always has the same size. The hand's region is drawn from
the joints, because photographs have no masks.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np

from ..errors import EvaluationError
from ..structures.joints import BONES, FINGERS, HANDS, PALM, RIGHT_WRIST
from ..utils.images import read_image, resize_image
from ..utils.mediapipe_hands import find_hands_by_mediapipe
from ..utils.provenance import provenance

SIDE_PX = 256  # of the square around the hand after resampling
# Standard deviations in px of Gaussians; the band between two of them holds one octave of detail.
OCTAVES_PX = (0.8, 1.6, 3.2, 6.4)
# A photograph that is enlarged more has no fine detail to compare.
_LARGEST_ZOOM = 1.25
_MARGIN = 1.3
_PERCENTILES = (10, 50, 90)


def hand_region(points: np.ndarray, side: int = SIDE_PX) -> tuple[np.ndarray, np.ndarray]:
    """Draw the inside and the border of a hand from its joints.

    Args:
        points: (21, 2) px of the joints of one hand.
        side: Width and height of the masks, px.

    Returns:
        Two (side, side) bool masks: pixels that surely show the hand, and a band where its outline is.
    """
    size = max(float(np.ptp(points, axis=0).max()), 1.0)
    core, wide = np.zeros((side, side), np.uint8), np.zeros((side, side), np.uint8)
    rounded = np.rint(points * 16).astype(np.int32)
    for mask, width in ((core, 0.03), (wide, 0.16)):
        thickness = max(1, round(width * size))
        cv2.fillConvexPoly(mask, cv2.convexHull(rounded[list(PALM)]), 1, shift=4)
        for child, parent in BONES[: len(points) - 1]:
            cv2.line(mask, rounded[child].tolist(), rounded[parent].tolist(), 1, thickness, shift=4)
    inner = cv2.dilate(core, np.ones((3, 3), np.uint8))
    outer = cv2.dilate(core, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(0.05 * size) + 1,) * 2))
    return inner > 0, (wide > 0) & ~(outer > 0)


def octave_energy(gray: np.ndarray, where: np.ndarray) -> list[float]:
    """Return the standard deviation of each octave of `OCTAVES_PX` inside a region, in gray levels.

    Args:
        gray: (H, W) float32.
        where: (H, W) bool.
    """
    levels = [gray, *(cv2.GaussianBlur(gray, (0, 0), sigma) for sigma in OCTAVES_PX)]
    return [float((fine - coarse)[where].std()) for fine, coarse in itertools.pairwise(levels)]


def flexion(points: np.ndarray) -> float:
    """Return how bent the four fingers are in the image: 0 straight, 1 with the tips at their bases.

    Args:
        points: (21, 2) px.
    """
    bent = []
    for finger in range(1, len(FINGERS)):
        chain = points[4 * finger : 4 * finger + 4]  # tip to base
        length = np.linalg.norm(np.diff(chain, axis=0), axis=1).sum()
        bent.append(1 - np.linalg.norm(chain[0] - chain[-1]) / max(float(length), 1e-6))
    return float(np.mean(bent))


def hand_statistics(image: np.ndarray, points: np.ndarray) -> dict[str, float] | None:
    """Return the statistics of one hand, or None where it is too small in its image.

    Args:
        image: (H, W, 3) uint8 BGR.
        points: (21, 2) px, joints of the hand in the image.
    """
    low, high = points.min(0), points.max(0)
    side = float((high - low).max()) * _MARGIN
    zoom = SIDE_PX / max(side, 1.0)
    if zoom > _LARGEST_ZOOM:
        return None
    corner = (low + high - side) / 2
    # Resizing first, because a warp does not average the pixels of an image that shrinks.
    resized = resize_image(image, (round(image.shape[1] * zoom), round(image.shape[0] * zoom)))
    shift = np.array([[1, 0, -zoom * corner[0]], [0, 1, -zoom * corner[1]]])
    crop = cv2.warpAffine(resized, shift, (SIDE_PX, SIDE_PX), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    placed = (points - corner) * zoom
    inside, border = hand_region(placed)
    gray = cv2.cvtColor(crop, cv2.COLOR_BGR2GRAY).astype(np.float32)
    hsv = cv2.cvtColor(crop, cv2.COLOR_BGR2HSV)
    up = placed[RIGHT_WRIST] - placed[list(PALM[1:-1])].mean(0)
    row = {
        "brightness": float(gray[inside].mean()),
        "contrast": float(gray[inside].std()),
        "saturation": float(hsv[..., 1][inside].mean()),
        "overexposed": float((gray[inside] > 250).mean()),
        "hand / image": side / _MARGIN / max(image.shape[:2]),
        "fingers from up (deg)": abs(float(np.degrees(np.arctan2(up[0], up[1])))),
        "flexion": flexion(placed),
    }
    for name, where in (("inside", inside), ("border", border)):
        for sigma, energy in zip(OCTAVES_PX, octave_energy(gray, where), strict=True):
            row[f"{name}, {sigma:g} px"] = energy
    return row


def collect_statistics(dataset: Any, count: int, seed: int = 0) -> list[dict[str, float]]:
    """Return the statistics of up to `count` hands of a data set, drawn at random.

    Args:
        dataset: `HandDataset` without a pipeline.
        count: Number of hands.
        seed: Seed of the draw.

    Raises:
        EvaluationError: No hand is large enough in its image.
    """
    rows: list[dict[str, float]] = []
    for index in np.random.default_rng(seed).permutation(len(dataset)).tolist():
        sample = dataset.get_data_info(index)
        image = read_image(sample["img_path"])
        for hand in HANDS:
            if sample["keypoints_visible"][0, hand].all() and len(rows) < count:
                row = hand_statistics(image, sample["keypoints"][0, hand, :2].astype(np.float64))
                rows += [] if row is None else [row]
        if len(rows) >= count:
            break
    if not rows:
        raise EvaluationError(
            "no hand is large enough to compare", want=f"hands of at least {SIDE_PX / _MARGIN / _LARGEST_ZOOM:.0f} px"
        )
    return rows


def mediapipe_finds(python: str, files: Sequence[str]) -> list[int]:
    """Return the number of hands that MediaPipe Hands, which was trained on real hands, finds in each image.

    Args:
        python: Interpreter of an environment with MediaPipe.
        files: Paths of images.

    Raises:
        EvaluationError: MediaPipe cannot be run.
    """
    return [len(found.boxes) for found in find_hands_by_mediapipe(python, files)]


def benchmark_realism(rendered: Any, real: Any, count: int, mediapipe: str | None = None) -> dict[str, Any]:
    """Compare rendered with real hands.

    Args:
        rendered: `HandDataset` of renders.
        real: `HandDataset` of photographs.
        count: Number of hands of each.
        mediapipe: Interpreter of an environment with MediaPipe; see `mediapipe_finds`.

    Returns:
        "rows": {statistic: {"real", "rendered": percentiles 10, 50, 90; "ratio": of the medians, real / rendered}},
        "hands": numbers of hands, "found": share of the annotated hands that MediaPipe finds, if it is run, and
        "provenance".
    """
    hands = {"real": collect_statistics(real, count), "rendered": collect_statistics(rendered, count)}
    rows: dict[str, dict[str, Any]] = {}
    for name in hands["real"][0]:
        row = {kind: np.percentile([each[name] for each in own], _PERCENTILES).tolist() for kind, own in hands.items()}
        ratio = row["real"][1] / row["rendered"][1] if row["rendered"][1] else float("nan")
        rows[name] = {**row, "ratio": ratio}
    result = {"rows": rows, "hands": {kind: len(own) for kind, own in hands.items()}, "provenance": provenance()}
    if mediapipe is not None:
        result["found"] = {
            kind: _share_found(dataset, count, mediapipe) for kind, dataset in (("real", real), ("rendered", rendered))
        }
    return result


def _share_found(dataset: Any, count: int, mediapipe: str) -> float:
    rows = np.random.default_rng(0).permutation(len(dataset))[:count].tolist()
    samples = [dataset.get_data_info(index) for index in rows]
    annotated = np.array([int(sample["hand_type"].sum()) for sample in samples])
    found = np.array(mediapipe_finds(mediapipe, [sample["img_path"] for sample in samples]))
    return float(np.minimum(found, annotated).sum() / max(annotated.sum(), 1))
