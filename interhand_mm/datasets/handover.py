"""How a worker hands its batch to the training process: in one block of shared memory.

By default torch shares every tensor by a file of its own, seven for a sample, so large batches run out of file
descriptors. It also shares them in a background thread, where a full shared memory is not an error: the batch is lost,
and training waits for it without end. Here the tensors of a batch are copied into one block while it is collated.
"""

from __future__ import annotations

import io
import os
import pickle
import shutil
from collections.abc import Sequence
from math import prod
from pathlib import Path
from typing import Any

import torch
from mmengine.dataset import pseudo_collate
from torch.utils.data import get_worker_info

from ..errors import ConfigError
from ..registry import FUNCTIONS

SHARED_MEMORY = Path("/dev/shm")
_ALIGNMENT = 64
_FIX = "start the container with more, such as docker run --shm-size=8g; or use fewer workers or a smaller batch"

_Layout = list[tuple[torch.dtype, tuple[int, ...], int]]


@FUNCTIONS.register_module()
def collate_in_one_block(samples: Sequence[Any]) -> Any:
    """Collate like mmengine's `pseudo_collate`; in a worker, put all tensors of the batch into one block.

    Raises:
        ConfigError: The shared memory is full.
    """
    batch = pseudo_collate(samples)
    return batch if get_worker_info() is None else Parcel(batch)


class _Packer(pickle.Pickler):
    """Pickle an object without its tensors, which are collected in `tensors`."""

    def __init__(self, stream: io.BytesIO) -> None:
        super().__init__(stream, pickle.HIGHEST_PROTOCOL)
        self.tensors: list[torch.Tensor] = []

    def persistent_id(self, obj: Any) -> int | None:
        """Return the number of a tensor, and None for everything else."""
        if type(obj) is not torch.Tensor or obj.layout is not torch.strided or obj.device.type != "cpu":
            return None
        self.tensors.append(obj.detach())
        return len(self.tensors) - 1


class _Unpacker(pickle.Unpickler):
    """Unpickle what `_Packer` wrote, with tensors that are views of the block."""

    def __init__(self, content: bytes, block: torch.Tensor, layout: _Layout) -> None:
        super().__init__(io.BytesIO(content))
        self._block, self._layout = block, layout

    def persistent_load(self, pid: int) -> torch.Tensor:
        """Return a tensor by its number."""
        return _view(self._block, *self._layout[pid])


class Parcel:
    """A batch whose tensors lie in one block of shared memory. Unpickling it returns the batch.

    Args:
        batch: Any object that can be pickled.

    Raises:
        ConfigError: The shared memory is full.
    """

    def __init__(self, batch: Any) -> None:
        stream = io.BytesIO()
        packer = _Packer(stream)
        packer.dump(batch)
        self._content, self._layout = stream.getvalue(), []
        size = 0
        for tensor in packer.tensors:
            self._layout.append((tensor.dtype, tuple(tensor.shape), size))
            size += -(-tensor.nbytes // _ALIGNMENT) * _ALIGNMENT
        try:
            self._block = torch.empty(size, dtype=torch.uint8).share_memory_()
        except (RuntimeError, OSError) as error:
            got = f"{size / 1e6:.1f} MB for a batch: {str(error).splitlines()[0]}"
            raise ConfigError("the shared memory of the workers is full", got=got, fix=_FIX) from None
        for tensor, (_, _, start) in zip(packer.tensors, self._layout, strict=True):
            _view(self._block, tensor.dtype, tensor.shape, start).copy_(tensor)

    def __reduce__(self) -> tuple:
        return _open, (self._content, self._block, self._layout)


def _view(block: torch.Tensor, dtype: torch.dtype, shape: Sequence[int], start: int) -> torch.Tensor:
    return block[start : start + prod(shape) * dtype.itemsize].view(dtype).view(shape)


def _open(content: bytes, block: torch.Tensor, layout: _Layout) -> Any:
    return _Unpacker(content, block, layout).load()


def check_shared_memory(loader: Any) -> None:
    """Check that the batches that the workers of a loader prepare ahead fit into the shared memory.

    Raises:
        ConfigError: They do not.
    """
    if not loader.num_workers or not SHARED_MEMORY.is_dir():
        return
    packer = _Packer(io.BytesIO())
    packer.dump(loader.dataset[0])
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    batches = loader.num_workers * (loader.prefetch_factor or 2) * processes
    need = sum(tensor.nbytes for tensor in packer.tensors) * (loader.batch_size or 1) * batches
    free = shutil.disk_usage(SHARED_MEMORY).free
    if need > free:
        raise ConfigError(
            f"{SHARED_MEMORY} is too small for the batches that {loader.num_workers * processes} workers prepare",
            got=f"{free / 1e6:.0f} MB free",
            want=f"{need / 1e6:.0f} MB",
            fix=_FIX,
        )
