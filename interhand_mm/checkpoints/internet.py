"""Convert InterNet checkpoints between the official names and mmpose's (docs/spec/internet_checkpoints.md)."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import torch
from mmengine.logging import print_log

from ..errors import CheckpointError
from ..structures.joints import FROM_RHD, FROM_STB
from .io import check_shapes, same_normalization
from .versions import input_normalization

# Official prefix (after dropping DataParallel's "module.") -> ours. No transposes, no reordering.
_OFFICIAL_TO_OURS = (
    ("backbone_net.resnet.", "backbone."),
    ("pose_net.joint_deconv_1.", "head.right_hand_head.deconv_layers."),
    ("pose_net.joint_conv_1.0.", "head.right_hand_head.final_layer."),
    ("pose_net.joint_deconv_2.", "head.left_hand_head.deconv_layers."),
    ("pose_net.joint_conv_2.0.", "head.left_hand_head.final_layer."),
    ("pose_net.root_fc.", "head.root_head.fc."),
    ("pose_net.hand_fc.", "head.hand_type_head.fc."),
)
# Official models of RHD and STB: left hand in branch 1, and the set's own joint order
# (docs/spec/internet_checkpoints.md, section 1.2).
ORDERS = {"official": None, "official-rhd": FROM_RHD, "official-stb": FROM_STB}
_BRANCHES = ("head.right_hand_head.", "head.left_hand_head.")
_OURS_TO_OFFICIAL = tuple((ours, official) for official, ours in _OFFICIAL_TO_OURS)
OFFICIAL_NORMALIZATION = {"mean": [0.0, 0.0, 0.0], "std": [255.0, 255.0, 255.0]}
MMPOSE_NORMALIZATION = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}
_NORMALIZATIONS = {"official": OFFICIAL_NORMALIZATION, "mmpose": MMPOSE_NORMALIZATION}

State = dict[str, torch.Tensor]


def _rename(state: State, table: tuple[tuple[str, str], ...]) -> State:
    renamed = {}
    for name, tensor in state.items():
        for old, new in table:
            if name.startswith(old):
                renamed[new + name[len(old) :]] = tensor
                break
        else:
            raise CheckpointError(
                f"not a parameter of InterNet: {name}", want=f"one of {[old + '*' for old, _ in table]}"
            )
    return renamed


def _exchanged(state: State) -> State:
    """Return the state with the names of its two branches exchanged."""
    right, left = _BRANCHES
    return {
        right + n[len(left) :] if n.startswith(left) else left + n[len(right) :] if n.startswith(right) else n: tensor
        for n, tensor in state.items()
    }


def _reordered(state: State, order: np.ndarray) -> State:
    """Return the state with the joints' blocks of output channels reordered: ``new = old[order]``."""
    gather = torch.from_numpy(order)
    return {
        name: tensor.unflatten(0, (len(gather), -1))[gather].flatten(0, 1) if ".final_layer." in name else tensor
        for name, tensor in state.items()
    }


def from_official(checkpoint: dict[str, Any], wanted: State, family: str = "official") -> dict[str, Any]:
    """Convert an official snapshot (key "network", names with "module.") to our checkpoint.

    Args:
        checkpoint: Checkpoint from `read_checkpoint`.
        wanted: State dict of our model, which defines names and shapes.
        family: Name in `ORDERS`: the data that the snapshot was trained on. The file does not say it.

    Returns:
        A checkpoint with "state_dict" and "meta". The latter contains the epoch and the input normalization.

    Raises:
        CheckpointError: The file is not an official snapshot, or its names and shapes are not InterNet's.
    """
    network = checkpoint.get("network")
    if not isinstance(network, dict):
        raise CheckpointError(
            "the checkpoint is not an official snapshot: it has no 'network'",
            got=f"keys {sorted(map(str, checkpoint))[:8]}",
            fix="for an mmpose file: tools/convert_checkpoint.py mmpose SRC DST",
        )
    state = _rename({name.removeprefix("module."): tensor for name, tensor in network.items()}, _OFFICIAL_TO_OURS)
    state, order = _checked(state, wanted), ORDERS[family]
    if order is not None:
        state = _reordered(_exchanged(state), order)
    meta = {"source": family, "epoch": checkpoint.get("epoch"), "normalization": OFFICIAL_NORMALIZATION}
    return {"state_dict": {name: state[name] for name in wanted}, "meta": meta}


def to_official(checkpoint: dict[str, Any], family: str = "official") -> dict[str, Any]:
    """Convert our checkpoint to one that the official loader reads: "network" with "module." and an epoch.

    Args:
        checkpoint: Checkpoint of this project.
        family: Name in `ORDERS`: the data set whose official code will load it.

    Raises:
        CheckpointError: It is not a checkpoint of this project, or was trained with another input normalization than
            that of the official code.
    """
    _check_target(checkpoint, OFFICIAL_NORMALIZATION, "the official code")
    state = checkpoint.get("state_dict")
    if not isinstance(state, dict):
        raise CheckpointError(
            "the checkpoint is not a file of this project: it has no 'state_dict'", got=sorted(map(str, checkpoint))[:8]
        )
    own = {name: tensor for name, tensor in state.items() if not name.startswith("data_preprocessor.")}
    order = ORDERS[family]
    if order is not None:
        own = _exchanged(_reordered(own, np.argsort(order)))
    network = {f"module.{name}": tensor for name, tensor in _rename(own, _OURS_TO_OFFICIAL).items()}
    return {"epoch": (checkpoint.get("meta") or {}).get("epoch") or 0, "network": network}


def from_mmpose(checkpoint: dict[str, Any], wanted: State) -> dict[str, Any]:
    """Convert an InterNet checkpoint of mmpose 0.x or 1.x to ours. Only the `keypoint_head` of 0.x has another name.

    Raises:
        CheckpointError: Its names and shapes are not InterNet's, or it is a checkpoint of this project that was trained
            with another input normalization than mmpose's.
    """
    known = input_normalization(checkpoint)
    if known is not None and not same_normalization(known, MMPOSE_NORMALIZATION):
        raise CheckpointError(
            "the checkpoint is a file of this project, trained with another input normalization than mmpose's",
            got=known,
            want=MMPOSE_NORMALIZATION,
            fix="use it as it is",
        )
    state = checkpoint.get("state_dict", checkpoint)
    renamed = {
        ("head." + name.removeprefix("keypoint_head.") if name.startswith("keypoint_head.") else name): tensor
        for name, tensor in state.items()
        if not name.startswith("data_preprocessor.")
    }
    meta = {"source": "mmpose", "normalization": MMPOSE_NORMALIZATION}
    return {"state_dict": _checked(renamed, wanted), "meta": meta}


def to_mmpose(checkpoint: dict[str, Any]) -> dict[str, Any]:
    """Convert our checkpoint to a plain one of mmpose, with the weights only.

    Raises:
        CheckpointError: It was trained with another input normalization than that of mmpose's config.
    """
    _check_target(checkpoint, MMPOSE_NORMALIZATION, "mmpose's config")
    return {"state_dict": dict(checkpoint["state_dict"]), "meta": {}}


def _check_target(checkpoint: dict[str, Any], wanted: dict[str, list[float]], whose: str) -> None:
    """Refuse weights whose results would silently be wrong in the code that is to load them."""
    known = input_normalization(checkpoint)
    if known is None:
        print_log("The checkpoint does not say its input normalization; it is not checked.", "current", logging.WARNING)
    elif not same_normalization(known, wanted):
        raise CheckpointError(
            f"the weights were trained with another input normalization than that of {whose}",
            got=known,
            want=wanted,
            fix=next((f"--to {name}" for name, own in _NORMALIZATIONS.items() if same_normalization(known, own)), None),
        )


def _checked(state: State, wanted: State) -> State:
    """Check names and shapes, and add the batch counters that old files do not have."""
    tensors = {name: value for name, value in state.items() if torch.is_tensor(value)}
    check_shapes({n: t.shape for n, t in tensors.items()}, {n: t.shape for n, t in wanted.items()}, "the checkpoint")
    for name in wanted:
        if name not in tensors:
            tensors[name] = torch.zeros((), dtype=torch.int64)
    return {name: tensors[name] for name in wanted}
