"""Reader of skinned meshes in GLB files (binary glTF 2.0), without further dependencies."""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ...errors import AnnotationError

_DTYPES = {5120: np.int8, 5121: np.uint8, 5122: np.int16, 5123: np.uint16, 5125: np.uint32, 5126: np.float32}
_WIDTHS = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4, "MAT4": 16}


@dataclass(frozen=True)
class SkinnedMesh:
    """A skinned mesh as it is stored in a file.

    Attributes:
        vertices: (V, 3) m.
        faces: (F, 3).
        slots: (V, 4) joint indices of the weights.
        weights: (V, 4) skinning weights.
        names: Names of the J joints.
        binds: (J, 4, 4) transform from joint to mesh in the bind pose.
    """

    vertices: np.ndarray
    faces: np.ndarray
    slots: np.ndarray
    weights: np.ndarray
    names: list[str]
    binds: np.ndarray


def _chunks(path: Path) -> tuple[dict, bytes]:
    data = path.read_bytes()
    if len(data) < 20 or data[:4] != b"glTF":
        raise AnnotationError(f"{path} is not a GLB file", want="a file that starts with glTF")
    offset, found = 12, {}
    while offset + 8 <= len(data):
        length, kind = struct.unpack_from("<I4s", data, offset)
        found[kind] = data[offset + 8 : offset + 8 + length]
        offset += 8 + length
    if b"JSON" not in found or b"BIN\x00" not in found:
        raise AnnotationError(f"a chunk is missing in {path}", got=sorted(found), want="JSON and BIN")
    return json.loads(found[b"JSON"]), found[b"BIN\x00"]


def _accessor(doc: dict, blob: bytes, index: int) -> np.ndarray:
    """Return one accessor as an array (count, width); normalized integers become floats."""
    a = doc["accessors"][index]
    view = doc["bufferViews"][a["bufferView"]]
    dtype, width = np.dtype(_DTYPES[a["componentType"]]), _WIDTHS[a["type"]]
    start = view.get("byteOffset", 0) + a.get("byteOffset", 0)
    stride = view.get("byteStride", dtype.itemsize * width)
    out = np.ndarray((a["count"], width), dtype, blob, start, (stride, dtype.itemsize)).copy()
    return out / np.iinfo(out.dtype).max if a.get("normalized") else out


def read_glb(path: str | Path) -> SkinnedMesh:
    """Read the first skinned primitive of a GLB file.

    Raises:
        AnnotationError: The file is missing or is not a GLB file, or contains no skinned mesh.
    """
    path = Path(path)
    if not path.is_file():
        raise AnnotationError(f"GLB file does not exist: {path}")
    doc, blob = _chunks(path)
    node = next((n for n in doc.get("nodes", []) if "mesh" in n and "skin" in n), None)
    if node is None:
        raise AnnotationError(f"{path} has no skinned mesh", want="a node with a mesh and a skin")
    primitive, skin = doc["meshes"][node["mesh"]]["primitives"][0], doc["skins"][node["skin"]]
    wanted = ("POSITION", "JOINTS_0", "WEIGHTS_0")
    if "indices" not in primitive or any(k not in primitive["attributes"] for k in wanted):
        raise AnnotationError(f"the mesh in {path} is incomplete", got=sorted(primitive["attributes"]), want=wanted)
    position, slots, weights = (_accessor(doc, blob, primitive["attributes"][k]) for k in wanted)
    inverse = _accessor(doc, blob, skin["inverseBindMatrices"]).reshape(-1, 4, 4).transpose(0, 2, 1)
    return SkinnedMesh(
        vertices=position.astype(np.float64),
        faces=_accessor(doc, blob, primitive["indices"]).reshape(-1, 3).astype(np.int32),
        slots=slots.astype(np.int64),
        weights=weights.astype(np.float64),
        names=[doc["nodes"][j].get("name", "") for j in skin["joints"]],
        binds=np.linalg.inv(inverse.astype(np.float64)),
    )
