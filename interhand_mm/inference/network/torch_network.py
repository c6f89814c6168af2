"""The pose network in torch: uint8 crops in, joints in crop coordinates out."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from torch import Tensor, nn

from ...checkpoints.io import load_checked
from ...engine.runner import build_model
from ...errors import CheckpointError, ConfigError
from ...models.preprocessing import normalize
from .interface import OUTPUTS

AMP = {None: None, "bfloat16": torch.bfloat16, "float16": torch.float16}


class CropNetwork(nn.Module):
    """A pose model with normalization in front. Inference runs this module, and export writes it."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model: Any = model

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        """Return the tensors of `OUTPUTS` for crops (B, 3, h, w) uint8 BGR; see `HandHead.infer`."""
        found = self.infer(crops)
        return tuple(found[name] for name in OUTPUTS)

    def infer(self, crops: Tensor) -> dict[str, Tensor]:
        """Return the same tensors by name, with any further outputs of the model (`replaced`, with a plugin)."""
        return self.model.infer(normalize(crops, self.model.data_preprocessor))


def pick_device(device: str) -> torch.device:
    """Return a torch device that is available.

    Raises:
        ConfigError: There is no such device on this machine.
    """
    try:
        picked = torch.device(device)
        torch.zeros(1, device=picked)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(
            f"device {device} is not available", got=str(error).splitlines()[0], fix="--device cpu"
        ) from error
    return picked


def load_pose_model(cfg: Config, checkpoint: str | Path) -> tuple[nn.Module, float]:
    """Return the config's model with a checkpoint's weights, on the CPU in eval mode, and its handedness temperature.

    Raises:
        ConfigError, CheckpointError: See `load_checked`; or the temperature is not a positive number.
    """
    if Path(checkpoint).suffix == ".onnx":
        raise CheckpointError(f"{checkpoint} is an exported model", fix="--backend onnxruntime or --backend openvino")
    model = build_model(cfg)
    if not hasattr(model, "crop_size"):
        raise ConfigError(
            f"{cfg.filename} is not the config of a pose network",
            got=type(model).__name__,
            want="InterHandEstimator",
            fix="the order is DET_CONFIG DET_CHECKPOINT POSE_CONFIG POSE_CHECKPOINT",
        )
    weights = load_checked(model, checkpoint)
    temperature = (weights.get("meta") or {}).get("handedness_temperature", 1.0)
    if not (isinstance(temperature, (int, float)) and temperature > 0):
        raise CheckpointError(
            f"handedness_temperature of {checkpoint} must be a positive number",
            got=temperature,
            fix="tools/eval_preds.py --calibrate writes it",
        )
    return model.eval(), float(temperature)


def cast_weights(module: nn.Module, dtype: torch.dtype) -> None:
    """Cast the weights of convolutions and linear layers to `dtype` in place, once instead of at every call.

    Outputs under autocast are identical. Weights become channels-last, the layout of fast 16-bit convolutions.
    """
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's stubs
    for layer in module.modules():
        if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            layer.to(dtype)


class TorchNetwork:
    """A `Network` that runs in torch.

    Args:
        cfg: Loaded config.
        checkpoint: Checkpoint of this project.
        device: torch device.
        amp: None, "bfloat16" or "float16".
    """

    def __init__(self, cfg: Config, checkpoint: str | Path, device: str = "cpu", amp: str | None = None) -> None:
        self.device, self.amp = pick_device(device), AMP[amp]
        loaded, self.temperature = load_pose_model(cfg, checkpoint)
        model: Any = loaded  # `nn.Module` hides the attributes of the estimator
        self.input_size, self.plugin = model.crop_size, model.plugin
        self.module = CropNetwork(model).to(self.device)
        if self.amp:
            cast_weights(self.module, self.amp)

    @torch.inference_mode()
    def __call__(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Predict the joints in crops; see `Network`."""
        with torch.autocast(self.device.type, self.amp) if self.amp else nullcontext():
            found = self.module.infer(torch.from_numpy(crops).to(self.device, non_blocking=True))
        return {name: values.float().cpu().numpy() for name, values in found.items()}
