"""The models that the package carries, in `interhand_mm/weights`: a manifest, and one file of tensors for each model.

Everything in that folder is data. Reading it executes nothing, and files that differ from the manifest are refused.
This module imports nothing heavy, so that a command line can be checked before torch is loaded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import msgspec

from ..errors import CheckpointError, ConfigError
from ..utils.paths import PACKAGE

if TYPE_CHECKING:
    from mmengine.config import Config

ModelName = Literal["detector", "pose"]
SHIPPED_WEIGHTS = PACKAGE / "weights"
WEIGHTS_MANIFEST = "manifest.json"
SHIPPED = "shipped"  # stands for a shipped model on the command line
_FORMAT: Literal["interhand_mm.weights"] = "interhand_mm.weights"
_TUPLE = "__tuple__"  # JSON knows lists only; some parts of mmcv insist on tuples
_REINSTALL = "install the package again, or restore the folder from the repository: git checkout interhand_mm/weights"
_OWN = {
    "detector": "train one (docs/guide/start.md), or give a box around the hands instead of a detector",
    "pose": "train one (docs/guide/start.md) and name its config and checkpoint",
}


class DataSource(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Data that a model was trained on.

    Attributes:
        name: Name of the data set or of the program that rendered it.
        license: Its license.
        address: Where to get it.
        labels: Where its labels come from, for example "rendered, exact" or "predicted by MediaPipe Hands 0.10.21".
    """

    name: str
    license: str
    address: str | None = None
    labels: str | None = None


class ModelRecord(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What the manifest says about one model.

    Attributes:
        file: Name of the file of tensors, in the folder of the manifest.
        sha256: SHA-256 of this file as a hex string.
        bytes: Size of this file.
        parameters: Number of parameters.
        config: The parts of the config that inference needs, see `encode_literals`.
        config_name: Name of the config that the model was trained with.
        checkpoint_sha256: SHA-256 of the checkpoint that was packed.
        rounding: Relative difference (RMS) of each output between the packed and the original weights.
        version: Version of the model.
        license: License of the weights.
        sources: Data that the model was trained on.
        training: How it was trained: steps, seed, time, hardware, command.
        figures: Measured results by test set, with the protocol.
    """

    file: str
    sha256: str
    bytes: int
    parameters: int
    config: dict[str, Any]
    config_name: str
    checkpoint_sha256: str
    rounding: dict[str, float]
    version: str
    license: str
    sources: list[DataSource] = []
    training: dict[str, Any] = {}
    figures: dict[str, Any] = {}


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of manifest.json: one record per model."""

    format: Literal["interhand_mm.weights"] = _FORMAT
    format_version: Literal[1] = 1
    models: dict[ModelName, ModelRecord] = {}


class ShippedModel(NamedTuple):
    """A shipped model, ready to be built.

    Attributes:
        config: Its config, with the keys that inference reads.
        checkpoint: Its file of tensors, which `read_checkpoint` reads.
        record: Its entry in the manifest.
    """

    config: Config
    checkpoint: Path
    record: ModelRecord


def encode_literals(value: Any) -> Any:
    """Return a value of a config as JSON can hold it. `decode_literals` restores it exactly.

    Raises:
        ConfigError: The value contains something else than numbers, strings, booleans, None, lists, tuples and dicts.

    Example:
        >>> encode_literals({"input_size": (128, 128), "flip": [True, None]})
        {'input_size': {'__tuple__': [128, 128]}, 'flip': [True, None]}
    """
    if isinstance(value, Mapping):
        return {str(key): encode_literals(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return {_TUPLE: [encode_literals(item) for item in value]}
    if isinstance(value, list):
        return [encode_literals(item) for item in value]
    if value is None or isinstance(value, (str, bool, int, float)):
        return value
    raise ConfigError(
        "the config contains a value that cannot be shipped as data",
        got=f"{value!r} ({type(value).__name__})",
        want="numbers, strings, lists, tuples and dicts",
    )


def decode_literals(value: Any) -> Any:
    """Return the value that `encode_literals` encoded.

    Example:
        >>> decode_literals({"input_size": {"__tuple__": [128, 128]}})
        {'input_size': (128, 128)}
    """
    if isinstance(value, dict):
        if value.keys() == {_TUPLE}:
            return tuple(decode_literals(item) for item in value[_TUPLE])
        return {key: decode_literals(item) for key, item in value.items()}
    return [decode_literals(item) for item in value] if isinstance(value, list) else value


def read_manifest(folder: str | Path | None = None) -> Manifest:
    """Read the manifest of the shipped models.

    Args:
        folder: Its folder. Default: `SHIPPED_WEIGHTS`.

    Raises:
        CheckpointError: The file is missing or damaged, or has another format.
    """
    path = Path(folder or SHIPPED_WEIGHTS) / WEIGHTS_MANIFEST
    try:
        return msgspec.json.decode(path.read_bytes(), type=Manifest)
    except OSError as error:
        raise CheckpointError(f"the manifest of the shipped models is missing: {path}", fix=_REINSTALL) from error
    except msgspec.MsgspecError as error:
        raise CheckpointError(
            f"the manifest of the shipped models is damaged: {path}", got=error, fix=_REINSTALL
        ) from error


def shipped_record(name: ModelName, folder: str | Path | None = None) -> ModelRecord:
    """Return the record of a shipped model.

    Raises:
        CheckpointError: The package carries no such model; see `read_manifest`.
    """
    record = read_manifest(folder).models.get(name)
    if record is None:
        what = {"detector": "hand detector", "pose": "pose network"}[name]
        raise CheckpointError(f"this version of interhand_mm carries no weights of a {what}", fix=_OWN[name])
    return record


def open_shipped(name: ModelName, folder: str | Path | None = None) -> ShippedModel:
    """Return a shipped model, after a check of its file against the manifest.

    Args:
        name: "detector" or "pose".
        folder: Folder of the manifest. Default: `SHIPPED_WEIGHTS`.

    Raises:
        CheckpointError: The package carries no such model, or its file is missing or differs from the manifest.

    Example:
        >>> config, checkpoint, record = open_shipped("pose")  # doctest: +SKIP
        >>> inferencer = InterHandInferencer(config, checkpoint, detector)  # doctest: +SKIP
    """
    record = shipped_record(name, folder)
    path = Path(folder or SHIPPED_WEIGHTS) / record.file
    if Path(record.file).name != record.file:
        raise CheckpointError("the manifest names a file outside of its folder", got=record.file, fix=_REINSTALL)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"the weights of the {name} are missing: {path}", fix=_REINSTALL) from error
    found = (len(data), hashlib.sha256(data).hexdigest())
    if found != (record.bytes, record.sha256):
        raise CheckpointError(
            f"the weights of the {name} differ from the manifest: {path}",
            got=f"{found[0]} bytes, sha256 {found[1]}",
            want=f"{record.bytes} bytes, sha256 {record.sha256}",
            fix=_REINSTALL,
        )
    return ShippedModel(shipped_config(name, record.config), path, record)


def choose_model(
    name: ModelName, config: str | Path | Config | None, weights: str | Path | None, exported: bool = False
) -> tuple[str | Path | Config, str | Path]:
    """Return the network that a caller named, or the shipped one if no network was named.

    Args:
        name: "detector" or "pose".
        config: Config of the network, or None.
        weights: Its weights, or None.
        exported: Whether `weights` is an exported model, which may belong to the shipped config.

    Returns:
        Config and weights.

    Raises:
        ConfigError: Only one of the two was given, or there is no exported model.
        CheckpointError: The package carries no such model, or its file is missing or differs from the manifest.
    """
    what = {"detector": "the detector", "pose": "the pose network"}[name]
    if config is not None and weights is not None:
        return config, weights
    if config is not None or (weights is not None and not exported):
        given = getattr(config, "filename", config) if weights is None else weights
        raise ConfigError(
            f"{what} needs a config and a checkpoint", got=given, fix="give both, or neither for the shipped weights"
        )
    model = open_shipped(name)
    if not exported:
        return model.config, model.checkpoint
    if weights is None:
        raise ConfigError(
            "other backends than torch need an exported model", fix="python tools/export_onnx.py --out hands.onnx"
        )
    return model.config, weights


def shipped_config(name: ModelName, encoded: dict[str, Any]) -> Config:
    """Return the config of a record, which messages call "shipped NAME"."""
    from mmengine.config import Config

    return Config(decode_literals(encoded), cfg_text=json.dumps(encoded), filename=f"{SHIPPED} {name}")
