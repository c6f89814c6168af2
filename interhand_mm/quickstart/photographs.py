"""Background photographs out of packages that are installed anyway: nothing is downloaded.

A handful is little, so each is written as several views: random parts at random zoom, turned and mirrored. The
views of one photograph are all for training or all for the test.
"""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..errors import BackgroundError
from ..utils.files import write_json
from ..utils.images import PACKAGED_PHOTOGRAPHS, packaged_photograph, read_image, write_image
from .settings import read_json

PACKAGED = {
    "train": ("astronaut", "chelsea", "coffee", "motorcycle_left", "brick", "grass", "china"),
    "test": ("rocket", "gravel", "flower"),
}
VIEWS = {"train": 40, "test": 16}  # of each photograph
SIZE = 256  # px a side; the transform enlarges to a frame, of which the network sees 300 px as 128: nothing is lost
DISTRIBUTIONS = {"skimage": "scikit-image", "sklearn": "scikit-learn"}


def find(split: str) -> tuple[list[Path], list[str]]:
    """Photographs of a split that are here, and the names of those that are not."""
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
    """Square part of a photograph, (SIZE, SIZE, 3): its side 0.35 to 1 of the short edge, quarter turns, mirror."""
    height, width = photo.shape[:2]
    side = int(rng.uniform(0.35, 1.0) * min(height, width))
    top, left = rng.integers(height - side + 1), rng.integers(width - side + 1)
    part = np.rot90(photo[top : top + side, left : left + side], rng.integers(4))
    if rng.random() < 0.5:
        part = part[:, ::-1]
    return cv2.resize(np.ascontiguousarray(part), (SIZE, SIZE), interpolation=cv2.INTER_CUBIC)


def write_photographs(root: Path, seed: int) -> dict[str, Any]:
    """Write the views of both splits below `root`, or find them there from an earlier run.

    Returns:
        For each split: sources (as "package version: file"), missing, views.

    Raises:
        BackgroundError: A split would have none.
    """
    ledger = root / "photographs.json"
    known = read_json(ledger)
    if known is not None and known["seed"] == seed:
        return known
    written: dict[str, Any] = {"seed": seed}
    for number, split in enumerate(PACKAGED):
        paths, missing = find(split)
        if not paths:
            raise BackgroundError(
                f"no background photographs for {split}", want=", ".join(missing), fix="pip install scikit-image"
            )
        rng = np.random.default_rng([seed, number])
        for path in paths:
            photo = read_image(path)
            for view in range(VIEWS[split]):
                write_image(root / split / f"{path.stem}_{view:02d}.jpg", random_view(photo, rng))
        sources = [f"{_package(path)}: {path.name}" for path in paths]
        written[split] = {"sources": sources, "missing": missing, "views": len(paths) * VIEWS[split]}
    write_json(ledger, written)
    return written


def _package(path: Path) -> str:
    name = next(DISTRIBUTIONS[part] for part in path.parts if part in DISTRIBUTIONS)
    return f"{name} {metadata.version(name)}"
