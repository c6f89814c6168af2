"""Collision capsules around the bones: overlap of two hands, and moving the hands apart.

A capsule is a row of 7 floats in mm: end a (3), end b (3), radius. Capsules 0-14 are finger segments, 15-19 rays of the
palm, and the last one is the forearm.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .skeleton import WRIST, joint_index

CAPSULES = 21
FOREARM = CAPSULES - 1
_FINGER_OF = np.array([c // 3 if c < 15 else -1 for c in range(CAPSULES)])


def hand_capsules(joints: np.ndarray, elbow: np.ndarray, radii_mm: np.ndarray) -> np.ndarray:
    """Return the capsules of a hand: 5 x 3 finger segments, 5 rays of the palm and the forearm.

    Args:
        joints: (21, 3) mm, any frame.
        elbow: (3,) mm, same frame.
        radii_mm: (5, 4) half breadths of the fingers at digits 1 to 4.

    Returns:
        (21, 7) mm.
    """
    rows = np.zeros((CAPSULES, 7))
    for f in range(5):
        for s in range(3):
            a, b = joints[joint_index(f, s + 1)], joints[joint_index(f, s + 2)]
            if s == 2:
                b = b - (b - a) / np.linalg.norm(b - a) * radii_mm[f, 3]
            # Fingers are slightly thinner than broad, so the radius is a mean over the directions.
            rows[3 * f + s] = *a, *b, 0.46 * (radii_mm[f, s] + radii_mm[f, s + 1])
    wrist = joints[WRIST]
    for f in range(1, 5):
        knuckle = joints[joint_index(f, 1)]
        rows[14 + f] = *(wrist + 0.25 * (knuckle - wrist)), *knuckle, 11.5 * radii_mm[2, 0] / 10.5
    thumb = joints[joint_index(0, 1)]
    rows[19] = *(0.5 * (thumb + wrist)), *(0.6 * joints[joint_index(0, 2)] + 0.4 * thumb), 12.0 * radii_mm[2, 0] / 10.5
    rows[FOREARM] = *wrist, *elbow, 2.4 * radii_mm[2, 0]
    return rows


@njit(cache=True, nogil=True, error_model="numpy")
def segment_gap(p, q, away):
    """Return the gap of two capsules in mm; a negative gap is an overlap.

    Args:
        p: (7,) first capsule.
        q: (7,) second capsule.
        away: (3,) output, the unit vector from the axis of p to the axis of q.
    """
    ux, uy, uz = p[3] - p[0], p[4] - p[1], p[5] - p[2]
    vx, vy, vz = q[3] - q[0], q[4] - q[1], q[5] - q[2]
    rx, ry, rz = p[0] - q[0], p[1] - q[1], p[2] - q[2]
    a, e = ux * ux + uy * uy + uz * uz + 1e-9, vx * vx + vy * vy + vz * vz + 1e-9
    b, c, f = ux * vx + uy * vy + uz * vz, ux * rx + uy * ry + uz * rz, vx * rx + vy * ry + vz * rz
    denominator = a * e - b * b
    s = min(max((b * f - c * e) / denominator, 0.0), 1.0) if denominator > 1e-9 else 0.0
    t = (b * s + f) / e
    if t < 0.0:
        t, s = 0.0, min(max(-c / a, 0.0), 1.0)
    elif t > 1.0:
        t, s = 1.0, min(max((b - c) / a, 0.0), 1.0)
    x, y, z = t * vx - rx - s * ux, t * vy - ry - s * uy, t * vz - rz - s * uz
    length = np.sqrt(x * x + y * y + z * z)
    away[0], away[1], away[2] = x / (length + 1e-9), y / (length + 1e-9), z / (length + 1e-9)
    return length - p[6] - q[6]


@njit(cache=True, nogil=True, error_model="numpy")
def overlap(first, second):
    """Return how two sets of capsules overlap.

    Args:
        first: (N, 7) mm.
        second: (M, 7) mm.

    Returns:
        The deepest overlap in mm (negative if there is a gap), its direction (3,), and the push (3,) in mm that moves
        `second` out of all overlaps, a mean weighted by their depths.
    """
    deepest, direction, push, weight, away = -1e9, np.zeros(3), np.zeros(3), 1e-9, np.zeros(3)
    for i in range(first.shape[0]):
        for j in range(second.shape[0]):
            gap = segment_gap(first[i], second[j], away)
            if -gap > deepest:
                deepest = -gap
                direction[:] = away
            if gap < 0:
                for k in range(3):
                    push[k] += away[k] * gap * gap
                weight += -gap
    return deepest, direction, push / weight


@njit(cache=True, nogil=True, error_model="numpy")
def _separate(first, second, allowed_mm):
    moved, shift, step = second.copy(), np.zeros(3), np.zeros(3)
    out = np.zeros(3)
    for c in range(FOREARM):
        for k in range(3):
            out[k] += second[c, k] + second[c, 3 + k] - first[c, k] - first[c, 3 + k]
    out /= np.sqrt(np.sum(out * out)) + 1e-9
    deepest = 0.0
    for turn in range(90):
        deepest, direction, push = overlap(first, moved)
        if deepest <= allowed_mm:
            break
        if turn < 16:  # small steps along the mean push, so that interlaced fingers settle between each other
            step[:] = push
            if np.sqrt(np.sum(push * push)) < 0.2:
                step[:] = direction * 0.5 * (deepest - allowed_mm)
        elif turn < 26:  # larger steps out of the deepest overlap
            step[:] = direction * (deepest - 0.8 * allowed_mm)
        else:  # blocked from two sides: move the whole hands apart
            step[:] = out * 2.0
        shift += step
        for c in range(moved.shape[0]):
            for k in range(3):
                moved[c, k] += step[k]
                moved[c, 3 + k] += step[k]
    return shift, deepest


def separate(first: np.ndarray, second: np.ndarray, allowed_mm: float) -> tuple[np.ndarray, float]:
    """Find a translation of `second` that reduces the overlap to at most `allowed_mm`.

    Args:
        first: (N, 7) capsules, mm.
        second: (M, 7) capsules, mm.
        allowed_mm: Overlap that may remain.

    Returns:
        The translation (3,) in mm and the remaining overlap in mm (0 if the hands do not touch).
    """
    shift, deepest = _separate(first, second, allowed_mm)
    return shift, max(deepest, 0.0)


def approach(first: np.ndarray, second: np.ndarray, rounds: int = 4) -> np.ndarray:
    """Return the translation (3,) in mm of `second` that closes the gap to `first`."""
    moved, shift = second.copy(), np.zeros(3)
    for _ in range(rounds):
        deepest, direction, _ = overlap(first, moved)
        if deepest >= -0.3:
            break
        step = direction * deepest
        shift += step
        moved[:, :3] += step
        moved[:, 3:6] += step
    return shift


@njit(cache=True, nogil=True, error_model="numpy")
def _self_overlap(capsules, finger_of):
    deepest, away = 0.0, np.zeros(3)
    for i in range(15):
        for j in range(i + 1, FOREARM):
            same = finger_of[i] == finger_of[j]
            proximal = i % 3 == 0 and (j >= 15 or j % 3 == 0)
            thumb_root = finger_of[i] == 0 and i < 2 and (j >= 15 or j % 3 == 0)
            if same or proximal or thumb_root or (j >= 15 and i % 3 == 1):
                continue
            deepest = max(deepest, -segment_gap(capsules[i], capsules[j], away))
    return deepest


def self_overlap(capsules: np.ndarray) -> float:
    """Return the deepest overlap in mm of a hand's fingers with each other and of the fingertips with the palm."""
    return float(_self_overlap(capsules, _FINGER_OF))
