"""Subjects, time steps and views: everything between a seed and arrays, without files."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..structures.joints import NUM_HAND_JOINTS, NUM_JOINTS, SIDES
from .hand import collision, poses, skin
from .hand.anatomy import sample_hand_size
from .hand.mesh import HandMesh, build_hand
from .hand.skeleton import FOREARM_BONE, WRIST, bone_transforms, joint_index, posed_joints
from .render import appearance, renderer, sensor, shading
from .render.cameras import Camera, camera_ring

ALLOWED_OVERLAP_MM = 2.5  # flesh gives way where hands press on one another
MAX_ELBOW_DEG = 40.0  # bent further, the upper arm comes back into the frame and ends there
PLACEHOLDER_MM = 1.0  # InterHand2.6M writes (1, 1, 1) for a joint that is not annotated
INDEX_TIP = joint_index(1, 4)


@dataclass(frozen=True)
class Subject:
    """One person: both hands' meshes (as right hands), linear albedo per vertex, nails, clothes, cameras."""

    number: int
    meshes: tuple[HandMesh, HandMesh]
    albedos: tuple[np.ndarray, np.ndarray]
    nails: tuple[np.ndarray, np.ndarray]
    tone: float
    cloth: appearance.Cloth
    dressed: bool
    lamps: float
    cameras: list[Camera]


@dataclass(frozen=True)
class Step:
    """One time step: world joints (42, 3) mm, which hands are there, and each limb's bones in the world."""

    kind: str
    joints: np.ndarray
    present: np.ndarray  # (2,) bool right, left
    moves: tuple[np.ndarray | None, np.ndarray | None]  # (18, 3, 4) each
    overlap_mm: float

    @property
    def hand_type(self) -> str:
        """InterHand2.6M's hand_type."""
        return "interacting" if self.present.all() else SIDES[int(self.present[1])]


@dataclass(frozen=True)
class View:
    """One rendered view; image uint8 BGR, mask bits as in `renderer`, depth mm (0 none), alone: per hand BGR."""

    image: np.ndarray
    mask: np.ndarray
    depth: np.ndarray
    alone: tuple[np.ndarray | None, np.ndarray | None]
    quality: int


def make_subject(
    number: int,
    rng: np.random.Generator,
    cameras: int,
    sizes: tuple[str, ...],
    meshes: tuple | None = None,
    tone: float | None = None,
) -> Subject:
    """Draw one subject; `meshes` (right, left) replaces the parametric hand, `tone` 0..5 the drawn Fitzpatrick type."""
    size = sample_hand_size(rng)
    sleeve = float(rng.choice([1e3, rng.uniform(120, 230), rng.uniform(26, 60)], p=[0.45, 0.4, 0.15]))
    if meshes is None:
        mesh = build_hand(size, sleeve)
        meshes = (mesh, mesh)
    cloth = appearance.sample_cloth(rng)
    tone = float(rng.uniform(0, 5)) if tone is None else tone
    seed = rng.integers(2**32)
    painted = {}
    for mesh in meshes:  # the same noise for both hands: they are one person's
        if id(mesh) not in painted:
            albedo, nail = skin.vertex_albedo(mesh.vertices, mesh.fields, np.random.default_rng(seed), tone)
            covered = mesh.fields["sleeve"][:, None]
            albedo = (1 - covered) * albedo + covered * np.clip(cloth.colors[0], 0.015, 0.8)
            painted[id(mesh)] = albedo.astype(np.float32), nail / np.median(albedo[mesh.fields["red"] > 0.3], axis=0)
    (a0, n0), (a1, n1) = (painted[id(mesh)] for mesh in meshes)
    ring = camera_ring(rng, cameras, 2 + 3 * (number % 20), sizes)
    lamps = float(rng.uniform(0, 2 * np.pi))
    return Subject(number, meshes, (a0, a1), (n0, n1), tone, cloth, bool(rng.random() < 0.6), lamps, ring)


def _affine(placement: poses.Placement, left: bool) -> np.ndarray:
    """(4, 4) right-hand frame to world, mirrored for a left hand."""
    out = np.eye(4)
    out[:3, :3] = placement.rotation @ np.diag([-1.0 if left else 1.0, 1.0, 1.0])
    out[:3, 3] = placement.wrist
    return out


def _apply(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ affine[:3, :3].T + affine[:3, 3]


def _bend_elbow(pose: poses.HandPose, moves: np.ndarray, affine: np.ndarray, rig, shoulder: np.ndarray):
    """Turn the upper arm towards the shoulder (world), by at most `MAX_ELBOW_DEG`."""
    forearm = affine @ moves[FOREARM_BONE]
    direction = forearm[:3, :3].T @ (shoulder - _apply(forearm, rig.elbow))
    direction /= np.linalg.norm(direction)
    axis = np.cross([0.0, -1.0, 0.0], direction)
    sine = np.linalg.norm(axis) + 1e-9
    angle = min(np.arctan2(sine, -direction[1]), np.deg2rad(MAX_ELBOW_DEG))
    k = axis / sine
    cross = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    return replace(pose, elbow=np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross)


def _limb(mesh: HandMesh, placement: poses.Placement, left: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """World joints (21, 3), bones (18, 4, 4) in the hand frame, collision capsules (21, 7) in the world."""
    moves = bone_transforms(mesh.rig, placement.pose)
    affine = _affine(placement, left)
    joints = _apply(affine, posed_joints(mesh.rig, moves))
    elbow = _apply(affine @ moves[FOREARM_BONE], mesh.rig.elbow)
    return joints, moves, collision.hand_capsules(joints, elbow, mesh.radii_mm)


def place_hands(
    meshes: tuple[HandMesh, HandMesh], placed: list[poses.Placement | None], how: str
) -> tuple[list[poses.Placement | None], float]:
    """Move the left hand until the hands touch or no longer overlap.

    Returns:
        the placements and the overlap that is left, mm.
    """
    if placed[0] is None or placed[1] is None:
        return placed, 0.0
    (joints, _, first), (other, _, second) = (_limb(meshes[i], placed[i], i == 1) for i in (0, 1))
    shift = joints[INDEX_TIP] - other[INDEX_TIP] if how == "tips" else np.zeros(3)

    def moved() -> np.ndarray:
        return second + np.concatenate([shift, shift, [0.0]])

    shift = shift + collision.separate(first, moved(), ALLOWED_OVERLAP_MM)[0]
    if how == "approach":
        shift = shift + collision.approach(first, moved())
    deepest = max(float(collision.overlap(first, moved())[0]), 0.0)
    return [placed[0], replace(placed[1], wrist=placed[1].wrist + shift)], deepest


def make_step(
    meshes: tuple[HandMesh, HandMesh], kind: str, placed: list, how: str, turn: np.ndarray, offset: np.ndarray
) -> Step:
    """Resolve collisions, turn the whole by `turn` (3, 3), and put the hands' middle at `offset` (3,) mm."""
    placed, deepest = place_hands(meshes, placed, how)
    limbs = [None if p is None else _limb(meshes[i], p, i == 1) for i, p in enumerate(placed)]
    seen = np.concatenate([limb[0] for limb in limbs if limb is not None])
    middle = 0.5 * (seen.min(axis=0) + seen.max(axis=0))
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = turn, offset - turn @ middle
    joints = np.full((NUM_JOINTS, 3), PLACEHOLDER_MM)
    moves = []
    for i, p in enumerate(placed):
        if p is None:
            moves.append(None)
            continue
        side = 1 if i else -1
        shoulder = middle + appearance.SHOULDER_MM * (side, 1, 1) + (0, 0, 120)
        pose = _bend_elbow(p.pose, limbs[i][1], _affine(p, i == 1), meshes[i].rig, shoulder)
        bones = world @ _affine(p, i == 1) @ bone_transforms(meshes[i].rig, pose)
        joints[i * NUM_HAND_JOINTS : (i + 1) * NUM_HAND_JOINTS] = _apply(world, limbs[i][0])
        moves.append(np.ascontiguousarray(bones[:, :3]))
    present = np.array([p is not None for p in placed])
    return Step(kind, joints, present, tuple(moves), deepest)


def light_limbs(
    subject: Subject, step: Step, lights: shading.Lights, cameras: list[Camera], shadows: bool = True
) -> list:
    """Skin and light the limbs once for all views of a step.

    Args:
        subject: Whose hands.
        step: Where they are.
        lights: The lamps.
        cameras: Those that will look; what none of them sees is not lit.
        shadows: Whether one hand darkens the other.

    Returns:
        Per limb None or (points, (V, 13) attribute table).
    """
    parts, frames = [], shading.across(lights.toward)
    for i in (0, 1):
        m, moves = subject.meshes[i], step.moves[i]
        parts.append(None if moves is None else renderer.skin(m.vertices, m.normals, m.bones, m.weights, moves))
    casters, normals = (np.concatenate([p[k] for p in parts if p is not None]) for k in (0, 1))
    seen = np.zeros(len(casters), bool)
    for c in cameras:
        size = np.array(c.size, float)
        renderer.seen_by(casters, normals, c.rotation, c.position, c.focal, c.principal_pt, size, seen)
    valid = np.repeat(step.present, NUM_HAND_JOINTS)
    center = step.joints[valid].mean(axis=0)
    lamp = (center, lights.toward, lights.rgb, lights.ambient, frames)
    if shadows:
        joined = shading.irradiance(casters, normals, casters, *lamp, seen)
    out, start = [], 0
    for i, part in enumerate(parts):
        if part is None:
            out.append(None)
            continue
        points, normals = part
        mesh, n = subject.meshes[i], len(points)
        own = slice(start, start + n)
        start += n
        if shadows:
            lit, shadow = joined[0][own], joined[1][own]
        else:
            lit, shadow = shading.irradiance(points, normals, points, *lamp, seen[own])
        table = np.empty((n, renderer.ATTRIBUTES), np.float32)
        table[:, :3] = lit * subject.albedos[i]
        table[:, 3:6] = normals
        for k, name in ((6, "nail"), (7, "crease"), (8, "palmar_crease"), (9, "dorsal_crease")):
            table[:, k] = mesh.fields[name]
        table[:, 10] = 1 - mesh.fields["sleeve"]
        table[:, 11], table[:, 12] = shadow, mesh.is_hand
        out.append((points, table))
    return out


__all__ = ["INDEX_TIP", "WRIST", "Step", "Subject", "View", "light_limbs", "make_step", "make_subject", "sensor"]
