"""Lists of background photographs from COCO, separate for training and test."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from ..errors import AnnotationError
from ..utils.files import write_text
from ..utils.json_stream import FIX_FILE, read_records

PERSON = "person"
_SPLITS = ("train", "val")


def prepare_coco_backgrounds(root: str, out: str | None = None, min_side_px: int = 334) -> list[str]:
    """Write `backgrounds_train.txt` and `backgrounds_val.txt`, lists that `--backgrounds` accepts instead of folders.

    Args:
        root: Folder with `annotations/instances_{train,val}2017.json` and `{train,val}2017/`. One of the two splits may
            be missing.
        out: Folder for the lists. Default: `root`.
        min_side_px: Minimum of the shorter side; see `choose_backgrounds`. 334 is the shorter side of InterHand2.6M's
            frames.

    Returns:
        Lines of a report: how many photographs were kept, and how many were left out and why.

    Raises:
        AnnotationError: Both splits are missing, a file is broken, a folder is missing, no photograph can be used, or a
            photograph is in both lists.
    """
    folder, lines, lists = Path(root), [], {}
    for split in _SPLITS:
        instances = folder / "annotations" / f"instances_{split}2017.json"
        if not instances.is_file():
            lines.append(f"{split}: file does not exist: {instances}")
            continue
        choice = choose_backgrounds(instances, min_side_px)
        present = exists_in_folder(choice.names, folder / f"{split}2017")
        lists[split] = [name for name, found in zip(choice.names, present, strict=True) if found]
        missing = len(present) - int(present.sum())
        if not lists[split]:
            raise AnnotationError(
                f"no photograph of {instances} can be used",
                got=f"{choice.with_people} with people, {choice.too_small} small, {missing} not in {split}2017",
                fix="unpack COCO's images, or lower --min-side",
            )
        lines.append(
            f"{split}: {len(lists[split])} of {choice.photographs} photographs; left out: {choice.with_people} with "
            f"people, {choice.too_small} with a side under {min_side_px} px, {missing} not in {split}2017"
        )
    if not lists:
        raise AnnotationError(
            f"there is no annotations/instances_{{train,val}}2017.json in {root}",
            fix="unpack COCO's annotations_trainval2017",
        )
    if both := set(lists.get("train", ())) & set(lists.get("val", ())):
        raise AnnotationError("some photographs are in both train and val", got=f"{len(both)}, first {min(both)}")
    for split, names in lists.items():
        target = Path(out or root) / f"backgrounds_{split}.txt"
        base = os.path.relpath(folder / f"{split}2017", target.parent)
        head = (
            f"# COCO {split}2017 without people, shorter side at least {min_side_px} px; paths from this file's folder"
        )
        write_text(target, "".join(f"{line}\n" for line in [head, *(f"{base}/{name}" for name in names)]))
        lines.append(f"wrote {target}")
    return lines


class _Image(Struct, gc=False):
    id: int
    file_name: str
    width: int
    height: int


class _Annotation(Struct, gc=False):
    image_id: int
    category_id: int


class _Category(Struct, gc=False):
    id: int
    name: str


class Choice(NamedTuple):
    """Photographs that can be used as backgrounds.

    Attributes:
        names: Sorted file names of the photographs that can be used.
        photographs: Number of all photographs.
        with_people: Number of those left out because people are annotated in them.
        too_small: Number of those left out because of their size.
    """

    names: list[str]
    photographs: int
    with_people: int
    too_small: int


def choose_backgrounds(instances: str | Path, min_side_px: int) -> Choice:
    """Choose the photographs without people from an `instances_<split>2017.json`.

    Args:
        instances: Annotation file.
        min_side_px: Photographs whose shorter side is below this are left out.

    Raises:
        AnnotationError: The file is missing or malformed, has no category "person", or annotates an unknown image.
    """
    path = Path(instances)
    images: list[_Image] = []
    shown: list[tuple[int, int]] = []
    people: set[int] = set()
    types = {"images": _Image, "annotations": _Annotation, "categories": _Category}
    for section, records in read_records(path, types):
        if section == "images":
            images += records
        elif section == "annotations":
            shown += [(record.image_id, record.category_id) for record in records]
        else:
            people |= {record.id for record in records if record.name == PERSON}
    if not people:
        raise AnnotationError(
            f"{path} has no category '{PERSON}'", want="instances_train2017.json or instances_val2017.json"
        )
    if absent := {image_id for image_id, _ in shown} - {image.id for image in images}:
        got = f"{len(absent)}, first {min(absent)}"
        raise AnnotationError(f"{path} contains annotations of missing images", got=got, fix=FIX_FILE)
    peopled = {image_id for image_id, category in shown if category in people}
    without = [image for image in images if image.id not in peopled]
    kept = sorted(image.file_name for image in without if min(image.width, image.height) >= min_side_px)
    return Choice(kept, len(images), len(images) - len(without), len(without) - len(kept))


def exists_in_folder(names: list[str], folder: Path) -> np.ndarray:
    """Check which files exist in a folder, by listing it once.

    Args:
        names: N file names.
        folder: Folder to list.

    Returns:
        (N,) bool, True where the file exists.

    Raises:
        AnnotationError: The folder cannot be listed.
    """
    try:
        found = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise AnnotationError(
            f"folder of photographs cannot be read: {folder}", got=error.strerror, fix="unpack COCO's images"
        ) from error
    return np.array([name in found for name in names], bool)
