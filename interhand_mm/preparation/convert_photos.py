"""Turn a published data set of hand boxes into the project's COCO form, with labels by MediaPipe Hands if wanted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..datasets.coco_check import read_coco
from ..datasets.coco_hand import TWO_HANDS
from ..errors import AnnotationError, ConfigError
from ..evaluation.functional.found_hands import HANDS_OF_A_PAIR, INSIDE_SHARE, inside_share, match_by_score
from ..structures.joints import HAND_JOINT_NAMES, SIDES, TO_OPENPOSE
from ..structures.photos import FoundHands
from ..utils.files import write_json
from ..utils.mediapipe_hands import find_hands_by_mediapipe
from .published_boxes import BoxedImage, read_published

_HAND_ID, _PAIR_ID = 1, 2
_CATEGORIES = [
    {"id": _HAND_ID, "name": "hand", "keypoints": [HAND_JOINT_NAMES[joint] for joint in TO_OPENPOSE]},
    {"id": _PAIR_ID, "name": TWO_HANDS},
]


@dataclass(frozen=True)
class PublishedSet:
    """A data set of hand boxes, and what its classes mean.

    Attributes:
        folder: Folder of the data set as it was unpacked.
        layout: "voc", "yolo", "coco" or "auto"; see `read_published`.
        two_hands: Names of the classes whose box is around two hands.
        left_out: Names of the classes that are no hands. Boxes of all other classes are boxes of one hand.
        source: Name of the source, written into each image.
        license: License of the images, written into each image.
    """

    folder: str
    layout: str = "auto"
    two_hands: Sequence[str] = ()
    left_out: Sequence[str] = ()
    source: str = ""
    license: str = ""


def convert_photos(
    published: PublishedSet, out: str, img_dir: str | None = None, mediapipe: str | None = None
) -> list[str]:
    """Write a COCO file of docs/datasets/photographs.md, or add the images to one that exists.

    Args:
        published: The data set.
        out: File to write or to extend.
        img_dir: Folder that the file names are relative to. Default: the folder that contains the data set's folder.
        mediapipe: Interpreter of an environment with MediaPipe, for `pseudo_` labels; see `add_machine_labels`.

    Returns:
        Lines of a report.

    Raises:
        AnnotationError: The data set cannot be read, or its images are in the file already.
        ConfigError: A named class does not exist, or the data set does not lie in `img_dir`.
        EvaluationError: MediaPipe cannot be run.
    """
    layout, images, counts = read_published(published.folder, published.layout)
    known = {name for image in images for name in image.classes}
    if unknown := sorted({*published.two_hands, *published.left_out} - known):
        raise ConfigError("the data set has no such class", got=", ".join(unknown), want=", ".join(sorted(known)))
    root = Path(img_dir or Path(published.folder).absolute().parent).absolute()
    content = _existing_file(Path(out))
    first = len(content["images"]), len(content["annotations"])
    _append(content, images, published, root)
    if mediapipe is not None:
        new = content["annotations"][first[1] :]
        found = find_hands_by_mediapipe(mediapipe, [str(image.path) for image in images])
        by_image = dict(zip((image["id"] for image in content["images"][first[0] :]), found, strict=True))
        add_machine_labels(new, by_image)
    write_json(out, content)
    return _report(content, first, layout, images, counts, out)


def _existing_file(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {"images": [], "annotations": [], "categories": _CATEGORIES}
    content = read_coco(path)
    if content["categories"] != _CATEGORIES:
        raise AnnotationError(f"{path} was not written by this tool", got=content["categories"], fix="another --out")
    return content


def _append(content: dict[str, Any], images: Sequence[BoxedImage], published: PublishedSet, root: Path) -> None:
    names = {image["file_name"] for image in content["images"]}
    next_image = 1 + max((image["id"] for image in content["images"]), default=0)
    next_box = 1 + max((record["id"] for record in content["annotations"]), default=0)
    for number, image in enumerate(images):
        path = image.path.absolute()
        if not path.is_relative_to(root):
            raise ConfigError(f"the images do not lie in {root}", got=str(path), fix="--img-dir DIR")
        name = path.relative_to(root).as_posix()
        if name in names:
            raise AnnotationError("an image is in the file already", got=name, fix="another --out, or remove the file")
        record = {"id": next_image + number, "file_name": name, "width": image.size[0], "height": image.size[1]}
        record |= {key: getattr(published, key) for key in ("source", "license") if getattr(published, key)}
        content["images"].append(record)
        for (x1, y1, x2, y2), kind in zip(image.boxes.round(2).tolist(), image.classes, strict=True):
            if kind in published.left_out:
                continue
            content["annotations"].append(
                {
                    "id": next_box, "image_id": record["id"],
                    "category_id": _PAIR_ID if kind in published.two_hands else _HAND_ID,
                    "bbox": [x1, y1, round(x2 - x1, 2), round(y2 - y1, 2)],
                    "area": round((x2 - x1) * (y2 - y1), 2), "iscrowd": 0, "class": kind,
                }
            )  # fmt: skip
            next_box += 1


def add_machine_labels(records: Sequence[dict[str, Any]], found: dict[int, FoundHands]) -> None:
    """Add `pseudo_keypoints`, `pseudo_side` and `pseudo_side_score` to annotations of one hand, in place.

    A hand is taken only if its box agrees with the annotated one (IoU of at least .5). Annotations of two hands get
    `pseudo_hands`, a list of up to two hands that lie at least half inside.

    Args:
        records: Annotations of a COCO file, of the categories that this module writes.
        found: Id of each image -> the hands that a network found in it.
    """
    for image, hands in found.items():
        own = [record for record in records if record["image_id"] == image]
        single = [record for record in own if record["category_id"] == _HAND_ID]
        matched = match_by_score(
            hands.boxes, hands.scores, np.reshape([_corners(record) for record in single], (-1, 4))
        )
        for row, number in enumerate(matched):
            if number >= 0:
                single[number].update({f"pseudo_{key}": value for key, value in _label_of(hands, row).items()})
        for record in own:
            if record["category_id"] == _PAIR_ID:
                share = inside_share(hands.boxes, np.array(_corners(record)))
                inside = [row for row in np.argsort(-share, kind="stable") if share[row] >= INSIDE_SHARE]
                record["pseudo_hands"] = [_label_of(hands, row) for row in inside[:HANDS_OF_A_PAIR]]


def _corners(record: dict[str, Any]) -> list[float]:
    x, y, width, height = record["bbox"]
    return [x, y, x + width, y + height]


def _label_of(hands: FoundHands, row: int) -> dict[str, Any]:
    points = hands.points[row, TO_OPENPOSE]
    return {
        "keypoints": np.column_stack([points.round(2), np.ones(len(points))]).ravel().tolist(),
        "side": SIDES[hands.sides[row]],
        "side_score": round(float(hands.scores[row]), 4),
    }


def _report(
    content: dict[str, Any], first: tuple[int, int], layout: str, images: Sequence[BoxedImage], counts: Counter[str],
    out: str,
) -> list[str]:  # fmt: skip
    new = content["annotations"][first[1] :]
    classes = Counter(name for image in images for name in image.classes)
    pairs = [record for record in new if record["category_id"] == _PAIR_ID]
    labelled = sum("pseudo_keypoints" in record for record in new)
    both = sum(len(record.get("pseudo_hands", ())) == HANDS_OF_A_PAIR for record in pairs)
    empty = sum(not len(image.boxes) for image in images)
    return [
        f"layout {layout}: {len(images)} images, {empty} of them without boxes",
        "classes: " + ", ".join(f"{count} {name}" for name, count in sorted(classes.items())),
        *(f"left out: {count} {reason}" for reason, count in counts.items() if count),
        f"boxes: {len(new) - len(pairs)} of one hand ({labelled} with machine labels), {len(pairs)} of two hands "
        f"({both} with machine labels of both)",
        f"{out}: {len(content['images'])} images, {len(content['annotations'])} boxes",
    ]
