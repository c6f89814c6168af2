"""Background photographs from installed Python packages; nothing is downloaded.

There are only ten, so each one is written as several views: random parts at random zoom, rotated and mirrored. All
views of a photograph belong to the same split.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import BackgroundError
from ..utils.files import write_json
from ..utils.images import PACKAGED_PHOTOGRAPHS, packaged_photograph, read_image, resize_image, write_image
from .settings import Log, read_json

# Names in `utils.images.PACKAGED_PHOTOGRAPHS`.
PACKAGED = {
    "train": ("astronaut", "chelsea", "coffee", "motorcycle_left", "brick", "grass", "china"),
    "test": ("rocket", "gravel", "flower"),
}
CROPS_PER_PHOTO = {"train": 40, "test": 16}  # views of each photograph
PHOTO_SIDE_PX = 256  # side in px; the transform enlarges it to a frame, of which the network sees 300 px as 128 px
VERSION = 2  # increase when the same photographs give other views
DISTRIBUTIONS = {"skimage": "scikit-image", "sklearn": "scikit-learn"}


def find(split: str) -> tuple[list[Path], list[str]]:
    """Return the installed photographs of a split, and the names of the missing ones."""
    found, missing = [], []
    for name in PACKAGED[split]:
        path = packaged_photograph(name)
        if path is not None:
            found.append(path)
        else:
            package, file = PACKAGED_PHOTOGRAPHS[name]
            missing.append(f"{DISTRIBUTIONS[package]}: {Path(file).name}")
    return found, missing


def random_view(photo: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random square part of a photograph, rotated by quarter turns and mirrored.

    Args:
        photo: Photograph (H, W, 3) uint8.
        rng: Source of randomness. The side of the part is 0.35 to 1 times the photograph's shorter side.

    Returns:
        Image (PHOTO_SIDE_PX, PHOTO_SIDE_PX, 3) uint8.
    """
    height, width = photo.shape[:2]
    side = int(rng.uniform(0.35, 1.0) * min(height, width))
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    part = np.rot90(photo[top : top + side, left : left + side], int(rng.integers(4)))
    if rng.random() < 0.5:
        part = part[:, ::-1]
    return resize_image(np.ascontiguousarray(part), (PHOTO_SIDE_PX, PHOTO_SIDE_PX))


def write_photographs(root: Path, seed: int, log: Log = lambda text: None) -> dict[str, Any]:
    """Write the views of both splits to `root`, unless an earlier run did, of the same photographs and in the same way.

    Returns:
        For each split: `sources` (as "package version: file"), `missing` (names of files that are not installed) and
        the number of `views`.

    Raises:
        BackgroundError: No photograph of a split is installed.
    """
    ledger = root / "photographs.json"
    known = read_json(ledger)
    asked = {"version": VERSION, "seed": seed, "crops": CROPS_PER_PHOTO, "side_px": PHOTO_SIDE_PX}
    asked["files"] = {split: [f"{_package(path)}: {path.name}" for path in find(split)[0]] for split in PACKAGED}
    if known is not None and known.get("asked") == asked:
        return known
    if known is not None:
        log(f"data: the photographs in {root} were made in another way; they are made anew")
    written: dict[str, Any] = {"asked": asked, "seed": seed}
    for number, split in enumerate(PACKAGED):
        paths, missing = find(split)
        if not paths:
            raise BackgroundError(
                f"no background photographs of the split '{split}' are installed",
                want=", ".join(missing),
                fix="pip install scikit-image",
            )
        for old in (root / split).glob("*.jpg"):
            old.unlink()
        rng = np.random.default_rng([seed, number])
        for path in paths:
            photo = read_image(path)
            for view in range(CROPS_PER_PHOTO[split]):
                write_image(root / split / f"{path.stem}_{view:02d}.jpg", random_view(photo, rng))
        sources = [f"{_package(path)}: {path.name}" for path in paths]
        written[split] = {"sources": sources, "missing": missing, "views": len(paths) * CROPS_PER_PHOTO[split]}
    write_json(ledger, written)
    return written


def _package(path: Path) -> str:
    name = next(DISTRIBUTIONS[part] for part in path.parts if part in DISTRIBUTIONS)
    return f"{name} {metadata.version(name)}"
