"""Checkpoints as safetensors files: a JSON header and raw numbers, so that reading one cannot execute anything."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CheckpointError

if TYPE_CHECKING:
    from torch import Tensor

SUFFIX = ".safetensors"
_KEY = "interhand_mm"  # one entry in the file's metadata, whose value is JSON
_LENGTH_BYTES = 8  # a file begins with the length of its header, which is a JSON object
_MAX_HEADER_BYTES = 1 << 27
# Smaller tensors stay in float32: they are the first layers, the depthwise convolutions and the statistics of batch
# normalization, where rounding matters most. In MobileNetV2 at 128 px they need 0.5 MB more, and reduce the mean change
# of the joints on 64 rendered crops from 0.22 px and 0.44 mm (all tensors in float16) to 0.003 px and 0.005 mm.
_MIN_HALF_VALUES = 10_000


def is_tensor_file(path: str | Path) -> bool:
    """Return True where a file begins like a safetensors file. torch's own files begin in other ways."""
    with open(path, "rb") as file:
        begin = file.read(_LENGTH_BYTES + 1)
    return begin[_LENGTH_BYTES:] == b"{" and 0 < int.from_bytes(begin[:_LENGTH_BYTES], "little") < _MAX_HEADER_BYTES


def pack_tensors(state: Mapping[str, Tensor], meta: Mapping[str, Any]) -> bytes:
    """Return the content of a safetensors file that needs half the space of a checkpoint.

    Large tensors become float16. Small ones stay in float32, and so do values that float16 cannot represent.

    Args:
        state: State dict. The buffers of the preprocessor and the batch counters, which inference does not need, are
            left out.
        meta: Plain values to keep beside the tensors, such as the normalization of the input.
    """
    import torch
    from safetensors.torch import save

    largest, packed = torch.finfo(torch.float16).max, {}
    for name, tensor in state.items():
        if name.startswith("data_preprocessor.") or name.endswith("num_batches_tracked"):
            continue
        is_large = tensor.dtype == torch.float32 and tensor.numel() >= _MIN_HALF_VALUES
        half = is_large and bool(tensor.abs().max() <= largest)
        # A clone, because parts of a network that share their weights are refused by the format.
        packed[name] = tensor.detach().clone().to(torch.float16 if half else tensor.dtype).contiguous()
    return bytes(save(packed, metadata={_KEY: json.dumps(dict(meta), sort_keys=True)}))


def unpack_tensors(data: bytes, path: str | Path) -> dict[str, Any]:
    """Return the content of a safetensors file as a checkpoint: "state_dict" with float32 tensors, and "meta".

    Args:
        data: Content of the file.
        path: Its path, for messages.

    Raises:
        CheckpointError: The content is damaged.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        tensors = load(data)
        header = json.loads(data[_LENGTH_BYTES : _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "little")])
        meta = json.loads(header.get("__metadata__", {}).get(_KEY, "{}"))
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(
            f"the checkpoint is cut short or damaged: {path}",
            got=f"{len(data)} bytes; {str(error)[:200]}",
            fix="download or copy it again",
        ) from error
    state = {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    return {"state_dict": state, "meta": meta}


def read_tensor_file(path: str | Path, map_location: Any = None) -> dict[str, Any]:
    """Read a safetensors file as a checkpoint on the CPU; see `unpack_tensors`.

    Args:
        path: The file.
        map_location: Ignored. mmengine passes it to every reader of checkpoints.
    """
    return unpack_tensors(Path(path).read_bytes(), path)
