"""bfloat16 training on CPU and GPU alike; several optimizers in one config."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper

from ..errors import ConfigError
from ..registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS


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


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class SubmoduleOptimWrapperConstructor:
    """One optimizer for each named submodule of a model, for instance of a generator and its discriminator.

    ``optim_wrapper=dict(constructor="SubmoduleOptimWrapperConstructor", generator=dict(type="OptimWrapper",
    optimizer=dict(type="Adam", lr=8e-4)), discriminator=dict(...))``. Resuming restores them all.

    Args:
        optim_wrapper_cfg: Submodule name to the config of its wrapper; each may have its own `paramwise_cfg`.
        paramwise_cfg: For every submodule without one of its own.
    """

    def __init__(self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None) -> None:
        self.optim_wrapper_cfg = dict(optim_wrapper_cfg)
        self.paramwise_cfg = paramwise_cfg

    def __call__(self, model: torch.nn.Module) -> OptimWrapperDict:
        """Build the wrappers.

        Raises:
            ConfigError: A name that is no submodule of the model, or trainable parameters that no name covers.
        """
        model = model.module if is_model_wrapper(model) else model
        names = [name for name, config in self.optim_wrapper_cfg.items() if isinstance(config, dict)]
        parts = {name: getattr(model, name, None) for name in names}
        wrong = [name for name, part in parts.items() if not isinstance(part, torch.nn.Module)]
        left = [
            name for name, p in model.named_parameters() if p.requires_grad and name.split(".")[0] not in set(names)
        ]
        if wrong or left:
            raise ConfigError(
                f"optim_wrapper: no submodules {wrong}, no optimizer for {len(left)} parameters {left[:2]}",
                want=f"entries of {[name for name, _ in model.named_children()]}",
            )
        return OptimWrapperDict(
            **{name: self._build(part, self.optim_wrapper_cfg[name]) for name, part in parts.items()}
        )

    def _build(self, part: torch.nn.Module, config: dict[str, Any]) -> OptimWrapper:
        return build_optim_wrapper(part, {"paramwise_cfg": self.paramwise_cfg, **config})
