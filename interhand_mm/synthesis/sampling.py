"""Sampling of time steps: poses of one or two hands, smooth sequences, and rejection of bad drafts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from ..structures.camera import camera_to_pixel, world_to_camera
from ..structures.joints import WRISTS
from .hand import contact, gestures, poses
from .hand.mesh import HandMesh
from .hand.skeleton import UPPER_ARM_BONE, HandPose, bone_transforms, clamp_pose
from .hand.surface import ARM_END_MM
from .render.cameras import VirtualCamera
from .seeds import SEQUENCE, stream
from .time_step import Placements, Step, make_step, search_skin

MAX_DRAFTS = 14
MAX_OVERLAP_MM, MAX_SELF_OVERLAP_MM = 4.0, 4.0
KEYFRAME_STEPS = 15  # frames between two key poses of a sequence
FRAME_STRIDE = 3  # distance of frame numbers, as in the training frames of the 30 fps release

ChooseCameras = Callable[[Step], tuple[list[VirtualCamera], float]]


@dataclass(frozen=True)
class Draft:
    """A time step before collisions are resolved; the arguments of `make_step` without the meshes.

    Attributes:
        kind: "right", "left", or one of `poses.INTERACTING` or `gestures.PAIRS`.
        placed: Right and left placement; None for an absent hand.
        how: How the hands are brought together, see `place_hands`.
        offset: (3,) mm, middle of the hands.
        turn: (3, 3) rotation of both hands together.
    """

    kind: str
    placed: Placements
    how: str
    offset: np.ndarray
    turn: np.ndarray


def draw_turn(rotation: str, progress: float, rng: np.random.Generator) -> np.ndarray:
    """Sample the (3, 3) rotation of both hands together.

    Args:
        rotation: "frontal" returns the identity, "any" samples uniformly, "curriculum" limits the angle by `progress`.
        progress: Position in the split, 0 to 1.
        rng: Random generator.
    """
    if rotation == "frontal":
        return np.eye(3)
    return poses.random_rotation(rng, np.pi if rotation == "any" else np.pi * progress)


def _open_until_free(pose: HandPose, mesh: HandMesh) -> HandPose:
    """Open a hand step by step until its own fingers overlap by at most `MAX_SELF_OVERLAP_MM`."""
    for _ in range(6):
        if contact.self_overlap(search_skin(mesh, bone_transforms(mesh.rig, pose))) <= MAX_SELF_OVERLAP_MM:
            break
        flexion = pose.flexion * 0.93
        flexion[0] -= 0.06
        abduction = pose.abduction.copy()
        abduction[1:] += np.array([0.03, 0.005, -0.02, -0.04])
        abduction[0] += 0.05
        pose = clamp_pose(replace(pose, flexion=flexion, abduction=abduction))
    return pose


def _settled(hand: tuple[poses.Placement, gestures.ThumbSpot | None], mesh: HandMesh) -> poses.Placement:
    """Return the placement of a gesture with its thumb in place and its fingers apart."""
    placed, spot = hand

    def overlaps(pose: HandPose) -> np.ndarray:
        return contact.finger_overlaps(search_skin(mesh, bone_transforms(mesh.rig, pose)))

    return replace(placed, pose=gestures.settle(placed.pose, mesh.rig, spot, overlaps))


def _gesture_placements(
    meshes: tuple[HandMesh, HandMesh], rng: np.random.Generator, kind: str
) -> tuple[Placements, str]:
    """Sample hands near the poses of `gestures`; return them and how they are brought together."""
    if kind in gestures.PAIRS:
        right, left = gestures.pair_gesture(rng, kind)
        return (_settled(right, meshes[0]), _settled(left, meshes[1])), gestures.PAIRS[kind].how
    hand = gestures.single_gesture(rng)
    if kind == "right":
        return (_settled(hand, meshes[0]), None), "keep"
    return (None, poses.mirrored(_settled(hand, meshes[1]))), "keep"


def draw_draft(
    meshes: tuple[HandMesh, HandMesh],
    rng: np.random.Generator,
    rotation: str,
    progress: float,
    interacting: float,
    kind: str | None = None,
    gesturing: float = 0.0,
) -> Draft:
    """Sample one draft.

    Args:
        meshes: Right and left mesh.
        rng: Random generator.
        rotation: Rotation mode, see `draw_turn`.
        progress: Position in the split, 0 to 1.
        interacting: Share of time steps with two hands.
        kind: Kind of the step; None samples it.
        gesturing: Share of drafts near the poses of `gestures`. At 0 nothing is sampled for it.
    """
    gesture = kind in gestures.PAIRS or (gesturing > 0 and kind not in poses.INTERACTING and rng.random() < gesturing)
    if kind is None:
        both = rng.random() < interacting
        if both and gesture:
            kind = gestures.draw(gestures.PAIRS, rng)
    if kind is None:
        kind = poses.INTERACTING[rng.integers(len(poses.INTERACTING))] if both else ("right", "left")[rng.integers(2)]
    how = "keep"
    right: poses.Placement | None = None
    left: poses.Placement | None = None
    if gesture:
        (right, left), how = _gesture_placements(meshes, rng, kind)
    elif kind == "right":
        right = poses.single_placement(rng)
    elif kind == "left":
        left = poses.mirrored(poses.single_placement(rng))
    else:
        right, left, how = poses.interacting_placements(rng, kind)
    if not gesture:
        right = right and replace(right, pose=_open_until_free(right.pose, meshes[0]))
        left = left and replace(left, pose=_open_until_free(left.pose, meshes[1]))
    return Draft(kind, (right, left), how, rng.normal(0, (16, 16, 22)), draw_turn(rotation, progress, rng))


def build(meshes: tuple[HandMesh, HandMesh], draft: Draft) -> Step:
    """Turn a draft into a time step by resolving collisions."""
    return make_step(meshes, draft.kind, draft.placed, draft.how, draft.turn, draft.offset)


def pixels(step: Step, camera: VirtualCamera) -> np.ndarray:
    """Project a step's joints into a camera; returns (42, 2) px."""
    cam = world_to_camera(step.joints, camera.rotation, camera.position)
    return camera_to_pixel(cam, camera.focal, camera.principal_pt)


def inside(uv: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return whether the pixel nearest to each point lies in the image.

    Args:
        uv: (..., 2) px.
        size: (width, height) px of the image.

    Returns:
        (...) bool.

    Example:
        >>> inside(np.array([[-0.4, 0.0], [10.6, 0.0]]), (11, 5)).tolist()
        [True, False]
    """
    rounded = np.rint(uv)
    return np.all((rounded >= 0) & (rounded <= np.array(size) - 1), axis=-1)


def overlap_score(step: Step) -> float:
    """Return the part of a time step's rejection score that does not depend on cameras."""
    return max(0.0, step.overlap_mm - MAX_OVERLAP_MM)


def rejection_score(step: Step, cameras: list[VirtualCamera]) -> float:
    """Return the rejection score of a time step; accept it if below 1.

    The score penalizes overlap of the hands, joints outside the image, arms that come from the camera and visible
    arm ends.
    """
    score = overlap_score(step)
    for camera in cameras:
        score += 12.0 * max(0.0, (1 - inside(pixels(step, camera)[step.joint_valid], camera.size).mean()) - 0.08)
        for moves, wrist in zip(step.moves, WRISTS, strict=True):
            if moves is None:
                continue
            move = moves[UPPER_ARM_BONE]
            elbow, end = (move[:, :3] @ np.array([0.0, y, 0.0]) + move[:, 3] for y in (-250.0, -ARM_END_MM))
            arm = elbow - step.joints[wrist]
            # An arm that comes from the camera hides its own hand.
            score += 2.0 * max(0.0, -(arm @ camera.rotation[2]) / np.linalg.norm(arm) - 0.3)
            cam = world_to_camera(end[None], camera.rotation, camera.position)
            uv = camera_to_pixel(cam, camera.focal, camera.principal_pt)
            score += 1.2 * float(
                cam[0, 2] > 50
                and np.all(np.abs(uv[0] - np.array(camera.size) / 2) < np.array(camera.size) / 2 + 70 * camera.scale)
            )
    return score


def sample_step(
    meshes: tuple[HandMesh, HandMesh],
    rng: np.random.Generator,
    choose_cameras: ChooseCameras,
    rotation: str,
    progress: float,
    interacting: float,
    gesturing: float = 0.0,
) -> tuple[Step, list[VirtualCamera]]:
    """Sample a time step and the cameras that see it by rejection.

    At most `MAX_DRAFTS` drafts are tried; if none is accepted, the one with the lowest score is returned. All drafts
    have the kind of the first one, so that difficult kinds do not become rare.

    Args:
        meshes: Right and left mesh.
        rng: Random generator.
        choose_cameras: Function that returns the cameras for a step, and the step's rejection score.
        rotation: Rotation mode, see `draw_turn`.
        progress: Position in the split, 0 to 1.
        interacting: Share of time steps with two hands.
        gesturing: Share of time steps near the poses of `gestures`.
    """
    draft = draw_draft(meshes, rng, rotation, progress, interacting, None, gesturing)
    best = build(meshes, draft)
    cameras, lowest = choose_cameras(best)
    for _ in range(MAX_DRAFTS - 1):
        if lowest < 1.0:
            break
        draft = draw_draft(meshes, rng, rotation, progress, interacting, draft.kind, gesturing)
        step = build(meshes, draft)
        others, score = choose_cameras(step)
        if score < lowest:
            best, cameras, lowest = step, others, score
    return best, cameras


def _slerp(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Interpolate between two rotations (3, 3) along the shortest arc."""
    from scipy.spatial.transform import Rotation

    step = Rotation.from_matrix(a.T @ b).as_rotvec()
    return a @ Rotation.from_rotvec(t * step).as_matrix()


def _between_hands(p: poses.Placement | None, q: poses.Placement | None, t: float) -> poses.Placement | None:
    if p is None or q is None:
        return None
    names = ("flexion", "abduction", "twist", "wrist")
    pose = replace(p.pose, **{n: (1 - t) * getattr(p.pose, n) + t * getattr(q.pose, n) for n in names})
    return poses.Placement(pose, _slerp(p.rotation, q.rotation, t), (1 - t) * p.wrist + t * q.wrist)


def between(a: Draft, b: Draft, t: float) -> Draft:
    """Interpolate between two drafts of one kind.

    Args:
        a: Draft at t = 0.
        b: Draft at t = 1.
        t: Position, 0 to 1. It is eased, so that the speed is continuous at the key poses.
    """
    t = t * t * (3 - 2 * t)
    placed = (_between_hands(a.placed[0], b.placed[0], t), _between_hands(a.placed[1], b.placed[1], t))
    # "keep" instead of "approach": when another pair of vertices becomes the nearest one, "approach" would jump.
    return Draft(a.kind, placed, "keep", (1 - t) * a.offset + t * b.offset, _slerp(a.turn, b.turn, t))


def sample_sequence_step(
    meshes: tuple[HandMesh, HandMesh],
    seed: int,
    split: str,
    sequence: int,
    frame: int,
    rotation: str,
    progress: float,
    interacting: float,
    gesturing: float = 0.0,
) -> Step:
    """Sample one frame of a smooth sequence.

    Key poses depend on (seed, split, sequence, number of the key pose) alone.

    Args:
        meshes: Right and left mesh.
        seed: Seed of the data set.
        split: "train", "val" or "test".
        sequence: Number of the sequence.
        frame: Frame within the sequence.
        rotation: Rotation mode, see `draw_turn`.
        progress: Position in the split, 0 to 1.
        interacting: Share of sequences with two hands.
        gesturing: Share of key poses near those of `gestures`.
    """
    rng = stream(seed, split, SEQUENCE, sequence)
    kind = draw_draft(meshes, rng, rotation, progress, interacting, None, gesturing).kind
    key, rest = divmod(frame, KEYFRAME_STEPS)
    first, a, b = (
        draw_draft(
            meshes, stream(seed, split, SEQUENCE, sequence, k), "frontal", progress, interacting, kind, gesturing
        )
        for k in (0, key, key + 1)
    )
    turn = draw_turn(rotation, progress, stream(seed, split, SEQUENCE, sequence, 0, 1))

    def near(draft: Draft) -> Draft:
        """Return a key pose near the first one, as in a real recording."""
        return replace(between(first, draft, 0.5), turn=turn)

    return build(meshes, between(near(a), near(b), rest / KEYFRAME_STEPS))
