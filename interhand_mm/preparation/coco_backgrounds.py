"""Background lists from COCO, training and test photographs apart."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from ..errors import AnnotationError
from ..utils.files import write_text
from ..utils.json_stream import FIX_FILE, read_records

SPLITS = ("train", "val")


def prepare_coco_backgrounds(root: str, out: str | None = None, min_side_px: int = 334) -> list[str]:
    """Write `backgrounds_{train,val}.txt`, which `--backgrounds` takes in place of folders.

    Args:
        root: Folder with `annotations/instances_{train,val}2017.json` and `{train,val}2017/`. One split may lack.
        out: Where the lists go; None is the root.
        min_side_px: See `choose_backgrounds`; 334 is the shorter side of InterHand2.6M's frames.

    Returns:
        Lines that say what was kept and left out.

    Raises:
        AnnotationError: No split is there, a file is broken, a folder is missing, none is left, or a photograph
            stands in both lists.
    """
    folder, lines, lists = Path(root), [], {}
    for split in SPLITS:
        instances = folder / "annotations" / f"instances_{split}2017.json"
        if not instances.is_file():
            lines.append(f"{split}: no {instances}")
            continue
        choice = choose_backgrounds(instances, min_side_px)
        present = there(choice.names, folder / f"{split}2017")
        lists[split] = [name for name, found in zip(choice.names, present, strict=True) if found]
        missing = len(present) - int(present.sum())
        if not lists[split]:
            raise AnnotationError(
                f"no photograph of {instances} can be used",
                got=f"{choice.with_people} with people, {choice.too_small} small, {missing} not in {split}2017",
                fix="unpack COCO's pictures, or lower --min-side",
            )
        lines.append(
            f"{split}: {len(lists[split])} of {choice.photographs} photographs; left out: {choice.with_people} with "
            f"people, {choice.too_small} with a side under {min_side_px} px, {missing} not in {split}2017"
        )
    if not lists:
        raise AnnotationError(
            f"no annotations/instances_{{train,val}}2017.json in {root}", fix="unpack COCO's annotations_trainval2017"
        )
    if both := set(lists.get("train", ())) & set(lists.get("val", ())):
        raise AnnotationError("photographs of both train and val", got=f"{len(both)}, first {min(both)}")
    for split, names in lists.items():
        target = Path(out or root) / f"backgrounds_{split}.txt"
        base = os.path.relpath(folder / f"{split}2017", target.parent)
        head = (
            f"# COCO {split}2017 without people, shorter side at least {min_side_px} px; paths from this file's folder"
        )
        write_text(target, "".join(f"{line}\n" for line in [head, *(f"{base}/{name}" for name in names)]))
        lines.append(f"written to {target}")
    return lines


PERSON = "person"


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
    """File names that may be used, sorted, and how many of all were left out and why."""

    names: list[str]
    photographs: int
    with_people: int
    too_small: int


def choose_backgrounds(instances: str | Path, min_side_px: int) -> Choice:
    """Read `instances_<split>2017.json`.

    Args:
        instances: The file.
        min_side_px: Photographs whose shorter side is shorter are left out.

    Raises:
        AnnotationError: Missing, malformed, without a category "person", or an annotation of an unknown image.
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
        raise AnnotationError(f"{path}: annotations of images that are not there", got=got, fix=FIX_FILE)
    peopled = {image_id for image_id, category in shown if category in people}
    without = [image for image in images if image.id not in peopled]
    kept = sorted(image.file_name for image in without if min(image.width, image.height) >= min_side_px)
    return Choice(kept, len(images), len(images) - len(without), len(without) - len(kept))


def there(names: list[str], folder: Path) -> np.ndarray:
    """(N,) bool: which of the names are files of a folder, by one listing of it.

    Raises:
        AnnotationError: No such folder.
    """
    try:
        found = {entry.name for entry in folder.iterdir()}
    except OSError as error:
        raise AnnotationError(f"no photographs: {folder}", got=error.strerror, fix="unpack COCO's pictures") from error
    return np.array([name in found for name in names], bool)
