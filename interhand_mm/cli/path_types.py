"""Check the paths of a command line before anything slow is imported.

The functions of the first part are types for `argparse`: they return the path, or raise an error that names the option
that sets it. `check_config_paths` looks at the paths that the config itself names. Nothing here imports torch.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import (
    AnnotationError,
    BackgroundError,
    CheckpointError,
    ConfigError,
    InputError,
    InterHandError,
    OutputError,
)
from ..utils.early import check_checkpoint, check_config, check_writable, is_address

if TYPE_CHECKING:
    from mmengine.config import Config

_INTERHAND_TYPES = ("InterHandDataset", "OneHandDataset")


def _existing(path: str, what: str, error: type[InterHandError], fix: str | None = None) -> str:
    if not Path(path).exists():
        raise error(f"{what} does not exist: {path}", fix=fix)
    return path


def config_file(path: str) -> str:
    """Return the path of an existing config."""
    check_config(path)
    return path


def checkpoint_file(path: str) -> str:
    """Return the path of an existing checkpoint."""
    check_checkpoint(path)
    return path


def resumable(path: str) -> str:
    """Return the path of an existing checkpoint, or "auto" for the newest one of the work directory."""
    return path if path == "auto" else checkpoint_file(path)


def existing_file(path: str) -> str:
    """Return the path of an existing file."""
    return _existing(path, "file", InputError)


def image_folder(path: str) -> str:
    """Return the path of an existing folder of images."""
    return _existing(path, "folder of images", InputError)


def photographs(path: str) -> str:
    """Return an existing folder or list of photographs."""
    return _existing(path, "folder of photographs", BackgroundError, "--backgrounds TRAIN_DIR TEST_DIR")


def data_folder(text: str) -> str:
    """Return a folder of data that exists, or TYPE=DIR whose folder exists."""
    name, sign, folder = text.partition("=")
    _existing(folder if sign and name.endswith("Dataset") else text, "data folder", AnnotationError, "--data-root DIR")
    return text


def output_folder(path: str) -> str:
    """Return a folder that exists or can be made; nothing is left behind."""
    check_writable(path)
    return path


def output_file(path: str) -> str:
    """Return a file that can be written; nothing is left behind."""
    if Path(path).is_dir():
        raise OutputError(f"the output file is a folder: {path}", want="the name of a file")
    check_writable(Path(path).parent)
    return path


def check_config_paths(args: argparse.Namespace, parts: tuple[str, ...]) -> None:
    """Check the paths that a config names and the command line does not replace.

    Args:
        args: Arguments of `add_config_options`, and of training: `load_from`, `resume` and `from_scratch`.
        parts: Beginnings of the parts of the config that the tool reads, such as "train_".

    Raises:
        InterHandError: A path does not exist. The message names the option that sets it.
    """
    from ..utils.config import preview_config

    cfg = preview_config(args.config, args.cfg_options, parse_data_root(args.data_root))
    for name, node in _datasets(cfg, parts):
        _check_data(args, cfg, node, name)
    _check_photographs(args, cfg, parts)
    start = cfg.get("load_from")
    if start is None or not hasattr(args, "load_from") or args.load_from or args.from_scratch or args.resume:
        return
    if not is_address(start) and not Path(start).exists():
        raise CheckpointError(
            f"the checkpoint that this config starts from does not exist: {start}",
            fix="train it first, or --load-from CHECKPOINT, or --from-scratch",
        )


def _datasets(cfg: Config, parts: tuple[str, ...]) -> Iterator[tuple[str, Any]]:
    from ..utils.config import walk_dicts

    for path, node in walk_dicts(cfg._cfg_dict):
        if path.startswith(parts) and "data_root" in node and isinstance(node.get("type"), str):
            yield path.split("_")[0], node


def _check_data(args: argparse.Namespace, cfg: Config, node: Any, loader: str) -> None:
    roots, kind = cfg.get("data_root"), node["type"].rpartition(".")[2]
    root = roots.get(kind) if isinstance(roots, dict) else roots
    root = node["data_root"] if root is None else root
    fix = f"--data-root {kind}=DIR" if isinstance(roots, dict) else "--data-root DIR"
    if root is None:
        return
    if not Path(root).is_dir():
        raise AnnotationError(f"data folder does not exist: {root}", fix=fix)
    if kind in _INTERHAND_TYPES:
        from ..structures.annotation_files import find_annotations

        split = (args.split if loader == "test" else None) or node.get("split", "train")
        find_annotations(root, split, args.annot_subset or node.get("annot_subset", "all"))
    elif kind == "CocoDataset" and not (Path(root) / node["ann_file"]).is_file():
        raise AnnotationError(f"there are no annotations of {node['ann_file']} under {root}", fix=fix)


def _check_photographs(args: argparse.Namespace, cfg: Config, parts: tuple[str, ...]) -> None:
    from ..utils.config import walk_dicts

    for path, node in walk_dicts(cfg._cfg_dict):
        source = node.get("backgrounds")
        if args.backgrounds or not path.startswith(parts) or node.get("type") != "RandomBackgroundReplace":
            continue
        if source is None or (isinstance(source, str) and not Path(source).exists()):
            raise BackgroundError(
                "the photographs for the backgrounds do not exist" if source else "the config needs photographs",
                got=source,
                want="a folder of images, such as COCO's train2017 for training and val2017 for the test",
                fix="--backgrounds TRAIN_DIR TEST_DIR; without a test on photographs: --cfg-options test_variants={}",
            )


def parse_data_root(given: list[str] | None) -> str | dict[str, str] | None:
    """Return one folder, or a folder per data set type if the arguments have the form TYPE=DIR.

    Example:
        >>> parse_data_root(["data/InterHand2.6M"])
        'data/InterHand2.6M'
        >>> parse_data_root(["RHDDataset=data/RHD", "STBDataset=data/STB"])
        {'RHDDataset': 'data/RHD', 'STBDataset': 'data/STB'}
    """
    named = [text.partition("=") for text in given or ()]
    if given and all(sign and name.endswith("Dataset") for name, sign, _ in named):
        return {name: folder for name, _, folder in named}
    if given and len(given) > 1:
        raise ConfigError(
            "--data-root was given several times", got=" ".join(given), want="one folder, or TYPE=DIR for each data set"
        )
    return given[0] if given else None
