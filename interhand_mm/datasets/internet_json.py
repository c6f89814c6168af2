"""Read RHD and STB in InterNet's parsed form: one COCO-like JSON file per split.

The format is docs/spec/datasets.md, section 4.1.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from msgspec import Meta, Struct

from ..errors import AnnotationError
from ..structures.joints import FINGERS, NUM_HAND_JOINTS, RIGHT_WRIST
from ..utils.json_stream import FIX_FILE, read_records
from .single_hand import LEFT, RIGHT, SingleHands

_Number = float | None  # None for a NaN in the file
_Flag = bool | int | float
_Id = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Point2 = Annotated[list[_Number], Meta(min_length=2, max_length=3)]
_Point3 = Annotated[list[_Number], Meta(min_length=3, max_length=3)]
_Hand = Meta(min_length=NUM_HAND_JOINTS, max_length=NUM_HAND_JOINTS)
_SIDES = {"right": RIGHT, "left": LEFT}


class _Camera(Struct, gc=False):
    focal: tuple[_Number, _Number]
    princpt: tuple[_Number, _Number]


class _Image(Struct, gc=False):
    id: _Id
    file_name: Annotated[str, Meta(min_length=1)]
    width: Annotated[int, Meta(ge=1)]
    height: Annotated[int, Meta(ge=1)]
    cam_param: _Camera
    seq_name: str = ""


class _Annotation(Struct, gc=False):
    id: _Id
    image_id: _Id
    bbox: tuple[_Number, _Number, _Number, _Number]
    joint_img: Annotated[list[_Point2], _Hand]
    joint_cam: Annotated[list[_Point3], _Hand]
    joint_valid: Annotated[list[_Flag | Annotated[list[_Flag], Meta(min_length=1, max_length=1)]], _Hand]
    hand_type: Literal["right", "left"]


def read_parsed(path: Path, order: np.ndarray) -> tuple[SingleHands, np.ndarray]:
    """Read the annotations of one split.

    Args:
        path: JSON file.
        order: (21,) indices that convert the file's joint order to ours: ``ours = theirs[order]``.

    Returns:
        Table of the hands, with image paths ``seq_name/file_name``; and the annotated joints in the image, (N, 21, 2)
        px in our order.

    Raises:
        AnnotationError: The file is missing or not complete, a record does not have the expected format (the message
            names it), or an annotation has no image.
    """
    images: dict[int, _Image] = {}
    records: list[_Annotation] = []
    for section, part in read_records(path, {"images": _Image, "annotations": _Annotation}):
        if section == "images":
            images.update((image.id, image) for image in part)
        else:
            records += part
    lost = next((r for r in records if r.image_id not in images), None)
    if lost is not None:
        raise AnnotationError(
            f"{path}: annotation {lost.id} refers to a missing image", got=f"image_id {lost.image_id}", fix=FIX_FILE
        )
    of = [images[r.image_id] for r in records]
    x, y, w, h = _floats([r.bbox for r in records], (4,)).T
    flags = [[bool(f[0] if isinstance(f, list) else f) for f in r.joint_valid] for r in records]
    hands = SingleHands(
        ann_id=np.array([r.id for r in records], np.int64),
        image=np.array([f"{i.seq_name}/{i.file_name}" if i.seq_name else i.file_name for i in of], np.str_),
        image_size=np.array([(i.width, i.height) for i in of], np.int32).reshape(-1, 2),
        side=np.array([_SIDES[r.hand_type] for r in records], np.uint8),
        joints_cam=_floats([r.joint_cam for r in records], (NUM_HAND_JOINTS, 3))[:, order].astype(np.float32),
        visible=np.array(flags, bool).reshape(-1, NUM_HAND_JOINTS)[:, order],
        focal=_floats([i.cam_param.focal for i in of], (2,)),
        principal_pt=_floats([i.cam_param.princpt for i in of], (2,)),
        bbox=np.stack([x, y, x + w, y + h], axis=1),
    )
    pixels = _floats([[point[:2] for point in r.joint_img] for r in records], (NUM_HAND_JOINTS, 2))[:, order]
    return hands, pixels


def _floats(values: Sequence[Any], shape: tuple[int, ...]) -> np.ndarray:
    """Return the values as (N, *shape) float64, with NaN for None."""
    return np.array(values, np.float64).reshape(-1, *shape)


_DIGITS = 4  # joints of a finger
_FINGER_WORDS = {"thumb": 0, "index": 1, "fore": 1, "middle": 2, "ring": 3, "pinky": 4, "little": 4}


def skeleton_order(path: Path, default: np.ndarray) -> np.ndarray:
    """Return the indices that convert the joint order of a `skeleton.txt` to ours.

    The name of a joint gives the finger. Its number of ancestors gives the place in the finger, because the digits in
    the names count from either end. Only the 21 rows of the first hand are used.

    Args:
        path: File with rows "name id parent".
        default: (21,) indices to return if the file does not exist.

    Returns:
        (21,) indices: ``ours = theirs[order]``.

    Raises:
        AnnotationError: A row has another form, or the joints are not a wrist and five chains of four joints.
    """
    if not path.is_file():
        return default
    rows = [
        line.split() for line in path.read_text("utf-8-sig").splitlines() if line.strip() and not line.startswith("#")
    ]
    try:
        names = {int(number): name.lower() for name, number, _ in rows}
        parents = {int(number): int(parent) for _, number, parent in rows}
        order = [-1] * NUM_HAND_JOINTS
        for joint in range(NUM_HAND_JOINTS):
            steps, at = 0, joint
            while (at := parents[at]) >= 0 and steps <= _DIGITS:
                steps += 1
            finger = next((f for word, f in _FINGER_WORDS.items() if word in names[joint]), None)
            ours = RIGHT_WRIST if steps == 0 else _DIGITS * _known(finger, joint) + _DIGITS - steps
            if steps > _DIGITS or order[ours] >= 0:
                raise ValueError(f"joint {joint} ({names[joint]}) has the same place as another joint")
            order[ours] = joint
    except (ValueError, KeyError) as error:
        raise AnnotationError(
            f"{path} does not describe two hands of {len(FINGERS)} fingers",
            got=error,
            want="rows 'name id parent', joints 0 to 20 the first hand, the wrist's parent -1",
            fix="download it again, or remove it to use the documented joint order",
        ) from error
    return np.array(order)


def _known(finger: int | None, joint: int) -> int:
    if finger is None:
        raise ValueError(f"the name of joint {joint} contains no finger")
    return finger
