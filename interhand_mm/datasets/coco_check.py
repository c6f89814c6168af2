"""Check the COCO files that the config of a detector names, and add what some converters leave out."""

from __future__ import annotations

import json
import logging
import math
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from mmengine.logging import print_log

from ..errors import AnnotationError, ImageError
from ..utils.config import walk_dicts
from ..utils.files import write_text
from ..utils.images import shown_size

_FIX = "pass --data-root; tools/make_scenes.py writes a folder with such files"
_SIZES_CHECKED = 100  # images whose header is read, spread evenly; another size of all images is found by the first
_FIELDS = {"images": ("id", "file_name", "width", "height"), "annotations": ("image_id", "category_id", "bbox")}


def check_coco(cfg: Config) -> None:
    """Check that mmdet can learn or test hands with every COCO file of a config, and complete the files.

    mmdet drops boxes of other classes, outside their image or without area silently. Their number is logged. Where
    annotations have no `id`, `area` or `iscrowd`, a completed copy is written into the work directory and used. A file
    without annotations is accepted beside others that have some, if its images are kept (`filter_empty_gt=False`):
    a detector learns from them what no hand is.

    Args:
        cfg: Config of a detector.

    Raises:
        AnnotationError: A file is missing, is not a COCO file, does not contain a class of the config, has no usable
            box, or its images have other sizes than annotated.
        ImageError: Images are missing or cannot be read.
    """
    for loader in ("train_dataloader", "val_dataloader", "test_dataloader"):
        found = [node for _, node in walk_dicts({loader: cfg.get(loader) or {}}) if _is_coco(node)]
        contents = [read_coco(_ann_path(dataset)) for dataset in found]
        mixed = any(content["annotations"] for content in contents)
        for dataset, content in zip(found, contents, strict=True):
            _check_dataset(dataset, content, cfg.get("work_dir"), mixed)


def _is_coco(node: Any) -> bool:
    return "ann_file" in node and str(node.get("type", "")).endswith("CocoDataset")


def _ann_path(dataset: Any) -> Path:
    return Path(dataset.get("data_root") or "") / dataset["ann_file"]


def _check_dataset(dataset: Any, content: dict[str, Any], work_dir: str | None, mixed: bool) -> None:
    root, path = Path(dataset.get("data_root") or ""), _ann_path(dataset)
    names = {category["name"]: category["id"] for category in content["categories"]}
    classes = (dataset.get("metainfo") or {}).get("classes", ())
    classes = [classes] if isinstance(classes, str) else list(classes)
    if absent := sorted(set(classes) - set(names)):
        raise AnnotationError(f"{path} does not contain all classes of the config", got=sorted(names), want=absent)
    keeps_empty = (dataset.get("filter_cfg") or {}).get("filter_empty_gt") is False
    if content["annotations"] or not (mixed and keeps_empty):
        _check_boxes(path, content, {names[name] for name in classes or names}, classes)
    _check_images(root / (dataset.get("data_prefix") or {}).get("img", ""), content["images"], path)
    incomplete = [a for a in content["annotations"] if not {"id", "area", "iscrowd"} <= set(a)]
    if incomplete and work_dir:
        dataset["ann_file"] = str(_complete(content, Path(work_dir).resolve() / "annotations" / path.name))


def read_coco(path: Path, fix: str = _FIX) -> dict[str, Any]:
    """Read a COCO file and check that its records have the fields that are needed.

    Args:
        path: The file.
        fix: Hint for a file that is missing or of another form.

    Returns:
        The lists "images", "annotations" and "categories".

    Raises:
        AnnotationError: The file is missing or of another form, or a record is not complete.
    """
    try:
        content = json.loads(path.read_bytes())
        lists = {key: list(content[key]) for key in ("images", "annotations", "categories")}
        for category in lists["categories"]:
            category["id"], category["name"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise AnnotationError(f"not a COCO file: {path}", got=f"{type(error).__name__}: {error}", fix=fix) from error
    for key, fields in _FIELDS.items():
        for number, record in enumerate(lists[key]):
            if missing := [field for field in fields if not isinstance(record, dict) or field not in record]:
                raise AnnotationError(f"{path}: {key}[{number}] is not complete", got=f"no {', '.join(missing)}")
    return lists


def _check_boxes(path: Path, content: dict[str, Any], categories: set[Any], classes: list[str]) -> None:
    sizes = {image["id"]: (image["width"], image["height"]) for image in content["images"]}
    unused = Counter(reason for a in content["annotations"] if (reason := unused_reason(a, sizes, categories)))
    total = len(content["annotations"])
    reasons = ", ".join(f"{count} {reason}" for reason, count in unused.most_common()) or "no annotations"
    if unused.total() == total:
        raise AnnotationError(
            f"{path} contains no box to use", got=f"{total} boxes: {reasons}", want=f"boxes of {classes}"
        )
    if unused:
        print_log(f"{path}: {unused.total()} of {total} boxes are not used: {reasons}", "current", logging.WARNING)


def unused_reason(annotation: dict[str, Any], sizes: dict[Any, tuple[int, int]], categories: set[Any]) -> str | None:
    """Return why mmdet learns nothing from an annotation, or None.

    Args:
        annotation: Record of a COCO file.
        sizes: Width and height of each image by its id.
        categories: Ids of the classes.

    Examples:
        >>> hand = {"image_id": 1, "category_id": 1, "bbox": [70, 5, 20, 20]}
        >>> unused_reason(hand, {1: (80, 60)}, {1}), unused_reason(hand, {1: (64, 60)}, {1})
        (None, 'outside their image')
    """
    box = annotation["bbox"]
    if annotation["category_id"] not in categories:
        return "of other classes"
    if annotation["image_id"] not in sizes:
        return "of an image that is not listed"
    if annotation.get("iscrowd") or annotation.get("ignore"):
        return "marked as crowd or ignored"
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(value) for value in box):
        return "not four numbers"
    (x, y, w, h), (width, height) = box, sizes[annotation["image_id"]]
    if w < 1 or h < 1 or annotation.get("area", 1) <= 0:
        return "without area"
    return "outside their image" if x >= width or y >= height or x + w <= 0 or y + h <= 0 else None


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and math.isfinite(value)


def _check_images(folder: Path, images: list[dict[str, Any]], path: Path) -> None:
    """Check that all images exist, and that the sizes of some are those annotated."""
    missing = [name for name in (image["file_name"] for image in images) if not (folder / name).is_file()]
    if missing:
        raise ImageError(
            f"{len(missing)} of {len(images)} images of {path} are missing", got=str(folder / missing[0]),
            fix="unpack the images again, or remove their records from the file",
        )  # fmt: skip
    rows = np.unique(np.linspace(0, len(images) - 1, min(_SIZES_CHECKED, len(images))).astype(int))
    wrong = list(_wrong_sizes(folder, [images[row] for row in rows]))
    if wrong:
        raise AnnotationError(
            f"{path}: {len(wrong)} of {len(rows)} images have another size than annotated", got=wrong[0],
            fix="boxes belong to images as they are shown, turned by their EXIF orientation; annotate them again, "
            "or use the images that were annotated",
        )  # fmt: skip


def _wrong_sizes(folder: Path, images: list[dict[str, Any]]) -> Iterator[str]:
    for image in images:
        shown, turned = shown_size(folder / image["file_name"])
        if shown != (image["width"], image["height"]):
            note = " after the turn of its EXIF orientation" if turned else ""
            yield f"{image['file_name']} has {shown[0]} x {shown[1]} px{note}, not {image['width']} x {image['height']}"


def _complete(content: dict[str, Any], target: Path) -> Path:
    """Write a copy of a COCO file in which every annotation has `id`, `area` and `iscrowd`."""
    numbered = all("id" in annotation for annotation in content["annotations"])
    for number, annotation in enumerate(content["annotations"]):
        if not numbered:
            annotation["id"] = number + 1
        annotation.setdefault("iscrowd", 0)
        annotation.setdefault("area", float(annotation["bbox"][2]) * float(annotation["bbox"][3]))
    write_text(target, json.dumps(content))
    print_log(f"annotations without id, area or iscrowd were completed: {target}", "current")
    return target
