"""Read typed records from a large JSON file in chunks of a few hundred kilobytes.

Decoding a 1 GB file at once would need several times its size in Python objects. This module cuts the file's long lists
into chunks between two records and decodes each chunk into a list of msgspec structs in one C call. Where to cut is a
guess, because ``}, {`` can also occur inside a string or a nested list. A wrong guess is always detected: a prefix of a
JSON list that is cut at a comma and closed with ``]`` is valid JSON only if the comma belongs to that list. After a
wrong guess, or if the file has an unusual layout or is broken, a slower and exact reader continues.
"""

from __future__ import annotations

import codecs
import io
import mmap
import re
from collections.abc import Callable, Generator, Iterator, Mapping
from pathlib import Path
from types import GenericAlias
from typing import Any

import msgspec

from ..errors import AnnotationError

_CHUNK_BYTES = 1 << 18  # fastest in measurements: larger chunks exceed the CPU cache, smaller ones need more calls
_LONGEST_RECORD_BYTES = 64 * _CHUNK_BYTES
_SLOW_RECORDS = 1024

_FIRST_KEY = re.compile(rb'\s*\{\s*"(?P<key>\w+)"\s*:\s*\[')
_NEXT_KEY = re.compile(rb'\s*,\s*"(?P<key>\w+)"\s*:\s*\[')
_TOP_LIST = re.compile(rb"\s*(?P<key>)\[")
_EMPTY_LIST = re.compile(rb"\s*\]")
_BETWEEN = re.compile(rb"\}\s*,\s*\{")
_LIST_END = re.compile(rb"\}\s*\]")
_OBJECT_CLOSE, _NOTHING = re.compile(rb"\s*\}\s*\Z"), re.compile(rb"\s*\Z")
_STRING_OR_NAN = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"|-?(?:NaN|Infinity)', re.DOTALL)

FIX_FILE = "download the file again; it was truncated or edited"


class _NotStreamable(Exception):
    """Raised when the file has an unusual layout or is broken. The exact reader then decides which."""


def nan_to_null(text: bytes) -> bytes:
    """Replace NaN, Infinity and -Infinity, which only Python's json accepts, by null. Strings are not changed.

    >>> nan_to_null(b'["NaN", NaN, -Infinity]')
    b'["NaN", null, null]'
    """
    if b"NaN" not in text and b"Infinity" not in text:
        return text
    return _STRING_OR_NAN.sub(lambda match: match[0] if match[0][0] == ord('"') else b"null", text)


def decode_lenient(decoder: msgspec.json.Decoder, text: Any) -> Any:
    """Decode JSON text, with NaN and infinity as null. Errors are those of msgspec."""
    try:
        return decoder.decode(text)
    except msgspec.ValidationError:
        raise
    except msgspec.DecodeError:
        original = bytes(text)
        fixed = nan_to_null(original)
        if fixed is original:
            raise
        return decoder.decode(fixed)


def decode_file(path: Path, type_: Any) -> Any:
    """Decode a whole file into `type_`. Parts with the type `msgspec.Raw` remain views of the mapped file.

    Args:
        path: JSON file.
        type_: Any type that msgspec can decode.

    Raises:
        AnnotationError: The file is missing, is not complete JSON (the message names the byte) or does not match
            `type_`.
    """
    try:
        with path.open("rb") as file:
            size = file.seek(0, io.SEEK_END)
            text: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if size else b""
    except OSError as error:
        raise AnnotationError(
            f"file cannot be read: {path}", got=error, fix="check the path and its permissions"
        ) from None
    if text[: len(codecs.BOM_UTF8)] == codecs.BOM_UTF8:  # some editors on Windows write it
        text = memoryview(text)[len(codecs.BOM_UTF8) :]
    try:
        return decode_lenient(msgspec.json.Decoder(type_), text)
    except msgspec.ValidationError as error:
        raise AnnotationError(f"{path} does not have the expected format", got=error, fix=FIX_FILE) from None
    except msgspec.DecodeError as error:
        where = f"{error}; the file ends at byte {size}"
        raise AnnotationError(f"{path} is not complete JSON", got=where, fix=FIX_FILE) from None


def read_records(
    path: Path, types: Mapping[str, Any], advance: Callable[[int], object] = lambda count: None
) -> Iterator[tuple[str, list[Any]]]:
    """Yield the records of the lists in a JSON file, in file order and a few hundred at a time.

    Args:
        path: File that contains an object with a list under each key of `types`. With the single key "", the file
            contains a list instead of an object.
        types: msgspec type of the records of each list, by key.
        advance: Function that is called with the number of bytes of each chunk, for a progress bar.

    Yields:
        Key of the list, and some of its records.

    Raises:
        AnnotationError: The file is missing or malformed (the message names the byte), a list is missing, or a record
            does not match its type (the message names its number and id).
    """
    # GenericAlias is list[type_], which type checkers reject for a variable.
    decoders: dict[str, msgspec.json.Decoder] = {
        section: msgspec.json.Decoder(GenericAlias(list, type_)) for section, type_ in types.items()
    }
    done = dict.fromkeys(types, 0)
    for chunks, exact in ((_stream_chunks(path, types), False), (_exact_chunks(path, types, done), True)):
        try:
            for section, chunk in chunks:
                records = _decode_chunk(path, section, decoders[section], chunk, done[section], exact)
                done[section] += len(records)
                advance(len(chunk))
                yield section, records
            return
        except _NotStreamable:
            continue


def _decode_chunk(
    path: Path, section: str, decoder: msgspec.json.Decoder, chunk: bytes, start: int, exact: bool
) -> list[Any]:
    try:
        return decode_lenient(decoder, chunk)
    except msgspec.ValidationError as error:
        position = re.search(r"\$\[(\d+)\]", str(error))
        offset = int(position[1]) if position else 0
        raw = msgspec.json.decode(nan_to_null(chunk), type=list[msgspec.Raw])[offset]
        name = record_name(path, section, start + offset, msgspec.json.decode(raw))
        # msgspec counts from the start of the chunk, which means nothing to a reader; keep the path inside the record.
        reason = str(error).replace(f"$[{offset}]", "$")
        raise AnnotationError(f"{name} does not have the expected format", got=reason, fix=FIX_FILE) from None
    except msgspec.DecodeError as error:
        if not exact:
            raise _NotStreamable from None
        what = f"{path}: the records of {section or 'the list'} from number {start} on cannot be decoded"
        raise AnnotationError(what, got=error, fix=FIX_FILE) from None


def record_name(path: Path, section: str, number: int, record: Any) -> str:
    """Return the name of a record for messages: file, list, number and, if it has one, id."""
    fields = record if isinstance(record, dict) else {}
    ids = [f"{key} {fields[key]}" for key in ("id", "annot_id") if key in fields]
    return f"{path}: {section}[{number}]" + (f" ({ids[0]})" if ids else "")


def _stream_chunks(path: Path, sections: Mapping[str, Any]) -> Iterator[tuple[str, bytes]]:
    opening = _TOP_LIST if "" in sections else _FIRST_KEY
    missing = set(sections)
    try:
        file = path.open("rb", buffering=0)
    except OSError as error:
        raise AnnotationError(
            f"file cannot be read: {path}", got=error, fix="check the path and its permissions"
        ) from None
    with file:
        text = file.read(_CHUNK_BYTES).removeprefix(codecs.BOM_UTF8)
        while match := opening.match(text):
            section = match["key"].decode()
            if section not in missing:
                raise _NotStreamable
            missing.remove(section)
            text = yield from _stream_list(file, section, text[match.end() :])
            text += file.read(_CHUNK_BYTES)
            opening = _NEXT_KEY
        closing = _NOTHING if "" in sections else _OBJECT_CLOSE
        if missing or not closing.match(text) or file.read(1):
            raise _NotStreamable


def _stream_list(file: io.RawIOBase, section: str, text: bytes) -> Generator[tuple[str, bytes], None, bytes]:
    """Yield the chunks of a list whose ``[`` was read; return the text that was read after its ``]``."""
    if empty := _EMPTY_LIST.match(text):
        return text[empty.end() :]
    while not (end := _LIST_END.search(text)):
        if cut := _last_between(text):
            yield section, b"[%b]" % text[: cut.start() + 1]
            text = text[cut.end() - 1 :]
        more = file.read(_CHUNK_BYTES)
        if not more or len(text) > _LONGEST_RECORD_BYTES:
            raise _NotStreamable
        text += more
    yield section, b"[%b]" % text[: end.start() + 1]
    return text[end.end() :]


def _last_between(text: bytes) -> re.Match[bytes] | None:
    at = len(text)
    while (at := text.rfind(b"}", 0, at)) >= 0:
        if match := _BETWEEN.match(text, at):
            return match
    return None


def _exact_chunks(path: Path, sections: Mapping[str, Any], done: dict[str, int]) -> Iterator[tuple[str, bytes]]:
    """Yield the chunks that `_stream_chunks` has not yielded, after checking the syntax of the whole file."""
    top = {"": decode_file(path, msgspec.Raw)} if "" in sections else decode_file(path, dict[str, msgspec.Raw])
    for section in sections:
        if section not in top:
            keys = ", ".join(sorted(top)) or "nothing"
            raise AnnotationError(f"{path} has no list '{section}'", got=f"an object with {keys}", want=list(sections))
        try:
            records = msgspec.json.decode(top[section], type=list[msgspec.Raw])
        except msgspec.DecodeError as error:
            raise AnnotationError(
                f"{path}: {section or 'the content'} is not a list", got=error, fix=FIX_FILE
            ) from None
        for start in range(done[section], len(records), _SLOW_RECORDS):
            yield section, b"[%b]" % b",".join(records[start : start + _SLOW_RECORDS])
