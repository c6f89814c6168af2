"""Convert EgoHands to COCO detection files with one class or four, split by session."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from ..datasets.annotations.index import SPLITS
from ..errors import AnnotationError
from ..utils.coco import coco_detection
from ..utils.files import write_text
from ..utils.images import shown_size
from .egohands_matlab import EGOHANDS_CLASSES, LabeledFrame, LabeledVideo, polygon_area, polygon_box, read_egohands

SHARES = {"train": 36, "val": 4, "test": 8}  # number of videos of each split in the official split of 48
CATEGORIES = {"hand": ("hand",), "sides": EGOHANDS_CLASSES}
_OFFICIAL = {"TRAIN": "train", "VALID": "val", "TEST": "test"}


def prepare_egohands(root: str, out: str | None = None, split_file: str | None = None, seed: int = 0) -> list[str]:
    """Write `annotations/coco/{hand,sides}_{train,val,test}.json`. The images are not moved.

    Args:
        root: Folder with `_LABELED_SAMPLES` and `metadata.mat`.
        out: Folder for `annotations`. Default: `root`.
        split_file: JSON file {"train": [video, ...], "val": [...], "test": [...]}, or the data set's own getMetaBy.m.
            Default: a random split that keeps partner videos together.
        seed: Seed of the random split.

    Returns:
        Lines of a report: what was found, left out and written.

    Raises:
        AnnotationError: See `read_egohands` and `read_split`; also if a polygon lies outside its image.
        ImageError: An image is missing or cannot be read.
    """
    videos = read_egohands(root)
    splits = read_split(split_file, videos) if split_file else split_by_session(videos, seed)
    ignored: list[str] = []
    lines = [f"{len(videos)} videos, {sum(len(v.frames) for v in videos)} frames"]
    scenes = {name: _scenes(root, [v for v in videos if v.name in splits[name]], ignored) for name in SPLITS}
    for name in SPLITS:
        boxes = _coco_boxes(scenes[name])
        for kind, categories in CATEGORIES.items():
            target = Path(out or root) / "annotations" / "coco" / f"{kind}_{name}.json"
            write_text(target, json.dumps(coco_detection(scenes[name], boxes, categories)))
        hands = [hand for scene in scenes[name] for hand, _, _, _ in scene["hands"]]
        by_side = ", ".join(f"{hands.count(hand)} {hand}" for hand in EGOHANDS_CLASSES)
        lines.append(f"{name}: {len(splits[name])} videos, {len(scenes[name])} frames, {len(hands)} hands ({by_side})")
    split_of = {video: name for name in SPLITS for video in splits[name]}
    apart = sorted({v.name for v in videos if split_of.get(v.partner, split_of[v.name]) != split_of[v.name]})
    if apart:
        lines.append(f"{len(apart)} videos have their partner in another split: {', '.join(apart)}")
    if ignored:
        lines.append(f"{len(ignored)} polygons without area were left out: {'; '.join(ignored[:5])}")
    return [*lines, f"wrote {Path(out or root) / 'annotations' / 'coco'}"]


def _scenes(root: str, videos: Sequence[LabeledVideo], ignored: list[str]) -> list[dict[str, Any]]:
    """Return the frames with the sizes of their images and the (hand, box, outline, area) of each hand."""
    frames = [frame for video in videos for frame in video.frames]
    scenes: list[dict[str, Any]] = []
    for frame in tqdm(frames, desc="reading EgoHands", leave=False, disable=len(frames) < 500):
        (width, height), _ = shown_size(Path(root) / frame.file_name)
        scenes.append({"id": len(scenes) + 1, "file_name": frame.file_name, "width": width, "height": height})
        scenes[-1]["hands"] = list(_hands(frame, (width, height), ignored))
    return scenes


def _hands(frame: LabeledFrame, size: tuple[int, int], ignored: list[str]) -> Any:
    for hand, points in frame.polygons.items():
        area = polygon_area(points)
        if not area:
            ignored.append(f"{frame.file_name} {hand} ({len(points)} points)")
            continue
        box = polygon_box(points, size)
        if box is None:
            (x1, y1), (x2, y2) = points.min(0), points.max(0)
            raise AnnotationError(
                f"{frame.file_name}: the polygon of {hand} lies outside the image",
                got=f"x {x1:g} to {x2:g}, y {y1:g} to {y2:g}",
                want=f"within {size[0]} x {size[1]} px",
                fix="download the data set again; images and polygons belong to different releases",
            )
        yield hand, box, (points - 1).ravel().round(3).tolist(), round(area, 2)


def _coco_boxes(scenes: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return the hands of all frames as `coco_detection` expects them."""
    return [
        {
            "image_id": scene["id"],
            "category": EGOHANDS_CLASSES.index(hand),
            **{"bbox": box, "area": area, "iscrowd": 0, "side": hand, "segmentation": [outline]},
        }
        for scene in scenes
        for hand, box, outline, area in scene["hands"]
    ]


def split_by_session(videos: Sequence[LabeledVideo], seed: int = 0) -> dict[str, list[str]]:
    """Split the videos at random, about 36 : 4 : 8, and keep the videos of one session together.

    Args:
        videos: Videos to split. A video and its partner, and the partner's other videos, form a group.
        seed: Seed of the random order of the groups.

    Returns:
        Sorted names of the videos by split.
    """
    group_of: dict[str, set[str]] = {video.name: {video.name} for video in videos}
    for video in videos:
        if video.partner in group_of:
            joined = group_of[video.name] | group_of[video.partner]
            group_of.update(dict.fromkeys(joined, joined))
    groups = sorted({tuple(sorted(group)) for group in group_of.values()})
    order = np.random.default_rng(seed).permutation(len(groups))
    found: dict[str, list[str]] = {name: [] for name in SPLITS}
    for i in order:
        # Choose the split that is furthest from its share. The 0.5 lets "train" come first while all are empty.
        name = min(SPLITS, key=lambda name: (len(found[name]) + 0.5) / SHARES[name])
        found[name] += groups[i]
    return {name: sorted(names) for name, names in found.items()}


def read_split(path: str, videos: Sequence[LabeledVideo]) -> dict[str, list[str]]:
    """Read a split file, which must name every video once.

    The file is JSON, or Matlab source in which each of 'TRAIN', 'VALID' and 'TEST' is followed by names of videos or by
    a list of their numbers in `metadata.mat`. This was written without access to getMetaBy.m, so a file that does not
    name every video exactly once is an error.

    Args:
        path: Split file. Matlab source ends in ``.m``.
        videos: All videos of the data set.

    Returns:
        Names of the videos by split.

    Raises:
        AnnotationError: The file is missing or malformed, or a video is unknown, missing or named twice.
    """
    names = [video.name for video in videos]
    try:
        text = Path(path).read_text(errors="replace")
        found = _matlab_split(text, names) if path.endswith(".m") else json.loads(text)
        split = {name: [str(video) for video in found.get(name, [])] for name in SPLITS}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        raise AnnotationError(f"split file cannot be read: {path}", got=error, want=_WANT_SPLIT) from error
    named = [video for part in split.values() for video in part]
    wrong = {v for v in named if v not in names} | {v for v in names if named.count(v) != 1}
    if wrong:
        raise AnnotationError(
            f"{path} does not name every video once",
            got=f"{len(wrong)} unknown, missing or named twice, among them {', '.join(sorted(wrong)[:3])}",
            want=_WANT_SPLIT,
            fix="write the three lists of getMetaBy.m to a JSON file of this form",
        )
    return split


_WANT_SPLIT = '{"train": ["CARDS_COURTYARD_B_T", ...], "val": [...], "test": [...]}'


def _matlab_split(text: str, names: Sequence[str]) -> dict[str, list[str]]:
    parts = re.split(r"['\"](TRAIN|VALID|TEST)['\"]", re.sub(r"%.*", "", text))
    found: dict[str, list[str]] = {name: [] for name in SPLITS}
    for word, body in zip(parts[1::2], parts[2::2], strict=True):
        listed = [name for name in re.findall(r"\w+", body) if name in names]
        for numbers in re.findall(r"\[([\d\s,;]+)\]", body) if not listed else ():
            listed += [names[int(n) - 1] for n in re.findall(r"\d+", numbers) if 0 < int(n) <= len(names)]
        found[_OFFICIAL[word]] += listed
    return found
