"""The skin of one subject: fields on the mesh (nails, creases, palm side) and colors."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .anatomy import HandSize
from .skeleton import Rig, bone_index, joint_index
from .surface import TIP_INSET_MM

# sRGB of the back of the hand for Fitzpatrick types I to VI, and of the palm, which varies much less.
TONES = np.array(
    [[236, 200, 178], [226, 184, 156], [206, 163, 134], [172, 127, 98], [121, 84, 64], [77, 54, 43]], float
)
PALMS = np.array(
    [[240, 196, 176], [234, 186, 160], [221, 173, 148], [204, 153, 126], [176, 128, 104], [146, 104, 85]], float
)
# The life, head and heart line as Bezier curves in (x / hand breadth, y / height of the knuckles).
PALM_LINES = (
    ((-0.40, 0.70), (-0.14, 0.62), (-0.03, 0.36), (-0.06, 0.05)),
    ((-0.40, 0.71), (-0.10, 0.64), (0.12, 0.55), (0.30, 0.40)),
    ((0.42, 0.70), (0.16, 0.71), (-0.06, 0.80), (-0.14, 0.97)),
)


def smoothstep(x: np.ndarray, low: float, high: float) -> np.ndarray:
    """Return 0 below `low`, 1 above `high` and a smooth transition between.

    Example:
        >>> smoothstep(np.array([0.0, 1.0, 2.0]), 0.5, 1.5).tolist()
        [0.0, 0.5, 1.0]
    """
    t = np.clip((x - low) / (high - low), 0, 1)
    return t * t * (3 - 2 * t)


def to_linear(srgb: np.ndarray) -> np.ndarray:
    """Convert sRGB values 0..255 to linear light 0..1 (IEC 61966-2-1)."""
    c = np.asarray(srgb, float) / 255.0
    return np.where(c <= 0.04045, c / 12.92, ((np.clip(c, 0, None) + 0.055) / 1.055) ** 2.4)


def _palm_line_field(vertices: np.ndarray, size: HandSize, rig: Rig) -> tuple[np.ndarray, np.ndarray]:
    """Return the signed distance (V,) in mm to the nearest palm line, and the strength (V,) of the line there."""
    top = rig.joints[joint_index(2, 1)][1]
    best, signed = np.full(len(vertices), 1e3), np.zeros(len(vertices))
    t = np.linspace(0, 1, 60)[:, None]
    for line in PALM_LINES:
        a, b, c, d = (np.array(p) * (size.breadth_mm, top) for p in line)
        curve = (1 - t) ** 3 * a + 3 * t * (1 - t) ** 2 * b + 3 * t**2 * (1 - t) * c + t**3 * d
        tangent = np.gradient(curve, axis=0)
        tangent /= np.linalg.norm(tangent, axis=1, keepdims=True)
        offset = vertices[:, None, :2] - curve
        distance = np.linalg.norm(offset, axis=2)
        k = distance.argmin(axis=1)
        o, tan = offset[np.arange(len(k)), k], tangent[k]
        side = np.sign(o[:, 0] * tan[:, 1] - o[:, 1] * tan[:, 0])
        closer = distance.min(axis=1) < best
        signed[closer] = (side * distance.min(axis=1))[closer]
        best = np.minimum(best, distance.min(axis=1))
    return signed, 1 - smoothstep(best, 2.5, 5.0)


def skin_fields(
    vertices: np.ndarray, normals: np.ndarray, groups: np.ndarray, rig: Rig, size: HandSize
) -> dict[str, np.ndarray]:
    """Return the skin fields, which the renderer interpolates and thresholds per pixel.

    Args:
        vertices: (V, 3) mm, rest pose.
        normals: (V, 3) unit normals.
        groups: (V, 6) distances in mm to palm and arm, and to each finger.
        rig: Joints and bones.
        size: Sizes of the subject.

    Returns:
        Arrays (V,) by name: "nail" is above 0 on the nail plate, "crease" is the distance in mm to the nearest crease,
        "palmar_crease" and "dorsal_crease" are the strength of creases on either side, "palmar" is 1 on the palm side,
        "red" is 0..1, the amount of blood near the surface (fingertips, knuckles), "joint" is the number of the
        crease's joint for `crease_gains`, and "fine" and "hair" are those of `detail_fields`.
    """
    n = len(vertices)
    nail, crease = np.full(n, -1.0), np.full(n, 9.0)
    palm_crease, back_crease, red, number = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    palmar = palm_side(vertices, normals, groups[:, 1] < 0.5)
    owner = groups[:, 1:].argmin(axis=1)
    on_finger = groups[:, 1:].min(axis=1) < 1.5
    palm = (groups[:, 0] < 0.6) & (normals[:, 2] < 0.2) & (vertices[:, 1] > 4)
    signed, strength = _palm_line_field(vertices[palm], size, rig)
    crease[palm], palm_crease[palm] = signed, 0.55 * strength * smoothstep(-normals[palm, 2], 0.1, 0.6)
    wrist = (np.abs(vertices[:, 1] + 4) < 6) & (normals[:, 2] < -0.1)
    crease[wrist], palm_crease[wrist] = vertices[wrist, 1] + 4, 0.35 * smoothstep(-normals[wrist, 2], 0.1, 0.8)
    for f in range(5):
        mine = on_finger & (owner == f)
        r = size.half_breadths_mm[f]
        for segment in (1, 2):
            frame, joint = rig.frames[bone_index(f, segment)], rig.joints[joint_index(f, segment + 1)]
            local = (vertices - joint) @ frame
            close = mine & (np.abs(local[:, 1]) < (5 if segment == 1 and f == 0 else 7))
            crease[close] = local[close, 1]
            fade = 1 - smoothstep(np.abs(local[:, 1]), 3.0, 6.5)
            down = smoothstep(-normals @ frame[:, 2], 0.0, 0.7)
            up = smoothstep(normals @ frame[:, 2], 0.25, 0.85)
            palm_crease[close], back_crease[close] = (fade * down)[close], (fade * up)[close]
            number[close] = 2 * f + segment
            red[close] = np.maximum(red, 0.75 * up * (1 - smoothstep(np.abs(local[:, 1]), 3, 10)))[close]
        frame, tip = rig.frames[bone_index(f, 2)], rig.joints[joint_index(f, 4)]
        local = (vertices - tip) @ frame
        palmar[mine] = smoothstep(-normals @ frame[:, 2], -0.45, 0.60)[mine]
        red[mine] = np.maximum(red, smoothstep(local[:, 1], -16, -2))[mine]
        length = 0.50 * size.segments_mm[f, 3] + 1.0
        u = (local[:, 1] - TIP_INSET_MM + 2.4 + length / 2 - 1.3 * (size.nail_length - 1)) / (length / 2)
        w = local[:, 0] / (0.80 * r[3] + 0.08 * r[2])
        plate = 1 - (np.abs(u) ** 2.8 + np.abs(w) ** 3.2)
        facing = mine & (normals @ frame[:, 2] > -0.15)
        nail[facing] = np.clip(plate, -1, 1)[facing]
    for f in range(1, 5):  # the knuckles
        d = np.linalg.norm(vertices - rig.joints[joint_index(f, 1)], axis=1)
        red = np.maximum(red, 0.55 * (1 - smoothstep(d, 8, 17)) * smoothstep(normals[:, 2], 0.1, 0.7))
    fine, hair = detail_fields(vertices, palmar, np.where(on_finger, owner, -1), nail, red, rig)
    names = ("nail", "crease", "palmar_crease", "dorsal_crease", "palmar", "red", "joint", "fine", "hair")
    values = (nail, crease, palm_crease, back_crease, palmar, red, number, fine, hair)
    return dict(zip(names, values, strict=True))


def palm_side(vertices: np.ndarray, normals: np.ndarray, thumb: np.ndarray) -> np.ndarray:
    """Return how much (V,) the skin is that of the palm, 0 to 1.

    The border on the sides of the hand is wide, and the palm's color fades over the wrist, further on its middle.

    Args:
        vertices: (V, 3) mm, rest pose.
        normals: (V, 3) unit normals.
        thumb: (V,) bool, vertices of the thumb.
    """
    side = smoothstep(-normals[:, 2] + 0.25 * thumb, -0.60, 0.70)
    bend = 5.0 * np.sin(0.13 * vertices[:, 0] + 0.6) + 3.0 * np.sin(0.31 * vertices[:, 0])
    return side * (0.15 + 0.85 * smoothstep(vertices[:, 1] + bend, -52.0, 18.0))


def detail_fields(
    vertices: np.ndarray, palmar: np.ndarray, finger: np.ndarray, nail: np.ndarray, red: np.ndarray, rig: Rig
) -> tuple[np.ndarray, np.ndarray]:
    """Return the strength of fine detail (V,) and the density of hair (V,), both 0 to about 1.

    Args:
        vertices: (V, 3) mm, rest pose.
        palmar: (V,) from `palm_side`.
        finger: (V,) 0 to 4, or -1 on palm and arm.
        nail: (V,) above 0 on the nail plate.
        red: (V,) 1 at knuckles and fingertips.
        rig: Joints and bones.
    """
    fine = (1.0 - 0.45 * palmar + 0.35 * np.clip(red, 0, 1) * (1 - palmar)) * (1 - 0.9 * smoothstep(nail, -0.15, 0.1))
    fine *= 1.0 - 0.35 * smoothstep(-vertices[:, 1], 10.0, 70.0)  # the skin of the arm is smoother
    # Hair grows on the arm, on the back of the hand (less towards the thumb) and on the first segment of a finger.
    hair = 0.45 + 0.55 * smoothstep(-vertices[:, 1], 0.0, 60.0)
    hair *= 0.6 + 0.4 * smoothstep(vertices[:, 0], -25.0, 15.0)
    for f in range(5):
        s = (vertices - rig.joints[joint_index(f, 2)]) @ rig.frames[bone_index(f, 1)][:, 1]
        hair = np.where(finger == f, 0.35 * (1 - smoothstep(s, -14.0, -5.0)), hair)
    return fine, hair * (1 - smoothstep(palmar, 0.05, 0.55)) * (1 - 0.8 * np.clip(red, 0, 1))


def crease_gains(rig: Rig, moves: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how deep the creases of the palm side and of the back are in a pose, relative to their fields.

    The skin of the back gathers when a finger is straight and is smooth when it is bent; that of the palm folds deeper.

    Args:
        rig: Joints and bones.
        moves: (18, 3, 4) transform of each bone from the rest pose to the world.

    Returns:
        Gains (11,) of the palm side and (11,) of the back, by the field "joint".
    """
    palmar, dorsal = np.ones(11), np.ones(11)
    for f in range(5):
        for segment in (1, 2):
            bone = bone_index(f, segment)
            frame = rig.frames[bone]
            own, parent = moves[bone][:, :3] @ frame, moves[bone_index(f, segment - 1)][:, :3] @ frame
            sine, cosine = -own[:, 1] @ parent[:, 2], own[:, 1] @ parent[:, 1]
            bent = float(np.clip((np.arctan2(sine, cosine) + rig.rest_flexion[f, segment]) / (np.pi / 2), 0, 1))
            palmar[2 * f + segment] = 0.8 + 0.7 * bent
            dorsal[2 * f + segment] = 1.5 - 1.3 * bent
    return palmar, dorsal


@dataclass(frozen=True)
class SkinDetail:
    """How the fine detail of one subject differs from that of others.

    Attributes:
        shift: (3,) mm, position of the hand in the solid texture.
        roughness: Strength of pores and lines. 1 is that of old hands.
        hair: Share of the skin that hair covers where it is densest.
        tendons: Height in mm of the tendons on the back of the hand.
        veins: Height in mm of the veins on the back of hand and arm.
    """

    shift: np.ndarray
    roughness: float
    hair: float
    tendons: float
    veins: float


def sample_detail(rng: np.random.Generator, female: bool, level: float) -> SkinDetail:
    """Sample the fine detail of one subject.

    Args:
        rng: Random generator.
        female: Women have finer hair.
        level: Fitzpatrick type 0..5; hair contrasts less with dark skin.
    """
    hair = rng.beta(0.9, 1.6) * (0.30 if female else 0.9) * (1 - 0.1 * level)
    lean = rng.uniform(0.25, 1.0)  # under thin skin, tendons and veins stand out together
    return SkinDetail(
        shift=rng.uniform(0, 64, 3),
        roughness=float(np.clip(rng.normal(0.5, 0.18), 0.2, 1.0)),
        hair=float(hair),
        tendons=float(lean * rng.uniform(0.5, 1.3)),
        veins=float(lean * rng.uniform(0.2, 0.8) * (0.7 if female else 1.0)),
    )


def _back_height(points: np.ndarray, rig: Rig, detail: SkinDetail) -> np.ndarray:
    """Return how far (N,) in mm tendons and veins lift the skin of the back of hand and arm at points (N, 3)."""
    rng = np.random.default_rng(int(detail.shift[0] * 1e6))
    waves, phase = rng.standard_normal((10, 3)) * (1.0, 0.4, 1.0) / 11.0, rng.uniform(0, 2 * np.pi, 10)
    field = np.sin(points @ waves.T * 2.2 + phase).sum(axis=1) / 3.2
    height = detail.veins * np.exp(-((field / 0.16) ** 2))
    for f in range(1, 5):
        knuckle = rig.joints[joint_index(f, 1)]
        along = points[:, 1] / knuckle[1]
        beside = points[:, 0] - knuckle[0] * (0.45 + 0.55 * along)
        ends = smoothstep(along, 0.05, 0.45) * (1 - smoothstep(along, 0.80, 1.02))
        height = height + detail.tendons * ends * np.exp(-((beside / 2.6) ** 2))
    return height


def back_normals(
    vertices: np.ndarray, normals: np.ndarray, palmar: np.ndarray, sleeve: np.ndarray, rig: Rig, detail: SkinDetail
) -> np.ndarray:
    """Return the normals (V, 3) float32 with the tendons and veins of the back; they serve the light alone.

    Args:
        vertices: (V, 3) mm, rest pose.
        normals: (V, 3) unit normals.
        palmar: (V,) field "palmar".
        sleeve: (V,) field "sleeve".
        rig: Joints and bones.
        detail: Fine detail of the subject.
    """
    step = 0.6
    fingers = smoothstep(vertices[:, 1], rig.joints[joint_index(4, 1)][1], rig.joints[joint_index(2, 1)][1] + 8)
    share = (1 - smoothstep(palmar, 0.1, 0.6)) * (1 - fingers) * (1 - sleeve)
    back = np.flatnonzero(share > 0)
    points = vertices[back]
    sides = [_back_height(points + sign * step * axis, rig, detail) for axis in np.eye(3) for sign in (1, -1)]
    slope = np.zeros(vertices.shape)
    slope[back] = np.stack([sides[0] - sides[1], sides[2] - sides[3], sides[4] - sides[5]], axis=1) / (2 * step)
    slope *= share[:, None]
    slope -= (slope * normals).sum(axis=1, keepdims=True) * normals
    tilted = normals - slope
    return (tilted / np.linalg.norm(tilted, axis=1, keepdims=True)).astype(np.float32)


def _value_noise(points: np.ndarray, scale_mm: float, rng: np.random.Generator) -> np.ndarray:
    """Return smooth noise (N,) in about -1..1 with features of size `scale_mm`, a sum of random plane waves."""
    waves = rng.standard_normal((12, 3)) / scale_mm
    phase = rng.uniform(0, 2 * np.pi, 12)
    return np.sin(points @ waves.T * 2.2 + phase).sum(axis=1) / 3.5


def subject_tone(rng: np.random.Generator, tone: float | None = None) -> tuple[np.ndarray, np.ndarray, float]:
    """Sample the linear RGB of back and palm.

    Args:
        rng: Random generator.
        tone: Fitzpatrick type 0..5 (I to VI); None samples it uniformly.

    Returns:
        Color of the back (3,), color of the palm (3,) and the Fitzpatrick type.
    """
    level = float(rng.uniform(0, 5)) if tone is None else tone
    low = min(int(level), 4)
    mix = level - low
    jitter = 1 + rng.normal(0, 1, 3) * (0.05, 0.035, 0.045)
    back = ((1 - mix) * TONES[low] + mix * TONES[low + 1]) * jitter
    palm = ((1 - mix) * PALMS[low] + mix * PALMS[low + 1]) * jitter
    return to_linear(np.clip(back, 0, 250)), to_linear(np.clip(palm, 0, 250)), level


def vertex_albedo(
    vertices: np.ndarray, fields: dict[str, np.ndarray], rng: np.random.Generator, tone: float | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Sample the albedo of one subject.

    Args:
        vertices: (V, 3) mm.
        fields: Skin fields of `skin_fields`.
        rng: Random generator.
        tone: Fitzpatrick type 0..5; None samples it.

    Returns:
        Linear albedo (V, 3) of the skin and (3,) of the nails.
    """
    back, palm, level = subject_tone(rng, tone)
    side = fields["palmar"][:, None]
    albedo = (1 - side) * back + side * palm
    pale = 1 - level / 6.5
    red = fields["red"][:, None] * (0.35 + 0.65 * pale)
    albedo *= 1 + red * (np.array([0.02, -0.17, -0.14]) - 0.10 * (1 - pale) * (1 - side))
    blotch = _value_noise(vertices, 9.0, rng)[:, None]
    albedo *= 1 + blotch * np.array([0.035, 0.065, 0.06])
    albedo *= 1 + _value_noise(vertices, 3.4, rng)[:, None] * 0.04
    freckle = smoothstep(_value_noise(vertices, 2.2, rng), 0.75, 1.1)[:, None] * (1 - side) * rng.uniform(0, 0.25)
    albedo *= 1 - freckle * np.array([0.5, 0.8, 0.9])
    vein = np.abs(_value_noise(vertices * (1, 0.45, 1), 13.0, rng))
    blue = (1 - smoothstep(vein, 0.03, 0.16))[:, None] * (1 - side) * pale * rng.uniform(0.2, 1.0)
    albedo *= 1 - blue * np.array([0.13, 0.05, 0.03]) * (fields["nail"][:, None] < -0.9)
    # The bed of the nail shows through: it is close to the fingers' own color, a little pinker and lighter.
    share = 0.25 + 0.45 * pale
    nail = ((1 - share) * back + share * palm) * np.array([1.13, 1.0, 1.03])
    return np.clip(albedo, 0.004, 0.95), nail
