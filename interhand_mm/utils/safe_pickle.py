"""Read pickles of plain records, alone or inside an `.npy` file, without running code from the file.

A pickle is a program. This reader lets it build only dicts, lists, tuples, strings, numbers, and numpy arrays and
scalars. The classes below decode numpy's objects from their bytes. Reading stops at every other name that the pickle
asks for. The pickle cannot import, call or set the state of anything outside this module.
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
    """Raised for a pickle that asks for more than plain records, which would have run code."""


class _Refused(Exception):
    """Raised with the name that a pickle asked for."""


class _DType:
    """A numpy dtype, as a pickle describes it."""

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
    """An array, as a pickle describes it. `value` is an ndarray, or a list if the array contained objects."""

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
    """Convert text back to bytes: byte strings of Python 2 are read as text."""
    return content.encode("latin-1") if isinstance(content, str) else content


def _scalar(dtype: _DType, content: bytes | str) -> Any:
    return np.frombuffer(_bytes(content), dtype.numpy())[0].item()


def _encode(text: str, encoding: str) -> bytes:
    """Decode bytes as pickle protocol 2 writes them."""
    if encoding not in ("latin1", "latin-1"):
        raise ValueError(f"encoding {encoding}")
    return text.encode("latin-1")


class _NdarrayName:
    """Stand-in for the class `numpy.ndarray`, which a pickle only passes to other calls."""


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
    """Unwrap arrays at any depth, and raise for values that are not plain."""
    if isinstance(value, _Array):
        return _plain(value.value)
    if isinstance(value, dict):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, (np.ndarray, *_PLAIN)):
        return value
    raise TypeError(f"contains a {type(value).__name__.lstrip('_')}")


def read_object_npy(path: str | Path) -> Any:
    """Read an `.npy` file with pickled objects as plain Python values.

    Args:
        path: File that `numpy.save` wrote for an object array.

    Returns:
        List of the entries of a one-dimensional object array, or the one entry of a zero-dimensional one. Values are
        dicts, lists, strings, numbers and, for numeric arrays, read-only ndarrays.

    Raises:
        UnsafeFileError: The file asks for another function or class. No code of the file was run.
        AnnotationError: The file cannot be read, is truncated, or is not such a file.
    """
    return _read(Path(path), _skip_npy_header)


def read_pickle(path: str | Path) -> Any:
    """Read a pickle of plain records, including pickles from Python 2.

    Args:
        path: File that `pickle.dump` wrote.

    Returns:
        Dicts, lists (also in place of tuples), strings, numbers and, for numeric arrays, read-only ndarrays.

    Raises:
        UnsafeFileError: The file asks for another function or class. No code of the file was run.
        AnnotationError: The file cannot be read, is truncated, or is not a pickle.
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
        # latin-1 converts the bytes of Python 2 to text and back without loss; newer pickles do not use it.
        return _plain(_Unpickler(stream, encoding="latin-1").load())
    except _Refused as error:
        raise UnsafeFileError(
            f"{path} asks for {error} while it is read; nothing of it was run",
            want="only dicts, lists, strings, numbers and arrays",
            fix="this is not the published file: delete it and download it again from its authors",
        ) from None
    except OSError as error:
        raise AnnotationError(f"file cannot be read: {path}", got=error.strerror) from error
    except Exception as error:  # a broken pickle can raise almost any exception
        raise AnnotationError(
            f"not a complete {path.suffix} file of records: {path}",
            got=f"{type(error).__name__}: {error}",
            fix="download it again from its authors",
        ) from error
