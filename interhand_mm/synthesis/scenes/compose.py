"""Scenes: hands of a rendered set at random places and sizes on photographs, with 2D boxes and exact 3D.

A hand is only scaled by s and shifted by t, so its camera stays a pinhole: focal * s, principal point * s + t.
Every pasted interaction is one annotation of an InterHand2.6M-format folder, with a camera of its own; an image
with several stands in `images` once for each. COCO files beside them hold a box for each hand, of the same
definition (`writer.joint_box`), for all scenes, those without hands too.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...errors import BackgroundError, ConfigError
from ...utils.files import write_bytes
from .. import writer
from ..chunks import make_parts
from ..plan import PARTS, claim_folder, parse_shard
from ..render import appearance
from ..sampling import SPLITS, inside, stream
from .annotations import annotate, hand_boxes, merge
from .cutouts import Source, read_pixels, read_sources
from .paste import CutOut, Pasted, cut_out, develop, paste, tint

SCENE = 7  # the third number of a seed, see sampling.stream
SCENES_PER_CHUNK = 100
SHAPES = ((1.0, 0.75), (0.75, 1.0), (0.8, 0.8))  # of scenes, in parts of the longest side
COUNTS = (0.08, 0.42, 0.34, 0.16)  # shares of scenes with 0, 1, 2, 3 interactions of one or two hands
MAX_INTERACTIONS = len(COUNTS) - 1
HAND_SIDE = (0.14, 0.7)  # a hand's longer side in parts of the scene's shorter one
MAX_SCALE = 1.6
ARMS = 0.75  # share of cut-outs that keep their arms
TRIES = 12
MIN_INSIDE, MIN_VISIBLE = 0.75, 0.75  # of the box in the frame; of a hand still seen under what is pasted later


@dataclass(frozen=True)
class SceneOptions:
    """Everything that decides the bytes.

    Attributes:
        hands: InterHand2.6M-format folder with masks, from `tools/make_synthetic.py`.
        photographs: Folder for training and folder for val and test; no photograph may be in both.
        num, num_val, num_test: Scenes of each split, each with hands of the same split of `hands`.
        seed: Of everything random.
        side_px: Longest side of a scene. A hand is enlarged by `MAX_SCALE` at most: frames of half the size give
            scenes of half the size.
    """

    hands: str
    photographs: tuple[str, str]
    num: int
    num_val: int = 0
    num_test: int = 0
    seed: int = 0
    side_px: int = 640

    def __post_init__(self) -> None:
        if min(self.num, self.num_val, self.num_test, self.seed) < 0:
            raise ConfigError("a count or the seed is negative", want="numbers >= 0")
        if self.side_px < 64:
            raise ConfigError("the longest side of a scene", got=f"{self.side_px} px", want="64 or more")
        names = [{Path(p).name for p in self.photos(split)} for split in ("train", "test")]
        if names[0] & names[1]:
            raise BackgroundError(
                "training and test share photographs", got=sorted(names[0] & names[1])[:3], want="two disjoint folders"
            )

    def count(self, split: str) -> int:
        """Scenes of a split."""
        return {"train": self.num, "val": self.num_val, "test": self.num_test}[split]

    def photos(self, split: str) -> list[str]:
        """Photographs of a split."""
        folder = self.photographs[split != "train"]
        files = appearance.photo_files(folder)
        if not files:
            raise BackgroundError(f"no photographs for {split}", got=folder, want="a folder with images")
        return files


@dataclass(frozen=True)
class SceneChunk:
    """Scenes [first, last) of a split; its number is their capture."""

    split: str
    number: int
    first: int
    last: int

    @property
    def name(self) -> str:
        """File name of the chunk's part."""
        return f"{self.split}_{self.number:05d}.json"


def plan_scenes(options: SceneOptions) -> list[SceneChunk]:
    """All chunks in order; independent of workers and shards."""
    step = SCENES_PER_CHUNK
    return [
        SceneChunk(split, number, first, min(first + step, options.count(split)))
        for split in SPLITS
        for number, first in enumerate(range(0, options.count(split), step))
    ]


def draw_place(source: Source, size: tuple[int, int], rng: np.random.Generator) -> Pasted | None:
    """Draw scale and place of a source's hands; None where they would stand too far outside the frame.

    Args:
        source: The hands.
        size: (width, height) px of the scene.
        rng: Draws.
    """
    boxes = [writer.joint_box(source.uv[k], source.valid[k]) for k in source.hands]
    side = max(max(box[2:]) for box in boxes)
    wanted = np.exp(rng.uniform(*np.log(HAND_SIDE))) * min(size)
    scale = round(float(min(wanted / side, MAX_SCALE)), 6)
    x, y, w, h = writer.joint_box(source.uv, source.valid)
    center = np.array([x + w / 2, y + h / 2])
    offset = np.round(rng.random(2) * size - scale * center, 4)
    uv = scale * source.uv + offset
    low = scale * np.array([x, y]) + offset
    high = low + scale * np.array([w, h])
    seen = np.prod(np.maximum(np.minimum(high, size) - np.maximum(low, 0), 0)) / np.prod(high - low)
    if seen < MIN_INSIDE:
        return None
    return Pasted(source, scale, offset, uv, source.valid & inside(uv, size))


def compose(
    sources: tuple[Source, ...], photos: list[str], rng: np.random.Generator, side_px: int
) -> tuple[np.ndarray, list[Pasted]]:
    """Draw one scene.

    Returns:
        (H, W, 3) uint8 BGR, and what was pasted, in order.
    """
    shape = SHAPES[rng.integers(len(SHAPES))]
    size = (round(shape[0] * side_px), round(shape[1] * side_px))
    picture = np.ascontiguousarray(appearance.photo_crop(photos[rng.integers(len(photos))], size, rng)[..., ::-1])
    labels = np.zeros(size[::-1], np.uint8)  # 2 k + 1, 2 k + 2: right, left hand of piece k
    areas: dict[int, int] = {}
    placed: list[Pasted] = []
    for _ in range(rng.choice(len(COUNTS), p=COUNTS)):
        source = sources[rng.integers(len(sources))]
        image, bits = read_pixels(source)
        piece = cut_out(tint(image, rng), bits, arms=bool(rng.random() < ARMS))
        for _ in range(TRIES):
            place = draw_place(source, size, rng)
            if place is None:
                continue
            fitted = _try(picture, piece, place, labels, areas, len(placed))
            if fitted is not None:
                picture, labels = fitted
                placed.append(place)
                break
    return picture, placed


def _try(
    picture: np.ndarray, piece: CutOut, place: Pasted, labels: np.ndarray, areas: dict[int, int], number: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Paste unless an earlier hand would be hidden; returns picture and labels, and notes the areas."""
    mixed, cover = paste(picture, piece, place.scale, place.offset)
    hand = (cover == 1) | (cover == 2)
    changed = np.where(hand, 2 * number + cover, np.where(cover > 0, 0, labels)).astype(np.uint8)
    counts = np.bincount(changed.ravel(), minlength=2 * MAX_INTERACTIONS + 1)
    if any(counts[label] < MIN_VISIBLE * area for label, area in areas.items()):
        return None
    areas.update({label: int(counts[label]) for label in (2 * number + 1, 2 * number + 2)})
    return mixed, changed


def make_scenes_chunk(chunk: SceneChunk, options: SceneOptions, out: Path) -> int:
    """Draw one chunk's scenes, its part of the annotations last; returns the number of images."""
    cv2.setNumThreads(1)
    sources, photos = read_sources(options.hands, chunk.split), options.photos(chunk.split)
    part: dict[str, Any] = {"scenes": [], "images": [], "annotations": [], "camera": {}, "joint_3d": {}}
    cameras: dict[str, dict] = {key: {} for key in ("campos", "camrot", "focal", "princpt")}
    for index in range(chunk.first, chunk.last):
        rng = stream(options.seed, chunk.split, SCENE, index)
        picture, placed = compose(sources, photos, rng, options.side_px)
        name = f"Capture{chunk.number}/scene{index:06d}.jpg"
        scene = {"id": index, "file_name": name, "width": picture.shape[1], "height": picture.shape[0], "hands": []}
        write_bytes(out / "images" / chunk.split / name, develop(picture, rng)[1], durable=False)
        for k, pasted in enumerate(placed):
            ann_id = index * MAX_INTERACTIONS + k
            image, annotation, camera = annotate(pasted, ann_id, scene, chunk.number)
            scene["hands"] += hand_boxes(pasted, ann_id)
            part["images"].append(image)
            part["annotations"].append(annotation)
            part["joint_3d"][str(ann_id)] = pasted.source.step
            for key, value in camera.items():
                cameras[key][str(ann_id)] = value
        part["scenes"].append(scene)
    part["camera"] = cameras
    write_bytes(out / PARTS / chunk.name, writer.dump_json(part))
    return len(part["scenes"])


def make_scenes(
    out: str | Path, options: SceneOptions, workers: int = 1, shard: str = "0/1", progress: bool = True
) -> bool:
    """Draw a set of scenes, or what is missing of it; arguments and return as `generate.generate`'s.

    Raises:
        AnnotationError, BackgroundError, ImageError: `hands` or `photographs` are not what they should be.
        ConfigError: `out` holds something else, or was begun with other options.
    """
    out = Path(out)
    parse_shard(shard)
    chunks = plan_scenes(options)
    for split in {c.split for c in chunks}:
        read_sources(options.hands, split)  # before anything is written
        options.photos(split)
    claim_folder(out, options)
    job = partial(make_scenes_chunk, options=options, out=out)
    if not make_parts(out, chunks, job, lambda c: c.last - c.first, workers, shard, progress):
        return False
    for split in SPLITS:
        parts = [json.loads((out / PARTS / c.name).read_bytes()) for c in chunks if c.split == split]
        if parts:
            merge(out, split, parts)
    write_bytes(out / "annotations" / "skeleton.txt", writer.skeleton_text().encode())
    return True
