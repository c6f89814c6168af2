"""Rest joints, joint limits and forward kinematics of one hand and its arm.

The *hand frame* of a right hand is in mm: the origin is at the wrist, +y points to the fingers and +z out of the back
of the hand, so the thumb is on the -x side. A left hand is computed as a right one and mirrored (x -> -x) at the end.
Angles are in radians. They are absolute: at zero, a finger is straight and parallel to the middle metacarpal.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from numba import njit

from ...structures.joints import NUM_HAND_JOINTS, RIGHT_WRIST
from .anatomy import HandSize

HAND_BONE, FOREARM_BONE, UPPER_ARM_BONE, NUM_BONES = 0, 16, 17, 18
WRIST = RIGHT_WRIST  # every hand is computed as a right one
DEG = np.pi / 180

# Joint limits, given in degrees. Flexion: 5 fingers x 3 joints x (low, high). The joints of the thumb are the
# carpometacarpal, the metacarpophalangeal and the tip joint.
FLEXION_LIMITS = (
    np.array(
        [
            [[-20, 42], [-10, 60], [-15, 75]],
            [[-25, 90], [-3, 105], [-8, 75]],
            [[-25, 90], [-3, 105], [-8, 75]],
            [[-25, 90], [-3, 108], [-8, 75]],
            [[-25, 92], [-3, 105], [-8, 75]],
        ]
    )
    * DEG
)
# Abduction is positive towards the thumb (-x) for index to pinky, and away from the palm for the thumb.
ABDUCTION_LIMITS = np.array([[-35, 45], [-12, 25], [-15, 15], [-20, 10], [-30, 8]]) * DEG
TWIST_LIMITS = np.array([[-35, 35], [-5, 5], [-5, 5], [-5, 5], [-5, 5]]) * DEG
WRIST_LIMITS = np.array([[-60, 60], [-20, 32]]) * DEG  # flexion (+ to the palm), deviation (+ to the little finger)

THUMB_BACK = np.array([-0.62, -0.18, 0.76])  # direction of the thumb nail in the hand frame, in the rest pose

# The surface is built in this pose: fingers apart and half relaxed, so that skinning turns no joint far.
REST_FLEXION = np.array([[0, 12, 14], [14, 20, 12], [14, 22, 13], [15, 22, 13], [16, 20, 12]]) * DEG
REST_ABDUCTION = np.array([0, 12, 2, -8.5, -20]) * DEG


def bone_index(finger: int, segment: int) -> int:
    """Return the index of a finger bone.

    Args:
        finger: 0 (thumb) to 4 (pinky).
        segment: 0 (nearest to the wrist) to 2 (fingertip).

    Example:
        >>> bone_index(1, 0)
        4
    """
    return 1 + 3 * finger + segment


def joint_index(finger: int, digit: int) -> int:
    """Return the index of a finger joint among the 21 joints of a hand.

    Args:
        finger: 0 (thumb) to 4 (pinky).
        digit: 1 (nearest to the wrist) to 4 (tip), as in the joint names.

    Example:
        >>> joint_index(1, 4), joint_index(1, 1)
        (4, 7)
    """
    return 4 * finger + 4 - digit


@dataclass(frozen=True)
class Rig:
    """Rest joints and bone frames of a hand model, the input of forward kinematics.

    Attributes:
        joints: (21, 3) mm, rest joints in the hand frame, InterHand2.6M's order.
        frames: (18, 3, 3) rest frame of each bone; columns x (flexion axis), y (along the bone), z (dorsal).
        rest_flexion: (5, 3) rad, flexion of the rest pose.
        rest_abduction: (5,) rad, abduction of the rest pose.
        elbow: (3,) mm.
    """

    joints: np.ndarray
    frames: np.ndarray
    rest_flexion: np.ndarray
    rest_abduction: np.ndarray
    elbow: np.ndarray


@dataclass(frozen=True)
class HandPose:
    """Joint angles in rad.

    Attributes:
        flexion: (5, 3).
        abduction: (5,).
        twist: (5,).
        wrist: (2,) flexion and deviation.
        elbow: (3, 3) rotation of the upper arm in the rest frame of the forearm.
    """

    flexion: np.ndarray
    abduction: np.ndarray
    twist: np.ndarray = field(default_factory=lambda: np.zeros(5))
    wrist: np.ndarray = field(default_factory=lambda: np.zeros(2))
    elbow: np.ndarray = field(default_factory=lambda: np.eye(3))


def axis_rotation(axis: str, angle: float) -> np.ndarray:
    """Return the right-handed rotation (3, 3) about the "x", "y" or "z" axis by an angle in rad."""
    c, s = np.cos(angle), np.sin(angle)
    i = "xyz".index(axis)
    j, k = (i + 1) % 3, (i + 2) % 3
    out = np.eye(3)
    out[j, j], out[j, k], out[k, j], out[k, k] = c, -s, s, c
    return out


def cross_product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cross products (..., 3) of vectors (..., 3), several times as fast as numpy for few vectors."""
    out = np.empty(np.broadcast_shapes(a.shape, b.shape))
    (ax, ay, az), (bx, by, bz) = (a.T, b.T) if a.ndim > 1 else (a.tolist(), b.tolist())
    out[..., 0], out[..., 1], out[..., 2] = ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx
    return out


def frame_from(along: np.ndarray, dorsal: np.ndarray) -> np.ndarray:
    """Return the frame (3, 3), columns x, y, z, with y along `along` and z as close to `dorsal` as possible."""
    y = along / np.linalg.norm(along)
    z = dorsal - (dorsal @ y) * y
    z = z / np.linalg.norm(z)
    return np.stack([cross_product(y, z), y, z], axis=1)


def _thumb_frames() -> list[np.ndarray]:
    base = frame_from(np.array([-0.66, 0.66, -0.34]), THUMB_BACK)
    frames = []
    for segment in range(3):
        base = base @ axis_rotation("x", -REST_FLEXION[0, segment])
        frames.append(base)
    return frames


def parametric_rig(size: HandSize) -> Rig:
    """Return the rig of the parametric hand; the bone lengths are exactly those of `size`."""
    seg, breadth = size.segments_mm, size.breadth_mm
    joints = np.zeros((NUM_HAND_JOINTS, 3))
    frames = np.tile(np.eye(3), (NUM_BONES, 1, 1))
    direction = np.array([-0.62, 0.64, -0.36])
    joints[joint_index(0, 1)] = direction / np.linalg.norm(direction) * seg[0, 0]
    knuckle_x = np.array([-0.350, -0.106, 0.128, 0.345]) * breadth
    knuckle_z = np.array([-0.005, 0.030, 0.008, -0.055]) * breadth
    for f in range(1, 5):
        x, z = knuckle_x[f - 1], knuckle_z[f - 1]
        joints[joint_index(f, 1)] = x, np.sqrt(seg[f, 0] ** 2 - x**2 - z**2), z
    for f in range(5):
        if f == 0:
            chain = _thumb_frames()
        else:
            roll = axis_rotation("y", np.array([-6, -1, 4, 9])[f - 1] * DEG)  # the arch of the palm
            base, chain = axis_rotation("z", REST_ABDUCTION[f]) @ roll, []
            for segment in range(3):
                base = base @ axis_rotation("x", -REST_FLEXION[f, segment])
                chain.append(base)
        for segment in range(3):
            frames[bone_index(f, segment)] = chain[segment]
            start = joints[joint_index(f, segment + 1)]
            joints[joint_index(f, segment + 2)] = start + chain[segment][:, 1] * seg[f, segment + 1]
    elbow = np.array([0.0, -size.forearm_length_mm, 0.0])
    return Rig(joints, frames, REST_FLEXION, REST_ABDUCTION, elbow)


@njit(cache=True, nogil=True, error_model="numpy")
def turn_about(axis, angle):
    """Return the same rotation (3, 3) as `axis_rotation`, about axis 0 (x), 1 (y) or 2 (z)."""
    c, s = np.cos(angle), np.sin(angle)
    j, k = (axis + 1) % 3, (axis + 2) % 3
    out = np.zeros((3, 3))
    out[axis, axis] = 1.0
    out[j, j], out[j, k], out[k, j], out[k, k] = c, -s, s, c
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def _times(a, b, out):
    """Write the product of two matrices (3, 3) to a third one."""
    for i in range(3):
        for j in range(3):
            out[i, j] = a[i, 0] * b[0, j] + a[i, 1] * b[1, j] + a[i, 2] * b[2, j]


@njit(cache=True, nogil=True, error_model="numpy")
def _turn_at(point, rotation, parent, out):
    """Write the transform (4, 4) that turns about a point and then moves as `parent` (4, 4)."""
    own = np.empty(3)
    for i in range(3):
        row = rotation[i]
        own[i] = point[i] - (row[0] * point[0] + row[1] * point[1] + row[2] * point[2])
    _times(parent[:3, :3], rotation, out[:3, :3])
    for i in range(3):
        row = parent[i]
        out[i, 3] = row[0] * own[0] + row[1] * own[1] + row[2] * own[2] + row[3]


@njit(cache=True, nogil=True, error_model="numpy")
def _move_bones(flexion, abduction, twist, wrist, bend, rest_flexion, rest_abduction, frames, joints, elbow):
    """Return the transforms (18, 4, 4) of the bones, from the angles of a pose and the rest of a hand."""
    moves = np.zeros((NUM_BONES, 4, 4))
    for bone in range(NUM_BONES):
        for i in range(4):
            moves[bone, i, i] = 1.0
    turn, left, own, back = np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3)), np.empty((3, 3))
    for f in range(5):
        for s in range(3):
            bone, bent = 1 + 3 * f + s, turn_about(0, rest_flexion[f, s] - flexion[f, s])
            if s == 0:
                _times(turn_about(2, abduction[f] - rest_abduction[f]), turn_about(1, twist[f]), left)
                _times(left, bent, turn)
            else:
                turn[:] = bent
            for i in range(3):
                for j in range(3):
                    back[i, j] = frames[bone, j, i]
            _times(frames[bone], turn, left)
            _times(left, back, own)
            _turn_at(joints[4 * f + 3 - s], own, moves[HAND_BONE if s == 0 else bone - 1], moves[bone])
    _times(turn_about(2, wrist[1]), turn_about(0, wrist[0]), turn)
    _turn_at(joints[WRIST], turn, moves[HAND_BONE], moves[FOREARM_BONE])
    _turn_at(elbow, bend, moves[FOREARM_BONE], moves[UPPER_ARM_BONE])
    return moves


def bone_transforms(rig: Rig, pose: HandPose) -> np.ndarray:
    """Return the transforms (18, 4, 4) of the bones from the rest pose to a pose, hand frame, mm.

    A finger bone turns about its joint by Rz(abduction) Ry(twist) Rx(-flexion) in its rest frame; the angles are
    relative to the rest pose. The forearm turns about the wrist.
    """
    rest = rig.rest_flexion, rig.rest_abduction, rig.frames, rig.joints, rig.elbow
    moves: np.ndarray = _move_bones(pose.flexion, pose.abduction, pose.twist, pose.wrist, pose.elbow, *rest)
    return moves


_TURNED = np.array([joint_index(f, digit) for f in range(5) for digit in (2, 3, 4)])
_TURNING = np.array([bone_index(f, digit - 2) for f in range(5) for digit in (2, 3, 4)])


def posed_joints(rig: Rig, moves: np.ndarray) -> np.ndarray:
    """Return the joints (21, 3) in mm, hand frame, moved by bone transforms `moves` (18, 4, 4)."""
    out = rig.joints.copy()
    bones = moves[_TURNING]
    out[_TURNED] = (bones[:, :3, :3] @ rig.joints[_TURNED, :, None])[..., 0] + bones[:, :3, 3]
    return out


def clamp_pose(pose: HandPose) -> HandPose:
    """Return the nearest pose within the joint limits. A bent finger can spread less, hardly at all at 90 degrees."""
    flexion = np.clip(pose.flexion, FLEXION_LIMITS[..., 0], FLEXION_LIMITS[..., 1])
    abduction = np.clip(pose.abduction, ABDUCTION_LIMITS[:, 0], ABDUCTION_LIMITS[:, 1])
    freedom = np.clip(np.cos(np.clip(flexion[1:, 0], 0, None)), 0.15, 1.0)
    abduction = np.concatenate([abduction[:1], abduction[1:] * freedom])
    twist = np.clip(pose.twist, TWIST_LIMITS[:, 0], TWIST_LIMITS[:, 1])
    wrist = np.clip(pose.wrist, WRIST_LIMITS[:, 0], WRIST_LIMITS[:, 1])
    return replace(pose, flexion=flexion, abduction=abduction, twist=twist, wrist=wrist)
