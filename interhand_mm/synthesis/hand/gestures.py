"""Poses near those that people make: named base poses of one and of two hands, with noise around them.

Angles are in degrees and those of a right hand; a left hand is the mirror image. World frame: x right, y down, and the
person looks towards -z (see render/cameras.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numba import njit

from .poses import Placement, elbow_direction, fit_wrist, mirrored, random_rotation
from .skeleton import (
    ABDUCTION_LIMITS,
    DEG,
    FLEXION_LIMITS,
    TWIST_LIMITS,
    HandPose,
    Rig,
    bone_index,
    clamp_pose,
    frame_from,
    joint_index,
    turn_about,
)

# Flexion of the base, middle and last joint of a finger, degrees.
STRAIGHT, LOOSE, HALF, HOOK = (2, 5, 3), (22, 28, 16), (45, 55, 34), (10, 88, 58)
BENT, FIST, ROUND, OVER = (80, 14, 8), (80, 100, 62), (48, 44, 28), (62, 88, 50)
CLOSE, FAN, WIDE = (2.0, 0.5, -1.5, -4.0), (8.0, 1.5, -6.0, -14.0), (14.0, 2.0, -10.0, -22.0)
# Flexion of the three joints of the thumb, its abduction and its twist, degrees.
THUMB_OUT, THUMB_SIDE, THUMB_UP = (-8, 2, 2, 24, 0), (4, 8, 6, -14, 0), (-14, -4, -6, 8, 0)
THUMB_OVER, THUMB_ROUND = (32, 36, 34, 14, 20), (26, 16, 24, 34, 22)

# Directions, and points of a hand of average size in the hand frame, mm.
Direction = tuple[float, float, float]
UP, AWAY, OUT = (0.0, -1.0, 0.0), (0.0, 0.0, 1.0), (-1.0, 0.0, 0.0)
PALM, KNUCKLES, WEBS, TIP = (0.0, 55.0, -14.0), (0.0, 70.0, 14.0), (0.0, 150.0, -12.0), (-22.0, 172.0, 0.0)

PAD_MM, PALM_MM = 7.5, 16.0  # depth of the bones under the skin of a fingertip, and of the palm
MAX_GAP_MM, SETTLED_MM, LEVER_MM = 9.0, 2.5, 45.0  # mm per rad with which a turned finger moves sideways
MAX_WOBBLE = 0.45  # rad by which a single hand is turned from its usual direction
NOISE_DEG = 4.0  # standard deviation of a joint around its base pose
SOLVER_STEPS = 14


class ThumbSpot(NamedTuple):
    """The thumb's pulp lies on another finger, or on the palm.

    Attributes:
        finger: 1 (index) to 4 (pinky).
        segment: 0 to 2; -1 is the palm below the finger.
        share: Position along the segment, 0 to 1.
        dorsal: 1 on the back of the finger, -1 on its palm side.
        meets: The finger comes to the thumb, too.
    """

    finger: int
    segment: int
    share: float
    dorsal: float
    meets: bool = False


@dataclass(frozen=True)
class Gesture:
    """A base pose of one hand.

    Attributes:
        fingers: (4, 3) flexion of index to pinky, degrees.
        fan: (4,) abduction of index to pinky, degrees, positive towards the thumb.
        thumb: (5,) angles of the thumb, degrees.
        spot: Where the thumb lies; None leaves it free.
        ahead: (3,) usual direction of the fingers.
        back: (3,) usual direction of the back of the hand.
        weight: How often it is drawn, relative to the others.
    """

    fingers: tuple[tuple[float, float, float], ...]
    fan: tuple[float, ...] = CLOSE
    thumb: tuple[float, ...] = THUMB_SIDE
    spot: ThumbSpot | None = None
    ahead: tuple[float, float, float] = (0.0, -1.0, 0.0)
    back: tuple[float, float, float] = (0.0, 0.0, 1.0)
    weight: float = 1.0


_ON_INDEX_PULP = ThumbSpot(1, 2, 0.6, -1, True)
_ON_INDEX = ThumbSpot(1, 1, 0.55, 1)
_ON_MIDDLE, _ON_RING, _ON_PINKY = ThumbSpot(2, 1, 0.45, 1), ThumbSpot(3, 1, 0.35, 1), ThumbSpot(4, 1, 0.6, 1)
_INWARD = (1.0, 0.0, 0.0)
GESTURES: dict[str, Gesture] = {
    "open": Gesture((STRAIGHT,) * 4, FAN, THUMB_OUT, weight=5),
    "wide": Gesture((STRAIGHT,) * 4, WIDE, (-16, 0, -4, 34, 0), weight=3),
    "flat": Gesture((STRAIGHT,) * 4, CLOSE, THUMB_SIDE, weight=3),
    "back": Gesture((STRAIGHT,) * 4, FAN, THUMB_OUT, back=(0, 0, -1), weight=2),
    "edge": Gesture((STRAIGHT,) * 4, CLOSE, THUMB_SIDE, back=(-1, 0, 0)),
    "relaxed": Gesture(((16, 22, 14), (22, 26, 16), (26, 28, 16), (30, 26, 15)), FAN, (6, 12, 12, 8, 0), weight=2),
    "fist": Gesture((FIST,) * 4, CLOSE, THUMB_OVER, _ON_INDEX, weight=4),
    "zero": Gesture((ROUND,) * 4, CLOSE, THUMB_ROUND, _ON_INDEX_PULP, back=(-1, 0, 0.5)),
    "one": Gesture((STRAIGHT, FIST, FIST, FIST), CLOSE, THUMB_OVER, _ON_MIDDLE, weight=4),
    "two": Gesture((STRAIGHT, STRAIGHT, FIST, FIST), (11, -5, -2, -4), THUMB_OVER, _ON_RING, weight=3),
    "three": Gesture((STRAIGHT, STRAIGHT, STRAIGHT, OVER), (11, 1, -9, 4), THUMB_OVER, _ON_PINKY, weight=3),
    "three_thumb": Gesture((STRAIGHT, STRAIGHT, FIST, FIST), (9, -4, -2, -4), THUMB_OUT, weight=2),
    "four": Gesture((STRAIGHT,) * 4, FAN, THUMB_OVER, ThumbSpot(3, -1, 0.86, -1), weight=3),
    "six": Gesture((STRAIGHT, STRAIGHT, STRAIGHT, OVER), FAN, THUMB_OVER, ThumbSpot(4, 2, 0.5, 1)),
    "seven": Gesture((STRAIGHT, STRAIGHT, HALF, STRAIGHT), FAN, THUMB_ROUND, ThumbSpot(3, 2, 0.6, -1, True)),
    "eight": Gesture((STRAIGHT, HALF, STRAIGHT, STRAIGHT), FAN, THUMB_ROUND, ThumbSpot(2, 2, 0.6, -1, True)),
    "ok": Gesture((HALF, (12, 16, 8), STRAIGHT, STRAIGHT), WIDE, THUMB_ROUND, _ON_INDEX_PULP, weight=3),
    "pinch": Gesture((HALF, HALF, (50, 62, 38), (54, 66, 40)), CLOSE, THUMB_ROUND, _ON_INDEX_PULP, weight=2),
    "thumb_up": Gesture((FIST,) * 4, CLOSE, THUMB_UP, None, (1, 0, -0.2), (0.1, 0, -1), weight=2),
    "thumb_down": Gesture((FIST,) * 4, CLOSE, THUMB_UP, None, (1, 0, -0.2), (0.1, 0, 1)),
    "point_at": Gesture((STRAIGHT, FIST, FIST, FIST), CLOSE, THUMB_OVER, _ON_MIDDLE, (0.2, -0.1, -1), (0, -1, 0), 2),
    "point_side": Gesture((STRAIGHT, FIST, FIST, FIST), CLOSE, THUMB_OVER, _ON_MIDDLE, _INWARD, (0, 0, -1)),
    "letter_l": Gesture((STRAIGHT, FIST, FIST, FIST), (2, 0, -1, -2), (-16, 0, -4, 36, 0), weight=2),
    "letter_b": Gesture((STRAIGHT,) * 4, CLOSE, THUMB_OVER, ThumbSpot(2, -1, 0.9, -1)),
    "letter_c": Gesture(((34, 46, 30),) * 4, CLOSE, (16, 14, 20, 34, 14), back=(-1, 0, 0.3)),
    "letter_i": Gesture((FIST, FIST, FIST, STRAIGHT), (0, 0, -1, -6), THUMB_OVER, _ON_INDEX),
    "letter_u": Gesture((STRAIGHT, STRAIGHT, FIST, FIST), (-1, 2, -2, -4), THUMB_OVER, _ON_RING),
    "letter_y": Gesture((FIST, FIST, FIST, STRAIGHT), (0, 0, -1, -16), (-16, 0, -2, 30, 0)),
    "letter_x": Gesture((HOOK, FIST, FIST, FIST), CLOSE, THUMB_OVER, _ON_MIDDLE),
    "letter_a": Gesture((FIST,) * 4, CLOSE, (6, 4, 2, -26, 0)),
    "horns": Gesture((STRAIGHT, FIST, FIST, STRAIGHT), (6, 0, 0, -14), THUMB_OVER, _ON_MIDDLE),
    "bent": Gesture((BENT,) * 4, CLOSE, THUMB_SIDE, ahead=(0, -1, 0), back=(-1, 0, 0)),
    "claw": Gesture(((22, 56, 34),) * 4, WIDE, (0, 18, 30, 28, 0)),
    "hook": Gesture((HOOK,) * 4, CLOSE, (10, 20, 20, 0, 0), None, (0, 1, 0), (-1, 0, 0)),
    "hold_rod": Gesture(((58, 82, 40), (60, 84, 42), (62, 84, 42), (64, 82, 40)), CLOSE, THUMB_ROUND,
                        ThumbSpot(1, 2, 0.3, 1), (0.7, -0.4, -0.5), (-0.3, -0.2, -1)),
    "hold_cup": Gesture(((36, 42, 22), (38, 42, 22), (38, 42, 22), (38, 42, 22)), (5, 1, -3, -8),
                        (14, 4, 14, 40, 16), None, (0.8, -0.2, -0.5), (-0.5, 0, -0.3), 2),
    "hold_pen": Gesture(((42, 42, 20), (52, 56, 30), (60, 72, 40), (64, 76, 42)), CLOSE, THUMB_ROUND,
                        ThumbSpot(1, 2, 0.5, -1, True), (0.6, 0.3, -0.7), (-0.6, -0.6, -0.3)),
    "hold_phone": Gesture(((40, 52, 22), (44, 54, 24), (48, 54, 24), (52, 52, 22)), (4, 0, -3, -6),
                          (10, 10, 14, 30, 8), None, (0.2, -1, 0), (0.2, 0, -1)),
}  # fmt: skip


# Hands that are seen in pairs alone.
PARTS_OF_PAIRS: dict[str, Gesture] = {
    "folded": Gesture(((4, 60, 33),) * 4, (25, 8, -9, -29), (6, 16, 20, 6, 0)),
    "cupped": Gesture(((30, 26, 14), (32, 26, 14), (32, 26, 14), (34, 26, 14)), CLOSE, (4, 14, 12, 4, 0)),
    "spread": Gesture(((8, 16, 8),) * 4, FAN, (4, 8, 6, 18, 0)),
    "heart": Gesture(((50, 56, 32), (50, 58, 32), (50, 60, 32), (52, 60, 32)), CLOSE, (2, 2, 4, 42, 10)),
    "pressed": Gesture(((11, 4, 3),) * 4, CLOSE, (-16, -6, -8, -22, 0)),
}


@njit(cache=True, nogil=True, error_model="numpy")
def _chain(angles, frames, joints, rest_flexion, rest_abduction, points, axes):
    """Pose one finger: its joints `points` (4, 3) and the frames `axes` (3, 3, 3) of its segments.

    `angles` (5,) are three flexions, abduction and twist in rad; `joints` (4, 3) and `frames` (3, 3, 3) are at rest.
    """
    turn = turn_about(2, angles[3] - rest_abduction) @ turn_about(1, angles[4])
    move = np.eye(3)
    points[0] = joints[0]
    for s in range(3):
        own = turn_about(0, rest_flexion[s] - angles[s])
        if s == 0:
            own = turn @ own
        move = move @ frames[s] @ own @ frames[s].T
        axes[s] = move @ frames[s]
        points[s + 1] = points[s] + move @ (joints[s + 1] - joints[s])


@njit(cache=True, nogil=True, error_model="numpy")
def _misfit(angles, base, frames, joints, rest_flexion, rest_abduction, spot, out):
    """Compute the residuals (13,) of a thumb, row 0 of each array, on a finger, row 1: mm, and mm per rad of change."""
    points, axes = np.empty((2, 4, 3)), np.empty((2, 3, 3, 3))
    for f in range(2):
        row = angles[5 * f : 5 * f + 5]
        _chain(row, frames[f], joints[f], rest_flexion[f], rest_abduction[f], points[f], axes[f])
    pulp = points[0, 3] - 7.0 * axes[0, 2][:, 1] - PAD_MM * axes[0, 2][:, 2]
    segment, share, side, gap = int(spot[0]), spot[1], spot[2], spot[3]
    if segment < 0:  # the palm below the finger
        target = share * joints[1, 0] - np.array([0.0, 0.0, PALM_MM + gap])
        normal = np.array([0.0, 0.0, -1.0])
    else:
        normal = side * axes[1, segment][:, 2]
        target = points[1, segment] * (1 - share) + points[1, segment + 1] * share + (PAD_MM + gap) * normal
    out[:3] = pulp - target
    # The pulp faces the skin that it touches.
    out[3] = 6.0 * (1.0 - np.dot(-axes[0, 2][:, 2], -normal))
    for k in range(10):
        out[4 + k] = (6.0 if k < 5 else 9.0) * (angles[k] - base[k])


@njit(cache=True, nogil=True, error_model="numpy")
def _solve(base, free, low, high, frames, joints, rest_flexion, rest_abduction, spot):
    """Return the angles (10,) of thumb and finger that bring the pulp to its place (Gauss-Newton within limits)."""
    angles, left, right = base.copy(), np.empty(14), np.empty(14)
    jacobian = np.zeros((14, 10))
    for _ in range(SOLVER_STEPS):
        _misfit(angles, base, frames, joints, rest_flexion, rest_abduction, spot, left)
        for k in range(10):
            if free[k]:
                kept = angles[k]
                angles[k] += 1e-4
                _misfit(angles, base, frames, joints, rest_flexion, rest_abduction, spot, right)
                angles[k] = kept
                jacobian[:, k] = (right - left) / 1e-4
        normal = jacobian.T @ jacobian + 4.0 * np.eye(10)
        step = np.linalg.solve(normal, -jacobian.T @ left)
        for k in range(10):
            angles[k] = min(max(angles[k] + min(max(step[k], -0.3), 0.3), low[k]), high[k])
    return angles


def touching(pose: HandPose, rig: Rig, spot: ThumbSpot, gap_mm: float = 0.0) -> HandPose:
    """Return the pose with the thumb's pulp brought to a contact, within the joint limits.

    Args:
        pose: Joint angles.
        rig: Joints and bones of the hand.
        spot: Where the pulp lies.
        gap_mm: Distance from the skin at which the pulp stops.
    """
    rows = (0, spot.finger)

    def both(thumb: np.ndarray, finger: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray(np.concatenate([thumb, finger]))

    def angles(flexion: np.ndarray, abduction: np.ndarray, twist: np.ndarray) -> np.ndarray:
        return both(*(np.concatenate([flexion[f], [abduction[f], twist[f]]]) for f in rows))

    base = angles(pose.flexion, pose.abduction, pose.twist)
    low, high = (angles(FLEXION_LIMITS[..., i], ABDUCTION_LIMITS[:, i], TWIST_LIMITS[:, i]) for i in (0, 1))
    free = np.array([True] * 5 + [spot.meets] * 4 + [False])
    frames = np.array([[rig.frames[bone_index(f, s)] for s in range(3)] for f in rows])
    joints = np.array([[rig.joints[joint_index(f, d)] for d in (1, 2, 3, 4)] for f in rows])
    place = np.array([spot.segment, spot.share, spot.dorsal, gap_mm])
    rest = rig.rest_flexion[list(rows)], rig.rest_abduction[list(rows)]
    found = _solve(base, free, low, high, frames, joints, *rest, place)
    flexion, abduction, twist = pose.flexion.copy(), pose.abduction.copy(), pose.twist.copy()
    for f, row in zip(rows, (found[:5], found[5:]), strict=True):
        flexion[f], abduction[f], twist[f] = row[:3], row[3], row[4]
    return replace(pose, flexion=flexion, abduction=abduction, twist=twist)


def gesture_pose(gesture: Gesture, rng: np.random.Generator, noise: float = 1.0) -> HandPose:
    """Sample joint angles around a gesture, before its contact is made.

    Args:
        gesture: Base pose.
        rng: Random generator.
        noise: Factor of the noise; 0 returns the base pose.
    """
    shared, own = rng.normal(0, NOISE_DEG, 3), rng.normal(0, 0.6 * NOISE_DEG, (4, 3))
    flexion = np.zeros((5, 3))
    flexion[1:] = np.array(gesture.fingers, float) + noise * (shared * (0.8, 1.0, 0.6) + own)
    thumb = np.array(gesture.thumb, float) + noise * rng.normal(0, NOISE_DEG, 5)
    flexion[0] = thumb[:3]
    fan = np.array(gesture.fan) * (1 + noise * rng.normal(0, 0.2)) + noise * rng.normal(0, 1.2, 4)
    abduction = np.concatenate([thumb[3:4], fan])
    # Fingers that bend together stay parallel; each one alone would bend towards the scaphoid bone.
    twist = np.concatenate([thumb[4:], np.array([5.0, 1.0, -4.0, -5.0]) * np.sin(np.clip(flexion[1:, 0], 0, 90) * DEG)])
    return clamp_pose(HandPose(flexion * DEG, abduction * DEG, twist * DEG))


def spread_apart(pose: HandPose, depths: np.ndarray) -> HandPose:
    """Turn fingers sideways where they overlap each other, and open those that sink into the palm.

    Args:
        pose: Joint angles.
        depths: (5, 6) mm, overlap of each finger with every finger and with the palm, from `contact.finger_overlaps`.
    """
    flexion, abduction, twist = pose.flexion.copy(), pose.abduction.copy(), pose.twist.copy()
    for f in range(1, 4):
        angle = max(max(depths[f, f + 1], depths[f + 1, f]) - 0.5 * SETTLED_MM, 0.0) / 2 / LEVER_MM
        for g, sign in ((f, 1), (f + 1, -1)):
            bend = np.clip(flexion[g, 0], 0, np.pi / 2)
            abduction[g] += sign * angle * np.cos(bend)
            twist[g] += sign * angle * np.sin(bend)
    sunk = np.clip(depths[1:, 5] - 0.5 * SETTLED_MM, 0, None) / LEVER_MM
    flexion[1:, 0] -= 0.5 * sunk
    flexion[1:, 1] -= sunk
    abduction = np.clip(abduction, ABDUCTION_LIMITS[:, 0], ABDUCTION_LIMITS[:, 1])
    twist = np.clip(twist, TWIST_LIMITS[:, 0], TWIST_LIMITS[:, 1])
    return replace(pose, flexion=flexion, abduction=abduction, twist=twist)


def settle(
    pose: HandPose, rig: Rig, spot: ThumbSpot | None, overlaps: Callable[[HandPose], np.ndarray], rounds: int = 4
) -> HandPose:
    """Bring the thumb to its place and push the fingers of a hand apart, until they overlap by at most `SETTLED_MM`.

    Args:
        pose: Joint angles.
        rig: Joints and bones of the hand.
        spot: Where the thumb lies; None leaves it free.
        overlaps: Function from a pose to `contact.finger_overlaps` of its skin.
        rounds: Maximum number of corrections.
    """
    gap, free, best, lowest = 0.0, pose, pose, np.inf
    for _ in range(rounds):
        tried = touching(free, rig, spot, gap) if spot is not None else free
        depths = overlaps(tried)
        if depths.max() < lowest:
            best, lowest = tried, depths.max()
        if lowest <= SETTLED_MM:
            break
        free = spread_apart(free, depths)
        thumb = max(depths[0].max(), depths[1:, 0].max())
        if spot is None:
            opened = free.flexion.copy()
            opened[0] -= max(thumb - 0.5 * SETTLED_MM, 0.0) / LEVER_MM
            free = replace(free, flexion=np.maximum(opened, FLEXION_LIMITS[..., 0]))
        gap = min(gap + max(thumb - 0.5 * SETTLED_MM, 0.0), MAX_GAP_MM)
    return best


@dataclass(frozen=True)
class Pair:
    """A base pose of two hands.

    Attributes:
        right: Gestures of the right hand, one of which is drawn.
        left: Those of the left hand; empty: that of the right hand.
        ahead: (3,) direction of the right fingers.
        back: (3,) direction of the back of the right hand.
        anchor: (3,) mm, the point of the right hand, in its hand frame, that is placed.
        place: (3,) mm, where that point is placed.
        other: `ahead`, `back`, `anchor` and `place` of the left hand, mirrored to those of a right hand; empty:
            exactly mirrored.
        how: How the hands are brought together, see `time_step.place_hands`.
        wobble: Largest random rotation of each hand in rad.
        weight: How often it is drawn, relative to the others.
    """

    right: tuple[str, ...]
    left: tuple[str, ...] = ()
    ahead: Direction = UP
    back: Direction = AWAY
    anchor: Direction = PALM
    place: Direction = (0.0, 0.0, 0.0)
    other: tuple[Direction, ...] = ()
    how: str = "approach"
    wobble: float = 0.12
    weight: float = 1.0


_SIGNS = tuple(name for name in GESTURES if not name.startswith("hold"))
_ACROSS = ((0.72, -0.7, 0.0), (-0.7, -0.72, 0.0))
_COUNTS = ("one", "two", "three", "three_thumb", "four", "open")
PAIRS: dict[str, Pair] = {
    "twins": Pair(_SIGNS, place=(-82, 0, 0), how="keep", wobble=0.3, weight=4),
    "counting": Pair(("open",), _COUNTS, place=(-82, 0, 0), how="keep", wobble=0.2, weight=2),
    "prayer": Pair(("pressed",), (), UP, OUT, PALM, (-4, 0, 0), wobble=0.06, weight=2),
    "clap": Pair(("pressed",), (), (0.1, -1, -0.35), OUT, PALM, (-4, 0, 0),
                 ((0.1, -1, 0.2), OUT, PALM, (-4, 0, 0)), wobble=0.2, weight=2),
    "folded": Pair(("folded",), (), *_ACROSS, WEBS, (0, 0, 8), (*_ACROSS, WEBS, (0, 0, -8)), "interlace", 0.05, 3),
    "fist_in_palm": Pair(("fist",), ("cupped",), (1, -0.3, 0), (0, -0.2, -1), (0, 84, 0), (0, 0, 0),
                         (UP, OUT, PALM, (0, 0, 0)), wobble=0.2, weight=2),
    "fists": Pair(("fist",), (), (1, -0.1, -0.1), (0, 0, -1), PALM, (0, -34, 0),
                  ((1, -0.1, -0.1), (0, 0, -1), PALM, (0, 34, 0)), wobble=0.15),
    "heart": Pair(("heart",), (), (0.75, -0.65, 0), (-0.65, -0.75, 0.2), TIP, (0, 0, 0), (), "tips", 0.05),
    "steeple": Pair(("spread",), (), (0.45, -0.9, 0), (-0.9, -0.45, 0), TIP, (0, 0, 0), (), "tips", 0.04),
    "time_out": Pair(("flat",), (), (1, 0, -0.15), (0, -1, 0), PALM, (10, 0, 0),
                     ((0, -1, -0.1), OUT, TIP, (0, 4, 0)), wobble=0.12),
    "stacked": Pair(("flat", "relaxed"), (), (0.8, -0.6, -0.1), (-0.1, -0.2, -1), PALM, (0, 0, 0),
                    ((0.8, -0.6, -0.1), (-0.1, -0.2, -1), KNUCKLES, (0, 0, 0)), wobble=0.2, weight=2),
    "tips_meet": Pair(("one", "two", "letter_i", "letter_u"), (), (0.7, -0.7, 0), (0.1, 0.1, 1), TIP, (0, 0, 0),
                      (), "tips", 0.15),
    "cupped": Pair(("cupped",), (), (0.25, -0.3, -0.9), (-0.1, 1, -0.3), PALM, (-42, 0, 0)),
    "side_by_side": Pair(("open", "flat"), (), UP, (0, 0, -1), PALM, (-45, 0, 0), wobble=0.15, weight=2),
    "point_in_palm": Pair(("one", "letter_x", "letter_u"), ("flat", "open"), (1, -0.1, 0), (0, -0.3, -1), TIP,
                          (0, 0, 0), (UP, (-0.8, 0, 0.6), PALM, (4, 0, 0)), wobble=0.25),
    "hold_wrist": Pair(("hold_cup",), ("fist", "relaxed", "open"), (0.8, 0.1, 0.3), (-0.2, -0.3, -1),
                       (0, 60, -42), (0, 0, 0), ((0.3, -1, 0), (0, 0, 1), (0, -30, 0), (0, 0, 0)), wobble=0.15),
    "both_hold": Pair(("hold_cup", "hold_rod"), (), (0.9, -0.1, -0.3), (-0.4, 0, -0.5), PALM, (-44, 0, 0), how="keep"),
    "sign": Pair(_SIGNS, _SIGNS, (0.5, -0.8, 0), (-0.6, -0.3, 0.5), PALM, (-30, 0, 0), wobble=0.8, weight=3),
}  # fmt: skip


def draw(table: Mapping[str, Gesture | Pair], rng: np.random.Generator) -> str:
    """Draw a name by the weights of a table."""
    weights = np.array([entry.weight for entry in table.values()])
    return list(table)[int(rng.choice(len(table), p=weights / weights.sum()))]


def _turned(pose: HandPose, ahead: Direction, back: Direction, rng: np.random.Generator, wobble: float) -> Placement:
    """Place a right hand at the origin, turned randomly by up to `wobble` rad from the given directions."""
    rotation = random_rotation(rng, wobble) @ frame_from(np.array(ahead, float), np.array(back, float))
    return Placement(fit_wrist(pose, rotation, elbow_direction(rng)), rotation, np.zeros(3))


def single_gesture(rng: np.random.Generator, name: str | None = None) -> tuple[Placement, ThumbSpot | None]:
    """Sample a right hand near a gesture of `GESTURES`; None draws one by weight.

    Returns:
        The placement, and where its thumb lies; see `settle`.
    """
    gesture = GESTURES[name or draw(GESTURES, rng)]
    placed = _turned(gesture_pose(gesture, rng), gesture.ahead, gesture.back, rng, MAX_WOBBLE)
    return placed, gesture.spot


def pair_gesture(rng: np.random.Generator, name: str) -> tuple[tuple[Placement, ThumbSpot | None], ...]:
    """Sample the right and the left hand near a pair of `PAIRS`, each with the place of its thumb; see `settle`."""
    pair = PAIRS[name]
    right = pair.right[rng.integers(len(pair.right))]
    left = pair.left[rng.integers(len(pair.left))] if pair.left else right
    mine = (pair.ahead, pair.back, pair.anchor, pair.place)
    placed = []
    for hand, (ahead, back, anchor, place) in ((right, mine), (left, pair.other or mine)):
        gesture = GESTURES.get(hand) or PARTS_OF_PAIRS[hand]
        one = _turned(gesture_pose(gesture, rng), ahead, back, rng, pair.wobble)
        placed.append((replace(one, wrist=np.array(place) - one.rotation @ np.array(anchor)), gesture.spot))
    (first, spot), (second, other_spot) = placed
    return (first, spot), (mirrored(second), other_spot)
