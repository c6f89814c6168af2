"""Read, check and write checkpoints. Reading accepts tensors and a list of harmless types, and executes nothing."""

from __future__ import annotations

import hashlib
import pickle
from pathlib import Path
from typing import Any

import mmengine.logging.history_buffer as history_buffer
import numpy as np
import torch
from mmengine.runner import CheckpointLoader
from numpy._core import multiarray  # numpy writes its own scalars and arrays under this private name

from ..errors import CheckpointError
from ..utils.early import check_checkpoint
from ..utils.files import atomic_write
from .tensor_file import SUFFIX, is_tensor_file, read_tensor_file
from .versions import OLD_FAMILY, input_normalization, is_old


def _statistics_method(owner: Any, name: str) -> Any:
    """Replace `getattr` while unpickling: give access to the statistics of a HistoryBuffer and to nothing else."""
    if owner is not history_buffer.HistoryBuffer or name not in ("min", "max", "mean", "current"):
        raise pickle.UnpicklingError(f"getattr({owner!r}, {name!r}) is not allowed in a checkpoint")
    return getattr(owner, name)


# mmengine's own checkpoints contain more than tensors and plain containers: the history buffers of its log, with numpy
# scalars inside. These types only rebuild data; none of them can execute code from a file.
SAFE_TYPES: list[Any] = [
    history_buffer.HistoryBuffer,
    (_statistics_method, "builtins.getattr"),
    multiarray._reconstruct,
    multiarray.scalar,
    np.ndarray,
    np.dtype,
    *(type(np.dtype(name)) for name in ("bool", "int32", "int64", "uint8", "uint32", "uint64", "float32", "float64")),
]


def allow_safe_types() -> None:
    """Let torch read `SAFE_TYPES` with `weights_only=True`, and mmengine safetensors. Call it before a runner loads."""
    torch.serialization.add_safe_globals(SAFE_TYPES)
    CheckpointLoader.register_scheme(prefixes=r".*\.safetensors$", loader=read_tensor_file, force=True)


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint to the CPU without executing anything in it.

    Args:
        path: File of torch, or safetensors file such as those of `interhand_mm/weights`.

    Raises:
        CheckpointError: The file is missing, cut short, not a checkpoint, or contains types outside `SAFE_TYPES`.
    """
    check_checkpoint(path)
    path = Path(path)
    if path.suffix == SUFFIX or is_tensor_file(path):
        return read_tensor_file(path)
    allow_safe_types()
    try:
        checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise CheckpointError(
            f"the checkpoint is refused, because reading it might execute code: {path}",
            got=str(error).split("\n\n")[-1].strip()[:300],
            want="tensors and plain values only",
            fix="ask its authors for a plain state dict",
        ) from error
    except (RuntimeError, EOFError, OSError, ValueError) as error:
        raise CheckpointError(
            f"the checkpoint is cut short or not a torch file: {path}",
            got=f"{path.stat().st_size} bytes; {(str(error) or type(error).__name__)[:200]}",
            fix="download or copy it again",
        ) from error
    if not isinstance(checkpoint, dict):
        raise CheckpointError(
            f"the checkpoint is not a dict: {path}", got=type(checkpoint).__name__, want="a dict with 'state_dict'"
        )
    return checkpoint


def write_checkpoint(path: str | Path, checkpoint: dict[str, Any]) -> None:
    """Write a checkpoint atomically.

    Raises:
        OutputError: See `atomic_write`.
    """
    with atomic_write(path) as stream:
        try:
            torch.save(checkpoint, stream)
        except RuntimeError as error:
            if isinstance(error.__context__, OSError):  # torch hides a full disk behind an error of its own
                raise error.__context__ from None
            raise


def family_of(checkpoint: dict[str, Any]) -> str:
    """Return the layout of a checkpoint: "official", "mmpose" (which is also ours) or "unknown"."""
    if "network" in checkpoint:
        return "official"
    names = checkpoint.get("state_dict", checkpoint)
    if any(name.startswith(("head.right_hand_head.", "keypoint_head.right_hand_head.")) for name in names):
        return "mmpose"
    return "unknown"


def check_fits(checkpoint: dict[str, Any], model: torch.nn.Module, path: str | Path) -> None:
    """Check that a checkpoint has the names and shapes of a model.

    Raises:
        CheckpointError: The checkpoint belongs to another family or an earlier version, names are missing or
            unexpected, shapes differ, or the weights were trained with another input normalization than the model's.
    """
    if family_of(checkpoint) == "official":
        raise CheckpointError(
            f"{path} is an official InterNet snapshot, which must be converted first",
            fix=f"python tools/convert_checkpoint.py official {path} converted.pth",
        )
    if is_old(checkpoint):
        raise CheckpointError(
            f"{path} has parameter names of an earlier version of this project",
            fix=f"python tools/convert_checkpoint.py {OLD_FAMILY} {path} converted.pth",
        )
    state = checkpoint.get("state_dict")
    if state is None:
        raise CheckpointError(
            f"the checkpoint has no 'state_dict': {path}", got=f"keys {sorted(map(str, checkpoint))[:8]}"
        )
    wanted = {name: tensor.shape for name, tensor in model.state_dict().items()}
    found = {name: tensor.shape for name, tensor in state.items() if not name.startswith("data_preprocessor.")}
    check_shapes(found, wanted, str(path))
    _check_normalization(checkpoint, model, path)


def load_checked(model: torch.nn.Module, path: str | Path, ignore: str = "") -> dict[str, Any]:
    """Load a checkpoint into a model that it must fit, and return it.

    Args:
        model: Model that receives the weights.
        path: Checkpoint file.
        ignore: Prefix of parameters in the file that are skipped. Default: none.

    Raises:
        CheckpointError: See `read_checkpoint` and `check_fits`.
    """
    checkpoint = read_checkpoint(path)
    if ignore and isinstance(checkpoint.get("state_dict"), dict):
        state = {name: value for name, value in checkpoint["state_dict"].items() if not name.startswith(ignore)}
        checkpoint = {**checkpoint, "state_dict": state}
    check_fits(checkpoint, model, path)
    model.load_state_dict(checkpoint["state_dict"], strict=False)
    return checkpoint


def check_shapes(found: dict[str, torch.Size], wanted: dict[str, torch.Size], what: str) -> None:
    """Raise a `CheckpointError` that names missing, unexpected and differently shaped parameters, if there are any.

    A missing `num_batches_tracked` (files older than torch 0.4.1) is tolerated.
    """
    missing = [n for n in wanted if n not in found and not n.endswith("num_batches_tracked")]
    extra = [n for n in found if n not in wanted]
    other = [f"{n} {tuple(found[n])} for {tuple(wanted[n])}" for n in found if n in wanted and found[n] != wanted[n]]
    if missing or extra or other:
        raise CheckpointError(
            f"{what} does not belong to this model: {len(missing)} parameters missing, {len(extra)} unexpected, "
            f"{len(other)} of another shape",
            got=f"missing {missing[:3]}, unexpected {extra[:3]}, other shape {other[:3]}",
            want=f"{len(wanted)} parameters",
            fix="use the config the checkpoint was trained with, or tools/convert_checkpoint.py",
        )


def model_normalization(model: torch.nn.Module) -> dict[str, list[float]] | None:
    """Return the `mean` and `std` of a model's input. A model without a preprocessor has None.

    A preprocessor that does not normalize has mean 0 and std 1.
    """
    preprocessor = getattr(model, "data_preprocessor", None)
    if preprocessor is None:
        return None
    if not hasattr(preprocessor, "mean"):
        return {"mean": [0.0] * 3, "std": [1.0] * 3}
    return {key: [round(x, 4) for x in getattr(preprocessor, key).flatten().tolist()] for key in ("mean", "std")}


def same_normalization(first: dict[str, list[float]], second: dict[str, list[float]]) -> bool:
    """Return True where two input normalizations have the same `mean` and `std`."""
    return all(np.allclose(first[key], second[key], atol=1e-3) for key in ("mean", "std"))


def _check_normalization(checkpoint: dict[str, Any], model: torch.nn.Module, path: str | Path) -> None:
    trained, own = input_normalization(checkpoint), model_normalization(model)
    if not trained or own is None or same_normalization(trained, own):
        return
    options = (f'"model.data_preprocessor.{key}={trained[key]}"'.replace(" ", "") for key in ("mean", "std"))
    raise CheckpointError(
        f"{path} was trained with another input normalization than the config's",
        got=own,
        want=trained,
        fix=f"--cfg-options {' '.join(options)}",
    )


def sha256(path: str | Path) -> str:
    """Return the SHA-256 of a file as a hex string."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_start(checkpoint: dict[str, Any], model: torch.nn.Module, path: str | Path) -> None:
    """Check that training can start from these weights: the backbone must fit, the head may be another one.

    Raises:
        CheckpointError: The checkpoint has no backbone, or another one.
    """
    state = checkpoint.get("state_dict", checkpoint)
    found = {n: t.shape for n, t in state.items() if torch.is_tensor(t) and n.startswith("backbone.")}
    if not found:
        raise CheckpointError(
            f"the checkpoint has no weights of a backbone: {path}", got=f"keys {sorted(map(str, state))[:5]}"
        )
    wanted = {n: t.shape for n, t in model.state_dict().items() if n.startswith("backbone.")}
    check_shapes(found, wanted, f"the backbone in {path}")
