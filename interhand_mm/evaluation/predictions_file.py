"""The file of saved predictions, preds.npz: plain arrays without pickles."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from ..errors import EvaluationError
from ..structures.joints import NUM_JOINTS
from ..utils.files import atomic_write

# Name of each array -> its shape after the leading N, and its dtype; None for text.
PREDICTION_ARRAYS: dict[str, tuple[tuple[int, ...], type | None]] = {
    "img_path": ((), None),
    "ann_id": ((), np.int64),
    "keypoints": ((NUM_JOINTS, 3), np.float32),  # u, v px of the full image, d mm relative to the own wrist
    "keypoint_scores": ((NUM_JOINTS,), np.float32),
    "bins": ((NUM_JOINTS, 3), np.float32),
    "rel_root_depth": ((), np.float32),  # mm, z(left wrist) - z(right wrist)
    "hand_prob": ((2,), np.float32),  # right, left
    "bbox": ((4,), np.float32),  # px, x1 y1 x2 y2: the square that was cropped
    "skipped": ((), np.bool_),  # True where strict='skip' left the sample out: the row is of a black image
}


def save_predictions(path: str | Path, arrays: dict[str, np.ndarray]) -> None:
    """Write preds.npz atomically; `arrays` holds every name of `PREDICTION_ARRAYS` with a leading N.

    Without `skipped`, no sample was left out.
    """
    arrays = {"skipped": np.zeros(len(arrays["ann_id"])), **arrays}
    typed = {
        name: arrays[name] if dtype is None else arrays[name].astype(dtype)
        for name, (_, dtype) in PREDICTION_ARRAYS.items()
    }
    with atomic_write(path) as stream:
        np.savez(stream, allow_pickle=False, **typed)


def load_predictions(path: str | Path) -> dict[str, np.ndarray]:
    """Read preds.npz and check the shape of every array.

    Raises:
        EvaluationError: If the file cannot be read, or an array is missing or has another shape.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
    except (OSError, ValueError, zipfile.BadZipFile, EOFError) as error:
        raise EvaluationError(
            f"predictions cannot be read: {path}", got=error, want="a file written by tools/test.py --dump"
        ) from error
    length = len(arrays.get("ann_id", ()))
    arrays.setdefault("skipped", np.zeros(length, bool))  # older files do not have it
    for name, (shape, _) in PREDICTION_ARRAYS.items():
        if name not in arrays or arrays[name].shape != (length, *shape):
            found = arrays[name].shape if name in arrays else "missing"
            raise EvaluationError(
                f"array '{name}' in {path} is missing or has the wrong shape", got=found, want=(length, *shape)
            )
    return arrays
