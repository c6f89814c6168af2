"""A tiny data set in InterHand2.6M's v1.0 layout: stick hands drawn on black, every number exact."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np

from interhand_mm.structures.camera import camera_to_pixel, world_to_camera
from interhand_mm.structures.joints import BONES, NUM_HAND_JOINTS

KINDS = ("right", "interacting", "left")
SIZES = ((334, 512), (512, 334))
FOCAL = 1270.0


def hand_world(rng: np.random.Generator, mirrored: bool) -> np.ndarray:
    """(21, 3) mm: five straight fingers fanned about the wrist, turned at random a little."""
    joints = np.zeros((NUM_HAND_JOINTS, 3))
    for finger in range(5):
        angle = np.deg2rad(-50 + 22 * finger)
        along = np.array([np.sin(angle), -np.cos(angle), 0.15 * rng.normal()])
        for digit in range(4):
            joints[4 * finger + digit] = along * (160 - 28 * digit - (25 if finger == 0 else 0))
    turn = rng.normal(size=3) * 0.25
    rotation, _ = cv2.Rodrigues(turn)
    joints = joints @ rotation.T
    if mirrored:
        joints[:, 0] *= -1
    return joints


def write_set(root: Path, split: str = "train", num: int = 6, seed: int = 0, layout: str = "v1.0") -> Path:
    """Write images and annotations of `num` samples; layout "v1.0" or an annot_subset of the older one."""
    rng = np.random.default_rng(seed)
    data: dict = {"images": [], "annotations": []}
    cameras: dict = {"0": {"campos": {}, "camrot": {}, "focal": {}, "princpt": {}}}
    steps: dict = {"0": {}}
    for i in range(num):
        width, height = SIZES[i % 2]
        camera, frame, kind = str(400000 + i % 3 + 10 * (i % 2)), 6 * i, KINDS[i % 3]
        position = np.array([10.0 * (i % 3), -5.0, 3.0])
        rotation, _ = cv2.Rodrigues(np.array([0.0, 0.05 * (i % 3), 0.0]))
        principal = [width / 2 + 3.5, height / 2 - 2.0]
        cameras["0"]["campos"][camera], cameras["0"]["camrot"][camera] = position.tolist(), rotation.tolist()
        cameras["0"]["focal"][camera], cameras["0"]["princpt"][camera] = [FOCAL, FOCAL + 1], principal
        center = np.array([rng.normal() * 10, 50 + rng.normal() * 10, 1000 + rng.normal() * 30])
        world = np.concatenate(
            [hand_world(rng, False) + center + [-30, 0, 0], hand_world(rng, True) + center + [35, 5, 20]]
        )
        valid = np.ones(42, int)
        if kind != "interacting":
            absent = slice(21, 42) if kind == "right" else slice(0, 21)
            valid[absent], world[absent] = 0, 1.0
        cam = world_to_camera(world, rotation, position)
        uv = camera_to_pixel(cam, np.array([FOCAL, FOCAL + 1]), np.array(principal))
        seen = uv[valid > 0]
        low, high = seen.min(0), seen.max(0)
        middle, side = (low + high) / 2, (high - low) * 1.2
        name = f"Capture0/0001_tiny/cam{camera}/image{frame}.jpg"
        data["images"].append(
            dict(id=100 + i, file_name=name, width=width, height=height, capture=0, subject=0,
                 seq_name="0001_tiny", camera=camera, frame_idx=frame)
        )  # fmt: skip
        data["annotations"].append(
            dict(id=500 + i, image_id=100 + i, bbox=[*(middle - side / 2), *side], joint_valid=[[int(v)] for v in valid],
                 hand_type=kind, hand_type_valid=1)
        )  # fmt: skip
        steps["0"][str(frame)] = dict(
            world_coord=world.tolist(), joint_valid=[[int(v)] for v in valid], hand_type=kind, hand_type_valid=1
        )
        image = np.zeros((height, width, 3), np.uint8)
        for child, parent in BONES:
            if valid[child] and valid[parent]:
                ends = np.rint(uv[[child, parent]]).astype(int)
                cv2.line(image, ends[0], ends[1], (110 + child, 140, 190), 18)
        path = root / "images" / split / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), image)
    folder = root / "annotations" / (split if layout == "v1.0" else layout)
    folder.mkdir(parents=True, exist_ok=True)
    for part, content in (("data", data), ("camera", cameras), ("joint_3d", steps)):
        (folder / f"InterHand2.6M_{split}_{part}.json").write_text(json.dumps(content))
    return root


def edit_json(path: Path, change) -> None:
    """Load a JSON file, let `change` alter it, write it back."""
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def annotations(root: Path, part: str, split: str = "train") -> Path:
    """Path of one annotation file of `write_set`'s v1.0 layout."""
    return root / "annotations" / split / f"InterHand2.6M_{split}_{part}.json"


def write_photographs(folder: Path, num: int = 4, seed: int = 0, size: tuple[int, int] = (640, 640)) -> Path:
    """Write smooth random colour pictures that stand for photographs."""
    rng = np.random.default_rng(seed)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(num):
        small = rng.integers(40, 220, (9, 9, 3), dtype=np.uint8)
        cv2.imwrite(str(folder / f"photo{i}.jpg"), cv2.resize(small, size, interpolation=cv2.INTER_CUBIC))
    return folder
