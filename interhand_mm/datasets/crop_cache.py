"""A crop cache: for every sample the decoded part of its image that augmentation can reach, in one memory-mapped file.

The cache stores the pixels of the image unchanged, so crops are equal to those from the whole image. It takes about
0.3 MB of disk per sample of 512 x 334 px; `cache_bytes` returns the size in advance. The cache knows the annotations,
images and boxes that it was made of, and is refused for any others.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import IO, Any

import numpy as np
from mmengine.logging import print_log

from ..errors import ConfigError, ImageError, OutputError
from ..utils.files import atomic_write, write_json
from .skipping import SkipLimit
from .transforms.geometry import EmptyCrop, HandCropAugment
from .transforms.loading import LoadHandImage

FORMAT, VERSION = "interhand_mm.crop_cache", 2  # increase it when the choice of the pixels changes
_EDGE_PX = 2  # margin for bilinear sampling and rounding
_SPARE_BYTES = 1 << 28  # space that is left free on the disk


def reach_of(dataset: Any) -> float:
    """Return how far from the center of its box a training crop can reach, as a fraction of the box's side."""
    for step in dataset.pipeline.transforms:
        if isinstance(step, EmptyCrop) and step.prob:
            raise ConfigError("EmptyCrop needs whole images, which a crop cache does not hold", fix="EmptyCrop.prob=0")
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

    With ``strict='skip'`` the cache has no pixels of an image that cannot be used.

    Args:
        dataset: Hand data set whose pipeline crops. The ranges of the crop determine how much is stored.
        folder: Folder of the cache; it is created.

    Returns:
        Number of bytes of pixels.

    Raises:
        OutputError: If the disk has too little space, or the folder cannot be written.
        ImageError: If an image cannot be used (see `LoadHandImage`), or with ``strict='skip'`` too many of them.
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
    order = np.argsort(ids)
    # A cache is valid once it has a head, so the old head goes before the pixels change and the new one comes last.
    with atomic_write(folder / "index.npz") as index, atomic_write(folder / "pixels.bin") as pixels:
        boxes = _write_pixels(dataset, boxes, pixels)
        sizes = _sizes(boxes)
        starts = np.concatenate([[0], np.cumsum(sizes)[:-1]])
        np.savez(index, ann_id=ids[order], box=boxes[order], start=starts[order])
        (folder / "head.json").unlink(missing_ok=True)
    head = {"format": FORMAT, "version": VERSION, "reach": reach_of(dataset), "bytes": int(sizes.sum())}
    write_json(folder / "head.json", {**head, "made_of": dataset.pixel_sources})
    return int(sizes.sum())


def _write_pixels(dataset: Any, boxes: np.ndarray, file: IO[bytes]) -> np.ndarray:
    """Write the pixels, and return the boxes (N, 4); a box is empty where the image cannot be used."""
    load, limit, boxes = LoadHandImage(), SkipLimit(), boxes.copy()
    reasons = []
    for idx, (x1, y1, x2, y2) in enumerate(boxes.tolist()):
        sample, reason = dataset.load_item(idx), ""
        try:
            image = load(sample)["img"]
            file.write(np.ascontiguousarray(image[y1:y2, x1:x2]).data)
        except ImageError as error:
            if dataset.strict == "error":
                raise
            boxes[idx], reason = 0, error.what
            reasons.append(reason)
        limit.count(reason, sample["img_path"])
    if reasons:
        what = f"crop cache: {len(reasons)} of {len(boxes)} images cannot be used, the first: {reasons[0]}"
        print_log(what, "current", logging.WARNING)
    return boxes


class CropCache:
    """A finished cache, memory-mapped, so that processes share its pages.

    Args:
        folder: Folder that `write_crop_cache` wrote.
        dataset: Hand data set that reads from it.

    Raises:
        ConfigError: If the cache is missing, truncated, or was made of other annotations, images or boxes, or for a
            smaller augmentation.
    """

    def __init__(self, folder: str | Path, dataset: Any) -> None:
        self._folder = Path(folder)
        head = self._open()
        fix = f"use another folder, or delete {folder}; tools/train.py --crop-cache writes what does not exist"
        if (head["format"], head["version"], head["bytes"]) != (FORMAT, VERSION, len(self._pixels)):
            got = (head["format"], head["version"], len(self._pixels))
            want = (FORMAT, VERSION, head["bytes"])
            raise ConfigError(
                f"the crop cache {folder} is truncated or of another version", got=got, want=want, fix=fix
            )
        made_of, wanted = head["made_of"], dataset.pixel_sources
        if other := [key for key, value in wanted.items() if made_of.get(key) != value]:
            raise ConfigError(
                f"the crop cache {folder} was made of other data: another {' and '.join(other)}",
                got={key: made_of.get(key) for key in other},
                want={key: wanted[key] for key in other},
                fix=fix,
            )
        reach = reach_of(dataset)
        if head["reach"] < reach - 1e-9:
            what = f"the crop cache {folder} was made for a smaller augmentation: its reach in boxes is too small"
            raise ConfigError(what, got=head["reach"], want=reach, fix=fix)
        ids = dataset.ann_ids
        if missing := int((~np.isin(ids, self._ids)).sum()):
            raise ConfigError(f"the crop cache {folder} has no pixels for {missing} of {len(ids)} samples", fix=fix)

    def _open(self) -> dict[str, Any]:
        """Map the pixels and return the head."""
        folder = self._folder
        try:
            head: dict[str, Any] = json.loads((folder / "head.json").read_bytes())
            with np.load(folder / "index.npz") as index:
                self._ids, self._boxes, self._starts = index["ann_id"], index["box"], index["start"]
            pixels = folder / "pixels.bin"
            self._pixels = np.memmap(pixels, np.uint8, "r") if pixels.stat().st_size else np.empty(0, np.uint8)
            return {"made_of": {}, **{key: head[key] for key in ("format", "version", "reach", "bytes")}, **head}
        except (OSError, ValueError, KeyError, TypeError) as error:
            fix = "make it with tools/train.py --crop-cache DIR"
            raise ConfigError(f"the crop cache cannot be read: {folder}", got=error, fix=fix) from error

    def __getstate__(self) -> dict[str, Any]:
        """Return the folder alone, so that a process that is started anew maps the pixels instead of copying them."""
        return {"_folder": self._folder}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self._folder = state["_folder"]
        self._open()

    def read(self, ann_id: int) -> tuple[np.ndarray, np.ndarray] | None:
        """Return the cached part of an image (h, w, 3) uint8 BGR, read-only, and its affine (2, 3) to the image.

        None for an image that could not be used when the cache was written.
        """
        row = int(np.searchsorted(self._ids, ann_id))
        x1, y1, x2, y2 = self._boxes[row].tolist()
        if x2 <= x1:
            return None
        start, shape = int(self._starts[row]), (y2 - y1, x2 - x1, 3)
        image = self._pixels[start : start + shape[0] * shape[1] * 3].reshape(shape)
        return np.asarray(image), np.array([[1.0, 0.0, x1], [0.0, 1.0, y1]])
