"""The inputs of a run: several paths, patterns, nested folders, videos and images mixed, or one live source."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from ...errors import ConfigError, InputError
from ...utils.early import is_address
from ...utils.images import IMAGE_SUFFIXES, visible_files
from ..options import DEFAULT_INPUT, InputOptions
from .frames import Source, SourceKind
from .naming import unique_stems
from .sources import (
    UNREADABLE_SUFFIXES,
    VIDEO_SUFFIXES,
    ImageClip,
    ImageFiles,
    check_input,
    is_image,
    natural_key,
    warn_left_out,
)


@dataclass(frozen=True)
class InputGroup:
    """Files that are read as one source.

    Attributes:
        form: "images" are independent of each other, those of a "clip" are its frames. A "video" is one file.
        name: Name for messages: the folder or the file.
        paths: The files, in order.
        stems: Paths of the outputs below the output folder, without suffix: one per image, or one for everything else.
        options: How they are read.
    """

    form: Literal["images", "clip", "video"]
    name: str
    paths: tuple[Path, ...]
    stems: tuple[str, ...]
    options: InputOptions = DEFAULT_INPUT

    @property
    def kind(self) -> SourceKind:
        """Return the kind of its source."""
        return "images" if self.form == "images" else "video"

    @property
    def outputs(self) -> dict[str, str]:
        """Return {`Frame.source`: path of the outputs below the output folder, without suffix}."""
        keys = [str(path) for path in self.paths] if self.form == "images" else [self.name]
        return dict(zip(keys, self.stems, strict=True))

    def only(self, sources: Sequence[str]) -> InputGroup:
        """Return the group with some of its images.

        Args:
            sources: Keys of `outputs`.
        """
        wanted = set(sources)
        kept = [i for i, path in enumerate(self.paths) if str(path) in wanted]
        return replace(self, paths=tuple(self.paths[i] for i in kept), stems=tuple(self.stems[i] for i in kept))

    def open(self) -> Source:
        """Open the source.

        Raises:
            InputError: It cannot be opened.
        """
        if self.form == "images":
            return ImageFiles(self.paths, self.name)
        if self.form == "clip":
            assert self.options.clip_fps is not None  # clips are made with it
            return ImageClip(self.paths, self.name, self.options.clip_fps, self.options.section)
        from .video import Video  # imported late, because images do not need it

        return Video(self.paths[0], self.options.section)


def live_input(inputs: Sequence[str], options: InputOptions = DEFAULT_INPUT) -> int | str | None:
    """Return the number of the camera or the address of the stream that the inputs name, or None for files.

    Args:
        inputs: Inputs of the command line.
        options: How files are read.

    Raises:
        InputError: There are other inputs beside a camera or a stream.
        ConfigError: An option has no effect on a camera or a stream.
    """
    live = [text for text in inputs if text.isdigit() or is_address(text)]
    if not live:
        return None
    if len(inputs) > 1:
        raise InputError(
            "a camera or a stream is read alone", got=" ".join(inputs), fix="start the program once for each of them"
        )
    if options != DEFAULT_INPUT:
        raise ConfigError(
            "--start, --end, --stride, --frames-as-clip and --skip-existing have no effect on a camera or a stream",
            got=live[0],
            fix="leave them out",
        )
    if live[0].isdigit():
        return int(live[0])
    check_input(live[0])
    return live[0]


def find_inputs(
    inputs: Sequence[str], out_dir: str | Path | None = None, options: InputOptions = DEFAULT_INPUT
) -> list[InputGroup]:
    """Find the files that the inputs name. Only the headers of single files are read.

    Args:
        inputs: Paths of files and folders, and patterns such as "takes/*.mp4" or "takes/**/*.png". In a folder, all
            images and videos are read, those of its subfolders too.
        out_dir: Output folder. If it lies in a folder of `inputs`, its files are not read.
        options: How the inputs are read.

    Returns:
        The images of all inputs as one group (or one group per folder, if they are the frames of clips), and then one
        group per video. Their outputs have the same paths as the inputs, from the folder that was named or the first
        folder of a pattern on. Where several inputs are given, the path begins with the name of that folder.

    Raises:
        InputError: An input does not exist, or contains nothing that can be read.
        ConfigError: An option has no effect on these inputs.
    """
    found: dict[str, _Found] = {}
    for text in inputs:
        for file in _expand(text, len(inputs) > 1, out_dir):
            found.setdefault(os.path.realpath(file.path), file)
    images = [file for file in found.values() if not file.is_video]
    videos = [file for file in found.values() if file.is_video]
    _check_effects(bool(images), bool(videos), options)
    groups = _image_groups(images, options) if images else []
    groups += [InputGroup("video", str(file.path), (file.path,), (str(file.name),), options) for file in videos]
    return _with_unique_stems(groups)


@dataclass(frozen=True)
class _Found:
    """A file with the path of its outputs below the output folder, and whether it is a video."""

    path: Path
    name: Path
    is_video: bool


def _expand(text: str, several: bool, out_dir: str | Path | None) -> Iterator[_Found]:
    """Yield the files that an input names."""
    path = Path(text)
    if glob.has_magic(text) and not path.exists():
        yield from _matches(text, several, out_dir)
        return
    check_input(text)
    if not path.is_dir():
        yield _Found(path, Path(path.name), not is_image(path))
        return
    start = Path(_folder_name(path)) if several else Path()
    files = list(_walk(path, start, out_dir))
    if not files:
        others = len(visible_files(path))
        raise InputError(
            f"there are no images and no videos in {path}", got=f"{others} other files", want=_suffixes_wanted()
        )
    yield from files


def _suffixes_wanted() -> str:
    return " ".join(IMAGE_SUFFIXES + VIDEO_SUFFIXES)


def _folder_name(path: Path) -> str:
    return path.resolve().name or "root"


def _matches(pattern: str, several: bool, out_dir: str | Path | None) -> Iterator[_Found]:
    """Yield the files that match a pattern, and those in the folders that match it."""
    parts = Path(pattern).parts
    fixed = next(i for i, part in enumerate(parts) if glob.has_magic(part))
    root = Path(*parts[:fixed])
    start = Path(_folder_name(root)) if several else Path()
    files: list[_Found] = []
    for match in sorted(map(Path, glob.glob(pattern, recursive=True)), key=natural_key):
        below = start / match.relative_to(root)
        if match.is_dir():
            files += _walk(match, below, out_dir)
        elif match.name.lower().endswith(IMAGE_SUFFIXES + VIDEO_SUFFIXES):
            files.append(_Found(match, below, _looks_like_video(match)))
    if not files:
        raise InputError(f"no image or video matches {pattern}", want=_suffixes_wanted(), fix="ls " + pattern)
    yield from files


def _walk(folder: Path, start: Path, out_dir: str | Path | None) -> Iterator[_Found]:
    """Yield the images and videos in a folder and its subfolders, in natural order, without those in `out_dir`.

    Args:
        folder: Folder to list.
        start: Path of its outputs below the output folder.
        out_dir: Output folder.
    """
    excluded = None
    if out_dir is not None and folder.resolve() in Path(out_dir).resolve().parents:
        excluded = Path(out_dir).resolve().relative_to(folder.resolve())
    left_out = []
    for path in sorted(map(Path, visible_files(folder)), key=natural_key):
        below = path.relative_to(folder)
        if excluded is not None and below.is_relative_to(excluded):
            continue
        if path.name.lower().endswith(UNREADABLE_SUFFIXES):
            left_out.append(path)
        elif path.name.lower().endswith(IMAGE_SUFFIXES + VIDEO_SUFFIXES):
            yield _Found(path, start / below, _looks_like_video(path))
    warn_left_out(folder, left_out, "images or videos")


def _looks_like_video(path: Path) -> bool:
    """Return whether a file's name is that of a video. A GIF or APNG may be an image, so its content decides."""
    name = path.name.lower()
    if name.endswith((".gif", ".apng")):
        return not is_image(path)
    return name.endswith(VIDEO_SUFFIXES)


def _check_effects(has_images: bool, has_videos: bool, options: InputOptions) -> None:
    """Raise `ConfigError` for an option that would change nothing."""
    if options.clip_fps is not None and not has_images:
        raise ConfigError("--frames-as-clip has no effect", got="inputs without images", fix="leave it out")
    if not options.section.is_whole and not has_videos and options.clip_fps is None:
        raise ConfigError(
            "--start, --end and --stride have no effect on images",
            got="inputs without videos",
            fix="leave them out, or read the images of a folder as a clip with --frames-as-clip FPS",
        )


def _image_groups(images: Sequence[_Found], options: InputOptions) -> list[InputGroup]:
    """Return one group of independent images, or one clip per folder."""
    if options.clip_fps is None:
        name = str(images[0].path) if len(images) == 1 else f"{len(images)} images"
        paths, names = zip(*((file.path, str(file.name)) for file in images), strict=True)
        return [InputGroup("images", name, paths, names, options)]
    folders: dict[Path, list[_Found]] = {}
    for file in images:
        folders.setdefault(file.path.parent, []).append(file)
    groups = []
    for folder, unsorted in folders.items():
        files = sorted(unsorted, key=lambda file: natural_key(file.path))
        below = files[0].name.parent
        stem = Path(_folder_name(folder)) if below == Path() else below
        groups.append(InputGroup("clip", str(folder), tuple(file.path for file in files), (f"{stem}.clip",), options))
    return groups


def _with_unique_stems(groups: Sequence[InputGroup]) -> list[InputGroup]:
    """Return the groups with stems that differ, made from stems that still have a suffix."""
    names = iter(unique_stems([Path(stem) for group in groups for stem in group.stems]))
    return [replace(group, stems=tuple(next(names) for _ in group.stems)) for group in groups]
