"""What happens at each time step: seeds, subjects, kinds of pose, temporal sequences and rejection."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from interhand_mm.structures.camera import camera_to_pixel, world_to_camera
from interhand_mm.structures.joints import NUM_HAND_JOINTS

from .hand import collision, poses
from .hand.mesh import HandMesh
from .hand.skeleton import UPPER_ARM_BONE, WRIST, bone_transforms, clamp_pose, posed_joints
from .hand.surface import ARM_END_MM
from .render.cameras import Camera
from .time_step import Step, make_step

SPLITS = ("train", "val", "test")
SUBJECT, STEP, SEQUENCE, PAINT, TONE = 1, 2, 3, 4, 6  # the third number of a seed: streams never mix
TRIES = 14
MAX_OVERLAP_MM, MAX_SELF_OVERLAP_MM = 4.0, 4.0
KEYFRAME_STEPS = 15  # temporal mode: frames between two key poses
FRAME_STRIDE = 3  # as in the 30 fps release's training frames


def stream(seed: int, split: str, purpose: int, index: int) -> np.random.Generator:
    """The one source of randomness for (seed, split, purpose, index)."""
    return np.random.default_rng((seed, SPLITS.index(split), purpose, index))


@dataclass(frozen=True)
class Draft:
    """A step before collisions: kind, right and left placement, how to join them, middle (3,) mm, turn (3, 3)."""

    kind: str
    placed: tuple
    how: str
    offset: np.ndarray
    turn: np.ndarray


def draw_turn(rotation: str, progress: float, rng: np.random.Generator) -> np.ndarray:
    """Turn of the whole: none for "frontal", uniform for "any", growing with `progress` 0..1 for "curriculum"."""
    if rotation == "frontal":
        return np.eye(3)
    return poses.random_rotation(rng, np.pi if rotation == "any" else np.pi * progress)


def _relaxed_self(pose, mesh: HandMesh):
    """Open a hand until its own fingers no longer run through each other by more than the limit."""
    for _ in range(6):
        joints = posed_joints(mesh.rig, bone_transforms(mesh.rig, pose))
        capsules = collision.hand_capsules(joints, mesh.rig.elbow, mesh.radii_mm)
        if collision.self_overlap(capsules) <= MAX_SELF_OVERLAP_MM:
            break
        flexion = pose.flexion * 0.93
        flexion[0] -= 0.06
        abduction = pose.abduction.copy()
        abduction[1:] += np.array([0.03, 0.005, -0.02, -0.04])
        abduction[0] += 0.05
        pose = clamp_pose(replace(pose, flexion=flexion, abduction=abduction))
    return pose


def draw_draft(
    meshes: tuple, rng: np.random.Generator, rotation: str, progress: float, interacting: float, kind: str | None = None
) -> Draft:
    """One random draft; `interacting` is the share of two-hand steps; `kind` fixes what is drawn."""
    if kind is None:
        both = rng.random() < interacting
        kind = poses.INTERACTING[rng.integers(len(poses.INTERACTING))] if both else ("right", "left")[rng.integers(2)]
    how = "keep"
    if kind in ("right", "left"):
        hand = poses.single_placement(rng)
        placed = (hand, None) if kind == "right" else (None, poses.mirrored(hand))
    else:
        right, left, how = poses.interacting_placements(rng, kind)
        placed = (right, left)
    placed = tuple(p and replace(p, pose=_relaxed_self(p.pose, meshes[i])) for i, p in enumerate(placed))
    return Draft(kind, placed, how, rng.normal(0, (16, 16, 22)), draw_turn(rotation, progress, rng))


def build(meshes: tuple, draft: Draft) -> Step:
    """The step of a draft, collisions resolved."""
    return make_step(meshes, draft.kind, list(draft.placed), draft.how, draft.turn, draft.offset)


def pixels(step: Step, camera: Camera) -> np.ndarray:
    """(42, 2) px of a step's joints in a camera."""
    cam = world_to_camera(step.joints, camera.rotation, camera.position)
    return camera_to_pixel(cam, camera.focal, camera.principal_pt)


def inside(uv: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """(...) bool, whether the pixel nearest to `uv` (..., 2) exists in an image of `size` (width, height)."""
    rounded = np.rint(uv)
    return np.all((rounded >= 0) & (rounded <= np.array(size) - 1), axis=-1)


def fault(step: Step, meshes: tuple, cameras: list[Camera]) -> float:
    """How bad a draft is; below 1 it is taken. Counts overlap, joints outside the image and visible arm ends."""
    valid = np.repeat(step.present, NUM_HAND_JOINTS)
    score = max(0.0, step.overlap_mm - MAX_OVERLAP_MM)
    for camera in cameras:
        score += 12.0 * max(0.0, (1 - inside(pixels(step, camera)[valid], camera.size).mean()) - 0.08)
        for i in (0, 1):
            if step.moves[i] is None:
                continue
            move = step.moves[i][UPPER_ARM_BONE]
            elbow, end = (move[:, :3] @ np.array([0.0, y, 0.0]) + move[:, 3] for y in (-250.0, -ARM_END_MM))
            arm = elbow - step.joints[WRIST + NUM_HAND_JOINTS * i]
            # An arm that comes from the camera hides its own hand.
            score += 2.0 * max(0.0, -(arm @ camera.rotation[2]) / np.linalg.norm(arm) - 0.3)
            cam = world_to_camera(end[None], camera.rotation, camera.position)
            uv = camera_to_pixel(cam, camera.focal, camera.principal_pt)
            score += 1.2 * float(
                cam[0, 2] > 50 and np.all(np.abs(uv[0] - np.array(camera.size) / 2) < np.array(camera.size) / 2 + 70)
            )
    return score


def sample_step(
    meshes: tuple, rng: np.random.Generator, cameras: list[Camera], rotation: str, progress: float, interacting: float
) -> Step:
    """Draw until a step has no fault, at most `TRIES` times, and keep the best; the kind stays that of the first."""
    draft = draw_draft(meshes, rng, rotation, progress, interacting)
    best, lowest = None, np.inf
    for _ in range(TRIES):
        step = build(meshes, draft)
        score = fault(step, meshes, cameras)
        if score < lowest:
            best, lowest = step, score
        if lowest < 1.0:
            break
        draft = draw_draft(meshes, rng, rotation, progress, interacting, draft.kind)
    return best


def _slerp(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Rotation between two rotations (3, 3) along the shortest arc."""
    from scipy.spatial.transform import Rotation

    step = Rotation.from_matrix(a.T @ b).as_rotvec()
    return a @ Rotation.from_rotvec(t * step).as_matrix()


def between(a: Draft, b: Draft, t: float) -> Draft:
    """Draft between two of one kind, 0 <= t <= 1, eased so that speed is continuous at the key poses."""
    t = t * t * (3 - 2 * t)

    def mix(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return (1 - t) * x + t * y

    placed = []
    for p, q in zip(a.placed, b.placed, strict=True):
        if p is None:
            placed.append(None)
            continue
        names = ("flexion", "abduction", "twist", "wrist")
        pose = replace(p.pose, **{n: mix(getattr(p.pose, n), getattr(q.pose, n)) for n in names})
        placed.append(poses.Placement(pose, _slerp(p.rotation, q.rotation, t), mix(p.wrist, q.wrist)))
    # Gaps are closed only at rest: "approach" would jump when another pair of capsules becomes the nearest.
    return Draft(a.kind, tuple(placed), "keep", mix(a.offset, b.offset), _slerp(a.turn, b.turn, t))


def sample_sequence_step(
    meshes: tuple, seed: int, split: str, sequence: int, frame: int, rotation: str, progress: float, interacting: float
) -> Step:
    """Frame `frame` of a smooth sequence; key poses depend on (seed, split, sequence, key) alone."""
    kind = draw_draft(meshes, stream(seed, split, SEQUENCE, sequence), rotation, progress, interacting).kind
    key, rest = divmod(frame, KEYFRAME_STEPS)
    drafts = []
    for k in (0, key, key + 1):
        rng = np.random.default_rng((seed, SPLITS.index(split), SEQUENCE, sequence, k))
        drafts.append(draw_draft(meshes, rng, "frontal", progress, interacting, kind))
    first, a, b = drafts
    turn = draw_turn(rotation, progress, np.random.default_rng((seed, SPLITS.index(split), SEQUENCE, sequence, 0, 1)))

    def near(draft: Draft) -> Draft:
        """Key poses stay near the first one, as in a real recording."""
        return replace(between(first, draft, 0.5), turn=turn)

    return build(meshes, between(near(a), near(b), rest / KEYFRAME_STEPS))
