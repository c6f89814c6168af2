"""The triangle mesh of one subject's hand and arm, with skinning weights and skin fields."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from skimage.measure import marching_cubes

from . import implicit
from .anatomy import HandSize
from .skeleton import FOREARM_BONE, HAND_BONE, NUM_BONES, UPPER_ARM_BONE, Rig, bone_index, joint_index, parametric_rig
from .skin import skin_fields, smoothstep
from .surface import hand_primitives

GRID_MM = 3.2
ARM_GRID_MM = 7.2
CUT_MM = -62.0  # y at which the mesh changes from the fine grid (hand) to the coarse one (arm)
HAND_END_MM = 22.0  # the hand's masks end this far beyond the wrist joint, about where MANO's mesh ends
CONTACT_MM = 8.0
WEIGHTS = 4  # bones per vertex


@dataclass(frozen=True)
class HandMesh:
    """A right hand in its rest pose (hand frame, mm).

    Attributes:
        rig: Joints and bones.
        vertices: (V, 3) float32.
        normals: (V, 3) float32.
        faces: (F, 3) int32, facing outward by the right-hand rule.
        bones: (V, 4) int32, bones that move each vertex.
        weights: (V, 4) float32, their weights; they sum to 1.
        is_hand: (V,) float32, 1 on the hand and 0 on the arm, separated `HAND_END_MM` beyond the wrist.
        hand_faces: (F,) uint8, 1 where most of a face's corners are on the hand.
        fields: Skin fields by name, (V,) float32, see `skin_fields`, and "sleeve" (1 where clothes cover the arm).
        contact: (K,) int32, vertices about `CONTACT_MM` apart on hand and forearm, for the search of contacts.
    """

    rig: Rig
    vertices: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    bones: np.ndarray
    weights: np.ndarray
    is_hand: np.ndarray
    hand_faces: np.ndarray
    fields: dict[str, np.ndarray]
    contact: np.ndarray

    @cached_property
    def contact_skin(self) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Vertices, normals, bones and weights of the vertices `contact`."""
        k = self.contact
        return self.vertices[k], self.normals[k], self.bones[k], self.weights[k]


def _cubes(prims: np.ndarray, axes: tuple[np.ndarray, np.ndarray, np.ndarray]) -> tuple:
    """Run marching cubes on a grid with three axes in mm; the mesh is closed where the grid cuts the surface off."""
    volume = implicit.distance_grid(*axes, prims)
    volume[:, 0], volume[:, -1] = np.maximum(volume[:, 0], 0.5), np.maximum(volume[:, -1], 0.5)
    points, faces, _, _ = marching_cubes(volume, 0.0, gradient_direction="ascent")
    points = np.column_stack([np.interp(points[:, i], np.arange(a.size), a) for i, a in enumerate(axes)])
    a, b, c = (points[faces[:, i]] for i in range(3))
    if np.sum(a * np.cross(b, c)) < 0:  # the enclosed volume is positive when faces look outward
        faces = faces[:, ::-1]
    return points.astype(np.float64), faces


def polygonize(prims: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Turn primitives into two closed meshes, a fine one of the hand and a coarse one of the arm.

    The meshes lie on one surface and overlap by a few mm.

    Args:
        prims: (P, 14) primitives.

    Returns:
        Vertices (V, 3) in mm, normals (V, 3), faces (F, 3) and distances (V, 6) in mm to the groups.
    """
    radius = prims[:, 6:8].max(axis=1)[:, None]
    ends = np.concatenate(
        [prims[:, :3] - radius, prims[:, :3] + radius, prims[:, 3:6] - radius, prims[:, 3:6] + radius]
    )
    low, high = ends.min(axis=0) - 4, ends.max(axis=0) + 4
    vertices: list[np.ndarray] = []
    faces: list[np.ndarray] = []
    for step, step_y, bottom, top in ((GRID_MM, GRID_MM, CUT_MM, high[1]), (ARM_GRID_MM, 10.0, low[1], CUT_MM + 8)):
        axes = (
            np.arange(low[0], high[0] + step, step),
            np.arange(bottom, top + step_y, step_y),
            np.arange(low[2], high[2] + step, step),
        )
        part_vertices, part_faces = _cubes(prims, axes)
        # The caps that close the cut are shrunk a little, so that they lie inside the other mesh.
        cap = (np.abs(part_vertices[:, 1] - CUT_MM) < 0.9 * step_y) if step == GRID_MM else part_vertices[:, 1] > CUT_MM
        faces.append(part_faces + sum(len(v) for v in vertices))
        vertices.append(np.where(cap[:, None], part_vertices * (0.985, 1, 0.985), part_vertices))
    points = np.concatenate(vertices)
    refined, normals, groups = implicit.refine(points, prims)
    on_surface = np.linalg.norm(refined - points, axis=1) < 1.4
    refined[~on_surface] = points[~on_surface]
    return refined, normals, np.ascontiguousarray(np.concatenate(faces), np.int32), groups


def _adjacency(faces: np.ndarray, count: int) -> sparse.csr_matrix:
    """Return the matrix (V, V) that averages over each vertex and its neighbors."""
    i = np.concatenate([faces[:, 0], faces[:, 1], faces[:, 2], np.arange(count)])
    j = np.concatenate([faces[:, 1], faces[:, 2], faces[:, 0], np.arange(count)])
    graph = sparse.coo_matrix((np.ones(i.size), (i, j)), (count, count)).tocsr()
    graph = graph + graph.T
    graph.data[:] = 1.0
    return sparse.diags(1.0 / np.asarray(graph.sum(axis=1)).ravel()) @ graph


def skin_weights(
    vertices: np.ndarray, groups: np.ndarray, faces: np.ndarray, rig: Rig, size: HandSize
) -> tuple[np.ndarray, np.ndarray]:
    """Return the weights of linear blend skinning.

    Along a finger the weights change in ramps at its joints; between fingers they depend on the distance. Finally they
    are smoothed over the mesh.

    Args:
        vertices: (V, 3) mm.
        groups: (V, 6) distances in mm to the groups.
        faces: (F, 3).
        rig: Joints and bones.
        size: Sizes of the subject.

    Returns:
        Bones (V, 4) int32 and weights (V, 4) float32, largest first.
    """
    dense = np.zeros((len(vertices), NUM_BONES))
    near = np.exp(-np.clip(groups[:, 1:] - groups[:, 1:].min(axis=1, keepdims=True), 0, 30) / 1.5)
    near /= near.sum(axis=1, keepdims=True)
    for f in range(5):
        d = np.clip(groups[:, f + 1], 0, None)
        share = near[:, f] * np.exp(-((d / (12.0 if f == 0 else 8.0)) ** 2))
        for segment in range(3):
            bone, start = bone_index(f, segment), rig.joints[joint_index(f, segment + 1)]
            _, along, dorsal = (rig.frames[bone][:, c] for c in range(3))
            # Two bones meet at the plane that bisects their angle. At a knuckle the skin of the palm side folds
            # further towards the fingertip.
            if segment > 0:
                along = along + rig.frames[bone_index(f, segment - 1)][:, 1]
                along = along / np.linalg.norm(along)
            s = (vertices - start) @ along
            height = (vertices - start) @ dorsal
            r = size.half_breadths_mm[f, segment]
            if segment == 0 and f > 0:
                ramp = smoothstep(s + 0.45 * np.clip(height, -12, 12), -0.9 * r, 1.1 * r)
            elif segment == 0:
                ramp = smoothstep(s, -0.3 * r, 2.2 * r)
            else:
                ramp = smoothstep(s, -0.62 * r, 0.62 * r)
            dense[:, bone] = ramp * share
    for f in range(5):  # each segment's ramp continues over the next segments: subtract their share
        for segment in (0, 1):
            dense[:, bone_index(f, segment)] -= dense[:, bone_index(f, segment + 1)]
    dense = np.clip(dense, 0, None)
    arm = smoothstep(-vertices[:, 1], -8.0, 26.0)
    upper = smoothstep(-vertices[:, 1] + rig.elbow[1], -38.0, 38.0)
    dense *= (1 - arm)[:, None]
    dense[:, FOREARM_BONE], dense[:, UPPER_ARM_BONE] = arm - np.minimum(upper, arm), np.minimum(upper, arm)
    dense[:, HAND_BONE] = np.clip(1 - dense.sum(axis=1), 0, 1)
    average = _adjacency(faces, len(vertices))
    for _ in range(5):
        dense = average @ dense
    return strongest_bones(dense)


def strongest_bones(dense: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the `WEIGHTS` bones with the largest weights of each vertex, and these weights normalized to sum 1.

    Args:
        dense: (V, 18) weights of all bones.

    Returns:
        Bones (V, 4) int32 and weights (V, 4) float32, largest first.
    """
    bones = np.argsort(-dense, axis=1, kind="stable")[:, :WEIGHTS].astype(np.int32)
    weights = np.take_along_axis(dense, bones, axis=1)
    return bones, (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def contact_vertices(vertices: np.ndarray, bones: np.ndarray) -> np.ndarray:
    """Return one vertex (K,) int32 in each cube of `CONTACT_MM`, without those of the upper arm.

    Args:
        vertices: (V, 3) mm, rest pose.
        bones: (V, 4) bones that move each vertex, the strongest first.
    """
    cubes = np.round(vertices / CONTACT_MM).astype(int)
    cubes[bones[:, 0] == UPPER_ARM_BONE] = 10**6  # one cube, whose vertex is removed
    kept = np.unique(cubes, axis=0, return_index=True)[1]
    return np.sort(kept[bones[kept, 0] != UPPER_ARM_BONE]).astype(np.int32)


def build_hand(size: HandSize, sleeve_mm: float = 1e3) -> HandMesh:
    """Polygonize one subject's right hand and arm.

    Args:
        size: Sizes of the subject.
        sleeve_mm: Distance from the wrist to the end of the sleeve; beyond `surface.ARM_END_MM` there is no sleeve.
    """
    rig = parametric_rig(size)
    vertices, normals, faces, groups = polygonize(hand_primitives(size, rig, sleeve_mm))
    bones, weights = skin_weights(vertices, groups, faces, rig, size)
    fields = skin_fields(vertices, normals, groups, rig, size)
    radial = np.hypot(vertices[:, 0], vertices[:, 2])
    covered = (vertices[:, 1] < -sleeve_mm + 4.0) & (radial > 0)
    fields["sleeve"] = covered.astype(float)
    fields = {name: values.astype(np.float32) for name, values in fields.items()}
    is_hand = (vertices[:, 1] > -HAND_END_MM).astype(np.float32)
    f32 = np.float32
    return HandMesh(
        rig,
        vertices.astype(f32),
        normals.astype(f32),
        faces,
        bones,
        weights,
        is_hand,
        (is_hand[faces].sum(axis=1) > 1.5).astype(np.uint8),
        fields,
        contact_vertices(vertices, bones),
    )
