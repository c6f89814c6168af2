"""Rendered hands that can be pasted: the images of an InterHand2.6M-format folder with masks."""

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

FIX = "render such a folder: python tools/make_synthetic.py --out DIR --num 6000 --num-test 600"
_MIN_JOINTS = 10  # per hand; images whose hands have fewer joints in the frame are not used
_CAMERA_KEYS = ("campos", "camrot", "focal", "princpt")


@dataclass(frozen=True)
class RenderedHands:
    """The hands of one rendered image, with their annotation.

    Attributes:
        image: Path of the image.
        mask: Path of the mask file, bits of `structures.mask_bits`.
        camera: campos, camrot, focal and princpt as in camera.json.
        step: Entry of joint_3d.json.
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
        """Slices of the 42 joints for each hand that is present, right before left."""
        sides = {"right": (0,), "left": (1,), "interacting": (0, 1)}[self.hand_type]
        return [slice(side * NUM_HAND_JOINTS, (side + 1) * NUM_HAND_JOINTS) for side in sides]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise AnnotationError(f"annotations cannot be read: {path}", got=error.strerror, fix=FIX) from error
    except ValueError as error:
        raise AnnotationError(f"annotation file is not valid JSON: {path}", got=error, fix=FIX) from error


@lru_cache(maxsize=2)
def read_rendered_hands(root: str, split: str) -> tuple[RenderedHands, ...]:
    """Return the images of a split whose hands are well inside the frame.

    Args:
        root: Folder with images/, annotations/ and masks/, written by `tools/make_synthetic.py`.
        split: "train", "val" or "test".

    Raises:
        AnnotationError: Files are missing or malformed, or no image has usable hands.
    """
    base = Path(root)
    stem = base / "annotations" / split / f"InterHand2.6M_{split}_"
    data, cameras, steps = (_read_json(Path(f"{stem}{name}.json")) for name in ("data", "camera", "joint_3d"))
    if not (base / "masks" / split).is_dir():
        raise AnnotationError(
            f"the masks of split '{split}' are missing under {root}", want=f"{base / 'masks' / split}", fix=FIX
        )
    try:
        images = {image["id"]: image for image in data["images"]}
        pairs = [(annotation, images[annotation["image_id"]]) for annotation in data["annotations"]]
        found = [_rendered_hands(base, split, image, annotation, cameras, steps) for annotation, image in pairs]
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise AnnotationError(
            f"the annotations of split '{split}' under {root} are not in InterHand2.6M's format",
            got=f"{type(error).__name__}: {error}",
            fix=FIX,
        ) from error
    usable = tuple(hands for hands in found if _well_inside(hands))
    if not usable:
        raise AnnotationError(
            f"no image of split '{split}' under {root} has all its hands inside the frame",
            got=f"{len(found)} images",
            want=f"at least {_MIN_JOINTS} joints of each hand in the frame",
        )
    return usable


def _rendered_hands(base: Path, split: str, image: dict, annotation: dict, cameras: dict, steps: dict) -> RenderedHands:
    capture, name = str(image["capture"]), str(image["camera"])
    camera = {key: cameras[capture][key][name] for key in _CAMERA_KEYS}
    step = steps[capture][str(image["frame_idx"])]
    position, rotation, focal, principal_pt = (np.asarray(value, np.float64) for value in camera.values())
    world = np.asarray(step["world_coord"], np.float64).reshape(NUM_JOINTS, 3)
    uv = camera_to_pixel(world_to_camera(world, rotation.reshape(3, 3), position), focal, principal_pt)
    return RenderedHands(
        image=base / "images" / split / image["file_name"],
        mask=(base / "masks" / split / image["file_name"]).with_suffix(".png"),
        camera=camera,
        step=step,
        hand_type=annotation["hand_type"],
        hand_type_valid=int(annotation["hand_type_valid"]),
        uv=uv,
        valid=np.asarray(annotation["joint_valid"], bool).reshape(NUM_JOINTS),
    )


def _well_inside(hands: RenderedHands) -> bool:
    return all(hands.valid[joints].sum() >= _MIN_JOINTS for joints in hands.hands)


def read_pixels(hands: RenderedHands) -> tuple[np.ndarray, np.ndarray]:
    """Return the image (H, W, 3) uint8 BGR and the mask bits (H, W) uint8.

    Raises:
        ImageError: One of the files is missing or broken, or their sizes differ.
    """
    image, mask = read_image(hands.image), read_image(hands.mask, cv2.IMREAD_UNCHANGED)
    if mask.shape != image.shape[:2]:
        raise ImageError(
            f"mask and image differ in size: {hands.mask}", got=mask.shape, want=f"{image.shape[:2]}, as the image"
        )
    return image, mask
