"""Loading configs: strict overrides, one codec, data options in every place they belong."""

from __future__ import annotations

import ast
import copy
import difflib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from ..errors import ConfigError

_CODEC_KEYS = ("encoder", "decoder")
_TESTED = ("val_", "test_")
_SHARED = ("codec", "data_root")  # stand once at the top and are written wherever they are used


@dataclass
class DataOptions:
    """Where the data is, as every tool takes it on its command line; None leaves the config's value.

    Attributes:
        data_root: Folder of the data set, written into every data set of the config; of a config that mixes sets,
            type of data set -> folder.
        split: Split that is tested ("val" or "test").
        annot_subset: See `InterHandDataset`.
        depth_source: For validation and test: "gt" or "rootnet".
        backgrounds: One directory of photographs, or two: for training and for test.
        strict: See `HandDataset`.
        boxes: File of `tools/detect.py`: the test set is cropped by detected boxes.
    """

    data_root: str | dict[str, str] | None = None
    split: str | None = None
    annot_subset: str | None = None
    depth_source: str | None = None
    backgrounds: Sequence[str] | None = None
    strict: str | None = None
    boxes: str | None = None


def is_detector(cfg: Config) -> bool:
    """Whether a config is mmdet's: its parts are named in mmdet's scope, and it has neither codec nor joints."""
    return cfg.get("default_scope") == "mmdet"


def load_config(path: str | Path, overrides: Sequence[str] = (), data: DataOptions | None = None) -> Config:
    """Read a config as every tool does.

    1. `overrides` ("key.sub=value") change existing keys only; "+key=value" adds one on purpose.
    2. The data options go into every data set and background transform.
    3. The one top-level `codec` (and `data_root`) is written into every `encoder` and `decoder`, after all overrides,
       and the `crop_scale` of an HDR plugin into every `HandCrop`.
    4. Top-level names that nothing reads any more (a `train_pipeline` already copied into its dataloader)
       are gone, so that overriding one is an error and not without effect.
    5. `work_dir` is made from the file's name where the config names none.

    Raises:
        ConfigError: The file is missing or not a config, or an override names a key that is not there
            (the message suggests the nearest one) or lies inside an encoder or decoder.
    """
    path = Path(path)
    if not path.is_file():
        raise ConfigError(f"config does not exist: {path}", fix="ls configs/")
    try:
        cfg = Config.fromfile(str(path))
    except Exception as error:  # whatever executing a config raises, its reader should see the file's name
        raise ConfigError(f"config cannot be read: {path}", got=f"{type(error).__name__}: {error}") from error
    _drop_helpers(cfg)
    for override in overrides:
        _apply_override(cfg, override)
    _apply_data_options(cfg, data or DataOptions())
    _share_codec(cfg)
    share_crop(cfg)
    if cfg.get("work_dir") is None:
        cfg.work_dir = f"work_dirs/{path.stem}"
    return cfg


def _drop_helpers(cfg: Config) -> None:
    from mmengine.runner import Runner  # late: it costs a second that `--help` need not pay

    read = {
        *inspect.signature(Runner.__init__).parameters,
        *_SHARED,
        "custom_imports",
        "test_variants",
        "model_wrapper_cfg",
    }
    for key in [key for key in cfg if key not in read]:
        cfg.pop(key)


def _parse_value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def _apply_override(cfg: Config, override: str) -> None:
    key, equals, text = override.partition("=")
    adding, key = key.startswith("+"), key.lstrip("+")
    if not equals or not key:
        raise ConfigError("--cfg-options", got=override, want="key.sub=value")
    parts = key.split(".")
    if any(part in _CODEC_KEYS for part in parts):
        raise ConfigError(
            f"--cfg-options {key}: encoders and decoders are all the one codec", fix=f"set codec.{parts[-1]} instead"
        )
    node: Any = cfg
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        step = _child_key(node, part, ".".join(parts[: depth + 1]), allow_new=adding)
        if last:
            node[step] = _parse_value(text)
        else:
            if adding and isinstance(node, (dict, Config)) and step not in node:
                node[step] = ConfigDict()
            node = node[step]


def _child_key(node: Any, part: str, path: str, allow_new: bool) -> str | int:
    """Return the key or list index that `part` names in `node`, or raise with the nearest names."""
    if isinstance(node, (list, tuple)):
        if part.isdigit() and int(part) < len(node):
            return int(part)
        raise ConfigError(f"--cfg-options: no entry '{path}'", want=f"an index below {len(node)}")
    if isinstance(node, (dict, Config)):
        if part in node or allow_new:
            return part
        near = difflib.get_close_matches(part, list(node.keys()), n=1)
        raise ConfigError(
            f"--cfg-options: no key '{path}'",
            want=f"one of {', '.join(sorted(map(str, node.keys())))}",
            fix=f"did you mean '{near[0]}'?" if near else f"write +{path}=... to add it on purpose",
        )
    raise ConfigError(f"--cfg-options: '{path}' lies inside a {type(node).__name__}, which has no keys")


def walk_dicts(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted path, dict) for every dict inside `node`, itself included, parents first."""
    if isinstance(node, (dict, Config)):
        yield path, node
        for key, value in node.items():
            yield from walk_dicts(value, f"{path}.{key}" if path else str(key))
    elif isinstance(node, (list, tuple)):
        for index, value in enumerate(node):
            yield from walk_dicts(value, f"{path}.{index}")


def _share_codec(cfg: Config) -> None:
    if "codec" not in cfg:
        return
    for path, node in walk_dicts(cfg._cfg_dict):
        if path.startswith("model.hdr."):
            continue  # another network, with a codec of its own
        for key in _CODEC_KEYS:
            if isinstance(node.get(key), dict):
                node[key] = copy.deepcopy(cfg.codec)


def share_crop(cfg: Config) -> None:
    """Write the `crop_scale` of the model's HDR plugin, where there is one, into every `HandCrop`."""
    hdr = (cfg.get("model") or {}).get("hdr")
    if hdr:
        for _, node in walk_dicts(cfg._cfg_dict):
            if node.get("type") == "HandCrop":
                node["crop_scale"] = hdr.get("crop_scale", 1)


def _set_everywhere(cfg: Config, value: Any, key: str, under: tuple[str, ...], datasets: bool = True) -> None:
    """Set `key` wherever it stands below a top-level name that begins so; with `datasets` only in data sets."""
    for path, node in walk_dicts(cfg._cfg_dict):
        if key in node and path.startswith(under) and (not datasets or ("dataset" in path and "type" in node)):
            node[key] = value


def _apply_data_options(cfg: Config, data: DataOptions) -> None:
    if is_detector(cfg):
        _refuse_for_detector(data)
    _apply_data_root(cfg, data.data_root)
    places = {"split": ("test_",), "boxes": ("test_",), "depth_source": _TESTED, "annot_subset": ("",), "strict": ("",)}
    for key, under in places.items():
        if (value := getattr(data, key)) is not None:
            _set_everywhere(cfg, value, key, under)
    if data.backgrounds:
        _set_everywhere(cfg, data.backgrounds[-1], "backgrounds", _TESTED, datasets=False)
        _set_everywhere(cfg, data.backgrounds[0], "backgrounds", ("train_",), datasets=False)


def _apply_data_root(cfg: Config, given: str | dict[str, str] | None) -> None:
    """Write the one folder into every data set, or of a mix each type's own folder into its sets."""
    mixed = isinstance(cfg.get("data_root"), dict)
    if given is not None and mixed != isinstance(given, dict):
        types = list(cfg.data_root) if mixed else []
        want = " ".join(f"--data-root {name}=DIR" for name in types) if mixed else "--data-root DIR"
        raise ConfigError("--data-root of this config", got=given, want=want)
    if isinstance(given, dict):
        unknown = [name for name in given if name not in cfg.data_root]
        if unknown:
            raise ConfigError(f"--data-root {unknown[0]}=...", want=f"one of {', '.join(cfg.data_root)}")
        cfg.data_root.update(given)
    elif given is not None:
        cfg.data_root = given
    if not mixed and cfg.get("data_root") is not None:
        _set_everywhere(cfg, cfg.data_root, "data_root", ("",))
    for name, folder in cfg.data_root.items() if mixed else ():
        for _, node in walk_dicts(cfg._cfg_dict):
            if node.get("type") == name and "data_root" in node:
                node["data_root"] = folder


def map_pipelines(dataset: Any, change: Callable[[list[Any]], list[Any]]) -> Any:
    """Copy of a data set's config with `change` applied to its pipeline, or to each one of a mix."""
    if "datasets" in dataset:
        return {**dataset, "datasets": [map_pipelines(part, change) for part in dataset["datasets"]]}
    return {**dataset, "pipeline": change(list(dataset["pipeline"]))}


def _refuse_for_detector(data: DataOptions) -> None:
    """A detector's data is named by COCO files; an option without effect would be believed."""
    given = [name for name, value in vars(data).items() if value is not None and name != "data_root"]
    if given:
        raise ConfigError(
            f"--{given[0].replace('_', '-')} has no meaning for a detector",
            want="--data-root alone",
            fix="name other files with --cfg-options test_dataloader.dataset.ann_file=...",
        )
