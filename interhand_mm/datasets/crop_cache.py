"""A crop cache: for every sample the decoded part of its image that augmentation can reach, in one memory-mapped file.

The cache stores the pixels of the image unchanged, so crops are equal to those from the whole image. It takes about
0.3 MB of disk per sample of 512 x 334 px; `cache_bytes` returns the size in advance.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import IO, Any

import numpy as np

from ..errors import ConfigError, OutputError
from ..utils.files import atomic_write, write_text
from .transforms.geometry import HandCropAugment
from .transforms.loading import LoadHandImage

FORMAT, VERSION = "interhand_mm.crop_cache", 1
_EDGE_PX = 2  # margin for bilinear sampling and rounding
_SPARE_BYTES = 1 << 28  # space that is left free on the disk


def reach_of(dataset: Any) -> float:
    """Return how far from the center of its box a training crop can reach, as a fraction of the box's side."""
    for step in dataset.pipeline.transforms:
        if isinstance(step, HandCropAugment):
            ranges = step.ranges
            turned = np.sqrt(2.0) if ranges["rotation_prob"] and ranges["rotation_deg"] else 1.0
            return ranges["shift"] + 0.5 * (1 + ranges["scale"]) * float(turned)
    raise ConfigError("the pipeline does not crop, so it cannot use a crop cache", want="HandCropAugment or HandCrop")


def region(bbox: np.ndarray, image_size: tuple[int, int], reach: float) -> tuple[int, int, int, int]:
    """Return the columns and rows [x1, x2) x [y1, y2) of the image that crops of a box can show.

    Args:
        bbox: (4,) px, the square to crop, before augmentation.
        image_size: (width, height) px.
        reach: Reach of the crops, from `reach_of`.
    """
    center, half = (bbox[:2] + bbox[2:]) / 2, reach * (bbox[2:] - bbox[:2]) + _EDGE_PX
    low = np.clip(np.floor(center - half), 0, np.array(image_size) - 1).astype(int)
    high = np.clip(np.ceil(center + half) + 1, low + 1, image_size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _regions(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """Return the annotation ids (N,) and regions (N, 4) of all samples."""
    reach, ids, boxes = reach_of(dataset), [], []
    for idx in range(len(dataset)):
        sample = dataset.load_item(idx)
        ids.append(sample["ann_id"])
        boxes.append(region(sample["bbox"], sample["image_size"], reach))
    return np.array(ids, np.int64), np.array(boxes, np.int32).reshape(-1, 4)


def _sizes(boxes: np.ndarray) -> np.ndarray:
    width, height = (boxes[:, 2:] - boxes[:, :2]).astype(np.int64).T
    return width * height * 3


def cache_bytes(dataset: Any) -> int:
    """Return the number of bytes that `write_crop_cache` will write. It reads annotations, but no images."""
    return int(_sizes(_regions(dataset)[1]).sum())


def write_crop_cache(dataset: Any, folder: str | Path) -> int:
    """Decode the image of every sample once and write the part that its crops can show. The write is atomic.

    Args:
        dataset: Hand data set whose pipeline crops. The ranges of the crop determine how much is stored.
        folder: Folder of the cache; it is created.

    Returns:
        Number of bytes of pixels.

    Raises:
        OutputError: If the disk has too little space, or the folder cannot be written.
        ImageError: If an image cannot be used; see `LoadHandImage`.
    """
    folder = Path(folder)
    ids, boxes = _regions(dataset)
    sizes = _sizes(boxes)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise OutputError(f"the crop cache cannot be written to {folder}", got=error.strerror or error) from error
    if sizes.sum() + _SPARE_BYTES > free:
        what, want = f"the disk has too little space for the crop cache in {folder}", f"{sizes.sum() / 1e9:.1f} GB"
        raise OutputError(what, got=f"{free / 1e9:.1f} GB free", want=want)
    head = {"format": FORMAT, "version": VERSION, "reach": reach_of(dataset), "bytes": int(sizes.sum())}
    order = np.argsort(ids)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    # A cache is valid once it has a head, so the old head goes before the pixels change and the new one comes last.
    with atomic_write(folder / "index.npz") as index, atomic_write(folder / "pixels.bin") as pixels:
        _write_pixels(dataset, boxes, pixels)
        np.savez(index, ann_id=ids[order], box=boxes[order], start=starts[order])
        (folder / "head.json").unlink(missing_ok=True)
    write_text(folder / "head.json", json.dumps(head))
    return int(sizes.sum())


def _write_pixels(dataset: Any, boxes: np.ndarray, file: IO[bytes]) -> None:
    load = LoadHandImage()
    for idx, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        image = load(dataset.load_item(idx))["img"]
        file.write(np.ascontiguousarray(image[y1:y2, x1:x2]).data)


class CropCache:
    """A finished cache, memory-mapped, so that processes share its pages.

    Args:
        folder: Folder that `write_crop_cache` wrote.
        ann_ids: Annotation ids of the data set.
        reach: Reach that its pipeline needs, from `reach_of`.

    Raises:
        ConfigError: If the cache is missing, truncated, or was made for other samples or a smaller augmentation.
    """

    def __init__(self, folder: str | Path, ann_ids: np.ndarray, reach: float) -> None:
        folder, fix = Path(folder), "make it with tools/train.py --crop-cache DIR"
        try:
            head = json.loads((folder / "head.json").read_text())
            with np.load(folder / "index.npz") as index:
                self._ids, self._boxes, self._starts = index["ann_id"], index["box"], index["start"]
            self._pixels = np.memmap(folder / "pixels.bin", np.uint8, "r")
            found, version = len(self._pixels), (head["format"], head["version"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ConfigError(f"the crop cache cannot be read: {folder}", got=error, fix=fix) from error
        wanted = (FORMAT, VERSION, head["bytes"])
        if (*version, found) != wanted:
            raise ConfigError(
                f"the crop cache {folder} is truncated or of another version",
                got=(*version, found),
                want=wanted,
                fix=fix,
            )
        if head["reach"] < reach - 1e-9:
            what = f"the crop cache {folder} was made for a smaller augmentation: its reach in boxes is too small"
            raise ConfigError(what, got=head["reach"], want=reach, fix=fix)
        missing = ~np.isin(ann_ids, self._ids)
        if missing.any():
            what = f"the crop cache {folder} has no pixels for {int(missing.sum())} of {len(ann_ids)} samples"
            raise ConfigError(what, fix="make one for this data set in another folder")

    def read(self, ann_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the cached part of an image (h, w, 3) uint8 BGR, read-only, and its affine (2, 3) to the image."""
        row = int(np.searchsorted(self._ids, ann_id))
        x1, y1, x2, y2 = self._boxes[row].tolist()
        start, shape = int(self._starts[row]), (y2 - y1, x2 - x1, 3)
        image = self._pixels[start : start + shape[0] * shape[1] * 3].reshape(shape)
        return np.asarray(image), np.array([[1.0, 0.0, x1], [0.0, 1.0, y1]])
