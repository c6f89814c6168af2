"""Open a pose network with the backend that is asked for."""

from __future__ import annotations

from pathlib import Path

from mmengine.config import Config

from ...errors import ConfigError
from ...utils.config import plugin_config
from .interface import BACKENDS, Network
from .torch_network import AMP, TorchNetwork


def open_network(cfg: Config, weights: str | Path, device: str, amp: str | None, backend: str) -> Network:
    """A network run by `backend`.

    Args:
        cfg: Loaded config.
        weights: A checkpoint for "torch", the file of `tools/export_onnx.py` for the others.
        device: "cpu", "cuda", ...
        amp: None, "bfloat16" or "float16".
        backend: One of `BACKENDS`.

    Raises:
        ConfigError, CheckpointError: What is asked for is not there, not installed, or does not fit the config.
    """
    if amp not in AMP:
        raise ConfigError("amp", got=amp, want="None, bfloat16 or float16")
    if backend == "torch":
        return TorchNetwork(cfg, weights, device, amp)
    if backend not in BACKENDS:
        raise ConfigError("backend", got=backend, want=", ".join(BACKENDS))
    if plugin_config(cfg) is not None:
        raise ConfigError(
            f"backend {backend} cannot run a model with a plugin", want="--backend torch, or a config without model.hdr"
        )
    from .exported import OnnxRuntimeNetwork, OpenVinoNetwork

    kind = OnnxRuntimeNetwork if backend == "onnxruntime" else OpenVinoNetwork
    return kind(cfg, weights, device, amp)
