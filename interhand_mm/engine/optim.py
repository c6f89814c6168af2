"""bfloat16 training on CPUs and GPUs, and several optimizers in one config."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from mmengine.device import get_device
from mmengine.optim import OptimWrapper, OptimWrapperDict, build_optim_wrapper

from ..errors import ConfigError
from ..registry import OPTIM_WRAPPER_CONSTRUCTORS, OPTIM_WRAPPERS
from .runner import bare_model


@OPTIM_WRAPPERS.register_module()
class Bfloat16OptimWrapper(OptimWrapper):
    """Run the forward pass under bfloat16 autocast.

    bfloat16 has the range of float32, so losses need no scaling. mmengine's AmpOptimWrapper, which scales losses, does
    not support CPUs.
    """

    @contextmanager
    def optim_context(self, model: torch.nn.Module) -> Iterator[None]:
        """Enter the parent's context and bfloat16 autocast."""
        with super().optim_context(model), torch.autocast(get_device(), dtype=torch.bfloat16):
            yield


@OPTIM_WRAPPER_CONSTRUCTORS.register_module()
class SubmoduleOptimWrapperConstructor:
    """Build one optimizer for each named submodule of a model, for example a generator and its discriminator.

    ``optim_wrapper=dict(constructor="SubmoduleOptimWrapperConstructor", generator=dict(type="OptimWrapper",
    optimizer=dict(type="Adam", lr=8e-4)), discriminator=dict(...))``. Resuming restores all of them.

    Args:
        optim_wrapper_cfg: Name of each submodule -> config of its wrapper, which may have its own `paramwise_cfg`.
        paramwise_cfg: Default `paramwise_cfg` of the submodules.
    """

    def __init__(self, optim_wrapper_cfg: dict[str, Any], paramwise_cfg: dict[str, Any] | None = None) -> None:
        self.optim_wrapper_cfg = dict(optim_wrapper_cfg)
        self.paramwise_cfg = paramwise_cfg

    def __call__(self, model: torch.nn.Module) -> OptimWrapperDict:
        """Build the wrappers.

        Raises:
            ConfigError: If a name is not a submodule of the model, or trainable parameters have no optimizer.
        """
        model = bare_model(model)
        names = [name for name, config in self.optim_wrapper_cfg.items() if isinstance(config, dict)]
        parts = {name: getattr(model, name, None) for name in names}
        modules = {name: part for name, part in parts.items() if isinstance(part, torch.nn.Module)}
        wrong = [name for name in names if name not in modules]
        left = [
            name for name, p in model.named_parameters() if p.requires_grad and name.split(".")[0] not in set(names)
        ]
        if wrong or left:
            raise ConfigError(
                f"optim_wrapper lacks parts: no submodules {wrong}, no optimizer for {len(left)} parameters {left[:2]}",
                want=f"entries of {[name for name, _ in model.named_children()]}",
            )
        return OptimWrapperDict(
            **{name: self._build(part, self.optim_wrapper_cfg[name]) for name, part in modules.items()}
        )

    def _build(self, part: torch.nn.Module, config: dict[str, Any]) -> OptimWrapper:
        return build_optim_wrapper(part, {"paramwise_cfg": self.paramwise_cfg, **config})
