"""Convert HDR's four published checkpoints to this project's files, and back (docs/spec/hdr.md, section 7).

Our networks keep most of the published parameter names. Four things change: DataParallel's "module." is removed; the
inpaintor's two networks become parts of one model; mask kernels (all ones) and an alias of the discriminator's first
layer are dropped, and created again on the way back; and the names of the spectral norm become those of torch's
parametrizations.
"""

from __future__ import annotations

import re
from typing import Any, NamedTuple

import torch
from torch.overrides import TorchFunctionMode

from ..checkpoints.internet import MMPOSE_NORMALIZATION, State
from ..checkpoints.io import check_shapes, read_checkpoint, write_checkpoint
from ..errors import CheckpointError
from ..registry import MODELS

_MASK_KERNEL = re.compile(r"\.mask_conv\.weight$")
_ALIAS, _ALIASED = "features.0.", "conv1.0."
_SPECTRAL = (
    (".weight_orig", ".parametrizations.weight.original"),
    (".weight_u", ".parametrizations.weight.0._u"),
    (".weight_v", ".parametrizations.weight.0._v"),
)


class PublishedNetwork(NamedTuple):
    """A published network: a parameter name that only it has, its prefix in our model, and our full-size config."""

    sign: str
    prefix: str
    config: dict[str, Any]


_SEGMENTOR = {
    "type": "HandSegmentor",
    "backbone": {"type": "MixVisionTransformer", "size": "b5"},
    "decode_head": {"type": "AmodalMaskHead"},
}
NETWORKS = {
    "segmentor": PublishedNetwork("decode_head.conv_seg1.weight", "", _SEGMENTOR),
    "generator": PublishedNetwork("enc_1.conv.input_conv.weight", "generator.", {"type": "PartialConvUNet"}),
    "discriminator": PublishedNetwork("conv5.0.weight_orig", "discriminator.", {"type": "PatchDiscriminator"}),
    "pose": PublishedNetwork("hmap_0.prediction.weight", "", {"type": "SingleHandPose"}),
}


class LinspaceOnCPU(TorchFunctionMode):
    """Keep `torch.linspace` on the CPU under the meta device: mmpose's PVT reads its drop-path rates from it."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **{"device": "cpu", **(kwargs or {})} if func is torch.linspace else kwargs or {})


def wanted_shapes(network: str) -> dict[str, torch.Size]:
    """Return the names and shapes of one of `NETWORKS` in our model, without allocating the model."""
    with torch.device("meta"), LinspaceOnCPU():
        model = MODELS.build(NETWORKS[network].config)
    return {NETWORKS[network].prefix + name: tensor.shape for name, tensor in model.state_dict().items()}


def from_hdr(*checkpoints: dict[str, Any]) -> dict[str, Any]:
    """Convert published checkpoints to ours. The inpaintor's two networks may be converted together.

    Args:
        *checkpoints: Checkpoints from `read_checkpoint`, with or without "module." in their names.

    Returns:
        A checkpoint with "state_dict" and "meta", which contains the published step and the input normalization.

    Raises:
        CheckpointError: A file is not HDR's, its names or shapes are not the published ones, or the files do not belong
            to one model.
    """
    state: State = {}
    found = []
    for checkpoint in checkpoints:
        tensors = checkpoint.get("state_dict", checkpoint)
        tensors = {str(name).removeprefix("module."): t for name, t in tensors.items() if torch.is_tensor(t)}
        network = _identify(tensors, {name: one.sign for name, one in NETWORKS.items()})
        found.append(network)
        part = {NETWORKS[network].prefix + name: t for name, t in _simplify(tensors, network).items()}
        wanted = wanted_shapes(network)
        check_shapes({n: t.shape for n, t in part.items()}, wanted, f"HDR's {network}")
        state |= {name: part.get(name, torch.zeros((), dtype=torch.int64)) for name in wanted}
    if len(found) > 1 and sorted(found) != ["discriminator", "generator"]:
        raise CheckpointError(
            "the files do not belong to one model", got=found, want="a generator and its discriminator"
        )
    steps = [checkpoint.get("step") for checkpoint in checkpoints]
    meta = {"source": "hdr", "networks": found, "step": steps[0], "normalization": MMPOSE_NORMALIZATION}
    return {"state_dict": state, "meta": meta}


def to_hdr(checkpoint: dict[str, Any], network: str | None = None) -> dict[str, Any]:
    """Convert one of our checkpoints to a published one.

    Args:
        checkpoint: Our checkpoint of a segmentor, an inpaintor or a pose network.
        network: Name in `NETWORKS`. None for the only network of the checkpoint, or the generator of an inpaintor.

    Raises:
        CheckpointError: The checkpoint does not contain that network with the published names and shapes.
    """
    state = checkpoint.get("state_dict")
    if not isinstance(state, dict):
        raise CheckpointError(
            "the checkpoint is not a file of this project: it has no 'state_dict'", got=sorted(map(str, checkpoint))[:8]
        )
    signs = {name: one.prefix + _parametrized(one.sign) for name, one in NETWORKS.items()}
    network = network or _identify(state, signs)
    prefix = NETWORKS[network].prefix
    wanted = wanted_shapes(network)
    part = {name: t for name, t in state.items() if name.startswith(prefix)}
    check_shapes({n: t.shape for n, t in part.items()}, wanted, f"the {network}")
    published = {_published(name.removeprefix(prefix)): tensor for name, tensor in part.items()}
    for name in [name for name in published if name.endswith(".input_conv.weight")]:
        published[name.replace(".input_conv.", ".mask_conv.")] = torch.ones_like(published[name])
    if network == "discriminator":
        published |= {_ALIAS + n.removeprefix(_ALIASED): t for n, t in published.items() if n.startswith(_ALIASED)}
    if network == "segmentor":
        palette = [[255, 0, 0], [0, 255, 0]]
        return {"meta": {"CLASSES": ("background", "foreground"), "PALETTE": palette}, "state_dict": published}
    step = (checkpoint.get("meta") or {}).get("step") or 0
    return {"step": step, "state_dict": {f"module.{name}": tensor for name, tensor in published.items()}}


def _identify(state: State, signs: dict[str, str]) -> str:
    for network, sign in signs.items():
        if sign in state:
            return network
    raise CheckpointError(
        "the checkpoint is not a network of HDR", got=f"names {list(state)[:3]}", want=f"one of {sorted(signs)}"
    )


def _simplify(state: State, network: str) -> State:
    """Drop tensors that are constant or stored twice, after a check that they are, and rename the spectral norm."""
    kernels = [name for name in state if network == "generator" and _MASK_KERNEL.search(name)]
    alias = [name for name in state if network == "discriminator" and name.startswith(_ALIAS)]
    wrong = [name for name in kernels if not bool((state[name] == 1).all())]
    for name in alias:
        original = state.get(_ALIASED + name.removeprefix(_ALIAS))
        if original is None or not torch.equal(original, state[name]):
            wrong.append(name)
    if wrong:
        raise CheckpointError(
            f"HDR's {network}: {len(wrong)} tensors that are dropped do not have the expected content",
            got=wrong[:3],
            want="mask kernels of ones, features.0 equal to conv1.0",
        )
    return {_parametrized(n): t for n, t in state.items() if n not in kernels and n not in alias}


def _parametrized(name: str) -> str:
    for published, ours in _SPECTRAL:
        if name.endswith(published):
            return name.removesuffix(published) + ours
    return name


def _published(name: str) -> str:
    for published, ours in _SPECTRAL:
        if name.endswith(ours):
            return name.removesuffix(ours) + published
    return name


def convert_hdr(src: str, dst: str, back: bool = False, discriminator: str | None = None) -> int:
    """Convert a published checkpoint of HDR to ours, or back. Its parameter names tell which network it is.

    Args:
        src: File to read.
        dst: File to write. Nothing is written unless every name and shape is right.
        back: Convert our checkpoint `src` to a published one.
        discriminator: Second published file of the inpaintor. It is read in addition to `src`, or with `back` written
            in addition to `dst`.

    Returns:
        The number of entries written.
    """
    checkpoint = read_checkpoint(src)
    if back:
        files = {dst: to_hdr(checkpoint)}
        if discriminator:
            files[discriminator] = to_hdr(checkpoint, "discriminator")
    else:
        others = [read_checkpoint(discriminator)] if discriminator else []
        files = {dst: from_hdr(checkpoint, *others)}
    for path, converted in files.items():
        write_checkpoint(path, converted)
    return sum(len(converted["state_dict"]) for converted in files.values())
