"""Random but consistent annotations in InterHand2.6M's format, of any number, for tests and benchmarks.

Two hands of random points lie near the origin, and cameras look at them from a distance of one meter. Boxes and
validity follow from the projection, as in the real data set. The files are written as a stream, so that even all
1,361,062 annotations need little memory.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..structures.boxes import joints_bbox
from ..structures.camera import camera_to_pixel
from ..structures.joints import NUM_HAND_JOINTS, NUM_JOINTS, WRISTS

# As in the 5 fps training set: 18,718 time steps in 27 captures, each seen by 73 cameras on average.
_STEPS_PER_CAPTURE = 700
_CAMERAS_PER_CAPTURE = 73
_STEPS_PER_SEQUENCE = 25
_FRAME_STRIDE = 18
_TYPES = ("right", "left", "interacting", "interacting")  # half of the training set is interacting


class _Cameras(NamedTuple):
    names: list[str]
    rotation: np.ndarray  # (C, 3, 3)
    position: np.ndarray  # (C, 3) mm
    focal: np.ndarray  # (C, 2) px
    principal_pt: np.ndarray  # (C, 2) px
    size: np.ndarray  # (C, 2) width, height


def write_annotations(
    data_root: str | Path,
    count: int,
    split: str = "train",
    seed: int = 0,
    cameras_per_capture: int = _CAMERAS_PER_CAPTURE,
    subset: str | None = None,
) -> Path:
    """Write the data, camera and joint_3d file of `count` annotations, one per image.

    Args:
        data_root: Folder in which ``annotations/<split>/`` (or ``annotations/<subset>/``) is created.
        count: Number of annotations.
        split: "train", "val" or "test".
        seed: Seed of all random draws.
        cameras_per_capture: Number of images of each time step.
        subset: Folder name in the older layout, such as "machine_annot".

    Returns:
        The folder with the files.
    """
    rng = np.random.default_rng(seed)
    folder = Path(data_root) / "annotations" / (subset or split)
    folder.mkdir(parents=True, exist_ok=True)
    stem = f"InterHand2.6M_{split}"
    scratch = folder / "annotations.part"  # the second list of the data file, appended after the first one is complete
    camera_file: dict[str, Any] = {}
    with (
        (folder / f"{stem}_data.json").open("w", encoding="utf-8") as data,
        scratch.open("w+", encoding="utf-8") as tail,
        (folder / f"{stem}_joint_3d.json").open("w", encoding="utf-8") as joints,
    ):
        data.write('{"images": [')
        joints.write("{")
        written = 0
        for capture in range(-(-count // (_STEPS_PER_CAPTURE * cameras_per_capture))):
            cameras = _draw_cameras(rng, cameras_per_capture)
            camera_file[str(capture)] = _camera_entry(cameras)
            joints.write(f'{", " if capture else ""}"{capture}": {{')
            for step in range(_STEPS_PER_CAPTURE):
                if written >= count:
                    break
                images, annotations, frame = _step_texts(rng, capture, step, cameras, written, count - written)
                joints.write((", " if step else "") + frame)
                data.write((", " if written else "") + ", ".join(images))
                tail.write((", " if written else "") + ", ".join(annotations))
                written += len(images)
            joints.write("}")
        joints.write("}")
        data.write('], "annotations": [')
        tail.seek(0)
        while text := tail.read(1 << 20):
            data.write(text)
        data.write("]}")
    scratch.unlink()
    (folder / f"{stem}_camera.json").write_text(json.dumps(camera_file))
    return folder


def _draw_cameras(rng: np.random.Generator, count: int) -> _Cameras:
    angle, height = rng.uniform(-np.pi, np.pi, count), rng.uniform(-300, 300, count)
    position = np.stack([1000 * np.sin(angle), height, 1000 * np.cos(angle)], axis=1)
    forward = -position / np.linalg.norm(position, axis=1, keepdims=True)
    right = np.cross(np.array([0.0, 1.0, 0.0]), forward)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    rotation = np.stack([right, np.cross(forward, right), forward], axis=1)
    size = np.where(rng.random((count, 1)) < 0.5, (334, 512), (512, 334))
    names = [f"4{gray}{number:04d}" for gray, number in zip(rng.integers(0, 2, count), range(count), strict=True)]
    focal, center = rng.uniform(1260, 1280, (count, 2)), size / 2 + rng.uniform(-20, 20, (count, 2))
    return _Cameras(names, _as_single(rotation), _as_single(position), _as_single(focal), _as_single(center), size)


def _as_single(values: np.ndarray) -> np.ndarray:
    return values.astype(np.float32)  # the real files hold float32 values, written with all their digits


def _camera_entry(cameras: _Cameras) -> dict[str, dict[str, list]]:
    fields = {
        "campos": cameras.position,
        "camrot": cameras.rotation,
        "focal": cameras.focal,
        "princpt": cameras.principal_pt,
    }
    return {key: dict(zip(cameras.names, values.tolist(), strict=True)) for key, values in fields.items()}


def _step_texts(
    rng: np.random.Generator, capture: int, step: int, cameras: _Cameras, start: int, room: int
) -> tuple[list[str], list[str], str]:
    """Return the JSON texts of one time step: its images, its annotations, and its entry of the joint_3d file."""
    sequence = step // _STEPS_PER_SEQUENCE
    hand_type = _TYPES[sequence % len(_TYPES)]
    valid = rng.random(NUM_JOINTS) > 0.03
    valid[list(WRISTS)] = True
    valid[:NUM_HAND_JOINTS] &= hand_type != "left"
    valid[NUM_HAND_JOINTS:] &= hand_type != "right"
    world = _as_single(rng.normal(0, 40, (NUM_JOINTS, 3)) + np.repeat([[-60, 0, 0], [60, 0, 0]], NUM_HAND_JOINTS, 0))
    world[~valid] = 1.0
    number = 1000 + step * _FRAME_STRIDE
    frame = json.dumps(
        {
            "world_coord": world.tolist(),
            "joint_valid": valid[:, None].astype(int).tolist(),
            "hand_type": hand_type,
            "hand_type_valid": True,
        }
    )
    cam = np.einsum("cij,ckj->cki", cameras.rotation, world[None] - cameras.position[:, None])
    pixels = camera_to_pixel(cam, cameras.focal[:, None], cameras.principal_pt[:, None])
    seen = valid & ((pixels >= 0) & (pixels < cameras.size[:, None])).all(axis=-1)
    boxes = _as_single(_boxes(pixels[:, valid]))
    name = f"{sequence:04d}_pose{sequence % 7}"
    images, annotations = [], []
    rows = zip(
        range(min(room, len(cameras.names))), cameras.names, cameras.size.tolist(), boxes.tolist(), seen, strict=False
    )
    for offset, camera, (width, height), box, flags in rows:
        ident = start + offset
        images.append(
            f'{{"id": {ident}, "file_name": "Capture{capture}/{name}/cam{camera}/image{number}.jpg", '
            f'"width": {width}, "height": {height}, "capture": {capture}, "subject": {capture % 26}, '
            f'"seq_name": "{name}", "camera": "{camera}", "frame_idx": {number}}}'
        )
        known = int(hand_type != "interacting" or flags.sum() > 30)
        annotations.append(
            f'{{"id": {ident}, "image_id": {ident}, "bbox": {box}, "joint_valid": {_nested(flags)}, '
            f'"hand_type": "{hand_type}", "hand_type_valid": {known}}}'
        )
    return images, annotations, f'"{number}": {frame}'


def _nested(flags: np.ndarray) -> str:
    return "[[" + "], [".join("01"[flag] for flag in flags.astype(int).tolist()) + "]]"


def _boxes(pixels: np.ndarray) -> np.ndarray:
    """Return InterHand2.6M's boxes (C, 4), x, y, w, h px, of points (C, K, 2) px."""
    boxes = joints_bbox(pixels)
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
