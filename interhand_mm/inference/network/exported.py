"""Exported models: the metadata in the files of `tools/export_onnx.py`, and the two runtimes that run them."""

from __future__ import annotations

import hashlib
import importlib
import json
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
import torch
from mmengine.config import Config

from ...errors import CheckpointError, ConfigError, InterHandError
from ...models.plugin import HandPlugin
from ...structures.joints import JOINT_NAMES
from ...utils.early import check_checkpoint
from .interface import OUTPUTS

KEY, FORMAT, VERSION = "interhand_mm", "interhand_mm.onnx", 1  # the metadata key in the file, and values in it
INPUT = "crops"
EXPORT_FIX = "python tools/export_onnx.py CONFIG CHECKPOINT --out MODEL.onnx"
_PRECISION = {None: "f32", "bfloat16": "bf16", "float16": "f16"}  # OpenVINO's names
_MISSING_FIX = "pip install -r requirements/export.txt"


def need(package: str, what: str) -> ModuleType:
    """Import an optional package.

    Args:
        package: Name of the package.
        what: Feature that needs the package, for the error message.

    Raises:
        ConfigError: The package is not installed.
    """
    try:
        return importlib.import_module(package)
    except ImportError as error:
        raise ConfigError(f"the package {package} is missing; {what} needs it", got=error, fix=_MISSING_FIX) from error


def model_digest(cfg: Config) -> str:
    """Return the SHA-256 of the parts of a config that affect predictions: `model` and `codec`.

    Keys that only training reads (losses, initial weights, the memory layout) are left out.
    """
    parts = {"model": _predicting(cfg.model), "codec": _predicting(cfg.model["head"]["decoder"])}
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()


def _predicting(node: Any) -> Any:
    if isinstance(node, dict):
        left_out = ("init_cfg", "channels_last", "train_cfg")
        return {k: _predicting(v) for k, v in node.items() if k not in left_out and not k.startswith("loss_")}
    return [_predicting(each) for each in node] if isinstance(node, (list, tuple)) else node


class Exported(NamedTuple):
    """The metadata of an exported model.

    Attributes:
        metadata: The description that the export wrote.
        batch: Fixed batch size, or None if the file accepts any number of crops.
    """

    metadata: dict[str, Any]
    batch: int | None


def read_exported(path: str | Path) -> Exported:
    """Read the metadata of an exported model. The graph is parsed, not run.

    Raises:
        ConfigError: The onnx package is missing.
        CheckpointError: The file is missing, is not ONNX, is cut short, was not written by `tools/export_onnx.py`, or
            has another version.
    """
    onnx = need("onnx", "reading an exported model")
    check_checkpoint(path, "exported model", EXPORT_FIX)
    try:
        model = onnx.load(str(path), load_external_data=False)
        shape = model.graph.input[0].type.tensor_type.shape.dim
        properties = {each.key: each.value for each in model.metadata_props}
    except Exception as error:  # protobuf's own errors, or an index error if nothing was parsed
        raise CheckpointError(f"not an ONNX model, or cut short: {path}", got=error, fix=EXPORT_FIX) from error
    try:
        metadata = json.loads(properties[KEY])
        found = (metadata["format"], metadata["version"])
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(f"{path} was not exported by this project", got=error, fix=EXPORT_FIX) from error
    if found != (FORMAT, VERSION):
        raise CheckpointError(f"{path} has another format", got=found, want=(FORMAT, VERSION), fix=EXPORT_FIX)
    return Exported(metadata, shape[0].dim_value or None)


def check_exported(exported: Exported, cfg: Config, path: str | Path) -> None:
    """Raise `CheckpointError` unless the file contains the network of the config (digest, input size, joint order)."""
    wanted = {
        "input_size": list(cfg.model["head"]["decoder"]["input_size"]),
        "joints": list(JOINT_NAMES),
        "outputs": list(OUTPUTS),
        "model_sha256": model_digest(cfg),
    }
    for key, want in wanted.items():
        if exported.metadata.get(key) != want:
            raise CheckpointError(
                f"{path} does not fit the config: {key} differs",
                got=f"{exported.metadata.get(key)}, exported with {exported.metadata.get('config')}",
                want=want,
                fix="use the config it was exported with, or export again: " + EXPORT_FIX,
            )


class _Runtime:
    """Base of both runtimes: the checks, and batches of a fixed size."""

    package = ""
    plugin: HandPlugin | None = None

    def __init__(self, cfg: Config, path: str | Path, device: str = "cpu", amp: str | None = None) -> None:
        runtime = need(self.package, f"backend {self.package}")
        exported = read_exported(path)
        check_exported(exported, cfg, path)
        width, height = exported.metadata["input_size"]
        self.input_size: tuple[int, int] = (width, height)
        self.temperature = float(exported.metadata["handedness_temperature"])
        self.batch = exported.batch
        try:
            self._open(runtime, str(path), device, amp)
        except InterHandError:
            raise
        except Exception as error:  # the errors of the runtimes have no common base class
            raise CheckpointError(f"{self.package} cannot load {path}", got=str(error).splitlines()[0]) from error

    def _open(self, runtime: ModuleType, path: str, device: str, amp: str | None) -> None:
        raise NotImplementedError

    def _run(self, crops: np.ndarray) -> list[np.ndarray]:
        raise NotImplementedError

    def __call__(self, crops: np.ndarray) -> dict[str, np.ndarray]:
        """Predict the joints in crops; see `Network`. With a fixed batch size, the last batch is padded with black."""
        if self.batch is None:
            return dict(zip(OUTPUTS, self._run(crops), strict=True))
        missing = -len(crops) % self.batch
        filled = np.concatenate([crops, np.zeros((missing, *crops.shape[1:]), crops.dtype)])
        parts = [self._run(filled[start : start + self.batch]) for start in range(0, len(filled), self.batch)]
        return {name: np.concatenate(each)[: len(crops)] for name, *each in zip(OUTPUTS, *parts, strict=True)}


class OnnxRuntimeNetwork(_Runtime):
    """A `Network` in onnxruntime, on the CPU or, with its GPU package, on CUDA; see `open_network`."""

    package = "onnxruntime"

    def _open(self, runtime: ModuleType, path: str, device: str, amp: str | None) -> None:
        if amp is not None:
            raise ConfigError(
                "the backend onnxruntime computes in float32", got=amp, fix="--amp float32 or --backend openvino"
            )
        kind, _, number = device.partition(":")
        provider = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}.get(kind)
        if provider not in runtime.get_available_providers():
            raise ConfigError(
                f"the backend onnxruntime cannot run on {device}",
                want=runtime.get_available_providers(),
                fix="--device cpu",
            )
        options = runtime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.log_severity_level = 3
        settings = {"device_id": number} if number else {}
        self._session = runtime.InferenceSession(path, options, providers=[(provider, settings)])

    def _run(self, crops: np.ndarray) -> list[np.ndarray]:
        return self._session.run(list(OUTPUTS), {INPUT: crops})


class OpenVinoNetwork(_Runtime):
    """A `Network` in OpenVINO, on the CPU or another of its devices; see `open_network`."""

    package = "openvino"

    def _open(self, runtime: ModuleType, path: str, device: str, amp: str | None) -> None:
        core = runtime.Core()
        if device.upper() not in core.available_devices:
            want = core.available_devices
            raise ConfigError(f"the backend openvino cannot run on {device}", want=want, fix="--device cpu")
        # Without this hint, OpenVINO computes in bfloat16 on CPUs that support it, which differs from torch.
        settings: dict[str, Any] = {"INFERENCE_PRECISION_HINT": _PRECISION[amp]}
        if device == "cpu":
            settings["INFERENCE_NUM_THREADS"] = torch.get_num_threads()
        self._model = core.compile_model(core.read_model(path), device.upper(), settings)
        computed = self._model.get_property("INFERENCE_PRECISION_HINT").get_type_name()
        if computed != _PRECISION[amp]:  # OpenVINO ignores a precision that the device does not have
            name = {short: long or "float32" for long, short in _PRECISION.items()}.get(computed, computed)
            raise ConfigError(
                f"the backend openvino cannot compute in {amp} on {device}", got=name, fix=f"--amp {name}"
            )

    def _run(self, crops: np.ndarray) -> list[np.ndarray]:
        found = self._model({INPUT: crops})
        return [np.array(found[name]) for name in OUTPUTS]
