"""Reading pickles of plain records, bare or inside an `.npy` file, without running anything they say.

A pickle is a program. Here it may build dicts, lists, tuples, strings, numbers and numpy's arrays and scalars, and
numpy's own part is decoded by the three small classes below, from bytes; every other name it asks for ends the
reading. Nothing outside this module is imported, called or given state.
"""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import AnnotationError

_KINDS = "biufSUO"
_PLAIN = (str, bytes, int, float, bool, type(None))


class UnsafeFileError(AnnotationError):
    """A pickled file asks for more than plain records: it would have run code."""


class _Refused(Exception):
    """Carries the name a pickle asked for."""


class _DType:
    """A numpy dtype as its pickle describes it."""

    def __init__(self, code: str, *_flags: object) -> None:
        self.code, self.order = code, "|"

    def __setstate__(self, state: tuple) -> None:
        self.order = state[1]

    def numpy(self) -> np.dtype:
        dtype = np.dtype(self.order.replace("|", "") + self.code)
        if dtype.kind not in _KINDS or dtype.names or dtype.subdtype:
            raise ValueError(f"dtype {self.code}")
        return dtype


class _Array:
    """An array as its pickle describes it; `value` is an ndarray, or a list where it held objects."""

    def __init__(self, *_blank: object) -> None:
        self.value: Any = None

    def __setstate__(self, state: tuple) -> None:
        _version, shape, dtype, fortran, content = state
        kind = dtype.numpy()
        if kind.kind == "O":
            if len(shape) > 1 or len(content) != int(np.prod(shape)):
                raise ValueError(f"object array of shape {shape} with {len(content)} entries")
            self.value = content if shape else content[0]
        else:
            self.value = np.frombuffer(_bytes(content), kind).reshape(shape, order="F" if fortran else "C")


def _bytes(content: bytes | str) -> bytes:
    """Undo what reading Python 2's byte strings as text did."""
    return content.encode("latin-1") if isinstance(content, str) else content


def _scalar(dtype: _DType, content: bytes | str) -> Any:
    return np.frombuffer(_bytes(content), dtype.numpy())[0].item()


def _encode(text: str, encoding: str) -> bytes:
    """How protocol 2 writes bytes."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"encoding {encoding}")
    return text.encode("latin-1")


class _NdarrayName:
    """Stands for the class `numpy.ndarray`, which a pickle only passes on."""


_ALLOWED = {
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _NdarrayName,
    ("_codecs", "encode"): _encode,
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
}


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        try:
            return _ALLOWED[module, name]
        except KeyError:
            raise _Refused(f"{module}.{name}") from None


def _plain(value: Any) -> Any:
    """Unwrap arrays, at any depth; refuse what is not plain."""
    if isinstance(value, _Array):
        return _plain(value.value)
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, *_PLAIN)):
        return value
    raise TypeError(f"holds a {type(value).__name__.lstrip('_')}")


def read_object_npy(path: str | Path) -> Any:
    """Read an `.npy` file written with pickling, as plain Python values.

    Args:
        path: A file as `numpy.save` writes it for an object array.

    Returns:
        The list of a one-dimensional object array's entries, or the one entry of a zero-dimensional one; dicts,
        lists, strings, numbers and, for numeric arrays, read-only ndarrays.

    Raises:
        UnsafeFileError: The file asks for a function or class beyond those; nothing of it was run.
        AnnotationError: It cannot be read, is cut short, or is no such file.
    """
    return _read(Path(path), _skip_npy_header)


def read_pickle(path: str | Path) -> Any:
    """Read a pickle of plain records, also one that Python 2 wrote.

    Args:
        path: A file as `pickle.dump` writes it.

    Returns:
        Dicts, lists (also for tuples), strings, numbers and, for numeric arrays, read-only ndarrays.

    Raises:
        UnsafeFileError: The file asks for a function or class beyond those; nothing of it was run.
        AnnotationError: It cannot be read, is cut short, or is no pickle.
    """
    return _read(Path(path), lambda stream: None)


def _skip_npy_header(stream: io.BytesIO) -> None:
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    _shape, _fortran, dtype = read_header(stream)
    if dtype != np.dtype(object):
        raise ValueError(f"array of {dtype}, not of objects")


def _read(path: Path, skip_header: Callable[[io.BytesIO], None]) -> Any:
    try:
        stream = io.BytesIO(path.read_bytes())
        skip_header(stream)
        # latin-1 maps Python 2's bytes to text and back without loss; it changes nothing in later pickles.
        return _plain(_Unpickler(stream, encoding="latin-1").load())
    except _Refused as error:
        raise UnsafeFileError(
            f"{path} asks for {error} while it is read; nothing of it was run",
            want="dicts, lists, strings, numbers and arrays alone",
            fix="this is not a published file: delete it and fetch it again from its authors",
        ) from None
    except OSError as error:
        raise AnnotationError(f"cannot be read: {path}", got=error.strerror) from error
    except Exception as error:  # a broken pickle raises almost anything
        raise AnnotationError(
            f"not a whole {path.suffix} file of records: {path}",
            got=f"{type(error).__name__}: {error}",
            fix="fetch it again from its authors",
        ) from error
