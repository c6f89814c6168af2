"""The joint convention: 42 joints, right hand 0-20, left hand 21-41, fingertips first, wrist last.

In a name, 4 is the fingertip and 1 the finger joint next to the palm. The order is that of InterHand2.6M
(`annotations/skeleton.txt`). Loaders of other data sets convert their joints with the index arrays below:
``in_our_order = theirs[..., FROM_X, :]``. Joint numbers are written in this file only; other files use its names.

Examples:
    >>> JOINT_NAMES[0], JOINT_NAMES[RIGHT_WRIST], JOINT_NAMES[LEFT_WRIST]
    ('right_thumb4', 'right_wrist', 'left_wrist')
"""

from __future__ import annotations

from typing import Any

import numpy as np

FINGERS = ("thumb", "index", "middle", "ring", "pinky")
SIDES = ("right", "left")
NUM_HAND_JOINTS = 21
NUM_JOINTS = 42
RIGHT_WRIST, LEFT_WRIST = 20, 41
WRISTS = (RIGHT_WRIST, LEFT_WRIST)
# Slices of the 42 joints.
RIGHT_HAND, LEFT_HAND = slice(0, NUM_HAND_JOINTS), slice(NUM_HAND_JOINTS, NUM_JOINTS)
HANDS = (RIGHT_HAND, LEFT_HAND)

HAND_JOINT_NAMES = (*(f"{finger}{digit}" for finger in FINGERS for digit in (4, 3, 2, 1)), "wrist")
# Positions within one hand of 21 joints.
FINGERTIPS = tuple(4 * finger for finger in range(len(FINGERS)))
FINGER_BASES = tuple(4 * finger + 3 for finger in range(len(FINGERS)))
# The knuckles of index, middle, ring and pinky: the bones from the wrist to them hardly bend.
KNUCKLES = FINGER_BASES[1:]
MIDDLE_BASE, RING_BASE = HAND_JOINT_NAMES.index("middle1"), HAND_JOINT_NAMES.index("ring1")
FREIHAND_SCALE_BONE = (MIDDLE_BASE, HAND_JOINT_NAMES.index("middle2"))  # FreiHAND publishes the length of this bone
PALM = (*FINGER_BASES, RIGHT_WRIST)
JOINT_NAMES = tuple(f"{side}_{name}" for side in SIDES for name in HAND_JOINT_NAMES)

# Parent of each joint; -1 for a wrist. The parent of digit 1 is the wrist, that of another digit the next lower one.
HAND_PARENTS = (*(20 if j % 4 == 3 else j + 1 for j in range(20)), -1)
PARENTS = HAND_PARENTS + tuple(p + NUM_HAND_JOINTS if p >= 0 else -1 for p in HAND_PARENTS)
BONES = tuple((child, parent) for child, parent in enumerate(PARENTS) if parent >= 0)

OWN_WRIST = np.repeat(np.array(WRISTS), NUM_HAND_JOINTS)  # (42,) index of each joint's own wrist
FLIP_INDICES = (np.arange(NUM_JOINTS) + NUM_HAND_JOINTS) % NUM_JOINTS  # (42,) partner under a mirror
NOT_WRIST = np.array([j not in WRISTS for j in range(NUM_JOINTS)])  # (42,) bool

# RGB. Each finger has its own hue, and the right hand is darker than the left.
_FINGER_COLORS = ((230, 75, 60), (240, 170, 30), (70, 175, 80), (40, 150, 220), (160, 90, 200))
_WRIST_COLOR = (120, 120, 120)


def _lighter(color: tuple[int, int, int]) -> tuple[int, int, int]:
    r, g, b = (value + (255 - value) * 45 // 100 for value in color)
    return r, g, b


_RIGHT_COLORS = (*(color for color in _FINGER_COLORS for _ in range(4)), _WRIST_COLOR)
COLORS: tuple[tuple[int, int, int], ...] = _RIGHT_COLORS + tuple(_lighter(color) for color in _RIGHT_COLORS)

# --- other data sets' orders, one hand of 21 joints each: ours = theirs[FROM_X] ---
_OPENPOSE_OF_OURS = (4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17, 0)
_RHD_OF_OPENPOSE = (0, 4, 3, 2, 1, 8, 7, 6, 5, 12, 11, 10, 9, 16, 15, 14, 13, 20, 19, 18, 17)
_STB_OF_OPENPOSE = (0, 17, 18, 19, 20, 13, 14, 15, 16, 9, 10, 11, 12, 5, 6, 7, 8, 1, 2, 3, 4)
_MANO_OF_OPENPOSE = (0, 13, 14, 15, 16, 1, 2, 3, 17, 4, 5, 6, 18, 10, 11, 12, 19, 7, 8, 9, 20)

FROM_OPENPOSE = np.array(_OPENPOSE_OF_OURS)  # also FreiHAND and MediaPipe: wrist, then thumb..little, base to tip
FROM_FREIHAND = FROM_MEDIAPIPE = FROM_OPENPOSE
FROM_RHD = np.array(_RHD_OF_OPENPOSE)[FROM_OPENPOSE]  # wrist, then thumb..little, tip to base
FROM_STB = np.array(_STB_OF_OPENPOSE)[FROM_OPENPOSE]  # palm center (instead of the wrist), then little..thumb
FROM_MANO = np.array(_MANO_OF_OPENPOSE)[FROM_OPENPOSE]  # MANO's 16 joints, then tips thumb..little
TO_OPENPOSE, TO_RHD, TO_STB, TO_MANO = (np.argsort(a) for a in (FROM_OPENPOSE, FROM_RHD, FROM_STB, FROM_MANO))


def pose_metainfo() -> dict[str, Any]:
    """Return the mmpose-style metainfo of this convention, ready for `parse_pose_metainfo`."""
    names = JOINT_NAMES
    return {
        "dataset_name": "interhand3d",
        "paper_info": {"author": "Moon et al.", "title": "InterHand2.6M", "container": "ECCV", "year": "2020"},
        "keypoint_info": {
            j: {"name": names[j], "id": j, "color": list(COLORS[j]), "type": "", "swap": names[FLIP_INDICES[j]]}
            for j in range(NUM_JOINTS)
        },
        "skeleton_info": {
            i: {"link": (names[child], names[parent]), "id": i, "color": list(COLORS[child])}
            for i, (child, parent) in enumerate(BONES)
        },
        "joint_weights": [1.0] * NUM_JOINTS,
        "sigmas": [],
    }
