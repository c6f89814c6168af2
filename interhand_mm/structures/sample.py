"""The data contract: what a sample holds at each station, checked where `INTERHAND_CHECKS=1` (on in tests).

Frames and units are those of `camera.py`. A dataset item (station ``dataset``) holds, beside its image path:

=================== ============= =========================================================================
key                 shape         meaning
=================== ============= =========================================================================
bbox                (4,)          px of the full image, x1 y1 x2 y2: the square to crop, already enlarged
keypoints           (1, 42, 3)    u, v px of the full image; d mm relative to the joint's OWN wrist
keypoints_visible   (1, 42)       0 or 1; 0 where the joint or its own wrist is not annotated
keypoints_cam       (1, 42, 3)    mm, camera frame
hand_type           (1, 2)        0 or 1: right, left
hand_type_valid     ()            0 or 1
rel_root_depth      ()            mm, z(left wrist) - z(right wrist)
rel_root_valid      ()            0 or 1
abs_depth           (2,)          mm, right and left wrist; ground truth or RootNet (`depth_source`)
focal               (2,)          px
principal_pt        (2,)          px
=================== ============= =========================================================================

`depth_valid` (), 0 or 1, may be there: 0 where d is not to be learned, because a set has joints in the image alone
(`keypoints_cam` is then any point that projects there) or withholds it. Without it d is learned.

After a flip all of them describe the mirrored image, so at every station the projection of `keypoints_cam`
is `keypoints[..., :2]`. After the crop, `affine` (2, 3) maps full-image to crop pixels and `img` is the crop.
After encoding, `bins` (42, 3), `bin_weights` (42,), `root_bin` () and `root_weight` () are the targets.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from ..errors import DataContractError
from .camera import camera_to_pixel
from .joints import NUM_HAND_JOINTS, NUM_JOINTS

_DATASET_SHAPES: dict[str, tuple[int, ...]] = {
    "bbox": (4,),
    "keypoints": (1, NUM_JOINTS, 3),
    "keypoints_visible": (1, NUM_JOINTS),
    "keypoints_cam": (1, NUM_JOINTS, 3),
    "hand_type": (1, 2),
    "hand_type_valid": (),
    "rel_root_depth": (),
    "rel_root_valid": (),
    "abs_depth": (2,),
    "focal": (2,),
    "principal_pt": (2,),
}
_CROP_SHAPES = {**_DATASET_SHAPES, "affine": (2, 3)}
_TARGET_SHAPES = {
    **_CROP_SHAPES,
    "bins": (NUM_JOINTS, 3),
    "bin_weights": (NUM_JOINTS,),
    "root_bin": (),
    "root_weight": (),
}
STATIONS = {"dataset": _DATASET_SHAPES, "crop": _CROP_SHAPES, "targets": _TARGET_SHAPES}
_BINARY_KEYS = ("keypoints_visible", "hand_type", "hand_type_valid", "rel_root_valid")
_PROJECTION_TOLERANCE_PX = 0.05


def checks_enabled() -> bool:
    """True where the environment asks for contract checks (`INTERHAND_CHECKS=1`)."""
    return os.environ.get("INTERHAND_CHECKS", "0") == "1"


def present_hand_slice(hand_type: np.ndarray, where: str) -> slice:
    """Slots of the one hand that a sample shows.

    Args:
        hand_type: (2,) 0 or 1: right, left.
        where: The sample's name, for the message.

    Raises:
        DataContractError: It shows two hands, or none.
    """
    right, left = (bool(value > 0) for value in hand_type)
    if right == left:
        raise DataContractError(
            f"{where}: hands",
            got="two" if right else "none",
            want="one",
            fix="for 2D networks leave interacting hands out: dataset.hand_types=('right', 'left')",
        )
    return slice(0, NUM_HAND_JOINTS) if right else slice(NUM_HAND_JOINTS, NUM_JOINTS)


def check_sample(sample: Mapping[str, Any], station: str, where: str) -> None:
    """Raise `DataContractError` unless `sample` holds what the contract promises at `station`.

    Args:
        sample: The sample as it leaves `where`.
        station: One of `STATIONS`: "dataset", "crop" or "targets".
        where: Name of the component that produced it, for the message.
    """
    for key, shape in STATIONS[station].items():
        if key not in sample:
            raise DataContractError(f"after {where}: '{key}' is missing", want=f"an array of shape {shape}")
        value = np.asarray(sample[key])
        if value.shape != shape:
            raise DataContractError(f"after {where}: '{key}'", got=f"shape {value.shape}", want=f"shape {shape}")
        if not np.isfinite(value).all():
            raise DataContractError(f"after {where}: '{key}' is not finite", got=value)
    for key in (*_BINARY_KEYS, "depth_valid"):
        if not np.isin(sample.get(key, 1), (0, 1)).all():
            raise DataContractError(f"after {where}: '{key}'", got=sample[key], want="0 or 1")
    _check_projection(sample, where)
    if station != "dataset" and sample["img"].dtype != np.uint8:
        raise DataContractError(f"after {where}: 'img'", got=sample["img"].dtype, want="uint8")


def _check_projection(sample: Mapping[str, Any], where: str) -> None:
    visible = np.asarray(sample["keypoints_visible"]) > 0
    projected = camera_to_pixel(
        np.asarray(sample["keypoints_cam"], np.float64), np.asarray(sample["focal"]), np.asarray(sample["principal_pt"])
    )
    distance = np.linalg.norm(projected - np.asarray(sample["keypoints"])[..., :2], axis=-1)[visible]
    if distance.size and distance.max() > _PROJECTION_TOLERANCE_PX:
        raise DataContractError(
            f"after {where}: keypoints_cam does not project to keypoints",
            got=f"{distance.max():.3f} px apart",
            want=f"< {_PROJECTION_TOLERANCE_PX} px; a flip must change both, and the intrinsics",
        )
