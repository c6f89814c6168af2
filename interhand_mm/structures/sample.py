"""The data contract: every field of a sample, named once.

A sample is a dict that travels from a data set through the transforms to the packer. `HandSample` lists its fields; the
`Field` beside each one says what it holds. The run-time check (`check_sample`), the packer, the metrics and the heads
derive their lists from it, so a new field is added here and nowhere else.

Frames and units are those of `camera.py`. After a flip all fields describe the mirrored image, so at every stage the
projection of `keypoints_cam` is `keypoints[..., :2]`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict, get_args, get_type_hints

import numpy as np

from ..errors import DataContractError
from .camera import camera_to_pixel
from .joints import NUM_HAND_JOINTS, NUM_JOINTS
from .warp import Warp

Stage = Literal["dataset", "crop", "targets"]
Role = Literal["input", "truth", "label", "data", "metainfo", "metric"]
STAGES: tuple[Stage, ...] = get_args(Stage)
ZERO_OR_ONE = "0 or 1"
_PROJECTION_TOLERANCE_PX = 0.05


@dataclass(frozen=True)
class Field:
    """What one field of a sample holds.

    Attributes:
        meaning: Content, with its frame.
        unit: Unit of the values. `ZERO_OR_ONE` is checked.
        shape: Shape of an array; an axis of None has any length. None: the field is not an array.
        dtype: NumPy's name of an array's type.
        stage: Stage from which the field exists.
        required: Whether every sample has the field from that stage on.
        roles: Place where the packer stores the field, and its readers. "input": the image that the network sees.
            "truth": `gt_instances`, NumPy arrays for metrics and drawings. "label": `gt_instance_labels`, tensors for
            the losses. "data": a tensor beside them. "metainfo": metainfo. "metric": stacked by the metrics, from
            `gt_instances` or the metainfo. Without a role only transforms read it.
        default: Value that `HandDataset` fills in where a data set gives none.
    """

    meaning: str
    unit: str = ""
    shape: tuple[int | None, ...] | None = None
    dtype: str = "float32"
    stage: Stage = "dataset"
    required: bool = True
    roles: tuple[Role, ...] = ()
    default: Any = None


class HandSample(TypedDict, total=False):
    """A sample of one or two hands; joints as in `joints.py`, right before left."""

    # Names and origin.
    img_path: Annotated[str, Field("path of the image", roles=("metainfo",))]
    sample_id: Annotated[str, Field("name that is unique over data sets; seeds fixed backgrounds")]
    ann_id: Annotated[int, Field("annotation id", roles=("metainfo",))]
    sample_idx: Annotated[int, Field("position in the (concatenated) data set", roles=("metainfo",))]
    dataset_name: Annotated[str, Field("name in the data set's METAINFO", roles=("metainfo",))]
    image_size: Annotated[tuple[int, int], Field("width and height of the full image", "px", roles=("metainfo",))]
    mask_path: Annotated[str, Field("path of the image's mask file", required=False)]
    skipped: Annotated[str, Field("why strict='skip' blanked the sample; else empty", roles=("metainfo",), default="")]
    rng: Annotated[np.random.Generator, Field("the sample's only source of randomness")]

    # Annotations.
    bbox: Annotated[
        np.ndarray,
        Field("square to crop, already enlarged: x1 y1 x2 y2 in the full image", "px", (4,), roles=("truth",)),
    ]
    keypoints: Annotated[
        np.ndarray,
        Field(
            "u, v in the full image; d relative to the joint's own wrist",
            "px, px, mm",
            (1, NUM_JOINTS, 3),
            roles=("truth",),
        ),
    ]
    keypoints_visible: Annotated[
        np.ndarray,
        Field(
            "0 where the joint or its own wrist is not annotated",
            ZERO_OR_ONE,
            (1, NUM_JOINTS),
            roles=("truth", "metric"),
        ),
    ]
    keypoints_annotated: Annotated[
        np.ndarray,
        Field(
            "1 where the joint is annotated, even if its wrist is not: masks of the hands are drawn from these. "
            "Without the field, keypoints_visible counts",
            ZERO_OR_ONE,
            (1, NUM_JOINTS),
            required=False,
        ),
    ]
    keypoints_cam: Annotated[
        np.ndarray, Field("joints in the camera's frame", "mm", (1, NUM_JOINTS, 3), roles=("truth", "metric"))
    ]
    depth_valid: Annotated[
        np.float32,
        # In the metainfo although the loss reads it: the heads must branch on it, and a tensor on a GPU would make
        # them wait for the device.
        Field(
            "0 where d must not be learned: the set has 2D joints only, or withholds it",
            ZERO_OR_ONE,
            (),
            roles=("metainfo",),
            default=np.float32(1),
        ),
    ]
    hand_type: Annotated[
        np.ndarray,
        # Truth and label: the metrics want an array on the CPU, the loss a tensor on the device. It is 8 bytes.
        Field("presence of the right and the left hand", ZERO_OR_ONE, (1, 2), roles=("truth", "metric", "label")),
    ]
    hand_type_valid: Annotated[
        np.float32,
        Field("whether hand_type is annotated", ZERO_OR_ONE, (), roles=("metainfo", "metric", "label")),
    ]
    rel_root_depth: Annotated[np.float32, Field("z(left wrist) - z(right wrist)", "mm", (), roles=("truth",))]
    rel_root_valid: Annotated[
        np.float32, Field("whether both wrists are annotated", ZERO_OR_ONE, (), roles=("metainfo", "metric"))
    ]
    abs_depth: Annotated[
        np.ndarray,
        Field(
            "depth of the right and the left wrist: ground truth, or RootNet's (`depth_source`)",
            "mm",
            (2,),
            roles=("metainfo", "metric"),
        ),
    ]
    focal: Annotated[np.ndarray, Field("focal lengths fx, fy", "px", (2,), roles=("metainfo", "metric"))]
    principal_pt: Annotated[np.ndarray, Field("principal point cx, cy", "px", (2,), roles=("metainfo", "metric"))]
    bone_mm: Annotated[
        np.float32,
        Field("published length of FreiHAND's scale bone", "mm", (), required=False, roles=("metainfo",)),
    ]

    # Pixels and how they were cut.
    flipped: Annotated[
        bool, Field("whether all fields describe the mirrored image; `warp` takes it over", required=False)
    ]
    read_to_stored: Annotated[
        np.ndarray,
        Field(
            "affine from the pixels that were read to the stored image, unless they are equal; `warp` takes it over",
            "px",
            (2, 3),
            "float64",
            required=False,
        ),
    ]
    img: Annotated[
        np.ndarray,
        Field(
            "BGR: the image as read, the crop from stage 'crop' on",
            "0-255",
            (None, None, 3),
            "uint8",
            "crop",
            roles=("input",),
        ),
    ]
    img_full: Annotated[
        np.ndarray, Field("BGR: the image as read, never mirrored", "0-255", (None, None, 3), "uint8", "crop")
    ]
    warp: Annotated[Warp, Field("how the crop was cut", stage="crop", roles=("metainfo",))]
    background_alpha: Annotated[
        np.ndarray,
        Field(
            "share of the background photograph in each pixel of the crop",
            "0-255",
            (None, None),
            "uint8",
            "crop",
            required=False,
        ),
    ]
    background_path: Annotated[str, Field("path of that photograph", stage="crop", required=False)]
    background_retries: Annotated[
        int, Field("unreadable photographs drawn before it", stage="crop", required=False, roles=("metainfo",))
    ]
    masks: Annotated[
        np.ndarray,
        Field(
            "right amodal, right visible, left amodal, left visible mask of the crop",
            ZERO_OR_ONE,
            (4, None, None),
            "uint8",
            "crop",
            required=False,
            roles=("data",),
        ),
    ]
    masks_valid: Annotated[
        np.ndarray, Field("which masks are known", ZERO_OR_ONE, (4,), stage="crop", required=False, roles=("data",))
    ]
    occlusion: Annotated[
        np.ndarray,
        Field(
            "hidden share of the right and the left hand in the whole image",
            "0-1",
            (2,),
            stage="crop",
            required=False,
            roles=("metainfo",),
        ),
    ]

    # Training targets.
    bins: Annotated[
        np.ndarray, Field("x, y, z of each joint", "bins", (NUM_JOINTS, 3), stage="targets", roles=("label",))
    ]
    bin_weights: Annotated[
        np.ndarray,
        Field("0 for a joint that is not learned", ZERO_OR_ONE, (NUM_JOINTS,), stage="targets", roles=("label",)),
    ]
    root_bin: Annotated[np.ndarray, Field("relative root depth", "bins", (), stage="targets", roles=("label",))]
    root_weight: Annotated[
        np.ndarray, Field("whether it is learned", ZERO_OR_ONE, (), stage="targets", roles=("label",))
    ]


def fields_of(sample_type: type) -> dict[str, Field]:
    """Return the table of fields that a TypedDict such as `HandSample` declares."""
    hints = get_type_hints(sample_type, include_extras=True)
    return {name: hint.__metadata__[0] for name, hint in hints.items()}


FIELDS = fields_of(HandSample)
DEFAULTS = {name: field.default for name, field in FIELDS.items() if field.default is not None}


def with_roles(*roles: Role, fields: Mapping[str, Field] = FIELDS) -> tuple[str, ...]:
    """Return the names of the fields that have all these roles, in the order of the table.

    Examples:
        >>> with_roles("truth", "metric")
        ('keypoints_visible', 'keypoints_cam', 'hand_type')
    """
    return tuple(name for name, field in fields.items() if set(roles) <= set(field.roles))


def checks_enabled() -> bool:
    """Return whether the environment asks for contract checks (`INTERHAND_CHECKS=1`; on in the tests)."""
    return os.environ.get("INTERHAND_CHECKS", "0") == "1"


def is_flipped(sample: Mapping[str, Any]) -> bool:
    """Return whether the fields of a sample describe the mirrored image, before and after the crop."""
    return bool(sample["warp"].flipped if "warp" in sample else sample.get("flipped", False))


def present_hand_slice(hand_type: np.ndarray, where: str) -> slice:
    """Return the slice of the 42 joints that belongs to the one hand that a sample shows.

    Args:
        hand_type: (2,) 0 or 1: presence of the right and the left hand.
        where: Name of the sample, for the message.

    Raises:
        DataContractError: If the sample shows two hands, or none.

    Examples:
        >>> present_hand_slice(np.array([0, 1]), "sample 7")
        slice(21, 42, None)
    """
    right, left = (bool(value > 0) for value in hand_type)
    if right == left:
        raise DataContractError(
            f"{where} must show exactly one hand",
            got="two hands" if right else "no hand",
            want="one hand",
            fix="for 2D networks leave interacting hands out: dataset.hand_types=('right', 'left')",
        )
    return slice(0, NUM_HAND_JOINTS) if right else slice(NUM_HAND_JOINTS, NUM_JOINTS)


def check_sample(sample: Mapping[str, Any], stage: Stage, where: str) -> None:
    """Raise `DataContractError` unless `sample` holds what `HandSample` promises at `stage`.

    Args:
        sample: The sample as it leaves `where`.
        stage: Stage that it has reached.
        where: Name of the component that produced it, for the message.
    """
    reached = STAGES.index(stage)
    for name, field in FIELDS.items():
        if name in sample:
            _check_value(name, field, sample[name], where)
        elif field.required and STAGES.index(field.stage) <= reached:
            raise DataContractError(f"'{name}' is missing after {where}", want=f"{field.meaning}, shape {field.shape}")
    _check_projection(sample, where)


def _check_value(name: str, field: Field, value: Any, where: str) -> None:
    if field.shape is None:
        return
    array = np.asarray(value)
    fits = array.ndim == len(field.shape) and all(
        want in (None, got) for want, got in zip(field.shape, array.shape, strict=True)
    )
    if not fits or array.dtype != field.dtype:
        got, want = f"shape {array.shape}, {array.dtype}", f"shape {field.shape}, {field.dtype}"
        raise DataContractError(f"'{name}' has the wrong shape or type after {where}", got=got, want=want)
    if not np.isfinite(array).all():
        raise DataContractError(f"'{name}' is not finite after {where}", got=value)
    if field.unit == ZERO_OR_ONE and not np.isin(array, (0, 1)).all():
        raise DataContractError(f"'{name}' is neither 0 nor 1 after {where}", got=value, want=ZERO_OR_ONE)


def _check_projection(sample: Mapping[str, Any], where: str) -> None:
    visible = np.asarray(sample["keypoints_visible"]) > 0
    projected = camera_to_pixel(
        np.asarray(sample["keypoints_cam"], np.float64), np.asarray(sample["focal"]), np.asarray(sample["principal_pt"])
    )
    distance = np.linalg.norm(projected - np.asarray(sample["keypoints"])[..., :2], axis=-1)[visible]
    if distance.size and distance.max() > _PROJECTION_TOLERANCE_PX:
        raise DataContractError(
            f"keypoints_cam does not project to keypoints after {where}",
            got=f"{distance.max():.3f} px apart",
            want=f"< {_PROJECTION_TOLERANCE_PX} px; a flip must change both, and the intrinsics",
        )
