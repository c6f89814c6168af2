"""Rendered hands to cut out: an InterHand2.6M-format folder with masks, read whole."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...errors import AnnotationError, ImageError
from ...structures.camera import camera_to_pixel, world_to_camera
from ...structures.joints import NUM_HAND_JOINTS, NUM_JOINTS
from ...utils.images import read_image

FIX = "python tools/make_synthetic.py --out DIR --num 6000 --num-test 600 writes such a folder"
_MIN_JOINTS = 10  # of each hand: what is cut off further is not pasted


@dataclass(frozen=True)
class Source:
    """One picture's hands.

    Attributes:
        image, mask: Paths; the mask's bits are those of `renderer`.
        camera: campos, camrot, focal, princpt as in camera.json.
        step: The entry of joint_3d.json.
        hand_type: "right", "left" or "interacting".
        hand_type_valid: 0 or 1.
        uv: (42, 2) px.
        valid: (42,) bool.
    """

    image: Path
    mask: Path
    camera: dict[str, list]
    step: dict[str, Any]
    hand_type: str
    hand_type_valid: int
    uv: np.ndarray
    valid: np.ndarray

    @property
    def hands(self) -> list[slice]:
        """Joints of each hand that is there, right before left."""
        sides = {"right": (0,), "left": (1,), "interacting": (0, 1)}[self.hand_type]
        return [slice(side * NUM_HAND_JOINTS, (side + 1) * NUM_HAND_JOINTS) for side in sides]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise AnnotationError(f"annotations cannot be read: {path}", got=error.strerror, fix=FIX) from error
    except ValueError as error:
        raise AnnotationError(f"not JSON: {path}", got=error, fix=FIX) from error


@lru_cache(maxsize=2)
def read_sources(root: str, split: str) -> tuple[Source, ...]:
    """All pictures of a split whose hands are well inside the frame.

    Args:
        root: Folder with images/, annotations/ and masks/, as `tools/make_synthetic.py` writes it.
        split: "train", "val" or "test".

    Raises:
        AnnotationError: Files are missing, are not what they should be, or name no usable hands.
    """
    base = Path(root)
    stem = base / "annotations" / split / f"InterHand2.6M_{split}_"
    data, cameras, steps = (_read_json(Path(f"{stem}{part}.json")) for part in ("data", "camera", "joint_3d"))
    if not (base / "masks" / split).is_dir():
        raise AnnotationError(f"no masks of split '{split}' under {root}", want=f"{base / 'masks' / split}", fix=FIX)
    try:
        images = {image["id"]: image for image in data["images"]}
        pairs = [(annotation, images[annotation["image_id"]]) for annotation in data["annotations"]]
        sources = [_source(base, split, image, annotation, cameras, steps) for annotation, image in pairs]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise AnnotationError(
            f"annotations of split '{split}' under {root} are not in InterHand2.6M's format",
            got=f"{type(error).__name__}: {error}",
            fix=FIX,
        ) from error
    usable = tuple(source for source in sources if _whole(source))
    if not usable:
        raise AnnotationError(
            f"no hands inside the frame in split '{split}' under {root}", got=f"{len(sources)} samples"
        )
    return usable


def _source(base: Path, split: str, image: dict, annotation: dict, cameras: dict, steps: dict) -> Source:
    capture, name = str(image["capture"]), str(image["camera"])
    camera = {key: cameras[capture][key][name] for key in ("campos", "camrot", "focal", "princpt")}
    step = steps[capture][str(image["frame_idx"])]
    position, rotation, focal, principal_pt = (np.asarray(value, np.float64) for value in camera.values())
    world = np.asarray(step["world_coord"], np.float64).reshape(NUM_JOINTS, 3)
    uv = camera_to_pixel(world_to_camera(world, rotation.reshape(3, 3), position), focal, principal_pt)
    return Source(
        image=base / "images" / split / image["file_name"],
        mask=(base / "masks" / split / image["file_name"]).with_suffix(".png"),
        camera=camera,
        step=step,
        hand_type=annotation["hand_type"],
        hand_type_valid=int(annotation["hand_type_valid"]),
        uv=uv,
        valid=np.asarray(annotation["joint_valid"], bool).reshape(NUM_JOINTS),
    )


def _whole(source: Source) -> bool:
    return all(source.valid[joints].sum() >= _MIN_JOINTS for joints in source.hands)


def read_pixels(source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8 BGR and mask bits (H, W) uint8.

    Raises:
        ImageError: One is missing or broken, or they differ in size.
    """
    image, mask = read_image(source.image), read_image(source.mask, cv2.IMREAD_UNCHANGED)
    if mask.shape != image.shape[:2]:
        raise ImageError(f"mask {source.mask}", got=mask.shape, want=f"{image.shape[:2]}, as its image")
    return image, mask
