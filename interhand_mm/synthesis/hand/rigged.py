"""Rigged meshes that replace the parametric hand: GLB files with WebXR joint names, and the user's own MANO files.

Both become a `HandMesh`: a right hand in the hand frame, in mm, with the bones of `skeleton` and the parametric arm.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from ...errors import AnnotationError, ConfigError
from ...structures.joints import FINGERS, NUM_HAND_JOINTS
from .anatomy import HandSize, sample_hand_size
from .glb import read_glb
from .mesh import HAND_END_MM, HandMesh, contact_vertices, polygonize, strongest_bones
from .skeleton import (
    FOREARM_BONE,
    HAND_BONE,
    NUM_BONES,
    THUMB_BACK,
    UPPER_ARM_BONE,
    Rig,
    bone_index,
    frame_from,
    joint_index,
)
from .skin import detail_fields, palm_side, smoothstep
from .surface import TIP_INSET_MM, arm_primitives

_MANO_CHAIN = {"index": 1, "middle": 4, "pinky": 7, "ring": 10, "thumb": 13}


def webxr_names() -> list[list[str]]:
    """Return the names (5, 3) of the WebXR joints at which the bones of thumb to pinky begin."""
    rows = [["thumb-metacarpal", "thumb-phalanx-proximal", "thumb-phalanx-distal"]]
    parts = ("proximal", "intermediate", "distal")
    return rows + [[f"{f}-finger-phalanx-{p}" for p in parts] for f in FINGERS[1:]]


def _hand_axes(wrist: np.ndarray, index: np.ndarray, middle: np.ndarray, pinky: np.ndarray) -> np.ndarray:
    """Return the frame of a right hand, (3, 3) with columns x, y, z, from its wrist and knuckles."""
    y = (middle - wrist) / np.linalg.norm(middle - wrist)
    x = pinky - index
    x = x - (x @ y) * y
    x /= np.linalg.norm(x)
    return np.column_stack([x, y, np.cross(x, y)])


def _rest_angles(frames: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return flexion (5, 3) and abduction (5,) of a rest pose in rad; the first thumb joint has zero by definition."""
    flexion, abduction = np.zeros((5, 3)), np.zeros(5)
    for f in range(5):
        for s in range(3):
            parent = np.eye(3) if s == 0 else frames[bone_index(f, s - 1)]
            along = parent.T @ frames[bone_index(f, s)][:, 1]
            if f or s:
                flexion[f, s] = np.arctan2(-along[2], along[1])
            if f and s == 0:
                abduction[f] = np.arctan2(-along[0], along[1])
    return flexion, abduction


def _normals(vertices: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Return area-weighted unit normals (V, 3); vertices at one place share a normal, so that seams are invisible."""
    a, b, c = (vertices[faces[:, i]] for i in range(3))
    _, same = np.unique(np.round(vertices, 3), axis=0, return_inverse=True)
    total = np.zeros((same.max() + 1, 3))
    for i in range(3):
        np.add.at(total, same.ravel()[faces[:, i]], np.cross(b - a, c - a))
    return (total / (np.linalg.norm(total, axis=1, keepdims=True) + 1e-12))[same.ravel()]


def _rig_of(vertices: np.ndarray, dense: np.ndarray, starts: np.ndarray, backs: np.ndarray, elbow: np.ndarray) -> Rig:
    """Return the rig from bone starts and dorsal directions, both (5, 3, 3); tips are the farthest vertices."""
    joints, frames = np.zeros((NUM_HAND_JOINTS, 3)), np.tile(np.eye(3), (NUM_BONES, 1, 1))
    for f in range(5):
        own = vertices[dense[:, bone_index(f, 2)] > 0.5]
        ahead = starts[f, 2] - starts[f, 1]
        for _ in range(3):  # fixed-point iteration: the tip is the vertex farthest along the bone that points at it
            ahead = ahead / np.linalg.norm(ahead)
            reach = (own - starts[f, 2]) @ ahead
            tip = own[reach > reach.max() - 1.0].mean(axis=0)
            ahead = tip - starts[f, 2]
        tip = tip - TIP_INSET_MM * ahead / np.linalg.norm(ahead)
        points = [*starts[f], tip]
        for s in range(3):
            joints[joint_index(f, s + 1)] = points[s]
            frames[bone_index(f, s)] = frame_from(points[s + 1] - points[s], backs[f, s])
        joints[joint_index(f, 4)] = tip
    flexion, abduction = _rest_angles(frames)
    return Rig(joints, frames, flexion, abduction, elbow)


def assemble(
    vertices: np.ndarray, faces: np.ndarray, dense: np.ndarray, starts: np.ndarray, backs: np.ndarray, size: HandSize
) -> HandMesh:
    """Build a `HandMesh` from a right hand in the hand frame, and add the parametric arm.

    Args:
        vertices: (V, 3) mm, wrist at the origin.
        faces: (F, 3), facing outward.
        dense: (V, 18) weights on the bones of `skeleton`.
        starts: (5, 3, 3) mm, start of each finger bone.
        backs: (5, 3, 3) dorsal direction of each finger bone.
        size: Sizes of the arm.
    """
    wrist = vertices[np.abs(vertices[:, 1]) < 6]
    half = np.ptp(wrist, axis=0)[[0, 2]] / 2 if len(wrist) > 8 else np.array(size.wrist_half_mm)
    size = replace(size, wrist_half_mm=(float(half[0]) * 0.97, float(half[1]) * 0.97))
    rig = _rig_of(vertices, dense, starts, backs, np.array([0.0, -size.forearm_length_mm, 0.0]))
    normals = _normals(vertices, faces)
    center = wrist.mean(axis=0) * (1, 0, 1) if len(wrist) > 8 else np.zeros(3)
    arm_vertices, arm_normals, arm_faces, _ = polygonize(arm_primitives(size, 1e3))
    shift = center * np.exp(np.minimum(arm_vertices[:, 1:2], 0) / 60.0)  # the arm meets the wrist of the given mesh
    arm_vertices = arm_vertices + shift
    lower = smoothstep(-arm_vertices[:, 1], -8.0, 26.0)
    upper = np.minimum(smoothstep(-arm_vertices[:, 1] + rig.elbow[1], -38.0, 38.0), lower)
    arm = np.zeros((len(arm_vertices), NUM_BONES))
    arm[:, HAND_BONE], arm[:, FOREARM_BONE], arm[:, UPPER_ARM_BONE] = 1 - lower, lower - upper, upper
    count = len(vertices)
    points, all_normals = np.concatenate([vertices, arm_vertices]), np.concatenate([normals, arm_normals])
    all_faces = np.ascontiguousarray(np.concatenate([faces, arm_faces + count]), np.int32)
    bones, weights = strongest_bones(np.concatenate([dense, arm]))
    tips = np.stack([rig.joints[joint_index(f, 4)] for f in range(5)])
    near = np.linalg.norm(points[:, None] - tips, axis=2).min(axis=1)
    zero = np.zeros(len(points), np.float32)
    fields = {name: zero for name in ("palmar_crease", "dorsal_crease", "sleeve", "joint")}
    fields["nail"], fields["crease"] = zero - 1, zero + 9
    palmar, red = palm_side(points, all_normals, np.zeros(len(points), bool)), 1 - smoothstep(near, 4.0, 16.0)
    fine, hair = detail_fields(points, palmar, np.full(len(points), -1), fields["nail"], red, rig)
    for name, values in {"palmar": palmar, "red": red, "fine": fine, "hair": hair}.items():
        fields[name] = values.astype(np.float32)
    is_hand = (points[:, 1] > -HAND_END_MM).astype(np.float32)
    hand_faces = (is_hand[all_faces].sum(axis=1) > 1.5).astype(np.uint8)
    f32 = np.float32
    return HandMesh(
        rig, points.astype(f32), all_normals.astype(f32), all_faces, bones, weights, is_hand, hand_faces, fields,
        contact_vertices(points, bones),
    )  # fmt: skip


def load_glb(path: str | Path, left: bool, size: HandSize, length_mm: float) -> HandMesh:
    """Load a hand from a GLB file with WebXR joint names.

    Args:
        path: GLB file.
        left: The file contains a left hand; it is mirrored to a right one.
        size: Sizes of the arm.
        length_mm: Distance from wrist to middle fingertip to which the hand is scaled.

    Raises:
        AnnotationError: The file cannot be read, or joints are missing.
    """
    source = read_glb(path)
    names = webxr_names()
    needed = ["wrist", *(n for row in names for n in row)]
    missing = [n for n in needed if n not in source.names]
    if missing:
        raise AnnotationError(
            f"joints are missing in {path}",
            got=f"no joints named {', '.join(missing)}",
            want="the WebXR hand joint names",
        )
    flip = np.array([-1.0 if left else 1.0, 1.0, 1.0])
    bind = {n: m for n, m in zip(source.names, source.binds, strict=True)}
    position = {n: m[:3, 3] * flip for n, m in bind.items()}
    wrist = position["wrist"]
    axes = _hand_axes(wrist, position[names[1][0]], position[names[2][0]], position[names[4][0]])
    vertices = (source.vertices * flip - wrist) @ axes
    scale = length_mm / vertices[:, 1].max()
    dense = np.zeros((len(vertices), NUM_BONES))
    for slot, name in enumerate(source.names):
        finger = next((f for f in range(5) if name.startswith(FINGERS[f])), None)
        segment = None if finger is None else next((s for s in range(3) if names[finger][s] == name), None)
        if segment is None and finger is not None and name.endswith("tip"):
            segment = 2  # a tip joint moves with the distal bone; palm and finger metacarpals move with the hand
        bone = HAND_BONE if finger is None or segment is None else bone_index(finger, segment)
        dense[:, bone] += np.where(source.slots == slot, source.weights, 0).sum(axis=1)
    starts = np.array([[(position[n] - wrist) @ axes * scale for n in row] for row in names])
    backs = np.array([[(bind[n][:3, 1] * flip) @ axes for n in row] for row in names])
    faces = source.faces[:, ::-1] if left else source.faces
    return assemble(vertices * scale, faces, dense, starts, backs, size)


def load_mano(folder: str | Path, left: bool, size: HandSize, betas: np.ndarray) -> HandMesh:
    """Load a hand from the user's own MANO files with the package `smplx`; pose blend shapes are not used.

    Args:
        folder: Folder with the MANO files.
        left: Load the left hand; it is mirrored to a right one.
        size: Sizes of the arm.
        betas: (10,) shape parameters.

    Raises:
        ConfigError: The package `smplx` is not installed.
    """
    try:
        import smplx  # type: ignore[import-not-found]  # optional, installed by the user
        import torch
    except ImportError as error:
        raise ConfigError("MANO hands require the package smplx", got=str(error), fix="pip install smplx") from error
    model = smplx.create(
        str(folder), model_type="mano", is_rhand=not left, use_pca=False, flat_hand_mean=True, num_betas=10
    )
    out = model(betas=torch.tensor(betas[None], dtype=torch.float32))
    flip = np.array([-1.0 if left else 1.0, 1.0, 1.0])
    vertices, joints = (t[0].detach().numpy().astype(np.float64) * flip * 1000 for t in (out.vertices, out.joints))
    faces = np.asarray(model.faces, np.int32)
    return from_mano_arrays(vertices, faces[:, ::-1] if left else faces, joints, model.lbs_weights.numpy(), size)


def from_mano_arrays(
    vertices: np.ndarray, faces: np.ndarray, joints: np.ndarray, weights: np.ndarray, size: HandSize
) -> HandMesh:
    """Build a `HandMesh` from a right hand in MANO's joint order.

    Args:
        vertices: (V, 3) mm.
        faces: (F, 3), facing outward.
        joints: (16, 3) mm.
        weights: (V, 16) skinning weights.
        size: Sizes of the arm.
    """
    knuckle = {f: joints[_MANO_CHAIN[f]] for f in FINGERS}
    axes = _hand_axes(joints[0], knuckle["index"], knuckle["middle"], knuckle["pinky"])
    points = (vertices - joints[0]) @ axes
    dense = np.zeros((len(points), NUM_BONES))
    dense[:, HAND_BONE] = weights[:, 0]
    starts = np.zeros((5, 3, 3))
    for f, name in enumerate(FINGERS):
        for s in range(3):
            dense[:, bone_index(f, s)] = weights[:, _MANO_CHAIN[name] + s]
            starts[f, s] = (joints[_MANO_CHAIN[name] + s] - joints[0]) @ axes
    backs = np.tile(np.array([0.0, 0.0, 1.0]), (5, 3, 1))
    backs[0] = THUMB_BACK
    return assemble(points, faces, dense, starts, backs, size)


def load_meshes(sources: tuple[str, ...], rng: np.random.Generator) -> tuple[HandMesh, HandMesh]:
    """Load the right and the left mesh of one subject, with a random size or shape.

    Args:
        sources: (left GLB file, right GLB file), or one folder with MANO files.
        rng: Random generator.

    Raises:
        ConfigError: `sources` is neither of the two.
    """
    size = sample_hand_size(rng)
    length = float(size.segments_mm[2].sum())
    if len(sources) == 2:
        left, right = sources
        return load_glb(right, False, size, length), load_glb(left, True, size, length)
    if len(sources) == 1 and Path(sources[0]).is_dir():
        betas = rng.normal(0, 0.8, 10)
        return load_mano(sources[0], False, size, betas), load_mano(sources[0], True, size, betas)
    raise ConfigError(
        "--hand-mesh names neither two files nor one folder",
        got=sources,
        want="LEFT.glb RIGHT.glb, or one folder with MANO files",
    )
