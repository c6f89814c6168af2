"""Read boxes of hands in the layouts in which data sets are published: Pascal VOC, YOLO and COCO."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np

from ..errors import AnnotationError
from ..structures.joints import HAND_JOINT_NAMES
from ..utils.images import find_images, shown_size, visible_files

LAYOUTS = ("voc", "yolo", "coco")
_IMAGE_FOLDERS = ("", "images", "JPEGImages")
_CLASS_FILES = ("data.yaml", "data.yml", "classes.txt", "obj.names")
_BOX_VALUES, _OUTLINE_VALUES = 4, 6  # numbers after the class: a box, or at least three corners of an outline
_UNLABELLED, _OTHER_SIZE = "images without an annotation file", "images of another size than annotated"
_MISSING, _NO_AREA = "annotations whose image is missing", "boxes without area in their image"


@dataclass(frozen=True)
class BoxedImage:
    """An image and its annotated boxes.

    Attributes:
        path: The file.
        size: (width, height) px, as the image is shown.
        boxes: (N, 4) px, x1 y1 x2 y2, inside the image.
        classes: N names of classes.
    """

    path: Path
    size: tuple[int, int]
    boxes: np.ndarray
    classes: tuple[str, ...]


def read_published(folder: str | Path, layout: str = "auto") -> tuple[str, list[BoxedImage], Counter[str]]:
    """Read all annotated images of a folder and its subfolders.

    Args:
        folder: Folder of the data set as it was unpacked.
        layout: "voc" (an .xml file with the name of each image, beside it or in another folder), "yolo" (a .txt file
            with the name of each image, beside it, under labels/ where the image is under images/, or anywhere if the
            name occurs once; with boxes or outlines), "coco" (.json files), or "auto" for the one that the folder has.

    Returns:
        The layout, one record per image in the order of their paths, and what was left out: reason -> number.

    Raises:
        AnnotationError: The folder has no layout or several, or a file cannot be read.
        ImageError: An image cannot be read.
    """
    root = Path(folder)
    if not root.is_dir():
        raise AnnotationError(f"data folder does not exist: {folder}")
    layout = _find_layout(root) if layout == "auto" else layout
    left_out: Counter[str] = Counter()
    read = {"voc": _read_voc, "yolo": _read_yolo, "coco": _read_coco_files}[layout]
    images = sorted(read(root, left_out), key=lambda image: image.path)
    if not images:
        want = "an .xml file, a labels/*.txt file or a COCO .json file for the images"
        raise AnnotationError(f"no annotated image in {folder}", got=f"left out: {dict(left_out)}", want=want)
    return layout, images, left_out


def _find_layout(root: Path) -> str:
    files = [Path(path) for path in visible_files(root)]
    found = []
    if any(path.suffix == ".xml" for path in files):
        found.append("voc")
    if _yolo_files(root):
        found.append("yolo")
    if any(path.suffix == ".json" and _coco_content(path) is not None for path in files):
        found.append("coco")
    if len(found) != 1:
        raise AnnotationError(
            f"the layout of {root} is not clear", got=" and ".join(found) or "none of them",
            want=" or ".join(LAYOUTS), fix="name it: --layout, or give the folder of one of them",
        )  # fmt: skip
    return found[0]


def _boxed(path: Path, boxes: Sequence[Sequence[float]], classes: Sequence[str], left_out: Counter[str]) -> BoxedImage:
    """Return a record whose boxes are clipped to the image. Boxes without area there are counted."""
    (width, height), _ = shown_size(path)
    clipped = np.reshape(np.asarray(boxes, float), (-1, 4))
    clipped = np.clip(clipped, 0, [width, height, width, height])
    kept = np.isfinite(clipped).all(axis=1) & (clipped[:, 2:] - clipped[:, :2] >= 1).all(axis=1)
    left_out[_NO_AREA] += int((~kept).sum())
    names = tuple(name for name, keep in zip(classes, kept, strict=True) if keep)
    return BoxedImage(path, (width, height), clipped[kept], names)


def _read_voc(root: Path, left_out: Counter[str]) -> Iterator[BoxedImage]:
    images = [Path(path) for path in find_images(root)]
    by_stem: dict[str, list[Path]] = {}
    for path in images:
        by_stem.setdefault(path.stem, []).append(path)
    used = set()
    for file in map(Path, visible_files(root)):
        if file.suffix != ".xml":
            continue
        image = _nearest(by_stem.get(file.stem, []), file)
        if image is None:
            left_out[_MISSING] += 1
            continue
        used.add(image)
        size, boxes, classes = _voc_boxes(file)
        # Many files say 0 x 0.
        if min(size) > 0 and size != shown_size(image)[0]:
            left_out[_OTHER_SIZE] += 1
            continue
        yield _boxed(image, boxes, classes, left_out)
    left_out[_UNLABELLED] += len(set(images) - used)


def _nearest(candidates: Sequence[Path], file: Path) -> Path | None:
    """Return the image beside a file, or else the one that shares most of its folders."""
    return max(candidates, key=lambda path: _shared_folders(path, file), default=None)


def _shared_folders(first: Path, second: Path) -> int:
    return sum(a == b for a, b in zip(first.parent.parts, second.parent.parts, strict=False))


def _voc_boxes(file: Path) -> tuple[tuple[int, int], list[list[float]], list[str]]:
    try:
        root = ElementTree.parse(file).getroot()
        size = (int(root.findtext("size/width", "0")), int(root.findtext("size/height", "0")))
        boxes, classes = [], []
        for entry in root.iter("object"):
            boxes.append([float(entry.findtext(f"bndbox/{name}", "?")) for name in ("xmin", "ymin", "xmax", "ymax")])
            classes.append(str(entry.findtext("name", "")).strip())
    except (ElementTree.ParseError, ValueError, OSError) as error:
        raise AnnotationError(f"not an annotation in Pascal VOC's form: {file}", got=error) from error
    return size, boxes, classes


def _read_yolo(root: Path, left_out: Counter[str]) -> Iterator[BoxedImage]:
    labels = _yolo_files(root)
    names: dict[Path, Sequence[str] | dict[int, str]] = {}
    for path in map(Path, find_images(root)):
        file = labels.get(path)
        if file is None:
            left_out[_UNLABELLED] += 1
            continue
        if file.parent not in names:
            names[file.parent] = _class_names(file.parent, root)
        size, _ = shown_size(path)
        boxes, classes = _yolo_boxes(file, size, names[file.parent])
        yield _boxed(path, boxes, classes, left_out)


def _yolo_files(root: Path) -> dict[Path, Path]:
    """Return image -> its label file."""
    texts = [Path(path) for path in visible_files(root) if path.endswith(".txt")]
    images = [Path(path) for path in find_images(root)]
    exact = {_image_stem(file): file for file in texts}
    named = {image: exact[image.with_suffix("")] for image in images if image.with_suffix("") in exact}
    free = [image for image in images if image not in named]
    counts, of_stem = Counter(image.stem for image in images), {file.stem: file for file in texts}
    times = Counter(file.stem for file in texts)
    single = (image for image in free if counts[image.stem] == times[image.stem] == 1)
    return named | {image: of_stem[image.stem] for image in single}


def _image_stem(file: Path) -> Path:
    """Return the path without suffix of the image that a label file of YOLO belongs to."""
    parts = list(file.with_suffix("").parts)
    if "labels" in parts[:-1]:
        last = len(parts) - 2 - parts[:-1][::-1].index("labels")
        parts[last] = "images"
    return Path(*parts)


def _yolo_boxes(
    file: Path, size: tuple[int, int], names: Sequence[str] | dict[int, str]
) -> tuple[list[list[float]], list[str]]:
    boxes, classes = [], []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines()):
        words = line.split()
        if not words:
            continue
        try:
            kind, values = int(words[0]), np.array([float(word) for word in words[1:]])
            classes.append(str(names[kind]) if names else str(kind))
        except (ValueError, KeyError, IndexError) as error:
            raise AnnotationError(f"{file}: line {number + 1} cannot be read", got=line[:80]) from error
        if len(values) == _BOX_VALUES:
            corners = np.concatenate([values[:2] - values[2:] / 2, values[:2] + values[2:] / 2])
        elif len(values) >= _OUTLINE_VALUES and len(values) % 2 == 0:
            outline = values.reshape(-1, 2)
            corners = np.concatenate([outline.min(0), outline.max(0)])
        else:
            want = "a class, then x y width height or an outline x y x y x y ..., all as shares of the image"
            raise AnnotationError(f"{file}: line {number + 1} is no box", got=f"{len(words)} numbers", want=want)
        boxes.append((corners * np.tile(size, 2)).tolist())
    return boxes, classes


def _class_names(folder: Path, root: Path) -> Sequence[str] | dict[int, str]:
    """Return the class names that the nearest file of `_CLASS_FILES` lists; empty without one."""
    for place in (folder, *folder.parents):
        for name in _CLASS_FILES:
            if (place / name).is_file():
                return _listed_names(place / name)
        if place == root:
            break
    return ()


def _listed_names(file: Path) -> Sequence[str] | dict[int, str]:
    text = file.read_text(encoding="utf-8")
    if file.suffix not in (".yaml", ".yml"):
        return [line.strip() for line in text.splitlines() if line.strip()]
    import yaml

    try:
        names: Any = yaml.safe_load(text)["names"]
    except (yaml.YAMLError, KeyError, TypeError) as error:
        raise AnnotationError(f"{file} has no list of names", got=error, want="names: [hand, ...]") from error
    return names


def _coco_content(path: Path) -> dict[str, Any] | None:
    try:
        content = json.loads(path.read_bytes())
    except (ValueError, OSError):
        return None
    complete = isinstance(content, dict) and {"images", "annotations", "categories"} <= set(content)
    return content if complete else None


def _read_coco_files(root: Path, left_out: Counter[str]) -> Iterator[BoxedImage]:
    from ..datasets.coco_check import read_coco

    files = [Path(path) for path in visible_files(root) if path.endswith(".json")]
    for file in (file for file in files if _coco_content(file) is not None):
        content = read_coco(file)
        names = {category["id"]: str(category["name"]) for category in content["categories"]}
        if any(set(HAND_JOINT_NAMES) == set(category.get("keypoints", ())) for category in content["categories"]):
            raise AnnotationError(
                f"{file} has the form of this project already", fix="CocoHandDataset reads it as it is"
            )
        of_image: dict[Any, list[dict[str, Any]]] = {}
        for record in content["annotations"]:
            of_image.setdefault(record["image_id"], []).append(record)
        for image in content["images"]:
            path = _coco_image(file, root, str(image["file_name"]))
            if path is None:
                left_out[_MISSING] += 1
            elif shown_size(path)[0] != (image["width"], image["height"]):
                left_out[_OTHER_SIZE] += 1
            else:
                own = of_image.get(image["id"], [])
                boxes = [[x, y, x + w, y + h] for x, y, w, h in (record["bbox"] for record in own)]
                classes = [names.get(record["category_id"], str(record["category_id"])) for record in own]
                yield _boxed(path, boxes, classes, left_out)


def _coco_image(file: Path, root: Path, name: str) -> Path | None:
    places = (place / folder / name for place in (file.parent, root) for folder in _IMAGE_FOLDERS)
    return next((path for path in places if path.is_file()), None)
