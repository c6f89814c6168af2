"""A crop cache: of every sample the decoded part of the frame that its augmentation can reach, in one mapped file.

Nothing about a sample changes but where its pixels come from: the cut keeps the frame's pixels, so crops are those of
the whole frame. It costs disk: about 0.3 MB a sample of 512 x 334 px; `cache_bytes` says so beforehand.
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
_EDGE_PX = 2  # what bilinear sampling reads beyond the last pixel, and a rounded corner
_SPARE_BYTES = 1 << 28  # left free on the disk


def reach_of(dataset: Any) -> float:
    """How far from the box's center a training crop can look, in parts of the box's side."""
    for step in dataset.pipeline.transforms:
        if isinstance(step, HandCropAugment):
            ranges = step.ranges
            turned = np.sqrt(2.0) if ranges["rotation_prob"] and ranges["rotation_deg"] else 1.0
            return ranges["shift"] + 0.5 * (1 + ranges["scale"]) * float(turned)
    raise ConfigError("the crop cache needs a pipeline that crops", want="HandCropAugment or HandCrop")


def region(bbox: np.ndarray, image_size: tuple[int, int], reach: float) -> tuple[int, int, int, int]:
    """Columns and rows [x1, x2) x [y1, y2) of the frame that crops of a box can show.

    Args:
        bbox: (4,) px, the square to crop, unaugmented.
        image_size: (width, height) px.
        reach: See `reach_of`.
    """
    center, half = (bbox[:2] + bbox[2:]) / 2, reach * (bbox[2:] - bbox[:2]) + _EDGE_PX
    low = np.clip(np.floor(center - half), 0, np.array(image_size) - 1).astype(int)
    high = np.clip(np.ceil(center + half) + 1, low + 1, image_size).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])


def _regions(dataset: Any) -> tuple[np.ndarray, np.ndarray]:
    """Annotation ids (N,) and regions (N, 4) of all samples."""
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
    """Bytes that `write_crop_cache` will write; every annotation is looked at, no picture."""
    return int(_sizes(_regions(dataset)[1]).sum())


def write_crop_cache(dataset: Any, folder: str | Path) -> int:
    """Decode every sample's picture once and write what crops of it can show; whole or not at all.

    Args:
        dataset: A hand data set whose pipeline crops; the crop's ranges decide how much is kept.
        folder: Is created.

    Returns:
        Bytes of pixels.

    Raises:
        OutputError: The disk has no room, or the folder cannot be written.
        ImageError: A picture cannot be used; see `LoadHandImage`.
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
        what, want = f"no room for the crop cache in {folder}", f"{sizes.sum() / 1e9:.1f} GB"
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
    """A finished cache, mapped: processes share its pages.

    Args:
        folder: What `write_crop_cache` wrote.
        ann_ids: The data set's.
        reach: What its pipeline needs; see `reach_of`.

    Raises:
        ConfigError: It is not there, is cut short, or was made for other samples or a gentler augmentation.
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
            raise ConfigError(f"crop cache cannot be read: {folder}", got=error, fix=fix) from error
        wanted = (FORMAT, VERSION, head["bytes"])
        if (*version, found) != wanted:
            raise ConfigError(f"crop cache {folder}", got=(*version, found), want=wanted, fix=fix)
        if head["reach"] < reach - 1e-9:
            what = f"crop cache {folder} was made for a gentler augmentation: reach in boxes"
            raise ConfigError(what, got=head["reach"], want=reach, fix=fix)
        missing = ~np.isin(ann_ids, self._ids)
        if missing.any():
            what = f"crop cache {folder} lacks {int(missing.sum())} of {len(ann_ids)} samples"
            raise ConfigError(what, fix="make one for this data set in another folder")

    def read(self, ann_id: int) -> tuple[np.ndarray, np.ndarray]:
        """The part of a frame (h, w, 3) uint8 BGR, read-only, and its affine (2, 3) to the frame's pixels."""
        row = int(np.searchsorted(self._ids, ann_id))
        x1, y1, x2, y2 = self._boxes[row].tolist()
        start, shape = int(self._starts[row]), (y2 - y1, x2 - x1, 3)
        image = self._pixels[start : start + shape[0] * shape[1] * 3].reshape(shape)
        return np.asarray(image), np.array([[1.0, 0.0, x1], [0.0, 1.0, y1]])
