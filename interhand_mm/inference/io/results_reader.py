"""The reader of inference's results, for JSON and JSON lines."""

from __future__ import annotations

import mmap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

import msgspec

from ...errors import InputError
from ...structures.results import FrameResult
from .json_frames import FORMAT, LINES_FORMAT, VERSION, EndRecord, FrameRecord, HeadRecord, frame_result

_LONGEST_HEAD_BYTES = 1 << 20
_POLL_S = 0.05

Record = TypeVar("Record", bound=msgspec.Struct)


class _Source(msgspec.Struct):
    source: str


class _File(_Source, kw_only=True):
    frames: list[msgspec.Raw]  # views of the file, decoded one by one


def read_results(path: str | Path, *, partial: bool = False) -> list[FrameResult]:
    """Read the JSON or JSON lines of the demos back into the results that inference returned.

    Numbers are rounded as in the file (0.01 px and mm). The file holds no pixels: `image` is black, read-only, has the
    size of the frame and takes no memory. Put the pixels back with `dataclasses.replace(frame, image=...)`.

    Args:
        path: File that `demo/topdown_demo.py --out-dir` wrote. Its content decides which of the two forms it has.
        partial: Accept JSON lines that are still being written or were cut, and return the frames so far.

    Returns:
        One `FrameResult` per frame, in order. `iter_results` returns the same frames one at a time.

    Raises:
        InputError: The file is missing, incomplete or not a results file, has another version, or contains a wrong
            value.

    Example:
        >>> frames = read_results(results_file)
        >>> len(frames), frames[0].image.shape
        (1, (64, 64, 3))
        >>> [hands.presence for hands in frames[0].hands]
        [('yes', 'no')]
    """
    return list(iter_results(path, partial=partial))


def iter_results(path: str | Path, *, partial: bool = False, wait_s: float = 0.0) -> Iterator[FrameResult]:
    """Read the frames of a results file one at a time, as `read_results` returns them.

    JSON lines take the memory of one frame. JSON is mapped into memory: it takes about 100 bytes per frame, and pages
    of the file that the operating system can drop at any time.

    Args:
        path: JSON or JSON lines of the demos.
        partial: Accept JSON lines that are still being written or were cut, and end after the last complete line.
        wait_s: Time in seconds to wait for the next line of JSON lines that are still being written.

    Returns:
        An iterator of one `FrameResult` per frame, in order. The head of the file is read before it is returned.

    Raises:
        InputError: As in `read_results`. The frames before a broken one, and those of an incomplete file, are returned
            before the error is raised.

    Example:
        >>> [frame.index for frame in iter_results(results_file)]
        [0]
    """
    path = Path(path)
    try:
        file = path.open("rb")
    except OSError as error:
        raise _unreadable(path, error) from error
    try:
        first = file.readline(_LONGEST_HEAD_BYTES)
        if _is_lines(first):
            return _read_lines(path, file, first, partial, wait_s)
        with file:
            return _read_object(path, file)
    except OSError as error:
        file.close()
        raise _unreadable(path, error) from error
    except InputError:
        file.close()
        raise


def _is_lines(first: bytes) -> bool:
    """Return whether the first line of a file is the head of JSON lines."""
    try:
        return msgspec.json.decode(first, type=HeadRecord).format == LINES_FORMAT
    except msgspec.MsgspecError:
        return False


def _read_object(path: Path, file: IO[bytes]) -> Iterator[FrameResult]:
    size = file.seek(0, 2)
    data: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    _check_head(path, data, FORMAT)
    content = _decode(path, data, _File, "")
    return (
        frame_result(_decode(path, frame, FrameRecord, f".frames[{i}]"), content.source)
        for i, frame in enumerate(content.frames)
    )


def _read_lines(path: Path, file: IO[bytes], head: bytes, partial: bool, wait_s: float) -> Iterator[FrameResult]:
    _check_head(path, head, LINES_FORMAT)
    source = _decode(path, head, _Source, "").source
    return _frames_of_lines(path, file, source, partial, wait_s)


def _frames_of_lines(path: Path, file: IO[bytes], source: str, partial: bool, wait_s: float) -> Iterator[FrameResult]:
    frames, end = 0, None
    with file:
        while line := _next_line(file, wait_s if end is None else 0.0):
            record = _frame_or_end(path, line, frames + 2)
            if end is not None:
                got = f"line {frames + 3} after the last one"
                raise InputError(f"results file is damaged: {path}", got=got, fix="write it again")
            if isinstance(record, EndRecord):
                end = record
                continue
            frames += 1
            yield frame_result(record, source)
    if end is None and not partial:
        fix = "wait for the run to end, or read the frames so far with partial=True"
        raise InputError(f"results file is incomplete: {path}", got=f"{frames} frames without the last line", fix=fix)
    if end is not None and end.num_frames != frames:
        raise InputError(f"results file is damaged: {path}", got=f"{frames} frames", want=end.num_frames)


def _next_line(file: IO[bytes], wait_s: float) -> bytes:
    """Return the next complete line, or nothing if none comes within `wait_s` seconds of the last growth."""
    line, grown = file.readline(), time.monotonic()
    while not line.endswith(b"\n"):
        if time.monotonic() - grown >= wait_s:
            return b""
        time.sleep(min(_POLL_S, wait_s))
        if more := file.readline():
            line, grown = line + more, time.monotonic()
    return line


def _frame_or_end(path: Path, line: bytes, number: int) -> FrameRecord | EndRecord:
    try:
        return _decode(path, line, FrameRecord, f" of line {number}")
    except InputError:
        try:
            return msgspec.json.decode(line, type=EndRecord)
        except msgspec.MsgspecError:
            pass
        raise


def _check_head(path: Path, data: Any, form: str) -> None:
    try:
        head = msgspec.json.decode(data, type=HeadRecord)
    except msgspec.MsgspecError as error:
        want = f"JSON of the format {FORMAT}, or JSON lines of the format {LINES_FORMAT}"
        raise InputError(f"not a results file: {path}", got=error, want=want) from error
    if head.format != form:
        raise InputError(f"not a results file: {path}", got=f"format '{head.format}'", want=f"format '{form}'")
    if head.version != VERSION:
        fix = "update interhand_mm" if head.version > VERSION else "run inference again"
        raise InputError(f"results file of another version: {path}", got=head.version, want=VERSION, fix=fix)


def _decode(path: Path, data: Any, type_: type[Record], where: str) -> Record:
    """Decode a part of the file. Errors name the path within the whole file."""
    try:
        return msgspec.json.decode(data, type=type_)
    except msgspec.MsgspecError as error:
        message = str(error)
        got = message.replace("`$", f"`${where}", 1) if "`$" in message else f"{message} at `${where}`"
        raise InputError(f"results file is damaged: {path}", got=got, fix="write it again") from error


def _unreadable(path: Path, error: OSError) -> InputError:
    return InputError(f"results file cannot be read: {path}", got=error.strerror)
