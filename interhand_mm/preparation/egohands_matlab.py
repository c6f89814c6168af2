"""Read EgoHands' Matlab annotations: videos, labeled frames, hand polygons (docs/spec/datasets.md, section 6)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..errors import AnnotationError

EGOHANDS_CLASSES = ("myleft", "myright", "yourleft", "yourright")  # "my" refers to the person who wears the camera
FRAMES = "_LABELED_SAMPLES"
_FIX = "unpack the data set again; metadata.mat and polygons.mat are Matlab 5 files"


class LabeledFrame(NamedTuple):
    """One labeled frame.

    Attributes:
        file_name: Path of the image, relative to the root.
        polygons: Outline of each hand, (N, 2) float64 x, y px, 1-based as in Matlab.
    """

    file_name: str
    polygons: dict[str, np.ndarray]


class LabeledVideo(NamedTuple):
    """LabeledVideo of one person in a session of two.

    Attributes:
        name: Name of the video.
        partner: Name of the other person's video, which may not exist.
        frames: Labeled frames.
    """

    name: str
    partner: str
    frames: list[LabeledFrame]


def read_egohands(root: str | Path) -> list[LabeledVideo]:
    """Read the labeled videos from `metadata.mat` or, if it does not exist, from the `polygons.mat` of every video.

    Args:
        root: Folder with `_LABELED_SAMPLES` and, usually, `metadata.mat`.

    Returns:
        Videos in the order of `metadata.mat`, or sorted by name.

    Raises:
        AnnotationError: A folder, file or field is missing; a file is not a Matlab 5 file; the numbers of frames and
            polygons differ; or a polygon is not N x 2 finite numbers. Messages name the file and the entry.
    """
    root = Path(root)
    if not (root / FRAMES).is_dir():
        raise AnnotationError(
            f"there is no folder {FRAMES} in {root}",
            fix="name the folder that contains _LABELED_SAMPLES and metadata.mat",
        )
    metadata = root / "metadata.mat"
    videos = list(_from_metadata(metadata) if metadata.is_file() else _from_folders(root))
    if not videos:
        raise AnnotationError(f"there are no videos in {metadata if metadata.is_file() else root / FRAMES}", fix=_FIX)
    names = [video.name for video in videos]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise AnnotationError(f"{metadata} lists a video twice", got=sorted(repeated))
    for video in videos:
        if not (root / FRAMES / video.name).is_dir():
            raise AnnotationError(f"{metadata} lists a video without a folder: {FRAMES}/{video.name}", fix=_FIX)
    return videos


def _from_metadata(path: Path) -> Iterator[LabeledVideo]:
    for i, record in enumerate(_structs(_load(path, "video"), ("video_id", "labeled_frames"), f"{path}: video")):
        entry = f"{path}: video({i + 1})"
        name = _text(record["video_id"], f"{entry}.video_id")
        partner = _partner(name)
        if "partner_video_id" in (record.dtype.names or ()):
            partner = _text(record["partner_video_id"], f"{entry}.partner_video_id")
        labeled = f"{entry}.labeled_frames"
        frames = []
        for j, frame in enumerate(_structs(record["labeled_frames"], ("frame_num", *EGOHANDS_CLASSES), labeled)):
            number = np.asarray(frame["frame_num"]).ravel()
            if number.size != 1 or number.dtype.kind not in "fiu" or number[0] % 1 != 0:  # NaN too
                raise AnnotationError(f"{labeled}({j + 1}).frame_num is not one whole number", got=number.tolist())
            file_name = f"{FRAMES}/{name}/frame_{int(number[0]):04d}.jpg"
            frames.append(LabeledFrame(file_name, _polygons(frame, f"{labeled}({j + 1})")))
        yield LabeledVideo(name, partner, frames)


def _from_folders(root: Path) -> Iterator[LabeledVideo]:
    for folder in sorted(path for path in (root / FRAMES).iterdir() if path.is_dir()):
        path = folder / "polygons.mat"
        records = _structs(_load(path, "polygons"), EGOHANDS_CLASSES, f"{path}: polygons")
        images = sorted(folder.glob("frame_*.jpg"))
        if len(images) != len(records):
            raise AnnotationError(
                f"{path} does not have one entry per image",
                got=f"{len(records)} entries and {len(images)} images frame_*.jpg",
            )
        frames = [
            LabeledFrame(f"{FRAMES}/{folder.name}/{image.name}", _polygons(record, f"{path}: polygons({j + 1})"))
            for j, (image, record) in enumerate(zip(images, records, strict=True))
        ]
        yield LabeledVideo(folder.name, _partner(folder.name), frames)


def _partner(name: str) -> str:
    """Return the name of the partner's video: ACTIVITY_LOCATION_VIEWER_PARTNER with the last two parts swapped."""
    *place, viewer, partner = name.split("_")
    return "_".join([*place, partner, viewer])


def _load(path: Path, variable: str) -> np.ndarray:
    from scipy.io import loadmat  # imported late: it takes a quarter of a second

    try:
        content = loadmat(path)
    except NotImplementedError as error:  # scipy raises this for an HDF5 file
        raise AnnotationError(
            f"{path} is a Matlab 7.3 file", want="Matlab 5", fix="in Matlab: load it and save it with -v7"
        ) from error
    except OSError as error:
        raise AnnotationError(f"file cannot be read: {path}", got=error.strerror or error, fix=_FIX) from error
    except Exception as error:  # for a broken file, scipy can raise almost any exception
        raise AnnotationError(f"not a Matlab file: {path}", got=f"{type(error).__name__}: {error}", fix=_FIX) from error
    if variable not in content:
        found = sorted(key for key in content if not key.startswith("__"))
        raise AnnotationError(f"{path} has no variable '{variable}'", got=found, fix=_FIX)
    return np.asarray(content[variable])


def _structs(array: Any, fields: tuple[str, ...], entry: str) -> np.ndarray:
    """Return a struct array as a 1-D array of records, after a check that they have these fields."""
    names = getattr(array, "dtype", np.dtype(float)).names
    if names is None:
        raise AnnotationError(f"{entry} is not a struct", got=getattr(array, "dtype", type(array)), fix=_FIX)
    if absent := set(fields) - set(names):
        raise AnnotationError(f"{entry} does not have all fields", got=list(names), want=sorted(absent), fix=_FIX)
    return array.ravel()


def _text(value: Any, entry: str) -> str:
    array = np.asarray(value).ravel()
    if array.size != 1 or array.dtype.kind != "U" or not array[0] or Path(array[0]).name != array[0]:
        raise AnnotationError(f"{entry} is not the name of a video", got=array.tolist())
    return str(array[0])


def _polygons(record: np.void, entry: str) -> dict[str, np.ndarray]:
    """Return the polygons of the hands in a frame."""
    found = {}
    for hand in EGOHANDS_CLASSES:
        points = np.asarray(record[hand])
        if points.size == 0:
            continue
        if points.dtype.kind not in "fiu" or points.ndim != 2 or points.shape[1] != 2:
            raise AnnotationError(
                f"{entry}.{hand} is not a polygon", got=f"{points.dtype} {points.shape}", want="N x 2 numbers, or empty"
            )
        if not np.isfinite(points).all():
            raise AnnotationError(
                f"{entry}.{hand} has a point that is not finite", got=points[~np.isfinite(points).all(1)][0]
            )
        found[hand] = points.astype(np.float64)
    return found


def polygon_area(points: np.ndarray) -> float:
    """Return the area of a polygon by the shoelace formula; 0 for fewer than three points.

    Args:
        points: (N, 2) x, y px.

    Returns:
        Area in px^2.

    >>> polygon_area(np.array([[1.0, 1.0], [4.0, 1.0], [4.0, 3.0], [1.0, 3.0]]))
    6.0
    """
    if len(points) < 3:
        return 0.0
    x, y = (points - points.mean(0)).T
    return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))) / 2


def polygon_box(points: np.ndarray, size: tuple[int, int]) -> list[float] | None:
    """Return the box of a 1-based polygon as the data set's own helper does: rounded and clamped to the image.

    Args:
        points: (N, 2) x, y px, 1-based.
        size: (width, height) px.

    Returns:
        [x, y, w, h] px, 0-based, with both end pixels counted; None if the polygon lies outside the image.
    """
    low, high = np.floor(points.min(0) + 0.5), np.floor(points.max(0) + 0.5)  # Matlab rounds 0.5 up
    if (high < 1).any() or (low > size).any():
        return None
    low, high = np.clip(low, 1, size), np.clip(high, 1, size)
    return [float(value) for value in (*(low - 1), *(high - low + 1))]
