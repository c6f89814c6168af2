"""Objects of a time step: held in a hand, or in front of the hands."""

from __future__ import annotations

import numpy as np

from ..structures.joints import NUM_HAND_JOINTS
from .hand.skeleton import HAND_BONE, axis_rotation, cross_product, frame_from, joint_index
from .preset import ObjectRanges
from .render import renderer, solids
from .render.cameras import VirtualCamera
from .render.solids import Solid
from .time_step import Step, Subject

GAP_MM = 0.6  # between a held object and the skin
_EVERY = 3  # every third vertex of the skin is enough to find where an object touches it
_REACH_MM = 220.0  # skin that is farther from the hands cannot touch an object
_TRIES = 6
_SMALLEST_ROD_MM = 4.0


def _skin_points(subject: Subject, step: Step) -> np.ndarray:
    """Return points (M, 3) on the skin of hands and wrists, world frame, mm."""
    parts = []
    for mesh, moves in zip(subject.meshes, step.moves, strict=True):
        if moves is None:
            continue
        rows = np.flatnonzero(mesh.vertices[:, 1] > -_REACH_MM)[::_EVERY]
        points, _ = renderer.skin(mesh.vertices[rows], mesh.normals[rows], mesh.bones[rows], mesh.weights[rows], moves)
        parts.append(points.astype(np.float64))
    return np.concatenate(parts)


def _random_frame(rng: np.random.Generator) -> np.ndarray:
    """Return a uniformly random rotation (3, 3)."""
    turn = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    return turn * np.sign(np.linalg.det(turn))


def _clearance(solid: Solid, turn: np.ndarray, center: np.ndarray, points: np.ndarray) -> float:
    """Return the smallest distance in mm between an object and points (M, 3)."""
    return float(solid.distance((points - center) @ turn).min())


def _palm(step: Step, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the middle of the palm (3,) and the frame (3, 3) of a hand: along the fingers y, out of the back z."""
    joints = step.joints[side * NUM_HAND_JOINTS : (side + 1) * NUM_HAND_JOINTS]
    moves = step.moves[side]
    assert moves is not None
    frame = frame_from(moves[HAND_BONE][:, 1], moves[HAND_BONE][:, 2])
    knuckles = joints[[joint_index(f, 1) for f in (1, 2, 3, 4)]].mean(axis=0)
    return 0.4 * joints[-1] + 0.6 * knuckles, frame


def _gripped(rng: np.random.Generator, step: Step, side: int, points: np.ndarray) -> Solid | None:
    """Return a rod that fills the hollow of the bent fingers, or None if there is no hollow."""
    joints = step.joints[side * NUM_HAND_JOINTS : (side + 1) * NUM_HAND_JOINTS]
    palm, frame = _palm(step, side)
    bent = np.mean([joints[joint_index(f, d)] for f in (1, 2, 3, 4) for d in (2, 3, 4)], axis=0)
    best, radius = None, _SMALLEST_ROD_MM
    widest = rng.uniform(8, 34)
    probe = solids.sample_solid(rng, "rod", 0.01)
    for _ in range(_TRIES):
        tilt = axis_rotation("z", rng.normal(0, 0.3)) @ axis_rotation("x", rng.normal(0, 0.15))
        turn = frame @ tilt @ axis_rotation("z", np.pi / 2)  # the rod's axis lies across the palm
        center = palm + (bent - palm) * rng.uniform(0.25, 0.75) + frame @ rng.normal(0, (0, 5, 5))
        free = _clearance(probe, turn, center, points) - GAP_MM
        if free > radius:
            best, radius = (turn, center), free
    if best is None:
        return None
    return solids.sample_solid(rng, "rod", min(radius, widest)).placed(*best)


def _laid(rng: np.random.Generator, kind: str, step: Step, side: int, points: np.ndarray) -> tuple[Solid, ...]:
    """Return an object that was moved to the palm until it touched the skin; empty if it passes by the hand."""
    palm, frame = _palm(step, side)
    solid = solids.sample_solid(rng, kind)
    if kind in ("phone", "box"):  # the flat side lies on the hand, the front is seen
        tilt = axis_rotation("x", np.pi + rng.normal(0, 0.25)) @ axis_rotation("y", rng.normal(0, 0.25))
        turn = frame @ tilt @ axis_rotation("z", rng.choice([0.0, np.pi / 2]) + rng.normal(0, 0.3))
    else:
        turn = frame @ axis_rotation("z", np.pi / 2 + rng.normal(0, 0.5)) @ axis_rotation("x", rng.normal(0, 0.3))
    target = palm + frame @ (rng.normal(0, 12), rng.normal(15, 15), 0.0)
    depth = 180.0
    for _ in range(14):
        free = _clearance(solid, turn, target - depth * frame[:, 2], points) - GAP_MM
        if free < 0.3:
            return (solid.placed(turn, target - depth * frame[:, 2]),)
        depth -= free
        if depth < -20:
            break
    return ()


def _before(rng: np.random.Generator, kind: str, step: Step, camera: VirtualCamera, points: np.ndarray) -> Solid | None:
    """Return an object between a camera and the hands that does not touch them, or None."""
    middle = step.joints[step.joint_valid].mean(axis=0)
    toward = camera.position - middle
    away = float(np.linalg.norm(toward))
    for _ in range(_TRIES):
        solid, turn = solids.sample_solid(rng, kind), _random_frame(rng)
        near = rng.uniform(0.1, 0.5) * min(away, 500.0)
        beside = cross_product(toward / away, rng.standard_normal(3))
        center = middle + toward / away * near + beside / np.linalg.norm(beside) * rng.uniform(20, 90)
        if _clearance(solid, turn, center, points) > 4.0 * GAP_MM:
            return solid.placed(turn, center)
    return None


def hidden_share(solid: Solid, step: Step, camera: VirtualCamera) -> float:
    """Return the share of the visible hands' joints in front of which a placed object lies, from its vertices.

    A joint counts as hidden if the angle to a vertex of the object is smaller than the vertices' spacing and the vertex
    is nearer.
    """
    rays = step.joints[step.joint_valid] - camera.position
    own = solid.points - camera.position
    depth, near = np.linalg.norm(rays, axis=1), np.linalg.norm(own, axis=1)
    cosine = (rays / depth[:, None]) @ (own / near[:, None]).T
    close = np.arccos(np.clip(cosine, -1, 1)) < 0.75 * solids.SPACING_MM / near
    return float((close & (near < depth[:, None])).any(axis=1).mean())


def sample_objects(
    subject: Subject, step: Step, cameras: list[VirtualCamera], ranges: ObjectRanges, rng: np.random.Generator
) -> list[Solid]:
    """Sample the objects of a time step; all its cameras see them. Objects that hide too much are left out.

    Args:
        subject: Subject whose hands they are.
        step: Time step.
        cameras: Cameras that see it.
        ranges: How often objects are where.
        rng: Random generator.
    """
    found: list[Solid | None] = []
    holds, before = rng.random() < ranges.held, rng.random() < ranges.in_front
    if not (holds or before):
        return []
    points = _skin_points(subject, step)
    if holds:
        side = int(rng.choice(np.flatnonzero(step.present)))
        rod = _gripped(rng, step, side, points) if rng.random() < ranges.gripped else None
        kind = str(rng.choice(solids.SOLID_KINDS))
        found += [rod] if rod is not None else _laid(rng, kind, step, side, points)
    if before:
        found.append(_before(rng, str(rng.choice(solids.SOLID_KINDS)), step, cameras[0], points))
    return [
        solid
        for solid in found
        if solid is not None
        and all(np.linalg.norm(solid.points - c.position, axis=1).min() > ranges.nearest_mm for c in cameras)
        and all(hidden_share(solid, step, c) <= ranges.most_hidden for c in cameras)
    ]
