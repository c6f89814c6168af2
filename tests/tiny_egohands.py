"""EgoHands in miniature, in the published layout: metadata.mat, polygons.mat, 1280x720 frames with drawn hands."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from scipy.io import savemat

HANDS = ("myleft", "myright", "yourleft", "yourright")
SIZE = (1280, 720)
EMPTY = np.zeros((0, 0))
VIDEOS = (
    "CARDS_COURTYARD_B_T", "CARDS_COURTYARD_T_B", "CHESS_OFFICE_H_S", "CHESS_OFFICE_S_H",
    "JENGA_LIVINGROOM_B_H", "JENGA_LIVINGROOM_H_B", "PUZZLE_OFFICE_S_T", "PUZZLE_OFFICE_T_S",
)  # fmt: skip


def outline(rng: np.random.Generator, center: tuple[float, float], radius: float) -> np.ndarray:
    """(24, 2) x, y 1-based: a palm with five fingers, roughly."""
    angle = np.linspace(0, 2 * np.pi, 24, endpoint=False)
    reach = radius * (0.75 + 0.25 * np.abs(np.sin(2.5 * angle))) * (1 + 0.05 * rng.normal(size=24))
    points = np.stack([np.cos(angle) * reach, 1.2 * np.sin(angle) * reach], axis=1) + center
    return np.clip(points, 1, SIZE) + 0.25


def structs(rows: list[dict]) -> np.ndarray:
    """A 1 x N Matlab struct."""
    array = np.empty((1, len(rows)), dtype=[(key, object) for key in rows[0]])
    for i, row in enumerate(rows):
        array[0, i] = tuple(row.values())
    return array


def write_egohands(root: Path, videos: tuple[str, ...] = VIDEOS, frames: int = 2, seed: int = 0) -> Path:
    """Write `frames` labelled frames a video; every second one lacks your left hand."""
    rng = np.random.default_rng(seed)
    records = []
    for name in videos:
        activity, location, viewer, partner = name.split("_")
        folder = root / "_LABELLED_SAMPLES" / name
        folder.mkdir(parents=True, exist_ok=True)
        labelled, polygons = [], []
        for j in range(frames):
            number = 100 + 27 * j
            centers = ((350, 560), (900, 560), (800, 200), (420, 200))
            of_hand = {
                hand: outline(rng, np.add(center, rng.normal(size=2) * 25), 130 if "my" in hand else 80)
                for hand, center in zip(HANDS, centers, strict=True)
            }
            if j % 2:
                of_hand["yourleft"] = EMPTY
            picture = np.full((SIZE[1], SIZE[0], 3), (90, 120, 100), np.uint8)
            for points in of_hand.values():
                if points.size:
                    cv2.fillPoly(picture, [np.rint(points - 1).astype(np.int32)], (120, 150, 205))
            cv2.imwrite(str(folder / f"frame_{number:04d}.jpg"), picture, [cv2.IMWRITE_JPEG_QUALITY, 50])
            polygons.append(of_hand)
            labelled.append({"frame_num": number, **of_hand})
        savemat(folder / "polygons.mat", {"polygons": structs(polygons)})
        records.append(
            {
                "video_id": name, "partner_video_id": f"{activity}_{location}_{partner}_{viewer}",
                "ego_viewer_id": viewer, "partner_id": partner, "location_id": location, "activity_id": activity,
                "labelled_frames": structs(labelled),
            }
        )  # fmt: skip
    savemat(root / "metadata.mat", {"video": structs(records)})
    return root


def write_metadata(root: Path, frames: list[dict], name: str = "CARDS_COURTYARD_B_T", **more) -> Path:
    """metadata.mat of one video with just these frames, and their blank pictures."""
    folder = root / "_LABELLED_SAMPLES" / name
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{**dict.fromkeys(HANDS, EMPTY), **frame} for frame in frames]
    for row in rows:
        if np.size(row["frame_num"]) == 1:
            cv2.imwrite(
                str(folder / f"frame_{int(np.ravel(row['frame_num'])[0]):04d}.jpg"), np.zeros((720, 1280, 3), np.uint8)
            )
    savemat(root / "metadata.mat", {"video": structs([{"video_id": name, "labelled_frames": structs(rows), **more}])})
    return root
