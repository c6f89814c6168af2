"""Rigged meshes: GLB files with WebXR joint names and arrays in MANO's order, both written from the parametric hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from interhand_mm.errors import AnnotationError
from interhand_mm.structures.joints import FROM_MANO
from interhand_mm.synthesis.hand import skeleton
from interhand_mm.synthesis.hand.anatomy import sample_hand_size
from interhand_mm.synthesis.hand.glb import read_glb
from interhand_mm.synthesis.hand.mesh import HandMesh, build_hand
from interhand_mm.synthesis.hand.rigged import from_mano_arrays, load_glb, webxr_names
from tests.fixtures.bones import bone_lengths


@pytest.fixture(scope="module")
def mesh() -> HandMesh:
    return build_hand(sample_hand_size(np.random.default_rng(2)))


def hand_without_arm(mesh: HandMesh) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Vertices (V, 3) mm, faces (F, 3) and dense weights (V, 18); the weights of the arm go to the hand bone."""
    used, faces = np.unique(mesh.faces[mesh.hand_faces > 0], return_inverse=True)
    dense = np.zeros((len(used), skeleton.NUM_BONES))
    np.put_along_axis(dense, mesh.bones[used].astype(int), mesh.weights[used].astype(float), axis=1)
    arm = [skeleton.FOREARM_BONE, skeleton.UPPER_ARM_BONE]
    dense[:, skeleton.HAND_BONE] += dense[:, arm].sum(axis=1)
    dense[:, arm] = 0
    return mesh.vertices[used].astype(float), faces.reshape(-1, 3), dense


def write_glb(
    path: Path, names: list[str], binds: np.ndarray, vertices: np.ndarray, faces: np.ndarray, weights: np.ndarray
) -> None:
    """Write a skinned mesh; weights (V, J) keep their four largest entries."""
    slots = np.argsort(-weights, axis=1, kind="stable")[:, :4]
    top = np.take_along_axis(weights, slots, axis=1)
    top = np.pad(top, ((0, 0), (0, 4 - top.shape[1]))).astype(np.float32)
    slots = np.pad(slots, ((0, 0), (0, 4 - slots.shape[1]))).astype(np.uint8)
    inverse = np.linalg.inv(binds).transpose(0, 2, 1).reshape(-1, 16).astype(np.float32)  # column-major
    arrays = (
        (vertices.astype(np.float32), 5126, "VEC3"),
        (slots, 5121, "VEC4"),
        (top, 5126, "VEC4"),
        (faces.ravel().astype(np.uint16), 5123, "SCALAR"),
        (inverse, 5126, "MAT4"),
    )
    blob, buffer_views, accessors = b"", [], []
    for i, (array, component, kind) in enumerate(arrays):
        data = array.tobytes()
        buffer_views.append({"buffer": 0, "byteOffset": len(blob), "byteLength": len(data)})
        accessors.append({"bufferView": i, "componentType": component, "count": len(array), "type": kind})
        blob += data + b"\0" * (-len(data) % 4)
    doc = {
        "nodes": [{"mesh": 0, "skin": 0}, *({"name": n} for n in names)],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0, "JOINTS_0": 1, "WEIGHTS_0": 2}, "indices": 3}]}],
        "skins": [{"joints": list(range(1, len(names) + 1)), "inverseBindMatrices": 4}],
        "bufferViews": buffer_views,
        "accessors": accessors,
    }
    text = json.dumps(doc).encode()
    text += b" " * (-len(text) % 4)
    chunks = b"".join(len(c).to_bytes(4, "little") + k + c for k, c in ((b"JSON", text), (b"BIN\0", blob)))
    path.write_bytes(b"glTF" + (2).to_bytes(4, "little") + (12 + len(chunks)).to_bytes(4, "little") + chunks)


def write_webxr_hand(path: Path, mesh: HandMesh, left: bool) -> None:
    """Write the parametric hand in meters with WebXR joints: -z points to the fingertip, +y out of the back."""
    vertices, faces, dense = hand_without_arm(mesh)
    names, binds = ["wrist"], [np.eye(4)]
    for f, row in enumerate(webxr_names()):
        for s, name in enumerate(row):
            x, y, z = mesh.rig.frames[skeleton.bone_index(f, s)].T
            bind = np.eye(4)
            bind[:3, :3] = np.column_stack([x, z, -y])
            bind[:3, 3] = mesh.rig.joints[skeleton.joint_index(f, s + 1)] / 1000
            names.append(name)
            binds.append(bind)
    mirror = np.diag([-1.0, 1.0, 1.0, 1.0]) if left else np.eye(4)
    weights = dense[:, : skeleton.FOREARM_BONE]  # hand bone first, then thumb to pinky: the order of `names`
    vertices = vertices / 1000 @ mirror[:3, :3]
    write_glb(path, names, mirror @ np.array(binds) @ mirror, vertices, faces[:, ::-1] if left else faces, weights)


def test_glb_without_hand_joints_is_refused(tmp_path: Path) -> None:
    binds = np.tile(np.eye(4), (2, 1, 1))
    binds[1, 1, 3] = 0.01
    triangle = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]])
    names = ["wrist", "thumb-metacarpal"]
    write_glb(tmp_path / "hand.glb", names, binds, triangle, np.array([[0, 1, 2]]), np.array([[1.0, 0.0]] * 3))
    found = read_glb(tmp_path / "hand.glb")
    assert found.names == names
    assert found.binds[1, 1, 3] == pytest.approx(0.01)
    assert found.weights.tolist() == [[1, 0, 0, 0]] * 3
    size = sample_hand_size(np.random.default_rng(0))
    with pytest.raises(AnnotationError, match="joints are missing"):
        load_glb(tmp_path / "hand.glb", False, size, 180.0)


def test_a_file_that_is_no_glb_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AnnotationError, match="does not exist"):
        read_glb(tmp_path / "none.glb")
    (tmp_path / "text.glb").write_text("not a mesh at all, but long enough")
    with pytest.raises(AnnotationError, match="not a GLB file"):
        read_glb(tmp_path / "text.glb")


@pytest.mark.parametrize("left", [False, True])
def test_a_webxr_hand_becomes_a_right_hand(mesh: HandMesh, tmp_path: Path, left: bool) -> None:
    write_webxr_hand(tmp_path / "hand.glb", mesh, left)
    length = float(hand_without_arm(mesh)[0][:, 1].max())  # so that the scale is 1
    got = load_glb(tmp_path / "hand.glb", left, sample_hand_size(np.random.default_rng(0)), length)
    assert got.rig.joints[skeleton.joint_index(0, 2)][0] < -10, "the thumb is on the -x side"
    np.testing.assert_allclose(bone_lengths(got.rig.joints), bone_lengths(mesh.rig.joints), atol=3.0)
    a, b, c = (got.vertices[got.faces[:, i]].astype(float) for i in range(3))
    assert np.sum(a * np.cross(b, c)) > 0, "faces look outward"
    np.testing.assert_allclose(got.weights.sum(axis=1), 1, atol=1e-5)
    curled = skeleton.clamp_pose(skeleton.HandPose(np.full((5, 3), 1.2), np.zeros(5)))
    posed = skeleton.posed_joints(got.rig, skeleton.bone_transforms(got.rig, curled))
    tips = [skeleton.joint_index(f, 4) for f in range(1, 5)]
    assert (posed[tips, 2] < -20).all(), "fingers bend towards the palm"


def test_mano_arrays_become_our_joints(mesh: HandMesh) -> None:
    vertices, faces, dense = hand_without_arm(mesh)
    theirs = np.empty_like(mesh.rig.joints)
    theirs[FROM_MANO] = mesh.rig.joints  # inverse of the gather: MANO's 16 joints, then the tips
    weights = np.zeros((len(vertices), 16))
    weights[:, 0] = dense[:, skeleton.HAND_BONE]
    for f, first in enumerate((13, 1, 4, 10, 7)):
        weights[:, first : first + 3] = dense[:, skeleton.bone_index(f, 0) : skeleton.bone_index(f, 2) + 1]
    size = sample_hand_size(np.random.default_rng(2))
    got = from_mano_arrays(vertices + 100.0, faces, theirs[:16] + 100.0, weights, size)
    np.testing.assert_allclose(bone_lengths(got.rig.joints), bone_lengths(mesh.rig.joints), atol=3.0)
