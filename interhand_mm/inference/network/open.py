"""Open a pose network with the requested runtime."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

from ...errors import ConfigError
from ...utils.config import plugin_config
from ..options import BACKENDS
from .interface import Network
from .torch_network import AMP, TorchNetwork


def open_network(cfg: Config, weights: str | Path, device: str, amp: str | None, backend: str) -> Network:
    """Open a pose network.

    Args:
        cfg: Loaded config.
        weights: Checkpoint for the backend "torch", else the file that `tools/export_onnx.py` writes.
        device: "cpu", "cuda", "cuda:1", ...
        amp: None, "bfloat16" or "float16".
        backend: "torch", "onnxruntime" or "openvino".

    Raises:
        ConfigError, CheckpointError: The device, backend or file is missing or does not fit the config.
    """
    if amp not in AMP:
        raise ConfigError("this precision (amp) is not supported", got=amp, want="None, bfloat16 or float16")
    if backend == "torch":
        return TorchNetwork(cfg, weights, device, amp)
    if backend not in BACKENDS:
        raise ConfigError("this backend is not supported", got=backend, want=", ".join(BACKENDS))
    if plugin_config(cfg) is not None:
        raise ConfigError(
            f"the backend {backend} cannot run a model with a plugin",
            want="--backend torch, or a config without model.hdr",
        )
    from .exported import OnnxRuntimeNetwork, OpenVinoNetwork

    kind = OnnxRuntimeNetwork if backend == "onnxruntime" else OpenVinoNetwork
    return kind(cfg, weights, device, amp)
