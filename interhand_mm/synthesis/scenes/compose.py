"""Scenes: rendered hands at random places and sizes on photographs, with 2D boxes and exact 3D joints.

A hand is only scaled by s and shifted by t, so its camera stays a pinhole camera with focal length ``focal * s`` and
principal point ``principal_pt * s + t``. Every pasted interaction is one annotation of an InterHand2.6M-format folder
and has a camera of its own; an image with several interactions has one entry in `images` for each. COCO files contain
a box for each hand of all scenes, including scenes without hands. All boxes have one definition (`writer.joint_box`).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np

from ...errors import BackgroundError, ConfigError
from ...utils.images import find_images
from .. import writer
from ..chunks import MANIFEST, chunk_file, claim_folder, is_started, make_chunks, parse_shard
from ..render import appearance
from ..sampling import inside
from ..seeds import SCENE, SEED_SPLITS, stream
from .labels import annotate_pasted, hand_boxes, write_scene_annotations
from .paste import CutOut, PastedHands, cut_out, paste, take_photo, tint
from .rendered_hands import RenderedHands, read_pixels, read_rendered_hands

SCENES_PER_CHUNK = 100
SCENE_SHAPES = ((1.0, 0.75), (0.75, 1.0), (0.8, 0.8))  # width and height of scenes, relative to the longest side
COUNTS = (0.08, 0.42, 0.34, 0.16)  # shares of scenes with 0, 1, 2 and 3 interactions of one or two hands
MAX_INTERACTIONS = len(COUNTS) - 1
HAND_SIDE = (0.14, 0.7)  # range of a hand's longer side, relative to the scene's shorter side
MAX_SCALE = 1.6
ARMS = 0.75  # share of cut-outs that keep their arms
MAX_PLACES = 12  # places that are tried for one cut-out before it is left out
MIN_INSIDE = 0.75  # smallest share of the hands' box that must lie in the frame
MIN_VISIBLE = 0.75  # smallest share of a hand's area that must stay visible under the hands that are pasted later


@dataclass(frozen=True)
class SceneOptions:
    """Everything that decides the bytes of a set of scenes.

    Attributes:
        hands: InterHand2.6M-format folder with masks, written by `tools/make_synthetic.py`.
        photographs: Folder for training and folder for val and test. No photograph may be in both.
        num, num_val, num_test: Number of scenes of each split. They contain hands of the same split of `hands`.
        seed: Seed of all random draws.
        side_px: Longest side of a scene. Hands are enlarged by at most `MAX_SCALE`, so halve it for rendered images
            of half the size.
    """

    VERSION: ClassVar[int] = 2  # tests/synthesis/test_version.py notices when it has to be increased

    hands: str
    photographs: tuple[str, str]
    num: int
    num_val: int = 0
    num_test: int = 0
    seed: int = 0
    side_px: int = 640

    def __post_init__(self) -> None:
        if min(self.num, self.num_val, self.num_test, self.seed) < 0:
            raise ConfigError(
                "a number of scenes or the seed is negative",
                got={key: getattr(self, key) for key in ("num", "num_val", "num_test", "seed")},
                want=">= 0",
            )
        if self.side_px < 64:
            raise ConfigError("the longest side of a scene is too small", got=f"{self.side_px} px", want=">= 64 px")
        names = [{Path(p).name for p in self.photos(split)} for split in ("train", "test")]
        if names[0] & names[1]:
            raise BackgroundError(
                "the training and test folders share photographs",
                got=sorted(names[0] & names[1])[:3],
                want="two disjoint folders",
            )

    def count(self, split: str) -> int:
        """Return the number of scenes of a split."""
        return {"train": self.num, "val": self.num_val, "test": self.num_test}[split]

    def photos(self, split: str) -> list[str]:
        """Return the paths of a split's photographs."""
        folder = self.photographs[split != "train"]
        files = find_images(folder)
        if not files:
            raise BackgroundError(f"there are no photographs for {split}", got=folder, want="a folder with images")
        return files


@dataclass(frozen=True)
class SceneChunk:
    """The scenes [first, last) of a split; `number` is their capture."""

    split: str
    number: int
    first: int
    last: int

    @property
    def name(self) -> str:
        """Name of the file that the chunk leaves when it is finished."""
        return f"{self.split}_{self.number:05d}.json"


def plan_scenes(options: SceneOptions) -> list[SceneChunk]:
    """Return all chunks in order; they do not depend on workers and shards."""
    step = SCENES_PER_CHUNK
    return [
        SceneChunk(split, number, first, min(first + step, options.count(split)))
        for split in SEED_SPLITS
        for number, first in enumerate(range(0, options.count(split), step))
    ]


def draw_place(hands: RenderedHands, size: tuple[int, int], rng: np.random.Generator) -> PastedHands | None:
    """Sample the scale and place of rendered hands.

    Args:
        hands: Hands to place.
        size: (width, height) px of the scene.
        rng: Random generator.

    Returns:
        The placed hands, or None if less than `MIN_INSIDE` of their box would lie in the frame.
    """
    boxes = [writer.joint_box(hands.uv[k], hands.valid[k]) for k in hands.hands]
    side = max(max(box[2:]) for box in boxes)
    wanted = np.exp(rng.uniform(*np.log(HAND_SIDE))) * min(size)
    scale = round(float(min(wanted / side, MAX_SCALE)), 6)
    x, y, w, h = writer.joint_box(hands.uv, hands.valid)
    center = np.array([x + w / 2, y + h / 2])
    offset = np.round(rng.random(2) * size - scale * center, 4)
    uv = scale * hands.uv + offset
    low = scale * np.array([x, y]) + offset
    high = low + scale * np.array([w, h])
    seen = np.prod(np.maximum(np.minimum(high, size) - np.maximum(low, 0), 0)) / np.prod(high - low)
    if seen < MIN_INSIDE:
        return None
    return PastedHands(hands, scale, offset, uv, hands.valid & inside(uv, size))


class Scene:
    """A photograph onto which hands are pasted one after another.

    Args:
        photograph: (H, W, 3) uint8 BGR.

    Attributes:
        image: (H, W, 3) uint8 BGR, the photograph with all hands pasted so far.
        placed: The pasted hands, in order.
    """

    def __init__(self, photograph: np.ndarray) -> None:
        self.image = photograph
        self.placed: list[PastedHands] = []
        self._labels = np.zeros(photograph.shape[:2], np.uint8)  # 2 k + 1: right hand of piece k; 2 k + 2: left hand
        self._areas: dict[int, int] = {}  # visible pixels of each label when it was pasted

    def add(self, piece: CutOut, place: PastedHands) -> bool:
        """Paste a piece, unless less than `MIN_VISIBLE` of an earlier hand would stay visible.

        Returns:
            True if the piece was pasted.
        """
        number = len(self.placed)
        mixed, cover = paste(self.image, piece, place.scale, place.offset)
        hand = (cover == 1) | (cover == 2)
        labels = np.where(hand, 2 * number + cover, np.where(cover > 0, 0, self._labels)).astype(np.uint8)
        counts = np.bincount(labels.ravel(), minlength=2 * MAX_INTERACTIONS + 1)
        if any(counts[label] < MIN_VISIBLE * area for label, area in self._areas.items()):
            return False
        self._areas.update({label: int(counts[label]) for label in (2 * number + 1, 2 * number + 2)})
        self.image, self._labels = mixed, labels
        self.placed.append(place)
        return True


def compose(
    candidates: tuple[RenderedHands, ...], photos: list[str], rng: np.random.Generator, side_px: int
) -> tuple[np.ndarray, list[PastedHands]]:
    """Sample one scene.

    Args:
        candidates: Rendered hands to choose from.
        photos: Paths of photographs to choose from.
        rng: Random generator.
        side_px: Longest side of the scene.

    Returns:
        The image (H, W, 3) uint8 BGR, and the pasted hands in order.
    """
    shape = SCENE_SHAPES[rng.integers(len(SCENE_SHAPES))]
    size = (round(shape[0] * side_px), round(shape[1] * side_px))
    photo = appearance.photo_crop(photos[rng.integers(len(photos))], size, rng)
    scene = Scene(np.ascontiguousarray(photo[..., ::-1]))
    for _ in range(rng.choice(len(COUNTS), p=COUNTS)):
        hands = candidates[rng.integers(len(candidates))]
        image, bits = read_pixels(hands)
        piece = cut_out(tint(image, rng), bits, arms=bool(rng.random() < ARMS))
        for _ in range(MAX_PLACES):
            place = draw_place(hands, size, rng)
            if place is not None and scene.add(piece, place):
                break
    return scene.image, scene.placed


def make_scenes_chunk(chunk: SceneChunk, options: SceneOptions, out: Path) -> int:
    """Make one chunk's scenes, write its `chunk_file` last and return its number of images."""
    cv2.setNumThreads(1)
    candidates, photos = read_rendered_hands(options.hands, chunk.split), options.photos(chunk.split)
    content: dict[str, Any] = {"scenes": [], "images": [], "annotations": [], "camera": {}, "joint_3d": {}}
    cameras: dict[str, dict] = {key: {} for key in ("campos", "camrot", "focal", "princpt")}
    for index in range(chunk.first, chunk.last):
        rng = stream(options.seed, chunk.split, SCENE, index)
        photo, placed = compose(candidates, photos, rng, options.side_px)
        name = f"Capture{chunk.number}/scene{index:06d}.jpg"
        scene: dict[str, Any] = {"id": index, "file_name": name}
        scene |= {"width": photo.shape[1], "height": photo.shape[0], "hands": []}
        writer.write_fast(out / "images" / chunk.split / name, take_photo(photo, rng)[1])
        for k, pasted in enumerate(placed):
            ann_id = index * MAX_INTERACTIONS + k
            image, annotation, camera = annotate_pasted(pasted, ann_id, scene, chunk.number)
            scene["hands"] += hand_boxes(pasted, ann_id)
            content["images"].append(image)
            content["annotations"].append(annotation)
            content["joint_3d"][str(ann_id)] = pasted.hands.step
            for key, value in camera.items():
                cameras[key][str(ann_id)] = value
        content["scenes"].append(scene)
    content["camera"] = cameras
    writer.write_fast(chunk_file(out, chunk), writer.dump_json(content))
    return len(content["scenes"])


def scene_sources(options: SceneOptions) -> dict[str, Any]:
    """Return what scenes are made of: how the rendered hands were made, and the number of photographs."""
    made = Path(options.hands) / MANIFEST
    return {
        "hands_made": json.loads(made.read_text(encoding="utf-8")) if made.is_file() else None,
        "photograph_counts": [len(options.photos(split)) for split in ("train", "test")],
    }


def are_complete(out: str | Path, options: SceneOptions) -> bool:
    """Return whether a folder contains all scenes.

    Raises:
        ConfigError: The folder contains something else, or was made with other options or of other hands.
    """
    started = is_started(Path(out), options, scene_sources(options))
    return started and (Path(out) / "annotations" / "skeleton.txt").is_file()


def make_scenes(
    out: str | Path, options: SceneOptions, workers: int = 1, shard: str = "0/1", progress: bool = True
) -> bool:
    """Make a set of scenes, or the missing rest of one.

    Args:
        out: Output folder: empty, or started with the same options.
        options: Options of the scenes to compose.
        workers: Number of processes; the output does not depend on it.
        shard: "i/n" makes every n-th chunk, starting from chunk i. The shard that finishes last merges the annotations.
        progress: Show a progress bar.

    Returns:
        True if the set is complete, False while chunks of other shards are missing.

    Raises:
        AnnotationError: `options.hands` is missing or malformed.
        BackgroundError: The photographs are missing.
        ImageError: A rendered image or its mask is missing or broken.
        ConfigError: `out` contains something else, or was started with other options.
    """
    out = Path(out)
    parse_shard(shard)
    chunks = plan_scenes(options)
    for split in {c.split for c in chunks}:  # report missing input before anything is written
        read_rendered_hands(options.hands, split)
        options.photos(split)
    claim_folder(out, options, scene_sources(options))
    job = partial(make_scenes_chunk, options=options, out=out)
    if not make_chunks(out, chunks, job, lambda c: c.last - c.first, workers, shard, progress):
        return False
    for split in SEED_SPLITS:
        contents = [json.loads(chunk_file(out, c).read_bytes()) for c in chunks if c.split == split]
        if contents:
            write_scene_annotations(out, split, contents)
    writer.write_bytes(out / "annotations" / "skeleton.txt", writer.skeleton_text().encode())
    return True
