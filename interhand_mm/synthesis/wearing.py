"""What a subject of the wild preset wears on hands and arms: rings, watches, bracelets and cuffs."""

from __future__ import annotations

import numpy as np

from .hand.mesh import HAND_END_MM, HandMesh
from .hand.skeleton import FOREARM_BONE, bone_index, joint_index
from .hand.skin import to_linear
from .preset import WornRanges
from .render.solids import Solid, turned_solid, wrapped_solid
from .time_step import Step, Subject

Worn = list[tuple[int, Solid]]  # bone and object, rest pose of a right hand

_METALS = np.array([[212, 175, 95], [196, 196, 200], [206, 160, 130], [60, 60, 66]])  # sRGB
_STRAPS = np.array([[28, 28, 30], [92, 58, 36], [150, 150, 155], [205, 205, 205], [30, 45, 90], [150, 40, 45]])
_RING_FINGERS = (1, 2, 3, 3, 3, 4)  # the ring finger is the most frequent one
_WATCH_MM = (34.0, 56.0)  # distance from the wrist joint to the middle of the strap


def _color(rng: np.random.Generator, table: np.ndarray) -> np.ndarray:
    """Return one row of a table of sRGB colors as linear RGB (3,), varied."""
    return np.clip(to_linear(table[rng.integers(len(table))]) * rng.uniform(0.7, 1.2), 0, 0.9)


def _ring(mesh: HandMesh, rng: np.random.Generator) -> tuple[int, Solid]:
    """Return a ring on the first segment of a finger."""
    finger = int(rng.choice(_RING_FINGERS))
    bone = bone_index(finger, 0)
    start, end = (mesh.rig.joints[joint_index(finger, d)] for d in (1, 2))
    frame, along = mesh.rig.frames[bone], float(np.linalg.norm(end - start))
    own = (mesh.bones[:, 0] == bone) & (mesh.weights[:, 0] > 0.6)
    local = (mesh.vertices[own] - start) @ frame
    ring = wrapped_solid(
        local, rng.uniform(0.55, 0.68) * along, rng.uniform(1.0, 2.6), rng.uniform(0.9, 1.8), _color(rng, _METALS), 0.6
    )
    return bone, ring.placed(frame, start)


def _watch(mesh: HandMesh, rng: np.random.Generator) -> Worn:
    """Return the strap of a watch and its case on the back of the wrist, or a bracelet."""
    middle, half = -rng.uniform(*_WATCH_MM), rng.uniform(8, 11)
    color, metal = _color(rng, _STRAPS), _color(rng, _METALS)
    if rng.random() < 0.25:
        return [(FOREARM_BONE, wrapped_solid(mesh.vertices, middle, rng.uniform(1.5, 5), 2.5, metal, 0.5))]
    strap = wrapped_solid(mesh.vertices, middle, half, 2.0, color, 0.08)
    near = mesh.vertices[np.abs(mesh.vertices[:, 1] - middle) < 6]
    top = float(near[:, 2].max())
    radius, height = rng.uniform(15, 22), rng.uniform(3.5, 5.5)
    face = _color(rng, np.array([[15, 15, 18], [235, 235, 230], [30, 40, 70]]))
    profile = np.array([[-height, radius], [height * 0.6, radius], [height, radius * 0.88]])
    case = turned_solid("watch", profile, np.stack([metal, face]), 0.3, np.array([[height - 0.1, np.inf]]))
    upright = np.array([[1.0, 0, 0], [0, 0, -1.0], [0, 1.0, 0]])  # the axis of rotation points out of the back
    return [(FOREARM_BONE, strap), (FOREARM_BONE, case.placed(upright, np.array([0.0, middle, top + 1.0])))]


def _cuff(mesh: HandMesh, end: float, cloth: np.ndarray, rng: np.random.Generator) -> tuple[int, Solid]:
    """Return the cuff of a sleeve that ends at the height `end` in mm."""
    half = rng.uniform(6, 28)
    color = np.clip(cloth * rng.uniform(0.6, 1.3) if rng.random() < 0.7 else _color(rng, _STRAPS), 0.01, 0.8)
    return FOREARM_BONE, wrapped_solid(mesh.vertices, end - half, half, rng.uniform(1.5, 4.0), color, 0.0)


def sample_worn(subject: Subject, ranges: WornRanges, rng: np.random.Generator) -> tuple[Worn, Worn]:
    """Sample what a subject wears on the right and on the left hand and arm.

    Args:
        subject: Subject.
        ranges: How often people wear what.
        rng: Random generator.
    """
    sides: tuple[Worn, Worn] = ([], [])
    watch_side, cuffed = int(rng.integers(2)), rng.random() < ranges.cuff
    for side, (mesh, worn) in enumerate(zip(subject.meshes, sides, strict=True)):
        sleeve = mesh.vertices[mesh.fields["sleeve"] > 0.5, 1]
        end = float(sleeve.max()) if len(sleeve) else -np.inf
        if rng.random() < ranges.ring:
            worn.append(_ring(mesh, rng))
        if side == watch_side and rng.random() < ranges.watch and end < -_WATCH_MM[1] - 12:
            worn.extend(_watch(mesh, rng))
        # A cuff on the elbow would be cut by the bend, and one on the hand would hide it.
        if cuffed and mesh.rig.elbow[1] + 50 < end < -HAND_END_MM:
            worn.append(_cuff(mesh, end, subject.cloth.colors[0], rng))
    return sides


def place_worn(worn: tuple[Worn, Worn], step: Step) -> list[Solid]:
    """Return what is worn in the world, moved by the bones of a time step."""
    placed = []
    for objects, moves in zip(worn, step.moves, strict=True):
        if moves is not None:
            placed += [solid.placed(moves[bone][:, :3], moves[bone][:, 3]) for bone, solid in objects]
    return placed
