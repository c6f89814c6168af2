"""The primitives of one subject's hand and arm in the rest pose: bones, muscles, pads, webs and the arm."""

from __future__ import annotations

import numpy as np

from .anatomy import HandSize
from .implicit import cone
from .skeleton import Rig, bone_index, joint_index

TIP_INSET_MM = 1.2  # skin beyond the tip joint, so that the pixel nearest to the joint lies on the finger
ARM_END_MM = 640.0  # distance from the wrist to the end of the arm, which is straight in the rest pose


def _finger(size: HandSize, rig: Rig, f: int) -> list[np.ndarray]:
    """Return the primitives of a finger: phalanges with pads and knuckles; the last one ends at the tip joint."""
    r = size.half_breadths_mm[f]
    flat = 1.0 / size.thickness
    p = [rig.joints[joint_index(f, d)] for d in (1, 2, 3, 4)]
    frames = [rig.frames[bone_index(f, s)] for s in range(3)]
    group, rows = f + 1, []
    for s in (0, 1):
        y, z = frames[s][:, 1], frames[s][:, 2]
        a, b, length = p[s], p[s + 1], size.segments_mm[f, s + 1]
        middle = a + y * length * 0.52
        waist = 0.965 * (0.5 * r[s] + 0.5 * r[s + 1])
        rows.append(cone(a, middle, r[s], waist, group, 6.0, flat, z))
        rows.append(cone(middle, b, waist, r[s + 1] * 0.98, group, 6.0, flat, z))
        # the soft pad between two creases on the palm side
        pad = middle - z * r[s] * 0.30
        rows.append(cone(pad - y * length * 0.20, pad + y * length * 0.18, r[s] * 0.74, r[s] * 0.70, group, 7.0))
    for s, bulge in ((1, 0.0), (2, -0.02)):
        z = frames[s - 1][:, 2]
        rows.append(cone(p[s] + z * r[s] * 0.10, p[s] + z * r[s] * 0.10, r[s] * (1 + bulge), r[s], group, 7.0, flat, z))
    y, z = frames[2][:, 1], frames[2][:, 2]
    length, end = size.segments_mm[f, 3] + TIP_INSET_MM, r[3]
    flat_tip = 1.13 / size.thickness
    center = p[3] + y * (TIP_INSET_MM - end)
    rows.append(cone(p[2], center, r[2] * 0.95, end, group, 3.0, flat_tip, z))
    pulp = p[2] + y * (length - end) * 0.72 - z * end * 0.22
    rows.append(cone(pulp - y * 2.5, pulp + y * 2.0, end * 0.98, end * 0.88, group, 4.0))
    return rows


def _ball(center: np.ndarray, radius: float, blend: float) -> np.ndarray:
    """Return a ball of palm and arm, a cone of length zero."""
    return cone(center, center, radius, radius, 0, blend)


def _palm(size: HandSize, rig: Rig) -> list[np.ndarray]:
    """Return the primitives of the palm: metacarpals, knuckles, tendons, webs, thenar and hypothenar."""
    b = size.breadth_mm / 90.0
    knuckle = {f: rig.joints[joint_index(f, 1)] for f in range(1, 5)}
    v = np.array
    rows = []
    for f in range(1, 5):
        radius = size.half_breadths_mm[f, 0]
        carpal = v([knuckle[f][0] * 0.52, 12.0, 1.5 * b])
        palm_side = v([0.0, 0.0, -3.2 * b])
        rows.append(cone(carpal, knuckle[f] + v([0, -2.0, -1.5]), 12.5 * b, radius * 0.98, 0, 9.0))
        rows.append(cone(carpal + palm_side, knuckle[f] + palm_side * 1.5 + v([0, -6.0, 0]), 12.0 * b, 8.8 * b, 0, 9.0))
        rows.append(_ball(knuckle[f] + v([0, 0, 1.8 * b]), radius * 0.86, 5.0))
        start, end = carpal + v([0, 12.0, 10.2 * b]), knuckle[f] + v([0, -3.0, 9.0 * b])
        rows.append(cone(start, end, 2.2 * b, 2.8 * b, 0, 4.0))  # the extensor tendon
    for f in range(1, 4):  # webs between neighbors
        tips = []
        for g in (f, f + 1):
            y, z = rig.frames[bone_index(g, 0)][:, 1], rig.frames[bone_index(g, 0)][:, 2]
            tips.append(knuckle[g] + y * size.segments_mm[g, 1] * 0.31 - z * 3.0 * b)
        rows.append(cone(tips[0], tips[1], 6.0 * b, 6.0 * b, 0, 7.0))
        rows.append(cone(knuckle[f] + v([0, 4, -4 * b]), knuckle[f + 1] + v([0, 4, -4 * b]), 8.5 * b, 8.5 * b, 0, 7.0))
    cmc, mcp = rig.joints[joint_index(0, 1)], rig.joints[joint_index(0, 2)]
    index = knuckle[1]
    rows.append(cone(v([-13 * b, 16, -7 * b]), 0.35 * cmc + 0.65 * mcp + v([5, 0, -2]), 15.5 * b, 12.0 * b, 0, 11.0))
    rows.append(cone(0.45 * cmc + 0.55 * mcp, index * 0.62 + v([-2, 0, -3]), 8.5 * b, 9.0 * b, 0, 12.0))
    rows.append(cone(0.15 * cmc + 0.85 * mcp, index * 0.80 + v([-3, 0, -3]), 5.0 * b, 7.0 * b, 0, 12.0))
    rows.append(cone(v([19 * b, 10, -5 * b]), v([31 * b, knuckle[4][1] - 18, -7 * b]), 12.5 * b, 10.5 * b, 0, 10.0))
    return rows


def arm_primitives(size: HandSize, sleeve_mm: float) -> np.ndarray:
    """Return the primitives (P, 14) of wrist, forearm and upper arm along -y.

    Args:
        size: Sizes of the subject.
        sleeve_mm: Distance from the wrist to the end of the sleeve, which is a wider tube around the arm. Beyond
            `ARM_END_MM` there is no sleeve.
    """
    half, thick = size.wrist_half_mm
    v = np.array
    mid, elbow = size.forearm_half_mm, size.forearm_half_mm * 0.92
    length = size.forearm_length_mm
    flat = half / thick
    rows = [
        cone(v([0, -24, 0]), v([1, 14, -2]), half * 0.98, half * 0.98, 0, 14.0, flat),
        cone(v([0, -12, 0]), v([0, -length * 0.36, 0]), half * 0.96, 0.44 * mid + 0.53 * half, 0, 10.0, 0.88 * flat),
        cone(v([0, -length * 0.36, 0]), v([0, -length, 0]), 0.44 * mid + 0.50 * half, elbow * 0.90, 0, 10.0, 1.15),
        cone(v([0, -length, 0]), v([0, -ARM_END_MM, 0]), elbow * 0.90, mid * 1.08, 0, 10.0, 1.0),
        _ball(v([half * 0.62, -16.0, thick * 0.45]), 9.0, 8.0),  # the head of the ulna
        _ball(v([mid * 0.34, -length - 6.0, mid * 0.46]), mid * 0.38, 10.0),  # the olecranon
    ]
    # The muscles swell in the half towards the elbow and end in tendons: their x and z relative to `mid`, two radii
    # relative to it, and where they are thickest. A wide blend would inflate them where they meet.
    for x, z, thin, full, y in (
        (-0.44, 0.18, 0.26, 0.48, 0.66),  # brachioradialis, on the thumb's side
        (0.36, -0.28, 0.28, 0.52, 0.76),  # flexors, on the inner side
        (0.06, 0.34, 0.26, 0.43, 0.58),  # extensors, on the outer side
    ):
        start, belly = v([0.75 * x * mid, -length * 0.22, 0.6 * z * mid]), v([x * mid, -length * y, z * mid])
        end = v([0.75 * x * mid, -length * 1.04, 0.6 * z * mid])
        rows.append(cone(start, belly, thin * mid, full * mid, 0, 9.0))
        rows.append(cone(belly, end, full * mid, 0.70 * full * mid, 0, 9.0))
    if sleeve_mm < ARM_END_MM:
        top, s = -sleeve_mm, 5.0
        low = v([0, top - 6.0, 0])
        wide = np.interp(sleeve_mm, [0, 0.66 * length, ARM_END_MM], [half + 1, mid, mid * 1.1]) + s
        rows.append(cone(low - v([0, wide, 0]), v([0, -ARM_END_MM, 0]), wide, mid * 1.18 + s, 0, 1.0, 1.12))
    return np.array(rows)


def hand_primitives(size: HandSize, rig: Rig, sleeve_mm: float) -> np.ndarray:
    """Return the primitives (P, 14) of hand and arm in the rest pose; their layout is that of `implicit`.

    Args:
        size: Sizes of the subject.
        rig: Joints and bones.
        sleeve_mm: Distance from the wrist to the end of the sleeve.
    """
    rows = _palm(size, rig) + list(arm_primitives(size, sleeve_mm))
    thumb = size.half_breadths_mm[0, 0]
    cmc, mcp = rig.joints[joint_index(0, 1)], rig.joints[joint_index(0, 2)]
    rows.append(cone(cmc, mcp, thumb * 0.95, size.half_breadths_mm[0, 1] * 0.98, 1, 6.0))
    for f in range(5):
        fingers = _finger(size, rig, f)
        # The first segment of the thumb is its metacarpal. It lies under the thenar muscle, without pad and waist.
        rows += fingers[3:] if f == 0 else fingers
    return np.array(rows)
