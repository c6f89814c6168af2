"""Check a download of InterHand2.6M and list the frames that cannot be used. No file of the download is changed."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from ..datasets.annotations.index import (
    HAND_TYPES,
    SPLITS,
    SUBSETS,
    AnnotationFiles,
    HandIndex,
    ProblemKind,
    find_annotations,
    open_index,
)
from ..datasets.interhand import InterHandDataset
from ..datasets.plausibility import judge, measure
from ..errors import AnnotationError, InputError
from ..utils.images import BLACK_LEVEL, is_cut_jpeg
from ..utils.parallel import parallel_map

_CHUNK = 1000
_NEW_LAYOUT = {"train": "all", "val": "machine_annot", "test": "all"}  # the subset that a split of v1.0 contains
FAULTS = ("missing", "unreadable", "swapped_size", "other_size", "black")
# Only files with fewer bytes per pixel are decoded. Black frames of 512 x 334 px have about 0.02, and the smallest of
# four real frames has 0.07.
BLACK_BYTES_PER_PX = 0.05

# Number of frames of single and of interacting hands at 5 fps (docs/spec/datasets.md, section 1.2; authors' homepage).
PUBLISHED_COUNTS = {
    "v1.0": {
        ("train", "human_annot"): (142_231, 386_251),
        ("train", "machine_annot"): (594_189, 314_848),
        ("train", "all"): (687_548, 673_514),
        ("val", "machine_annot"): (234_183, 145_942),
        ("test", "human_annot"): (33_665, 87_908),
        ("test", "machine_annot"): (455_303, 272_284),
        ("test", "all"): (488_968, 360_192),
    },
    "v0.0": {
        ("train", "human_annot"): (76_445, 208_271),
        ("train", "machine_annot"): (322_675, 174_383),
        ("train", "all"): (371_800, 366_802),
        ("val", "machine_annot"): (113_370, 70_917),
        ("test", "human_annot"): (18_399, 48_323),
        ("test", "machine_annot"): (179_593, 106_582),
        ("test", "all"): (197_992, 154_905),
    },
}


def check_interhand(
    root: str, fps: int = 5, processes: int | None = None, decode: bool = False, progress: bool = True
) -> tuple[dict[str, Any], dict[str, str]]:
    """Check every annotation file and every annotated frame.

    Args:
        root: Folder with `images` and `annotations`.
        fps: Frame rate of the download, 5 or 30. Counts were published for 5.
        processes: Number of processes that read frames. Default: all cores.
        decode: Decode every frame; see `image_fault`.
        progress: Show a progress bar.

    Returns:
        Report and blocklist. The report has the keys `splits`, with a list of parts per split (subset, release, counts,
        problems or error, images, captures), `stray_folders`, `rootnet` and `faults`. The blocklist gives the reason
        for each frame, "<split>/<file name>".

    Raises:
        InputError: The folder does not exist, or `processes` is below 1.
        AnnotationError: There are no annotations.
    """
    folder = Path(root)
    if not (folder / "annotations").is_dir():
        raise InputError(
            f"there is no folder annotations in {root}", fix="name the folder with images/ and annotations/"
        )
    processes = processes or os.cpu_count() or 1
    if processes < 1:
        raise InputError("processes must be at least 1", got=processes)
    blocked: dict[str, str] = {}
    splits = {}
    with parallel_map(processes) as run:
        for split in SPLITS:
            checked: set[str] = set()
            parts: list[dict[str, Any]] = []
            for files, subset in _parts(folder, split):
                try:
                    index = open_index(files)
                except AnnotationError as error:
                    parts.append({"subset": subset, "error": str(error)})
                    continue
                images, captures, names = _check_images(folder, split, index, checked, run, decode, progress)
                blocked.update(names)
                part = _annotation_part(index, split, subset, fps)
                part |= _plausibility(InterHandDataset(str(folder), split, subset, strict="skip"))
                parts.append({**part, "images": images, "captures": captures})
            splits[split] = parts
    if not any(splits.values()):
        find_annotations(folder, "train")  # raises with a list of the existing files
    stray = sorted(path.name for path in folder.glob("InterHand2.6M_*fps_batch*") if path.is_dir())
    rootnet = sorted(path.name for path in (folder / "rootnet_output").glob("*.json"))
    report: dict[str, Any] = {
        "root": str(folder),
        "fps": fps,
        "splits": splits,
        "stray_folders": stray,
        "rootnet": rootnet,
    }
    report["faults"] = _count_faults(report)
    return report, blocked


def _parts(root: Path, split: str) -> list[tuple[AnnotationFiles, str]]:
    """Return the annotation files of a split and their subset, in both layouts, if at least one file exists."""
    folders = [(root / "annotations" / split, _NEW_LAYOUT[split])]
    folders += [(root / "annotations" / subset, subset) for subset in SUBSETS]
    found = []
    for folder, subset in folders:
        paths = (folder / f"InterHand2.6M_{split}_{part}.json" for part in AnnotationFiles._fields)
        files = AnnotationFiles(*paths)
        if any(path.is_file() for path in files):
            found.append((files, subset))
    return found


def _annotation_part(index: HandIndex, split: str, subset: str, fps: int) -> dict[str, Any]:
    single, interacting = count_hands(index)
    kinds = Counter(ProblemKind(kind).name.lower() for kind in index.problems["kind"].tolist())
    part: dict[str, Any] = {"subset": subset, "single": single, "interacting": interacting, "problems": dict(kinds)}
    part["release"] = matching_release((single, interacting), split, subset)
    if part["release"] is None and fps == 5:
        part["published"] = {
            name: table[split, subset] for name, table in PUBLISHED_COUNTS.items() if (split, subset) in table
        }
    return part


def _plausibility(dataset: InterHandDataset) -> dict[str, Any]:
    """Return the numbers of `plausibility.measure`, and in words what is impossible or doubtful about them."""
    numbers = measure(dataset)
    impossible, doubtful = judge(numbers)
    return {
        "plausibility": numbers,
        "impossible": [finding._asdict() for finding in impossible],
        "doubtful": [finding._asdict() for finding in doubtful],
    }


def _check_images(
    root: Path, split: str, index: HandIndex, checked: set[str], run: Any, decode: bool, progress: bool
) -> tuple[dict[str, int], dict[str, dict[str, int]], dict[str, str]]:
    """Check the frames of a split that are not yet in `checked`.

    Returns:
        Number of frames and of each fault; frames and missing frames of each capture; reason of each blocked frame.
    """
    rows = [row for row in range(len(index)) if index.file_name(row) not in checked]
    names = [index.file_name(row) for row in rows]
    checked.update(names)
    folder = str(root / "images" / split)

    def jobs() -> Iterator[tuple[list[str], list[tuple[int, int]], bool]]:
        for start in range(0, len(rows), _CHUNK):
            paths = [f"{folder}/{name}" for name in names[start : start + _CHUNK]]
            sizes = [tuple(index.image_size[row].tolist()) for row in rows[start : start + _CHUNK]]
            yield paths, sizes, decode

    faults: list[str | None] = []
    with tqdm(total=len(rows), desc=f"frames of {split}", unit="frame", disable=not progress, leave=False) as bar:
        for part in run(image_faults, jobs()):
            faults += part
            bar.update(len(part))
    counts = Counter(fault for fault in faults if fault)
    captures: dict[str, dict[str, int]] = {}
    for name, fault in zip(names, faults, strict=True):
        capture = captures.setdefault(name.split("/", 1)[0], {"frames": 0, "missing": 0})
        capture["frames"] += 1
        capture["missing"] += fault == "missing"
    blocked = {f"{split}/{name}": fault for name, fault in zip(names, faults, strict=True) if fault}
    images = {"frames": len(names), **{kind: counts[kind] for kind in FAULTS}}
    return images, captures, blocked


def _count_faults(report: dict[str, Any]) -> int:
    """Count faulty frames and annotations, broken parts, unpublished counts, stray folders and missing splits."""
    total = len(report["stray_folders"])
    for parts in report["splits"].values():
        total += not parts
        for part in parts:
            total += "error" in part or "published" in part
            total += sum(part.get("problems", {}).values()) + len(part.get("impossible", []))
            total += sum(part.get("images", {}).get(kind, 0) for kind in FAULTS)
    return total


def report_lines(report: dict[str, Any]) -> list[str]:
    """Return the lines that the tool prints.

    Args:
        report: Report of `check_interhand`.
    """
    lines = [f"{report['root']}, {report['fps']} fps"]
    for split, parts in report["splits"].items():
        if not parts:
            lines.append(f"{split}: no annotations")
        for part in parts:
            lines += [f"{split}, {part['subset']}: {line}" for line in _part_lines(part)]
    if report["stray_folders"]:
        lines.append(f"folders that were not merged into images/: {', '.join(report['stray_folders'])}")
    lines.append(f"RootNet: {', '.join(report['rootnet']) or 'none (needed only for --depth-source rootnet)'}")
    lines.append(f"{report['faults']} faults" if report["faults"] else "All checks passed.")
    return lines


def _part_lines(part: dict[str, Any]) -> Iterator[str]:
    if "error" in part:
        yield part["error"]
        return
    counts = f"{part['single']:,} single, {part['interacting']:,} interacting"
    if part["release"]:
        yield f"{counts}: as published for {part['release']}, 5 fps"
    elif "published" in part:
        published = [f"{name} {single:,} + {both:,}" for name, (single, both) in part["published"].items()]
        yield f"{counts}: not as published ({'; '.join(published) or 'no release has this subset'})"
    else:
        yield f"{counts}: no published counts to compare with"
    if part["problems"]:
        yield "annotations: " + ", ".join(f"{count:,} {kind}" for kind, count in sorted(part["problems"].items()))
    for kind in ("impossible", "doubtful"):
        for finding in part[kind]:
            yield f"{kind}: {finding['what']}. Check: {finding['fix']}"
    images = part["images"]
    found = [f"{images[kind]:,} {kind}" for kind in FAULTS if images[kind]]
    yield f"{images['frames']:,} frames: {', '.join(found) or 'no fault'}"
    gone = [name for name, count in part["captures"].items() if count["frames"] == count["missing"]]
    if gone:
        yield f"no frame of {', '.join(sorted(gone))} exists: a part was not downloaded, or not merged into images/"


def count_hands(index: HandIndex) -> tuple[int, int]:
    """Return the numbers of annotations of single and of interacting hands."""
    interacting = int((np.asarray(index.hand_type) == HAND_TYPES["interacting"]).sum())
    return len(index) - interacting, interacting


def matching_release(counts: tuple[int, int], split: str, subset: str) -> str | None:
    """Return the release that was published with these counts, or None."""
    return next((name for name, table in PUBLISHED_COUNTS.items() if table.get((split, subset)) == counts), None)


def image_fault(path: str, size: tuple[int, int], decode: bool = False) -> str | None:
    """Return the fault of a frame, one of `FAULTS`, or None.

    The file and its header are read. The image is decoded only if the file is small enough to be black, or if `decode`
    is set.

    Args:
        path: Image file of the frame.
        size: Annotated (width, height) in px.
        decode: Always decode the image. This also finds damage in the middle of a file, and black frames with noise.
    """
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "unreadable"
    if not data or is_cut_jpeg(data):
        return "unreadable"
    try:
        with Image.open(io.BytesIO(data)) as header:
            found = header.size
    except OSError:
        return "unreadable"
    if found != size:
        return "swapped_size" if found == size[::-1] else "other_size"
    if decode or len(data) < BLACK_BYTES_PER_PX * size[0] * size[1]:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
        if image is None:
            return "unreadable"
        if image.max() < BLACK_LEVEL:
            return "black"
    return None


def image_faults(job: tuple[Sequence[str], Sequence[tuple[int, int]], bool]) -> list[str | None]:
    """Call `image_fault` for many frames. A pool of processes calls this with (paths, sizes, decode)."""
    paths, sizes, decode = job
    return [image_fault(path, size, decode) for path, size in zip(paths, sizes, strict=True)]
