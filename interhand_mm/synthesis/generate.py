"""Render a data set: chunks in worker processes, then one merge into InterHand2.6M's annotation files."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypedDict

import cv2
import numpy as np

from . import holding, sampling, shots, wearing, writer
from .chunks import chunk_file, claim_folder, is_started, make_chunks, parse_shard
from .hand.rigged import load_meshes
from .plan import CAMERAS, SUBJECT_OFFSET, Chunk, SynthesisOptions, camera_sizes, plan
from .render import appearance, shading, solids
from .render.cameras import VirtualCamera
from .render.photo_light import photo_lights
from .seeds import OBJECT, PAINT, PHOTO, SEED_SPLITS, STEP, SUBJECT, TONE, VIEW, stream
from .time_step import Step, Subject, make_subject
from .view import View, light_limbs, light_step, render_view, skin_albedo


class ChunkContent(TypedDict):
    """Content of the file that a finished chunk leaves: its share of the annotation files.

    `images` and `annotations` are entries of the data file, `camera` is the entry of camera.json and `joint_3d` the
    entry of joint_3d.json of the subject's capture, and `overlap_mm` holds the remaining overlap of each time step.
    """

    images: list[dict[str, Any]]
    annotations: list[dict[str, Any]]
    camera: dict[str, Any]
    joint_3d: dict[str, Any]
    overlap_mm: list[float]


def subject_of(options: SynthesisOptions, split: str, number: int) -> Subject:
    """Sample subject `number` of a split. Without `split_by_subject` all splits have the same subjects."""
    source = split if options.split_by_subject else "train"
    rng = stream(options.seed, source, SUBJECT, number)
    meshes = load_meshes(options.hand_mesh, rng) if options.hand_mesh else None
    # Steps of the golden ratio: even a few subjects cover all skin tones. Each split starts at another tone.
    start = stream(options.seed, source, TONE, 0).random()
    tone = 5.0 * ((start + number * 0.618034) % 1.0)
    subject = make_subject(number, rng, CAMERAS, camera_sizes(options.size), meshes, tone)
    skin, strength = subject.skin, options.look.skin_detail
    return replace(subject, skin=replace(skin, roughness=strength * skin.roughness, hair=strength * skin.hair))


@dataclass(frozen=True)
class Shot:
    """A time step and its place in the data set.

    Attributes:
        step: Time step.
        cameras: Cameras that see it.
        name: Name of its sequence.
        frame: Frame index, unique within the capture.
    """

    step: Step
    cameras: list[VirtualCamera]
    name: str
    frame: int


def _camera_chooser(
    options: SynthesisOptions, chunk: Chunk, index: int, fixed: list[VirtualCamera]
) -> sampling.ChooseCameras:
    """Return the function that chooses a step's cameras: `fixed` ones, or new ones where the preset has ranges."""
    ranges = options.look.views
    if ranges is None:
        return lambda step: (fixed, sampling.rejection_score(step, fixed))
    rng = stream(options.seed, chunk.split, VIEW, index)
    hard = (index + 1) / chunk.steps if options.rotation == "curriculum" else 1.0
    numbers = range(index * options.views, (index + 1) * options.views)

    def choose(step: Step) -> tuple[list[VirtualCamera], float]:
        cameras, score = shots.draw_views(step, rng, ranges, camera_sizes(options.size), numbers, hard)
        return cameras, score + sampling.overlap_score(step)

    return choose


def step_of(options: SynthesisOptions, chunk: Chunk, subject: Subject, index: int) -> Shot:
    """Sample time step `index` of a split and the cameras that see it."""
    progress = (index + 1) / chunk.steps
    gesturing = options.look.poses.gesturing if options.look.poses else 0.0
    draw = (options.rotation, progress, options.interacting, gesturing)
    if not options.sequence:
        rng = stream(options.seed, chunk.split, STEP, index)
        fixed = _ring_of(options, subject, rng)
        choose = _camera_chooser(options, chunk, index, fixed)
        step, cameras = sampling.sample_step(subject.meshes, rng, choose, *draw)
        return Shot(step, cameras, f"{index:05d}_{step.kind}", index)
    sequence, frame = divmod(index - chunk.first, options.sequence)
    number = chunk.first + sequence
    key = (subject.meshes, options.seed, chunk.split, number)
    step = sampling.sample_sequence_step(*key, frame, *draw)
    cameras = _ring_of(options, subject, stream(options.seed, chunk.split, PAINT, number))
    if options.look.views is not None:  # all frames of a sequence have the cameras of its first one
        start = step if frame == 0 else sampling.sample_sequence_step(*key, 0, *draw)
        cameras, _ = _camera_chooser(options, chunk, number, cameras)(start)
    # joint_3d.json identifies a time step by capture and frame number, so the frame numbers of a capture's sequences
    # must differ.
    return Shot(step, cameras, f"{number:05d}_{step.kind}", (index - chunk.first + 1) * sampling.FRAME_STRIDE)


def _ring_of(options: SynthesisOptions, subject: Subject, rng: np.random.Generator) -> list[VirtualCamera]:
    """Sample `options.views` of the subject's calibrated cameras."""
    chosen = np.sort(rng.permutation(len(subject.cameras))[: options.views])
    return [subject.cameras[v] for v in chosen]


def _lights_of(
    options: SynthesisOptions, chunk: Chunk, index: int, rng: np.random.Generator, subject: Subject, shot: Shot,
    photos: list[str] | None,
) -> tuple[shading.Lights, str | None]:  # fmt: skip
    """Sample the lights of a time step; they do not change within a sequence.

    Returns:
        The lights, and the photograph that they were estimated from, if any. All views of the step show it.
    """
    number = chunk.first + (index - chunk.first) // options.sequence if options.sequence else index
    if options.look.light is not None and photos:
        rng = stream(options.seed, chunk.split, PHOTO, number)
        photo = photos[rng.integers(len(photos))]
        pixels = appearance.load_photo(photo)
        return photo_lights(pixels, shot.cameras[0], skin_albedo(subject), options.look.light, rng), photo
    return shading.sample_lights(stream(options.seed, chunk.split, PAINT, number, 1) if options.sequence else rng), None


def _objects_of(
    options: SynthesisOptions, chunk: Chunk, subject: Subject, shot: Shot, index: int
) -> list[solids.Solid]:
    """Sample the objects of a time step; the frames of a sequence have none, because nothing would move them."""
    ranges = options.look.objects
    if ranges is None or options.sequence:
        return []
    rng = stream(options.seed, chunk.split, OBJECT, index)
    return holding.sample_objects(subject, shot.step, shot.cameras, ranges, rng)


def _worn_of(options: SynthesisOptions, chunk: Chunk, subject: Subject) -> tuple[wearing.Worn, wearing.Worn]:
    """Sample what the subject of a chunk wears on the right and on the left hand."""
    if options.look.worn is None:
        return [], []
    rng = stream(options.seed, chunk.split, OBJECT, chunk.subject, 1)
    return wearing.sample_worn(subject, options.look.worn, rng)


def write_view_files(
    out: Path, options: SynthesisOptions, split: str, file_name: str, annotation: dict[str, Any], view: View
) -> None:
    """Write all files of one view."""
    writer.write_view(out, split, file_name, view, options.depth)
    if options.aih:
        writer.write_aih(out, split, annotation, view)


def make_chunk(chunk: Chunk, options: SynthesisOptions, out: Path) -> int:
    """Render one chunk, write its `chunk_file` last and return its number of images."""
    cv2.setNumThreads(1)
    subject = subject_of(options, chunk.split, chunk.subject)
    photos = None if options.background == "studio" else appearance.list_photos(options.background, chunk.split)
    content: ChunkContent = {
        "images": [],
        "annotations": [],
        "camera": {},
        "joint_3d": {},
        "overlap_mm": [],
    }
    number = SUBJECT_OFFSET[chunk.split] * options.split_by_subject + chunk.subject
    worn = _worn_of(options, chunk, subject)
    cameras = {} if options.look.views else {c.name: c for c in subject.cameras}
    for index in range(chunk.first, chunk.last):
        shot = step_of(options, chunk, subject, index)
        step, seen_by = shot.step, shot.cameras
        cameras |= {c.name: c for c in seen_by}
        content["joint_3d"][str(shot.frame)] = writer.joint_3d_entry(step)
        content["overlap_mm"].append(round(step.overlap_mm, 3))
        rng = stream(options.seed, chunk.split, PAINT, index)
        lights, lit_by = _lights_of(options, chunk, index, rng, subject, shot, photos)
        objects = _objects_of(options, chunk, subject, shot, index) + wearing.place_worn(worn, step)
        limbs, lit = light_step(subject, step, lights, seen_by, objects)
        both = options.aih and step.present.all()
        alone = light_limbs(subject, step, lights, seen_by, shadows=False, objects=objects) if both else None
        for k, camera in enumerate(seen_by):
            image_id = index * options.views + k
            if image_id >= options.count(chunk.split):
                break
            photo = lit_by or (photos[rng.integers(len(photos))] if photos else None)
            view = render_view(subject, step, limbs, lights, camera, rng, photo, alone, options.look.light, lit)
            image, annotation = writer.annotate_view(
                step, camera, image_id, chunk.subject, number, shot.name, shot.frame
            )
            write_view_files(out, options, chunk.split, image["file_name"], annotation, view)
            content["images"].append(image)
            content["annotations"].append(annotation)
    content["camera"] = writer.camera_entry(list(cameras.values()))
    writer.write_fast(chunk_file(out, chunk), writer.dump_json(content))
    return len(content["images"])


def generate(
    out: str | Path, options: SynthesisOptions, workers: int = 1, shard: str = "0/1", progress: bool = True
) -> bool:
    """Render a data set, or the missing rest of one.

    Args:
        out: Output folder: empty, or started with the same options.
        options: Options of the set to render.
        workers: Number of processes; the output does not depend on it.
        shard: "i/n" makes every n-th chunk, starting from chunk i. The shard that finishes last merges the annotations.
        progress: Show a progress bar.

    Returns:
        True if the data set is complete, False while chunks of other shards are missing.

    Raises:
        ConfigError: `out` contains something else, or was started with other options.
        BackgroundError: The background photographs are missing.
    """
    out = Path(out)
    parse_shard(shard)
    claim_folder(out, options)
    chunks = plan(options)

    def size(c: Chunk) -> int:
        return min(c.last * options.views, options.count(c.split)) - c.first * options.views

    if not make_chunks(out, chunks, partial(make_chunk, options=options, out=out), size, workers, shard, progress):
        return False
    merge_annotations(out, options, chunks)
    return True


def is_complete(out: str | Path, options: SynthesisOptions) -> bool:
    """Return whether a folder contains the complete data set.

    Raises:
        ConfigError: The folder contains something else, or was made with other options or by other code.
    """
    return is_started(Path(out), options) and (Path(out) / "report.json").is_file()


def merge_annotations(out: Path, options: SynthesisOptions, chunks: list[Chunk]) -> None:
    """Merge the files of the chunks into the annotation files of every split, and write `report.json`."""
    report = {}
    for split in SEED_SPLITS:
        contents = {c.subject: _read_content(out, c) for c in chunks if c.split == split}
        if not contents:
            continue
        images = [image for content in contents.values() for image in content["images"]]
        annotations = [annotation for content in contents.values() for annotation in content["annotations"]]
        files = {
            "data": {"images": images, "annotations": annotations},
            "camera": {str(subject): content["camera"] for subject, content in contents.items()},
            "joint_3d": {str(subject): content["joint_3d"] for subject, content in contents.items()},
        }
        for name, value in files.items():
            path = out / "annotations" / split / f"InterHand2.6M_{split}_{name}.json"
            writer.write_bytes(path, writer.dump_json(value))
        overlaps = [overlap for content in contents.values() for overlap in content["overlap_mm"]]
        report[split] = _report(annotations, overlaps, len(contents))
        if options.aih:
            writer.write_aih_lists(out, split, annotations, options.seed)
    writer.write_bytes(out / "annotations" / "skeleton.txt", writer.skeleton_text().encode())
    writer.write_bytes(out / "report.json", json.dumps(report, indent=1).encode())


def _read_content(out: Path, chunk: Chunk) -> ChunkContent:
    content: ChunkContent = json.loads(chunk_file(out, chunk).read_bytes())
    return content


def _report(annotations: list[dict[str, Any]], overlaps: list[float], subjects: int) -> dict[str, Any]:
    """Return the entry of `report.json` for one split."""
    touching = [o for o in overlaps if o > 0]
    return {
        "images": len(annotations),
        "time_steps": len(overlaps),
        "subjects": subjects,
        "hand_types": {t: sum(a["hand_type"] == t for a in annotations) for t in ("right", "left", "interacting")},
        "overlap_mm": {
            "max": max(overlaps, default=0.0),
            "mean_where_touching": round(float(np.mean(touching)), 3) if touching else 0.0,
            "over_4_mm": sum(o > sampling.MAX_OVERLAP_MM for o in overlaps),
        },
    }
