"""Subjects and time steps: who is recorded, and where the hands are in the world."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..structures.joints import NUM_HAND_JOINTS, NUM_JOINTS, SIDES
from .hand import contact, poses, skin
from .hand.anatomy import sample_hand_size
from .hand.mesh import HandMesh, build_hand
from .hand.skeleton import (
    ABDUCTION_LIMITS,
    FLEXION_LIMITS,
    FOREARM_BONE,
    HandPose,
    Rig,
    bone_index,
    bone_transforms,
    cross_product,
    joint_index,
    posed_joints,
)
from .render import appearance, renderer
from .render.cameras import VirtualCamera, camera_ring

ALLOWED_OVERLAP_MM = 1.2  # soft tissue gives way where hands press on each other
MAX_ELBOW_DEG = 40.0  # with a larger bend the upper arm returns into the frame, and its cut end is visible
# Fingers that reach between each other: where the search ends, its length, and mm of movement per rad of a finger.
INTERLACED_MM, INTERLACE_ROUNDS, FINGER_LEVER_MM = 3.0, 26, 45.0
PLACEHOLDER_MM = 1.0  # InterHand2.6M writes (1, 1, 1) for a joint that is not annotated
INDEX_TIP = joint_index(1, 4)

Placements = tuple[poses.Placement | None, poses.Placement | None]


@dataclass(frozen=True)
class Subject:
    """One person.

    Attributes:
        number: Number within the split.
        meshes: Meshes of the right and the left hand, both as right hands.
        albedos: Linear albedo (V, 3) of each mesh.
        nails: (3,) nail color of each hand divided by its skin color.
        skin: Fine detail of the skin.
        normals: (V, 3) normals of each mesh for the light, with tendons and veins.
        tone: Fitzpatrick type, 0 (I) to 5 (VI).
        cloth: Clothes.
        dressed: Whether the torso is drawn.
        lamps: Phase of the lamps of the dome, rad.
        cameras: Calibrated cameras around the subject.
    """

    number: int
    meshes: tuple[HandMesh, HandMesh]
    albedos: tuple[np.ndarray, np.ndarray]
    nails: tuple[np.ndarray, np.ndarray]
    skin: skin.SkinDetail
    normals: tuple[np.ndarray, np.ndarray]
    tone: float
    cloth: appearance.Cloth
    dressed: bool
    lamps: float
    cameras: list[VirtualCamera]


@dataclass(frozen=True)
class Step:
    """One time step.

    Attributes:
        kind: "right", "left", or one of `poses.INTERACTING` or `gestures.PAIRS`.
        joints: (42, 3) mm, world frame.
        present: (2,) bool, whether the right and the left hand are present.
        moves: (18, 3, 4) rest-to-world transform of each bone, for each limb; None for an absent hand.
        overlap_mm: How deep the skin of one limb lies in the other, 0 if it does not.
    """

    kind: str
    joints: np.ndarray
    present: np.ndarray
    moves: tuple[np.ndarray | None, np.ndarray | None]
    overlap_mm: float

    @property
    def hand_type(self) -> str:
        """InterHand2.6M's `hand_type`: "right", "left" or "interacting"."""
        return "interacting" if self.present.all() else SIDES[int(self.present[1])]

    @property
    def joint_valid(self) -> np.ndarray:
        """(42,) bool, True for the joints of the hands that are present."""
        return np.repeat(self.present, NUM_HAND_JOINTS)


def make_subject(
    number: int,
    rng: np.random.Generator,
    cameras: int,
    sizes: tuple[str, ...],
    meshes: tuple[HandMesh, HandMesh] | None = None,
    tone: float | None = None,
) -> Subject:
    """Sample one subject.

    Args:
        number: Number within the split.
        rng: Random generator.
        cameras: Number of cameras.
        sizes: Image sizes that the cameras get in turn, see `camera_ring`.
        meshes: Right and left mesh that replace the parametric hand.
        tone: Fitzpatrick type 0..5; None samples it.
    """
    size = sample_hand_size(rng)
    sleeve = float(rng.choice([1e3, rng.uniform(120, 230), rng.uniform(26, 60)], p=[0.45, 0.4, 0.15]))
    if meshes is None:
        mesh = build_hand(size, sleeve)
        meshes = (mesh, mesh)
    cloth = appearance.sample_cloth(rng)
    tone = float(rng.uniform(0, 5)) if tone is None else tone
    seed = rng.integers(2**32)
    painted = {}
    detail = skin.sample_detail(np.random.default_rng((int(seed), 1)), size.female, tone)
    for mesh in meshes:  # both hands belong to one person, so they get the same noise
        if id(mesh) not in painted:
            albedo, nail = skin.vertex_albedo(mesh.vertices, mesh.fields, np.random.default_rng(seed), tone)
            covered = mesh.fields["sleeve"][:, None]
            albedo = (1 - covered) * albedo + covered * np.clip(cloth.colors[0], 0.015, 0.8)
            normals = skin.back_normals(
                mesh.vertices, mesh.normals, mesh.fields["palmar"], mesh.fields["sleeve"], mesh.rig, detail
            )
            nails = nail / np.median(albedo[mesh.fields["red"] > 0.3], axis=0)
            painted[id(mesh)] = albedo.astype(np.float32), nails, normals
    (a0, n0, b0), (a1, n1, b1) = (painted[id(mesh)] for mesh in meshes)
    ring = camera_ring(rng, cameras, 2 + 3 * (number % 20), sizes)
    lamps = float(rng.uniform(0, 2 * np.pi))
    return Subject(
        number, meshes, (a0, a1), (n0, n1), detail, (b0, b1), tone, cloth, bool(rng.random() < 0.6), lamps, ring
    )


def _affine(placement: poses.Placement, left: bool) -> np.ndarray:
    """Return the (4, 4) transform from the right-hand frame to the world, mirrored for a left hand."""
    out = np.eye(4)
    out[:3, :3] = placement.rotation @ np.diag([-1.0 if left else 1.0, 1.0, 1.0])
    out[:3, 3] = placement.wrist
    return out


def _apply(affine: np.ndarray, points: np.ndarray) -> np.ndarray:
    return points @ affine[:3, :3].T + affine[:3, 3]


def _bend_elbow(pose: HandPose, moves: np.ndarray, affine: np.ndarray, rig: Rig, shoulder: np.ndarray) -> HandPose:
    """Turn the upper arm towards the shoulder (world frame) by at most `MAX_ELBOW_DEG`."""
    forearm = affine @ moves[FOREARM_BONE]
    direction = forearm[:3, :3].T @ (shoulder - _apply(forearm, rig.elbow))
    direction /= np.linalg.norm(direction)
    axis = cross_product(np.array([0.0, -1.0, 0.0]), direction)
    sine = np.linalg.norm(axis) + 1e-9
    angle = min(np.arctan2(sine, -direction[1]), np.deg2rad(MAX_ELBOW_DEG))
    k = axis / sine
    turn = np.array([[0, -k[2], k[1]], [k[2], 0, -k[0]], [-k[1], k[0], 0]])
    return replace(pose, elbow=np.eye(3) + np.sin(angle) * turn + (1 - np.cos(angle)) * turn @ turn)


def _limb(mesh: HandMesh, placement: poses.Placement, left: bool) -> tuple[np.ndarray, np.ndarray]:
    """Return world joints (21, 3) and bones (18, 4, 4) in the hand frame."""
    moves = bone_transforms(mesh.rig, placement.pose)
    return _apply(_affine(placement, left), posed_joints(mesh.rig, moves)), moves


def search_skin(mesh: HandMesh, moves: np.ndarray) -> contact.Skin:
    """Return the vertices `mesh.contact`, moved by bones (18, 3 or 4, 4)."""
    points, normals = renderer.skin(*mesh.contact_skin, np.ascontiguousarray(moves[:, :3]))
    return contact.sort_skin(points, normals, mesh.contact_skin[2][:, 0])


def _move_fingers(placed: poses.Placement, left: bool, rig: Rig, pushes: np.ndarray) -> poses.Placement:
    """Turn the fingers of a hand so that they follow `pushes` (5, 3) in mm, within the joint limits."""
    toward = _affine(placed, left)[:3, :3] @ bone_transforms(rig, placed.pose)[:, :3, :3] @ rig.frames
    flexion, abduction = placed.pose.flexion.copy(), placed.pose.abduction.copy()
    for f in range(5):
        (sideways, _, up), (_, _, bent) = (pushes[f] @ toward[bone_index(f, s)] for s in (0, 1))
        abduction[f] -= np.clip(0.6 * sideways / FINGER_LEVER_MM, -0.1, 0.1)
        flexion[f, 0] -= np.clip(0.3 * up / FINGER_LEVER_MM, -0.05, 0.05)
        flexion[f, 1] -= np.clip(0.9 * bent / FINGER_LEVER_MM, -0.15, 0.15)
    abduction = np.clip(abduction, ABDUCTION_LIMITS[:, 0], ABDUCTION_LIMITS[:, 1])
    flexion = np.clip(flexion, FLEXION_LIMITS[..., 0], FLEXION_LIMITS[..., 1])
    return replace(placed, pose=replace(placed.pose, flexion=flexion, abduction=abduction))


def interlace(
    meshes: tuple[HandMesh, HandMesh], right: poses.Placement, left: poses.Placement
) -> tuple[poses.Placement, poses.Placement]:
    """Turn the fingers of two hands that reach between each other, until they overlap by little.

    Moving whole hands cannot do it: each finger has its own gap.

    Args:
        meshes: Right and left mesh.
        right: Right placement; its fingers point between those of the left hand.
        left: Left placement.
    """
    best, lowest = (right, left), np.inf
    for _ in range(INTERLACE_ROUNDS):
        affine, other_affine = _affine(right, False), _affine(left, True)
        first = search_skin(meshes[0], affine @ bone_transforms(meshes[0].rig, right.pose))
        second = search_skin(meshes[1], other_affine @ bone_transforms(meshes[1].rig, left.pose))
        deepest, _, push = contact.overlap(first, second, np.zeros(3))
        if deepest < lowest:
            best, lowest = (right, left), deepest
        if lowest <= INTERLACED_MM:
            break
        right = _move_fingers(right, False, meshes[0].rig, contact.finger_pushes(first, second))
        left = _move_fingers(left, True, meshes[1].rig, contact.finger_pushes(second, first))
        left = replace(left, wrist=left.wrist + 0.3 * push)
    return best


def place_hands(meshes: tuple[HandMesh, HandMesh], placed: Placements, how: str) -> Placements:
    """Move the left hand until the hands touch or overlap by at most `ALLOWED_OVERLAP_MM`.

    Args:
        meshes: Right and left mesh.
        placed: Right and left placement; None for an absent hand.
        how: "approach", "keep" or "tips", see `poses.interacting_placements`, or "interlace".
    """
    right, left = placed
    if right is None or left is None:
        return placed
    if how == "interlace":
        return interlace(meshes, right, left)
    (joints, moves), (other, other_moves) = _limb(meshes[0], right, False), _limb(meshes[1], left, True)
    first = search_skin(meshes[0], _affine(right, False) @ moves)
    second = search_skin(meshes[1], _affine(left, True) @ other_moves)
    start = joints[INDEX_TIP] - other[INDEX_TIP] if how == "tips" else np.zeros(3)
    shift = contact.separate(first, second, start, ALLOWED_OVERLAP_MM)
    if how == "approach":
        shift = contact.approach(first, second, shift)
    return right, replace(left, wrist=left.wrist + shift)


def skin_overlap(meshes: tuple[HandMesh, HandMesh], moves: tuple[np.ndarray | None, np.ndarray | None]) -> float:
    """Return how deep in mm the skin of one limb lies in the other, from all vertices; 0 if it does not.

    Args:
        meshes: Right and left mesh.
        moves: (18, 3, 4) rest-to-world transform of each bone, for each limb; None for an absent hand.
    """
    if moves[0] is None or moves[1] is None:
        return 0.0
    skins = []
    for mesh, move in zip(meshes, moves, strict=True):
        points, normals = renderer.skin(mesh.vertices, mesh.normals, mesh.bones, mesh.weights, move)
        skins.append(contact.sort_skin(points, normals, mesh.bones[:, 0]))
    return max(float(contact.overlap(skins[0], skins[1], np.zeros(3))[0]), 0.0)


def make_step(
    meshes: tuple[HandMesh, HandMesh], kind: str, placed: Placements, how: str, turn: np.ndarray, offset: np.ndarray
) -> Step:
    """Resolve collisions and place both hands in the world.

    Args:
        meshes: Right and left mesh.
        kind: Kind of the step, stored in it.
        placed: Right and left placement; None for an absent hand.
        how: How the hands are brought together, see `place_hands`.
        turn: (3, 3) rotation of both hands together.
        offset: (3,) mm, where the middle of the hands is placed.
    """
    placed = place_hands(meshes, placed, how)
    limbs = [None if p is None else (p, *_limb(meshes[i], p, i == 1)) for i, p in enumerate(placed)]
    seen = np.concatenate([limb[1] for limb in limbs if limb is not None])
    middle = 0.5 * (seen.min(axis=0) + seen.max(axis=0))
    world = np.eye(4)
    world[:3, :3], world[:3, 3] = turn, offset - turn @ middle
    joints = np.full((NUM_JOINTS, 3), PLACEHOLDER_MM)
    moves: list[np.ndarray | None] = [None, None]
    for i, limb in enumerate(limbs):
        if limb is None:
            continue
        placement, own_joints, own_moves = limb
        side = 1 if i else -1
        shoulder = middle + appearance.SHOULDER_MM * (side, 1, 1) + (0, 0, 120)
        affine = _affine(placement, i == 1)
        pose = _bend_elbow(placement.pose, own_moves, affine, meshes[i].rig, shoulder)
        bones = world @ affine @ bone_transforms(meshes[i].rig, pose)
        joints[i * NUM_HAND_JOINTS : (i + 1) * NUM_HAND_JOINTS] = _apply(world, own_joints)
        moves[i] = np.ascontiguousarray(bones[:, :3])
    present = np.array([p is not None for p in placed])
    return Step(kind, joints, present, (moves[0], moves[1]), skin_overlap(meshes, (moves[0], moves[1])))
