"""Generate a data set: chunks in worker processes, then one merge into InterHand2.6M's annotation files."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from interhand_mm.synthesis.plan import (
    CAMERAS,
    PARTS,
    SUBJECT_OFFSET,
    Chunk,
    Options,
    camera_sizes,
    claim_folder,
    parse_shard,
    plan,
)
from interhand_mm.synthesis.sampling import PAINT, SPLITS, STEP, SUBJECT, TONE, stream
from interhand_mm.synthesis.view import render_view

from ..utils.files import write_bytes
from . import sampling, writer
from .chunks import make_parts
from .render import appearance, shading
from .time_step import Step, Subject, View, light_limbs, make_subject


def subject_of(options: Options, split: str, number: int) -> Subject:
    """Subject `number` of a split; the same for every split only if `split_by_subject` is off."""
    source = split if options.split_by_subject else "train"
    rng = stream(options.seed, source, SUBJECT, number)
    meshes = None
    if options.hand_mesh:
        from .hand.rigged import load_meshes

        meshes = load_meshes(options.hand_mesh, rng)
    # Golden-ratio steps: even a few subjects span the skin tones; the start differs from split to split.
    start = stream(options.seed, source, TONE, 0).random()
    tone = 5.0 * ((start + number * 0.618034) % 1.0)
    return make_subject(number, rng, CAMERAS, camera_sizes(options.size), meshes, tone)


def step_of(options: Options, chunk: Chunk, subject: Subject, index: int) -> tuple[Step, list[int], str, int]:
    """Time step `index` of a split.

    Returns:
        the step, the indices of the cameras that see it, its sequence name and frame index.
    """
    rng = stream(options.seed, chunk.split, STEP, index)
    progress = (index + 1) / chunk.steps
    if options.sequence:
        sequence, frame = divmod(index - chunk.first, options.sequence)
        number = chunk.first + sequence
        step = sampling.sample_sequence_step(
            subject.meshes, options.seed, chunk.split, number, frame, options.rotation, progress, options.interacting
        )
        rng = np.random.default_rng((options.seed, SPLITS.index(chunk.split), PAINT, number))
        views = np.sort(rng.permutation(len(subject.cameras))[: options.views])
        # A capture's joints are filed by frame number alone, so the numbers go on from sequence to sequence.
        return step, views.tolist(), f"{number:05d}_{step.kind}", (index - chunk.first + 1) * sampling.FRAME_STRIDE
    views = np.sort(rng.permutation(len(subject.cameras))[: options.views])
    seen_by = [subject.cameras[v] for v in views]
    step = sampling.sample_step(subject.meshes, rng, seen_by, options.rotation, progress, options.interacting)
    return step, views.tolist(), f"{index:05d}_{step.kind}", index


def write_view_files(out: Path, options: Options, split: str, image: dict, annotation: dict, view: View) -> None:
    """Write everything that belongs to one view."""
    writer.write_view(out, split, image["file_name"], view, options.depth)
    if options.aih:
        writer.write_aih(out, split, annotation, view, annotation["hand_type"])


def make_chunk(chunk: Chunk, options: Options, out: Path) -> int:
    """Generate one chunk's files, its part of the annotations last; returns the number of images."""
    cv2.setNumThreads(1)
    subject = subject_of(options, chunk.split, chunk.subject)
    photos = None if options.background == "studio" else appearance.list_photos(options.background, chunk.split)
    part = {"images": [], "annotations": [], "camera": {}, "joint_3d": {}, "overlap_mm": []}
    number = SUBJECT_OFFSET[chunk.split] * options.split_by_subject + chunk.subject
    for index in range(chunk.first, chunk.last):
        step, views, name, frame = step_of(options, chunk, subject, index)
        part["joint_3d"][str(frame)] = writer.joint_3d_entry(step)
        part["overlap_mm"].append(round(step.overlap_mm, 3))
        rng = stream(options.seed, chunk.split, PAINT, index)
        if options.sequence:  # the light stays through a sequence
            at = chunk.first + (index - chunk.first) // options.sequence
            lights = shading.sample_lights(
                np.random.default_rng((options.seed, SPLITS.index(chunk.split), PAINT, at, 1))
            )
        else:
            lights = shading.sample_lights(rng)
        seen_by = [subject.cameras[v] for v in views]
        limbs = light_limbs(subject, step, lights, seen_by)
        alone = (
            light_limbs(subject, step, lights, seen_by, shadows=False) if options.aih and step.present.all() else None
        )
        for k, v in enumerate(views):
            image_id = index * options.views + k
            if image_id >= options.count(chunk.split):
                break
            camera = subject.cameras[v]
            photo = photos[rng.integers(len(photos))] if photos else None
            view = render_view(subject, step, limbs, lights, camera, rng, photo, alone)
            image, annotation = writer.annotate(step, camera, image_id, chunk.subject, number, name, frame)
            write_view_files(out, options, chunk.split, image, annotation, view)
            part["images"].append(image)
            part["annotations"].append(annotation)
    part["camera"] = writer.camera_entry(subject.cameras)
    write_bytes(out / PARTS / chunk.name, writer.dump_json(part))
    return len(part["images"])


def generate(out: str | Path, options: Options, workers: int = 1, shard: str = "0/1", progress: bool = True) -> bool:
    """Generate a data set, or what is missing of it.

    Args:
        out: Folder; empty, or begun by the same options.
        options: What to generate.
        workers: Processes; the bytes do not depend on it.
        shard: "i/n" makes every n-th chunk from i; whoever finishes last merges.
        progress: Show a bar.

    Returns:
        Whether the whole set is complete; False while other shards are missing.
    """
    out = Path(out)
    parse_shard(shard)
    claim_folder(out, options)
    chunks = plan(options)

    def size(c: Chunk) -> int:
        return min(c.last * options.views, options.count(c.split)) - c.first * options.views

    if not make_parts(out, chunks, partial(make_chunk, options=options, out=out), size, workers, shard, progress):
        return False
    merge(out, options, chunks)
    return True


def merge(out: Path, options: Options, chunks: list[Chunk]) -> None:
    """Write the annotation files of every split from the chunks' parts."""
    report = {}
    for split in SPLITS:
        mine = [c for c in chunks if c.split == split]
        if not mine:
            continue
        images, annotations, cameras, joints, overlaps = [], [], {}, {}, []
        for chunk in mine:
            part = json.loads((out / PARTS / chunk.name).read_bytes())
            images += part["images"]
            annotations += part["annotations"]
            cameras[str(chunk.subject)], joints[str(chunk.subject)] = part["camera"], part["joint_3d"]
            overlaps += part["overlap_mm"]
        base = out / "annotations" / split
        files = {"data": {"images": images, "annotations": annotations}, "camera": cameras, "joint_3d": joints}
        for name, value in files.items():
            write_bytes(base / f"InterHand2.6M_{split}_{name}.json", writer.dump_json(value))
        touching = [o for o in overlaps if o > 0]
        report[split] = {
            "images": len(images),
            "time_steps": len(overlaps),
            "subjects": len(mine),
            "hand_types": {t: sum(a["hand_type"] == t for a in annotations) for t in ("right", "left", "interacting")},
            "overlap_mm": {
                "max": max(overlaps, default=0.0),
                "mean_where_touching": round(float(np.mean(touching)), 3) if touching else 0.0,
                "over_4_mm": sum(o > sampling.MAX_OVERLAP_MM for o in overlaps),
            },
        }
        if options.aih:
            writer.write_aih_lists(out, split, images, annotations, options.seed)
    write_bytes(out / "annotations" / "skeleton.txt", writer.skeleton_text().encode())
    write_bytes(out / "report.json", json.dumps(report, indent=1).encode())
