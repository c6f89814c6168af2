"""Load configs: strict overrides, one shared codec, and data options that reach every data set."""

from __future__ import annotations

import ast
import copy
import difflib
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict
from mmengine.utils import import_modules_from_strings

from ..errors import ConfigError
from .early import check_config

_CODEC_KEYS = ("encoder", "decoder")
_DATA = ("train_", "val_", "test_")
_TESTED = ("val_", "test_")
# Data option -> the dataloaders it applies to.
_DATASET_OPTIONS = {
    "split": ("test_",),
    "boxes": ("test_",),
    "depth_source": _TESTED,
    "annot_subset": _DATA,
    "strict": _DATA,
}
PLUGIN_KEY = "hdr"  # of `model`: the slot for a plugin (see models/plugin.py), named after the first one
_SHARED = ("codec", "data_root")  # set once at the top level, then copied to every place that uses them
# The top-level keys that mmengine's Runner takes or reads from its config; a test compares them with its source.
RUNNER_KEYS = frozenset(
    (
        *("model", "work_dir", "train_dataloader", "val_dataloader", "test_dataloader", "train_cfg", "val_cfg"),
        *("test_cfg", "auto_scale_lr", "optim_wrapper", "param_scheduler", "val_evaluator", "test_evaluator"),
        *("default_hooks", "custom_hooks", "data_preprocessor", "load_from", "resume", "launcher", "env_cfg"),
        *("log_processor", "log_level", "visualizer", "default_scope", "randomness", "experiment_name", "cfg"),
        *("model_wrapper_cfg", "sync_bn", "find_unused_parameters", "activation_checkpointing", "compile"),
        "efficient_conv_bn_eval",
    )
)
_READ = RUNNER_KEYS | {*_SHARED, "custom_imports", "test_variants"}
_DATASET_PATH = re.compile(r"\w+_dataloader\.dataset(\.dataset|\.datasets\.\d+)*")


@dataclass
class DataOptions:
    """The data options that every tool takes on its command line. None keeps the config's value.

    Attributes:
        data_root: Folder of the data set, written into every data set of the config. A config that mixes data sets
            takes a dict instead: type of the data set -> folder.
        split: Split to test on, "val" or "test".
        annot_subset: Annotation subset; see `InterHandDataset`.
        depth_source: Source of the absolute depth in validation and test, "gt" or "rootnet".
        backgrounds: One directory of photographs, or two: the first for training, the second for test.
        strict: "error" stops at a faulty sample, "skip" leaves it out and counts it.
        boxes: File of detected boxes, written by `tools/detect.py`, that replaces the annotated boxes in the test.
    """

    data_root: str | dict[str, str] | None = None
    split: str | None = None
    annot_subset: str | None = None
    depth_source: str | None = None
    backgrounds: Sequence[str] | None = None
    strict: str | None = None
    boxes: str | None = None


def is_detector(cfg: Config) -> bool:
    """Return True for a config of mmdet: it has mmdet's default scope, and neither a codec nor joints."""
    return cfg.get("default_scope") == "mmdet"


def load_config(
    path: str | Path,
    overrides: Sequence[str] = (),
    data: DataOptions | None = None,
    parts: tuple[str, ...] = _DATA,
) -> Config:
    """Load a config file the way every tool does.

    1. `overrides` ("key.sub=value") change existing keys. Options that the constructor of a data set, a sampler or a
       transform declares exist even where the config does not list them. "+key=value" adds any other key on purpose.
    2. The data options are written into every data set and background transform that takes them.
    3. The one top-level `codec` (and `data_root`) is copied into every `encoder` and `decoder`, after all overrides,
       and the crop scale of the model's plugin, where there is one, into every `HandCrop`.
    4. Top-level names that nothing reads any more are removed, for example a `train_pipeline` that was copied into its
       dataloader. Overriding one of them is then an error instead of having no effect.
    5. `work_dir` defaults to ``work_dirs/<file name>``.

    Args:
        path: Config file.
        overrides: Overrides, applied in this order.
        data: Data options of the command line.
        parts: Beginnings of the names of the parts that will be read, for example "test_" in a test. A data option that
            only changes others is refused.

    Raises:
        ConfigError: The file is missing or not a config; the file sets a name that nothing reads; an override names a
            key that does not exist (the message suggests the nearest one) or one that is overwritten by a copy; a data
            option has no effect.
    """
    cfg = read_config(path)
    if cfg.get("custom_imports"):
        import_modules_from_strings(**cfg.custom_imports)
    _find_parts(cfg, Path(path))
    for override in overrides:
        _apply_override(cfg, override)
    _apply_data_options(cfg, data or DataOptions(), parts)
    _share_codec(cfg)
    share_crop(cfg)
    if cfg.get("work_dir") is None:
        cfg.work_dir = f"work_dirs/{Path(path).stem}"
    return cfg


def preview_config(
    path: str | Path, overrides: Sequence[str] = (), data_root: str | dict[str, str] | None = None
) -> Config:
    """Read a config with its overrides and data root, for a look at its paths before `load_config`.

    Overrides that need a data set's class are left out, because looking it up would import torch.

    Raises:
        ConfigError: The file is missing or not a config, or an override names a key that does not exist.
    """
    cfg = read_config(path)
    for override in overrides:
        key = override.partition("=")[0]
        if _exists(cfg, key) or (key.split(".")[0] not in cfg and not key.startswith("+")):  # the latter is an error
            _apply_override(cfg, override)
    if isinstance(data_root, dict) and isinstance(cfg.get("data_root"), dict):
        cfg.data_root.update(data_root)
    elif isinstance(data_root, str) and not isinstance(cfg.get("data_root"), dict):
        cfg.data_root = data_root
    return cfg


def _exists(cfg: Config, key: str) -> bool:
    node: Any = cfg._cfg_dict
    for part in key.split("."):
        if isinstance(node, (list, tuple)) and part.isdigit() and int(part) < len(node):
            node = node[int(part)]
        elif isinstance(node, dict) and part in node:
            node = node[part]
        else:
            return False
    return True


def read_config(path: str | Path) -> Config:
    """Read a config file as it is, without its helper names, and without importing torch or what it imports.

    Raises:
        ConfigError: The file is missing, not a config, or sets a name that nothing reads.
    """
    check_config(path)
    path = Path(path)
    try:
        cfg = Config.fromfile(str(path), import_custom_modules=False)
    except Exception as error:  # executing a config can raise anything; the message should name the file
        raise ConfigError(f"config cannot be read: {path}", got=f"{type(error).__name__}: {error}") from error
    if cfg.get("default_scope") == "interhand_mm":
        _refuse_unread(path)
    _refuse_own_roots(cfg, path)
    for key in [key for key in cfg if key not in _READ]:
        cfg.pop(key)
    return cfg


def _refuse_unread(path: Path) -> None:
    """Refuse a name that the file itself sets, but neither uses nor any code reads.

    It is a misspelled key, or a name of the base config (such as `train_pipeline`) that the base has already copied to
    its place, so that setting it again changes nothing.
    """
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assigned = [
        target.id
        for statement in tree.body
        if isinstance(statement, (ast.Assign, ast.AnnAssign))
        for target in (statement.targets if isinstance(statement, ast.Assign) else [statement.target])
        if isinstance(target, ast.Name)
    ]
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    for name in assigned:
        if name in _READ or name in used or name.startswith("_"):
            continue
        near = difflib.get_close_matches(name, sorted(_READ), n=1, cutoff=0.85)
        raise ConfigError(
            f"{path} sets '{name}', which has no effect: neither the file nor any code reads it",
            fix=f"did you mean '{near[0]}'?" if near else "use the name in the part of the config that should change",
        )


def _parse_value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return {"true": True, "false": False, "none": None}.get(text.lower(), text)


def _apply_override(cfg: Config, override: str) -> None:
    key, equals, text = override.partition("=")
    adding, key = key.startswith("+"), key.lstrip("+")
    if not equals or not key:
        raise ConfigError("an entry of --cfg-options is not a key and a value", got=override, want="key.sub=value")
    parts = key.split(".")
    _refuse_copied(cfg, key, parts)
    node: Any = cfg
    for depth, part in enumerate(parts):
        last = depth == len(parts) - 1
        step = _child_key(node, part, ".".join(parts[: depth + 1]), adding, last)
        if last:
            node[step] = _parse_value(text)
        else:
            if adding and isinstance(node, (dict, Config)) and step not in node:
                node[step] = ConfigDict()
            node = node[step]


def _refuse_copied(cfg: Config, key: str, parts: list[str]) -> None:
    """Refuse an override of a value that `load_config` copies from another key afterwards."""
    fix = None
    if any(part in _CODEC_KEYS for part in parts):
        what, fix = "every encoder and decoder is a copy of the one codec", f"set codec.{parts[-1]} instead"
    elif parts[-1] == "data_root" and len(parts) > 1 and cfg.get("data_root") is not None:
        what = "every data set reads the one data_root of the config"
        fix = "--data-root DIR, or --cfg-options data_root=None and then each data set's own folder"
    elif parts[-1] == "crop_scale" and parts[0] != "model" and plugin_config(cfg) is not None:
        what, fix = "every HandCrop reads the crop_scale of the plugin", f"set model.{PLUGIN_KEY}.crop_scale instead"
    if fix is not None:
        raise ConfigError(f"--cfg-options {key} has no effect: {what}", fix=fix)


def _child_key(node: Any, part: str, path: str, adding: bool, last: bool) -> str | int:
    """Return the key or list index that `part` names in `node`, or raise with the nearest names."""
    if isinstance(node, (list, tuple)):
        if part.isdigit() and int(part) < len(node):
            return int(part)
        raise ConfigError(f"--cfg-options: the config has no entry '{path}'", want=f"an index below {len(node)}")
    if isinstance(node, (dict, Config)):
        if part in node or adding:
            return part
        names = {*map(str, node), *(declared_options(node) if last else ())}
        if part in names:
            return part
        near = difflib.get_close_matches(part, sorted(names), n=1)
        raise ConfigError(
            f"--cfg-options: the config has no key '{path}'",
            want=f"one of {', '.join(sorted(names))}",
            fix=f"did you mean '{near[0]}'?" if near else f"write +{path}=... to add it on purpose",
        )
    raise ConfigError(f"--cfg-options: '{path}' lies inside a {type(node).__name__}, which has no keys")


def declared_options(node: Any) -> frozenset[str]:
    """Return the options that the data set, sampler or transform of a config node can be given.

    These are the parameters of its constructor and, where that takes ``**kwargs``, of its parents' constructors. So a
    data set declares an option once, in its signature, and no config has to list it.

    Args:
        node: Dict of a config. Without a registered `type` it has no options.

    Returns:
        Names of the options; the `pipeline` and other parameters that a config usually sets are among them.
    """
    name = node.get("type") if isinstance(node, (dict, Config)) else None
    return _options_of_type(name) if isinstance(name, str) else frozenset()


@cache
def _options_of_type(name: str) -> frozenset[str]:
    # Imported late: looking a class up imports every data set and torch, which `--help` must not pay.
    from ..registry import DATA_SAMPLERS, DATASETS, TRANSFORMS

    classes = (registry.get(name) for registry in (DATASETS, DATA_SAMPLERS, TRANSFORMS))
    found = next((each for each in classes if isinstance(each, type)), None)
    options: set[str] = set()
    for each in found.__mro__ if found else ():
        if each.__module__.startswith("mmengine.") or "__init__" not in vars(each):
            continue  # mmengine's own options, such as `ann_file`, have no effect on our data sets
        parameters = inspect.signature(vars(each)["__init__"]).parameters.values()
        options |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return frozenset(options - {"self"})


def walk_dicts(node: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Yield (dotted path, dict) for every dict inside `node`, parents before children and `node` itself first.

    >>> [path for path, _ in walk_dicts({"a": [{"b": {}}]})]
    ['', 'a.0', 'a.0.b']
    """
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
        if path.startswith(f"model.{PLUGIN_KEY}."):
            continue  # a plugin's networks have codecs of their own
        for key in _CODEC_KEYS:
            if isinstance(node.get(key), dict):
                node[key] = copy.deepcopy(cfg.codec)


def plugin_config(cfg: Config) -> ConfigDict | None:
    """Return the config of the model's plugin, or None."""
    found: ConfigDict | None = (cfg.get("model") or {}).get(PLUGIN_KEY)
    return found


def _find_parts(cfg: Config, path: Path) -> None:
    """Let the plugin's parts name files of the project that the config file belongs to, from any working directory.

    The first folder above the config file that has the file counts. Checkpoints are outputs, so one in the working
    directory comes first.
    """
    for part in (plugin_config(cfg) or {}).values():
        for key in ("config", "checkpoint") if isinstance(part, dict) else ():
            name = part.get(key)
            if not name or (key == "checkpoint" and Path(name).is_file()):
                continue
            found = next((folder / name for folder in path.resolve().parents if (folder / name).is_file()), None)
            if found is not None and found != Path(name).resolve():
                part[key] = str(found)


def share_crop(cfg: Config) -> None:
    """Write the `crop_scale` of the model's plugin, where there is one, into every `HandCrop`."""
    plugin = plugin_config(cfg)
    if plugin is not None:
        for _, node in walk_dicts(cfg._cfg_dict):
            if node.get("type") == "HandCrop":
                node["crop_scale"] = plugin.get("crop_scale", 1)


def _takes(node: Any, key: str) -> bool:
    return key in node or key in declared_options(node)


def _set_in_datasets(cfg: Config, key: str, value: Any, loaders: tuple[str, ...] = _DATA) -> int:
    """Set an option of every data set that takes it, and return how many do.

    Args:
        cfg: The config, changed in place.
        key: Name of the option.
        value: Its new value.
        loaders: Beginnings of the names of the dataloaders to change.
    """
    count = 0
    for path, node in walk_dicts(cfg._cfg_dict):
        if path.startswith(loaders) and _DATASET_PATH.fullmatch(path) and _takes(node, key):
            node[key] = value
            count += 1
    return count


def _set_backgrounds(cfg: Config, folder: str, loaders: tuple[str, ...]) -> int:
    """Set the photographs of every transform that takes some, and return how many do."""
    found = [
        node for path, node in walk_dicts(cfg._cfg_dict) if path.startswith(loaders) and _takes(node, "backgrounds")
    ]
    for node in found:
        node["backgrounds"] = folder
    return len(found)


def _apply_data_options(cfg: Config, data: DataOptions, parts: tuple[str, ...]) -> None:
    if is_detector(cfg):
        _refuse_for_detector(data)
    _apply_data_root(cfg, data.data_root)
    for key, loaders in _DATASET_OPTIONS.items():
        value = getattr(data, key)
        if value is None:
            continue
        read = _read_loaders(loaders, parts)
        if not read:
            raise _no_effect(key, value, f"it changes {' and '.join(loaders)}dataloader, which is not read here")
        if not _set_in_datasets(cfg, key, value, read):
            raise _no_effect(key, value, "no data set of the config takes this option")
    if data.backgrounds:
        found = _set_backgrounds(cfg, data.backgrounds[-1], _read_loaders(_TESTED, parts))
        if not found + _set_backgrounds(cfg, data.backgrounds[0], _read_loaders(("train_",), parts)):
            raise _no_effect("backgrounds", data.backgrounds, "the config has no RandomBackgroundReplace")


def _read_loaders(loaders: tuple[str, ...], parts: tuple[str, ...]) -> tuple[str, ...]:
    """Return the beginnings of the parts that are read and belong to one of the dataloaders."""
    return tuple(part for part in parts if part.startswith(loaders))


def _refuse_own_roots(cfg: Config, path: Path) -> None:
    """Refuse a data set with a folder of its own, which the one `data_root` would overwrite.

    A folder that a file above it in the chain of `_base_` sets for all data sets is none of its own.
    """
    shared = set(_roots_of_bases(path)) if isinstance(cfg.get("data_root"), str) else set()
    for place, node in walk_dicts(cfg._cfg_dict):
        own = node.get("data_root") if _DATASET_PATH.fullmatch(place) else None
        if shared and own is not None and own not in shared:
            raise ConfigError(
                f"{place}.data_root has no effect: every data set reads the one data_root of the config",
                got=own,
                want=cfg.data_root,
                fix="write data_root=None at the top level to give each data set its own folder",
            )


def _roots_of_bases(path: Path) -> Iterator[str]:
    """Yield the top-level `data_root` of a config file and of the files it inherits from."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    values = {
        target.id: statement.value
        for statement in tree.body
        if isinstance(statement, ast.Assign)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    root, bases = (_literal(values.get(name)) for name in ("data_root", "_base_"))
    if isinstance(root, str):
        yield root
    for base in [bases] if isinstance(bases, str) else bases or []:
        if (path.parent / base).is_file():
            yield from _roots_of_bases(path.parent / base)


def _literal(node: ast.expr | None) -> Any:
    try:
        return ast.literal_eval(node) if node is not None else None
    except ValueError:
        return None


def _no_effect(key: str, value: Any, reason: str) -> ConfigError:
    option = f"--{key.replace('_', '-')}"
    return ConfigError(f"{option} has no effect: {reason}", got=value, fix=f"leave {option} out, or use another config")


def _apply_data_root(cfg: Config, given: str | dict[str, str] | None) -> None:
    """Write the one folder into every data set; in a mix, write each type's folder into the data sets of that type."""
    mixed = isinstance(cfg.get("data_root"), dict)
    if given is not None and mixed != isinstance(given, dict):
        types = list(cfg.data_root) if mixed else []
        want = " ".join(f"--data-root {name}=DIR" for name in types) if mixed else "--data-root DIR"
        what = (
            "this config needs one --data-root for each of its data sets" if mixed else "this config has one data set"
        )
        raise ConfigError(what, got=given, want=want)
    if isinstance(given, dict):
        unknown = [name for name in given if name not in cfg.data_root]
        if unknown:
            want = f"one of {', '.join(cfg.data_root)}"
            raise ConfigError(f"--data-root {unknown[0]}=... names no data set of this config", want=want)
        cfg.data_root.update(given)
    elif given is not None:
        cfg.data_root = given
    if mixed:
        for path, node in walk_dicts(cfg._cfg_dict):
            if _DATASET_PATH.fullmatch(path) and node.get("type") in cfg.data_root:
                node["data_root"] = cfg.data_root[node["type"]]
    elif (
        cfg.get("data_root") is not None and not _set_in_datasets(cfg, "data_root", cfg.data_root) and given is not None
    ):
        raise _no_effect("data_root", given, "no data set of the config takes this option")


def place_outputs(cfg: Config) -> None:
    """Put the files that metrics of the test write by a relative `out_file` into the work directory."""
    for _, node in walk_dicts(cfg.get("test_evaluator")):
        if node.get("out_file"):
            node["out_file"] = str(Path(cfg.work_dir) / node["out_file"])


def map_pipelines(dataset: Any, change: Callable[[list[Any]], list[Any]]) -> Any:
    """Return a copy of a data set's config with `change` applied to its pipeline, or to each pipeline of a mix.

    >>> map_pipelines({"type": "InterHandDataset", "pipeline": ["load", "pack"]}, lambda steps: steps[:-1])
    {'type': 'InterHandDataset', 'pipeline': ['load']}
    """
    if "datasets" in dataset:
        return {**dataset, "datasets": [map_pipelines(part, change) for part in dataset["datasets"]]}
    return {**dataset, "pipeline": change(list(dataset["pipeline"]))}


def _refuse_for_detector(data: DataOptions) -> None:
    """Refuse all options but the data root: a detector's data is named by COCO files."""
    given = [name for name, value in vars(data).items() if value is not None and name != "data_root"]
    if given:
        raise ConfigError(
            f"--{given[0].replace('_', '-')} has no effect on a detector",
            want="--data-root alone",
            fix="name other files with --cfg-options test_dataloader.dataset.ann_file=...",
        )
