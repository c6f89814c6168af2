"""The restricted reader returns plain records, and refuses everything that would run code without running it."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest

from interhand_mm.errors import AnnotationError
from interhand_mm.utils.safe_pickle import UnsafeFileError, read_object_npy, read_pickle
from tests.fixtures.tiny_sets import dump_python2

RECORD = {"side": "right", "row": 3, "rate": np.float32(0.5), "gain": np.array([1.0, 2.0, 3.0]), "l": [[0.1, 2], None]}


class _Runs:
    """Return the call that pickle would make to load this object."""

    def __init__(self, function, *args) -> None:
        self.call = function, args

    def __reduce__(self):
        return self.call


def save(path, value, protocol=4) -> None:
    array = np.empty(1 if not isinstance(value, list) else len(value), object)
    array[:] = value if isinstance(value, list) else [value]
    with path.open("wb") as stream:
        np.lib.format.write_array_header_1_0(stream, {"descr": "|O", "fortran_order": False, "shape": array.shape})
        pickle.dump(array, stream, protocol=protocol)


@pytest.mark.parametrize("protocol", [2, 3, 4])
def test_records_come_through(tmp_path, protocol):
    save(tmp_path / "a.npy", [RECORD, {**RECORD, "row": 4}], protocol)
    first, second = read_object_npy(tmp_path / "a.npy")
    assert first["side"] == "right"
    assert (first["row"], second["row"]) == (3, 4)
    assert first["rate"] == 0.5
    assert first["gain"].tolist() == [1, 2, 3]
    assert first["l"] == [[0.1, 2], None]


def test_what_numpy_saves_is_read(tmp_path):
    np.save(tmp_path / "a.npy", np.array([{"a": np.int64(1)}, {"a": 2}], object))
    assert read_object_npy(tmp_path / "a.npy") == [{"a": 1}, {"a": 2}]
    np.save(tmp_path / "b.npy", {"a": np.array([[1, 2]], ">i2")}, allow_pickle=True)
    assert read_object_npy(tmp_path / "b.npy")["a"].tolist() == [[1, 2]]


def test_code_is_refused_and_not_run(tmp_path):
    canary = tmp_path / "ran"
    attempts = {
        "system": _Runs(os.system, f"touch {canary}"),
        "eval": _Runs(eval, f"open({str(canary)!r}, 'w')"),
        "open": _Runs(open, str(canary), "w"),
        "load": _Runs(np.load, str(canary)),
        "getattr": _Runs(getattr, "a", "upper"),
    }
    for name, attempt in attempts.items():
        for value in (attempt, {"side": attempt}, [RECORD, attempt]):
            save(tmp_path / f"{name}.npy", value)
            with pytest.raises(UnsafeFileError, match="nothing of it was run") as caught:
                read_object_npy(tmp_path / f"{name}.npy")
            assert f"{name}.npy" in str(caught.value)
    assert not canary.exists()
    # The same file does run where it is loaded the usual way, so the test can fail.
    save(tmp_path / "proof.npy", _Runs(os.mkdir, str(canary)))
    np.load(tmp_path / "proof.npy", allow_pickle=True)
    assert canary.exists()


def test_numpy_names_do_not_open_a_door(tmp_path):
    save(tmp_path / "a.npy", _Runs(np.ndarray, (2,)))  # the class may be named, but is no array
    with pytest.raises(AnnotationError):
        read_object_npy(tmp_path / "a.npy")


def test_broken_files_are_named(tmp_path):
    save(tmp_path / "cut.npy", [RECORD] * 50)
    whole = (tmp_path / "cut.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.npy").write_bytes(b"")
    (tmp_path / "text.npy").write_text("no array")
    np.save(tmp_path / "numbers.npy", np.arange(3))
    for name in ("cut", "empty", "text", "numbers", "none"):
        with pytest.raises(AnnotationError, match=f"{name}.npy"):
            read_object_npy(tmp_path / f"{name}.npy")


def test_bare_pickles_of_python_2_and_3(tmp_path):
    content = {3: {"a": np.arange(6.0).reshape(2, 3), "b": [1, "text"], "c": np.float64(2.5)}}
    path = tmp_path / "a.pickle"
    for write in (dump_python2, lambda path, value: path.write_bytes(pickle.dumps(value))):
        write(path, content)
        found = read_pickle(path)
        assert list(found) == [3]
        assert found[3]["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
        assert found[3]["b"] == [1, "text"]
        assert found[3]["c"] == 2.5


def test_bare_pickle_that_runs_code_is_refused_and_not_run(tmp_path):
    canary, path = tmp_path / "ran", tmp_path / "a.pickle"
    for protocol in (0, 2, 4):
        path.write_bytes(pickle.dumps([_Runs(os.system, f"touch {canary}")], protocol))
        with pytest.raises(UnsafeFileError, match=r"a\.pickle asks for posix\.system"):
            read_pickle(path)
    assert not canary.exists()
    for content in (b"", b"not a pickle"):
        path.write_bytes(content)
        with pytest.raises(AnnotationError, match=r"not a complete \.pickle file"):
            read_pickle(path)
