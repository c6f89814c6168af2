"""Pack a trained checkpoint and its config into the folder of the shipped models, `interhand_mm/weights`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import msgspec
import torch
from mmengine.config import Config
from torch import Tensor

from .. import __version__
from ..checkpoints.io import check_fits, model_normalization, read_checkpoint, sha256
from ..checkpoints.shipped import (
    SHIPPED_WEIGHTS,
    WEIGHTS_MANIFEST,
    DataSource,
    Manifest,
    ModelName,
    ModelRecord,
    encode_literals,
    read_manifest,
    shipped_config,
)
from ..checkpoints.tensor_file import pack_tensors, unpack_tensors
from ..engine.runner import build_model
from ..errors import CheckpointError, ConfigError
from ..inference.detector import build_detector, class_names, detector_scope, load_detector
from ..utils.config import is_detector, load_config, plugin_config, walk_dicts
from ..utils.files import remove_leftovers, write_bytes, write_text

MAX_ROUNDING = 0.01  # relative difference (RMS) of an output that float16 weights may cause
_LICENSE = "Apache-2.0"
_PROBE_PX = 256  # side of the images that a detector is compared on
_KEPT_META = ("handedness_temperature", "epoch", "iter")


class ModelCard(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a record says beside the weights themselves; the fields are those of `ModelRecord`."""

    version: str = __version__
    license: str = _LICENSE
    sources: list[DataSource] = []
    training: dict[str, Any] = {}
    figures: dict[str, Any] = {}


def read_card(path: str | Path | None) -> ModelCard:
    """Read a model card, a JSON file with fields of `ModelCard`. None gives the defaults.

    Raises:
        ConfigError: The file cannot be read, or has a field of another name or type.
    """
    if path is None:
        return ModelCard()
    try:
        return msgspec.json.decode(Path(path).read_bytes(), type=ModelCard)
    except (OSError, msgspec.MsgspecError) as error:
        want = f"a JSON object with any of {', '.join(ModelCard.__struct_fields__)}"
        raise ConfigError(f"the model card cannot be read: {path}", got=error, want=want) from error


def ship_model(
    config: str | Path | Config,
    checkpoint: str | Path,
    name: ModelName,
    card: ModelCard | None = None,
    folder: str | Path | None = None,
) -> ModelRecord:
    """Write a model's tensors in half the space, and replace its record in the manifest.

    The tensors are written under a new name, then the manifest is replaced, then the old file is deleted, so that a
    process that is interrupted leaves a manifest that fits its files.

    Args:
        config: Config of the network, as a path or loaded.
        checkpoint: Its trained weights.
        name: "pose" or "detector".
        card: Further entries of the record.
        folder: Folder of the manifest, which is created if it does not exist. Default: `SHIPPED_WEIGHTS`.

    Returns:
        The new record.

    Raises:
        ConfigError: The config is of another kind than `name`, has a plugin, or contains objects.
        CheckpointError: The checkpoint does not fit the config, or the packed weights change the outputs by more than
            `MAX_ROUNDING`.
    """
    folder, card = Path(folder or SHIPPED_WEIGHTS), card or ModelCard()
    cfg = config if isinstance(config, Config) else load_config(config)
    if name not in get_args(ModelName) or is_detector(cfg) != (name == "detector"):
        raise ConfigError(f"{cfg.filename} is not the config of a {name}", want="pose or detector", got=name)
    weights = read_checkpoint(checkpoint)
    kept = encode_literals(inference_config(cfg))
    built = shipped_config(name, kept)  # what users will build
    original = _build(name, built, weights, checkpoint)
    data = pack_tensors(original.state_dict(), _meta(name, cfg, weights, original))
    rounding = _compare(original, _build(name, built, unpack_tensors(data, checkpoint), checkpoint))
    digest = hashlib.sha256(data).hexdigest()
    record = ModelRecord(
        file=f"{name}-{digest[:8]}.safetensors",
        sha256=digest,
        bytes=len(data),
        parameters=sum(parameter.numel() for parameter in original.parameters()),
        config=kept,
        config_name=Path(cfg.filename).name if cfg.filename else "",
        checkpoint_sha256=sha256(checkpoint),
        rounding=rounding,
        **msgspec.structs.asdict(card),
    )
    _write(folder, name, record, data)
    return record


def inference_config(cfg: Config) -> dict[str, Any]:
    """Return the keys of a config that inference reads: the model, and the codec or the detector's test pipeline.

    Weights that the training started from are left out, because the model must be built without them.

    Raises:
        ConfigError: The model has a plugin, or the config imports modules, which data cannot do.
    """
    modules = set((cfg.get("custom_imports") or {}).get("imports", ())) - {"interhand_mm.registry"}
    if plugin_config(cfg) is not None or modules:
        raise ConfigError(
            f"{cfg.filename} has a plugin or imports modules, and cannot be shipped as data",
            got=sorted(modules) or None,
        )
    kept = cfg.to_dict()
    names = ("default_scope", "codec", "model")
    found: dict[str, Any] = {key: kept[key] for key in names if key in kept}
    if is_detector(cfg):
        dataset = kept["test_dataloader"]["dataset"]
        while "pipeline" not in dataset and "dataset" in dataset:  # a wrapper around a data set
            dataset = dataset["dataset"]
        parts = {key: dataset[key] for key in ("type", "pipeline", "metainfo") if key in dataset}
        found["test_dataloader"] = {"dataset": parts}
    for _, node in walk_dicts(found):
        if (node.get("init_cfg") or {}).get("type") == "Pretrained":
            node.pop("init_cfg")
    return found


def models_table(manifest: Manifest) -> str:
    """Return two Markdown tables of the shipped models for docs/model_zoo.md: what they are, and what was measured."""
    lines = ["| model | config | version | size, MB | license | trained on |", "|---|---|---|---:|---|---|"]
    figures = ["| model | test | result |", "|---|---|---|"]
    for name, record in manifest.models.items():
        sources = "; ".join(_source(source) for source in record.sources) or "not stated"
        size = f"{record.bytes / 1e6:.1f}"
        lines.append(f"| {name} | {record.config_name} | {record.version} | {size} | {record.license} | {sources} |")
        figures += [f"| {name} | {test} | {value} |" for test, value in record.figures.items()]
    return "\n".join([*lines, "", *figures] if len(figures) > 2 else lines)


def _source(source: DataSource) -> str:
    name = f"[{source.name}]({source.address})" if source.address else source.name
    return f"{name} ({source.license}{f'; labels: {source.labels}' if source.labels else ''})"


def _build(name: ModelName, cfg: Config, weights: dict[str, Any], checkpoint: str | Path) -> torch.nn.Module:
    """Build the network of a config, and load the content of a checkpoint that must fit."""
    if name == "detector":
        with detector_scope(cfg):
            detector: torch.nn.Module = build_detector(cfg)
        load_detector(detector, weights, cfg, checkpoint)
        return detector.eval()
    model = build_model(cfg)
    check_fits(weights, model, checkpoint)
    model.load_state_dict(weights["state_dict"], strict=False)
    return model.eval()


def _meta(name: ModelName, cfg: Config, weights: dict[str, Any], model: torch.nn.Module) -> dict[str, Any]:
    """Return the plain values that inference reads from a checkpoint, and those that tell its age."""
    trained = weights.get("meta") or {}
    meta = {key: trained[key] for key in _KEPT_META if isinstance(trained.get(key), (int, float))}
    meta["normalization"] = model_normalization(model)
    if name == "detector":
        meta["dataset_meta"] = {"classes": list(class_names(cfg, weights))}
    return meta


@torch.no_grad()
def _compare(original: Any, packed: Any) -> dict[str, float]:
    """Return the relative difference of each output on images of colored noise.

    Raises:
        CheckpointError: A difference is larger than `MAX_ROUNDING`, or an output is not a number.
    """
    width, height = getattr(original, "crop_size", (_PROBE_PX, _PROBE_PX))
    noise = torch.Generator().manual_seed(0)
    coarse = torch.randn(4, 3, height // 16, width // 16, generator=noise)
    images = torch.nn.functional.interpolate(coarse, (height, width), mode="bilinear")
    pairs = zip(_outputs(original, images), _outputs(packed, images), strict=True)
    found = {
        f"output_{i}": float((second - first).square().mean().sqrt() / first.square().mean().sqrt().clamp_min(1e-6))
        for i, (first, second) in enumerate(pairs)
    }
    if not all(value <= MAX_ROUNDING for value in found.values()):  # also where one is not a number
        raise CheckpointError(
            "the packed weights do not predict what the checkpoint predicts", got=found, want=f"at most {MAX_ROUNDING}"
        )
    return {key: float(f"{value:.2g}") for key, value in found.items()}


def _outputs(model: Any, images: Tensor) -> list[Tensor]:
    """Return what the head computes, one tensor for each output."""
    features = model.extract_feat(images)
    return list(_tensors((model.bbox_head if hasattr(model, "bbox_head") else model.head)(features)))


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value.float()
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _tensors(each)


def _write(folder: Path, name: ModelName, record: ModelRecord, data: bytes) -> None:
    """Write the tensors, then the manifest, then delete the files of this model that the manifest does not name."""
    manifest = read_manifest(folder) if (folder / WEIGHTS_MANIFEST).exists() else Manifest()
    write_bytes(folder / record.file, data)
    models = dict(sorted({**manifest.models, name: record}.items()))
    content = msgspec.to_builtins(msgspec.structs.replace(manifest, models=models))
    write_text(folder / WEIGHTS_MANIFEST, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")
    for old in folder.glob(f"{name}-*.safetensors"):
        if old.name != record.file:
            old.unlink()
    remove_leftovers(folder, f"{name}-*")
