"""Weights that a new training starts from by its config: `init_cfg=dict(type="Pretrained", checkpoint=...)`.

They are fetched and checked before anything slow starts. A training never falls back to random weights by itself.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mmengine
import torch
from filelock import FileLock
from mmengine.runner import CheckpointLoader
from torch.hub import get_dir, load_state_dict_from_url

from ..errors import CheckpointError, InterHandError
from ..utils.config import walk_dicts
from .io import read_checkpoint

_SCHEME = "torchvision://"
_HASHED = re.compile(r"-[0-9a-f]{8,}\.pth?$")  # a file name that ends in a hash of the content, as torchvision's do
_TIMEOUT = 30  # s, for a server that does not answer


def _pretrained(init_cfg: Any) -> list[Any]:
    """Return the entries of an `init_cfg`, a dict or a list of them, that load a file."""
    entries = init_cfg if isinstance(init_cfg, (list, tuple)) else [init_cfg]
    return [each for each in entries if isinstance(each, dict) and each.get("type") in ("Pretrained", "PretrainedInit")]


def _nodes(model: Any) -> Iterator[tuple[str, Any]]:
    for path, node in walk_dicts(model):
        if _pretrained(node.get("init_cfg")):
            yield path, node


def drop_pretrained(model: Any, part: str = "") -> int:
    """Remove the weights to start from, because others are loaded or none are wanted.

    Args:
        model: `cfg.model`, changed in place.
        part: Key of the part to change, for example "backbone". Default: the whole model.

    Returns:
        How many parts of the model would have started from a file.
    """
    found = [node for path, node in _nodes(model) if not part or path.split(".")[0] == part]
    for node in found:
        init_cfg = node["init_cfg"]
        dropped = _pretrained(init_cfg)
        rest = [each for each in init_cfg if each not in dropped] if isinstance(init_cfg, (list, tuple)) else []
        node["init_cfg"] = rest or None
    return len(found)


def fetch_pretrained(model: Any) -> None:
    """Read the weights to start from, and download them where they are not in torch's cache.

    A ``torchvision://NAME`` is replaced by its address, so that torchvision need not be installed.

    Args:
        model: `cfg.model`, changed in place.

    Raises:
        CheckpointError: They cannot be downloaded or read. The message names the two ways out.
    """
    for path, node in _nodes(model):
        for init_cfg in _pretrained(node["init_cfg"]):
            given = init_cfg["checkpoint"]
            try:
                init_cfg["checkpoint"] = _address(given)
                _read(init_cfg["checkpoint"])
            except Exception as error:  # a scheme's reader may raise anything; the message has to name the ways out
                raise _unusable(f"model.{path}".rstrip("."), given, error) from error


def check_pretrained(model: torch.nn.Module) -> None:
    """Check that the files that the modules start from have all their parameters.

    mmengine itself loads what fits and leaves the rest at random.

    Raises:
        CheckpointError: A parameter is missing or has another shape.
    """
    for name, module in model.named_modules():
        for init_cfg in _pretrained(getattr(module, "init_cfg", None)):
            state = _read(init_cfg["checkpoint"])
            prefix = (init_cfg.get("prefix") or "").rstrip(".")
            prefix = f"{prefix}." if prefix else ""
            found = {key.removeprefix("module.").removeprefix(prefix): value for key, value in state.items()}
            unfit = [
                key
                for key, value in module.state_dict().items()
                if not key.endswith("num_batches_tracked")
                and (key not in found or tuple(found[key].shape) != tuple(value.shape))
            ]
            if unfit:
                got = f"{len(unfit)} parameters are missing or have another shape, such as {unfit[0]}"
                raise _unusable(f"model.{name}", init_cfg["checkpoint"], got)


def _unusable(part: str, source: str, reason: object) -> CheckpointError:
    action = "downloaded" if "://" in source and isinstance(reason, OSError) else "used"
    if isinstance(reason, Exception):
        reason = reason.what if isinstance(reason, InterHandError) else f"{type(reason).__name__}: {reason}"
    return CheckpointError(
        f"the weights that {part} starts from cannot be {action}: {source}",
        got=reason,
        fix=f"name a local file: --cfg-options {part}.init_cfg.checkpoint=FILE\n"
        "        or train from random weights: --from-scratch",
    )


def _address(source: str) -> str:
    if not source.startswith(_SCHEME):
        return source
    table = mmengine.load(Path(mmengine.__path__[0]) / "hub" / "torchvision_0.12.json")  # what mmengine itself reads
    name = source.removeprefix(_SCHEME)
    if name not in table:
        raise CheckpointError(f"torchvision has no weights named {name}")
    return str(table[name])


def _read(source: str) -> dict[str, Any]:
    if "://" not in source:
        checkpoint = read_checkpoint(Path(source).expanduser())
    elif source.startswith(("http://", "https://")):
        checkpoint = _download(source)
    else:
        checkpoint = CheckpointLoader.load_checkpoint(source, "cpu")
    state: dict[str, Any] = checkpoint.get("state_dict", checkpoint)
    return state


def _download(url: str) -> dict[str, Any]:
    folder = Path(get_dir()) / "checkpoints"
    folder.mkdir(parents=True, exist_ok=True)
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_TIMEOUT)
    try:
        with FileLock(folder / f"{Path(url).name}.lock"):  # only one of several processes downloads it
            checkpoint: dict[str, Any] = load_state_dict_from_url(
                url, map_location="cpu", progress=False, check_hash=_HASHED.search(url) is not None
            )
    finally:
        socket.setdefaulttimeout(before)
    return checkpoint
