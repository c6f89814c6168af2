"""Joint angles and placements of single and interacting hands.

Everything is sampled for a person who looks towards -z (see render/cameras.py): the forearm comes from below and from
the side of the hand. All directions are those of a right hand; a left hand is the mirror image.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from .skeleton import DEG, WRIST_LIMITS, HandPose, clamp_pose, cross_product, frame_from

# Hand shape by name: curl 0..1 of index to pinky, spread 0..1, and the thumb's angles in degrees (flexion of the
# carpometacarpal, middle and tip joint, abduction, twist).
Shape = tuple[tuple[float, ...], float, tuple[float, ...]]
SHAPES: dict[str, Shape] = {
    "open": ((0.03, 0.03, 0.05, 0.08), 0.9, (-10, 5, 5, 12, 0)),
    "relaxed": ((0.25, 0.30, 0.35, 0.40), 0.4, (4, 14, 16, 12, 0)),
    "flat": ((0.03, 0.02, 0.03, 0.05), 0.0, (-2, 10, 8, -5, 0)),
    "fist": ((0.95, 0.97, 0.98, 0.98), 0.0, (22, 42, 38, 24, 10)),
    "point": ((0.03, 0.88, 0.93, 0.95), 0.0, (20, 40, 40, 20, 10)),
    "victory": ((0.03, 0.03, 0.90, 0.94), 1.0, (26, 42, 40, 22, 14)),
    "thumb_up": ((0.92, 0.95, 0.96, 0.97), 0.0, (-18, -5, -5, 0, -5)),
    "pinch": ((0.52, 0.25, 0.20, 0.18), 0.3, (18, 22, 28, 36, 20)),
    "claw": ((0.45, 0.47, 0.49, 0.50), 0.8, (2, 20, 35, 24, 0)),
    "three": ((0.04, 0.04, 0.06, 0.92), 0.6, (28, 44, 42, 26, 18)),
    "horns": ((0.05, 0.92, 0.94, 0.08), 0.3, (24, 42, 36, 24, 14)),
    "call": ((0.93, 0.95, 0.93, 0.06), 0.2, (-16, 0, 0, 12, 0)),
}
INTERACTING = ("touching", "interlocked", "crossing", "in_front", "fingertips", "fist_in_palm", "apart")


@dataclass(frozen=True)
class Placement:
    """A hand in the world.

    Attributes:
        pose: Joint angles.
        rotation: (3, 3) from the hand frame to the world; for a left hand, the hand frame is mirrored first.
        wrist: (3,) mm.
    """

    pose: HandPose
    rotation: np.ndarray
    wrist: np.ndarray


def finger_pose(
    curl: Sequence[float] | np.ndarray, spread: float, thumb: Sequence[float] | np.ndarray, rng: np.random.Generator
) -> HandPose:
    """Sample joint angles around a hand shape, within the joint limits.

    The last joint of a finger follows the middle one (about two thirds of its angle), and each finger pulls its
    neighbors along.

    Args:
        curl: (4,) curl of index to pinky, 0 (straight) to 1 (closed).
        spread: Spread of the fingers, 0 to 1.
        thumb: (5,) angles of the thumb in degrees, see `SHAPES`.
        rng: Random generator.
    """
    curl = np.asarray(curl) + rng.normal(0, 0.05) + rng.normal(0, 0.05, 4)
    pulled = curl.copy()
    pulled[:-1] = 0.88 * curl[:-1] + 0.12 * curl[1:]
    pulled[1:] = 0.94 * pulled[1:] + 0.06 * curl[:-1]
    share = rng.normal(0, 0.10)  # some people close a hand mainly at the knuckles, others at the middle joints
    flexion = np.zeros((5, 3))
    flexion[1:, 0] = (pulled * (82 + 60 * share) - 4) * DEG + rng.normal(0, 4 * DEG, 4)
    flexion[1:, 1] = (pulled * (100 - 60 * share) + 4) * DEG + rng.normal(0, 4 * DEG, 4)
    flexion[1:, 2] = 0.62 * flexion[1:, 1] + rng.normal(0, 3 * DEG, 4)
    thumb = np.asarray(thumb, float) * DEG + rng.normal(0, 6 * DEG, 5)
    flexion[0] = thumb[:3]
    fan = np.array([10.0, 1.5, -7.0, -16.0]) * spread * DEG
    abduction = np.concatenate([thumb[3:4], fan + rng.normal(0, 2 * DEG, 4)])
    return clamp_pose(HandPose(flexion, abduction, np.array([thumb[4], 0, 0, 0, 0])))


def shaped_pose(rng: np.random.Generator, name: str | None = None) -> HandPose:
    """Sample a pose around a named shape of `SHAPES`, or around a mixture of two random shapes."""
    if name is not None:
        return finger_pose(*SHAPES[name], rng)
    names = list(SHAPES)
    (ca, sa, ta), (cb, sb, tb) = SHAPES[names[rng.integers(len(SHAPES))]], SHAPES[names[rng.integers(len(SHAPES))]]
    mix = rng.beta(0.5, 0.5)
    per_finger = np.clip(mix + rng.normal(0, 0.15, 4), 0, 1)
    curl = per_finger * ca + (1 - per_finger) * np.array(cb)
    return finger_pose(curl, mix * sa + (1 - mix) * sb, mix * np.array(ta) + (1 - mix) * np.array(tb), rng)


def random_rotation(rng: np.random.Generator, limit: float = np.pi) -> np.ndarray:
    """Sample a rotation (3, 3).

    Args:
        rng: Random generator.
        limit: Largest angle in rad, about a uniform axis. At pi, the rotation is uniform over SO(3).
    """
    if limit >= np.pi:
        q = rng.standard_normal(4)
        q /= np.linalg.norm(q)
    else:
        axis = rng.standard_normal(3)
        angle = rng.uniform(0, limit)
        q = np.concatenate([[np.cos(angle / 2)], np.sin(angle / 2) * axis / np.linalg.norm(axis)])
    w, x, y, z = q
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)],
        ]
    )


def elbow_direction(rng: np.random.Generator) -> np.ndarray:
    """Sample the unit vector from a right wrist to its elbow: down, outward (-x) and backward."""
    v = np.array([-rng.uniform(0.15, 1.0), rng.uniform(0.25, 1.0), rng.uniform(-0.1, 0.55)])
    return v / np.linalg.norm(v)


def fit_wrist(pose: HandPose, rotation: np.ndarray, elbow: np.ndarray) -> HandPose:
    """Bend the wrist within its limits, so that the forearm points along `elbow`.

    Args:
        pose: Joint angles.
        rotation: (3, 3) from the hand frame to the world.
        elbow: (3,) unit vector from wrist to elbow, world frame.
    """
    x, y, z = rotation.T @ elbow
    wrist = np.array([-np.arcsin(np.clip(z, -1, 1)), np.arctan2(x, -y)])
    return replace(pose, wrist=np.clip(wrist, 0.8 * WRIST_LIMITS[:, 0], 0.8 * WRIST_LIMITS[:, 1]))


def _place(pose: HandPose, fingers: np.ndarray, back: np.ndarray, rng: np.random.Generator, wobble: float) -> Placement:
    """Place a right hand with given directions of fingers and back, plus a random rotation of up to `wobble` rad."""
    rotation = random_rotation(rng, wobble) @ frame_from(np.asarray(fingers, float), np.asarray(back, float))
    return Placement(fit_wrist(pose, rotation, elbow_direction(rng)), rotation, np.zeros(3))


def single_placement(rng: np.random.Generator) -> Placement:
    """Sample a right hand that is held up: any shape, any roll of the forearm, wrist bent within its limits."""
    pose = shaped_pose(rng, None if rng.random() < 0.5 else list(SHAPES)[rng.integers(len(SHAPES))])
    elbow = elbow_direction(rng)
    lean = -elbow + rng.normal(0, 0.30, 3)
    roll = rng.uniform(0, 2 * np.pi)
    side = frame_from(lean, np.array([0.0, 0.1, -1.0]))
    back = np.cos(roll) * side[:, 2] + np.sin(roll) * side[:, 0]
    rotation = frame_from(lean, back)
    return Placement(fit_wrist(pose, rotation, elbow), rotation, np.zeros(3))


def mirrored(placement: Placement) -> Placement:
    """Return the placement of the mirrored hand; its `rotation` remains a proper rotation."""
    m = np.diag([-1.0, 1.0, 1.0])
    return replace(placement, rotation=m @ placement.rotation @ m, wrist=m @ placement.wrist)


def interacting_placements(rng: np.random.Generator, kind: str) -> tuple[Placement, Placement, str]:
    """Sample two interacting hands, before collisions are resolved.

    Args:
        rng: Random generator.
        kind: One of `INTERACTING`.

    Returns:
        The right hand, the left hand, and how to bring them together: "approach" closes the gap, "keep" only removes
        overlap, "tips" lets the index fingertips meet.
    """
    tilt = rng.uniform(-0.2, 0.9)  # angle from straight up towards the camera
    ahead = np.array([0.0, -np.cos(tilt), -np.sin(tilt)])
    inward = np.array([1.0, 0, 0])
    thumb_side = cross_product(ahead, inward)  # where the thumbs point when the palms face each other
    if kind == "touching":
        lean = rng.uniform(-0.15, 0.5)
        fingers, back = ahead + lean * inward, -inward + lean * ahead
        poses = [shaped_pose(rng, "flat" if rng.random() < 0.5 else "relaxed") for _ in range(2)]
        right, left = (_place(p, fingers, back, rng, 0.25) for p in poses)
        offset = 34 * inward
        return replace(right, wrist=-offset), replace(mirrored(left), wrist=offset + rng.normal(0, 9, 3)), "approach"
    if kind == "interlocked":
        cross = rng.uniform(0.7, 1.1)
        fingers, back = np.cos(cross) * ahead + np.sin(cross) * inward, -np.cos(cross) * inward + np.sin(cross) * ahead
        curl = np.full(4, rng.uniform(0.12, 0.42))
        poses = [finger_pose(curl, 0.45, np.array([8, 20, 20, 8, 0]), rng) for _ in range(2)]
        right, left = (_place(p, fingers, back, rng, 0.08) for p in poses)
        shift = 5.2 * thumb_side * rng.choice([-1, 1])
        reach = 104.0 * fingers  # the middle of the proximal phalanges lies at the origin, so the finger webs meet
        other = mirrored(replace(left, wrist=-reach))
        return replace(right, wrist=-reach - shift), replace(other, wrist=other.wrist + shift), "keep"
    if kind == "fist_in_palm":
        right = _place(shaped_pose(rng, "fist"), ahead + 0.5 * inward, -0.5 * ahead + thumb_side, rng, 0.4)
        curl = np.full(4, rng.uniform(0.25, 0.5))
        left = _place(finger_pose(curl, 0.1, np.array([0, 15, 15, 20, 0]), rng), ahead, -inward, rng, 0.3)
        return replace(right, wrist=-40 * inward), replace(mirrored(left), wrist=42 * inward), "approach"
    if kind == "fingertips":
        names = [rng.choice(["point", "pinch", "open", "claw", "relaxed"]) for _ in range(2)]
        right, left = (
            _place(shaped_pose(rng, n), ahead + rng.uniform(0.4, 1.5) * inward, rng.normal(0, 1, 3), rng, 0.3)
            for n in names
        )
        return right, mirrored(left), "tips"
    right, left = single_placement(rng), mirrored(single_placement(rng))
    if kind == "apart":
        half = np.array([rng.uniform(55, 95), rng.normal(0, 20), rng.normal(0, 25)])
        return replace(right, wrist=-half), replace(left, wrist=half), "keep"
    depth = rng.choice([-1, 1]) * (rng.uniform(30, 80) if kind == "in_front" else rng.uniform(0, 35))
    half = np.array([rng.normal(12, 16), rng.normal(0, 18), depth / 2])
    return replace(right, wrist=-half), replace(left, wrist=half), "keep" if kind == "in_front" else "approach"
