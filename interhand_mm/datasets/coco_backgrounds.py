"""Which of COCO's photographs may stand behind hands: those without people, who would show hands of their own."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import numpy as np
from msgspec import Struct

from ..errors import AnnotationError
from ..utils.json_stream import MEND_FILE, read_records

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
        raise AnnotationError(f"{path}: annotations of images that are not there", got=got, mend=MEND_FILE)
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
        raise AnnotationError(f"no photographs: {folder}", got=error.strerror, mend="unpack COCO's pictures") from error
    return np.array([name in found for name in names], bool)
