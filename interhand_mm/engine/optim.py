"""bfloat16 training on CPU and GPU alike."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper

from ..registry import OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """Run the forward pass under bfloat16 autocast.

    bfloat16 has float32's range, so no loss is scaled; mmengine's AmpOptimWrapper, which scales, refuses CPUs.
    """

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """As the parent's, with autocast around it."""
        with super().optim_context(model), torch.autocast(get_device(), dtype=torch.bfloat16):
            yield
