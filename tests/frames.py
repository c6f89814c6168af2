"""Results of inference made in code: two flat hands before a camera, every number exact."""

from __future__ import annotations

import numpy as np

from interhand_mm.structures.camera import camera_to_pixel
from interhand_mm.structures.results import FrameResult, HandsResult, Intrinsics
from tests.tiny import hand_world

DEPTH_MM = 800.0


def make_hands(
    size: tuple[int, int] = (640, 480),
    presence: tuple[str, str] = ("yes", "yes"),
    hand_prob: tuple[float, float] = (0.98, 0.95),
    shift_mm: tuple[float, float, float] = (0.0, 0.0, 0.0),
    depth_source: str = "given",
    track_id: int | None = None,
) -> HandsResult:
    """One crop with the right hand on the left of the picture and the left hand 40 mm behind it on the right."""
    width, height = size
    rng = np.random.default_rng(0)
    right, left = hand_world(rng, False), hand_world(rng, True)
    right += (-130, 60, DEPTH_MM)
    left += (130, 60, DEPTH_MM + 40)
    cam = np.concatenate([right, left]) + np.array(shift_mm)
    focal = np.full(2, 1.1 * min(size))
    uv = camera_to_pixel(cam, focal, np.array([width / 2, height / 2]))
    relative = cam[:, 2] - np.repeat(cam[[20, 41], 2], 21)
    absent = np.repeat([kind == "no" for kind in presence], 21)
    keypoints = np.where(absent[:, None], np.nan, np.column_stack([uv, relative]))
    low, high = uv.min(axis=0), uv.max(axis=0)
    middle, half = (low + high) / 2, (high - low).max() * 0.6
    tight = [[*uv[part].min(0), *uv[part].max(0)] for part in (slice(0, 21), slice(21, 42))]
    return HandsResult(
        bbox=np.array([*(middle - half), *(middle + half)]),
        detections=np.array([box for box, kind in zip(tight, presence, strict=True) if kind != "no"]).reshape(-1, 4),
        bbox_score=0.9,
        hand_prob=np.array(hand_prob),
        presence=presence,
        keypoints=keypoints,
        keypoint_scores=np.where(absent, np.nan, 0.8),
        rel_root_depth_mm=float("nan") if absent.any() else 40.0,
        keypoints_mm=np.where(absent[:, None], np.nan, cam),
        depth_source=depth_source,
        track_id=track_id,
    )


def make_frame(
    *hands: HandsResult,
    size: tuple[int, int] = (640, 480),
    index: int = 0,
    time_s: float | None = None,
    source: str = "/somewhere/clip.mp4",
    intrinsics: str = "assumed",
) -> FrameResult:
    """A grey picture with these crops."""
    width, height = size
    camera = Intrinsics(np.full(2, 1.1 * min(size)), np.array([width / 2, height / 2]), intrinsics)
    return FrameResult(source, index, time_s, np.full((height, width, 3), 90, np.uint8), camera, hands)
