"""Objects made in code: rods, cups, bottles, balls, phones and boxes, as triangle meshes with vertex colors."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numba import njit

from ..hand.skin import to_linear
from .renderer import FAR

SPACING_MM = 7.0  # distance of vertices; they cast shadows, so they must not be farther apart than two shadow texels
SOLID_KINDS = ("rod", "cup", "bottle", "ball", "phone", "box")


@dataclass(frozen=True)
class Solid:
    """One object. Its own frame has the axis of rotation, or the longest side, along y.

    Attributes:
        kind: One of `SOLID_KINDS`, or what is worn.
        points: (N, 3) mm.
        normals: (N, 3) unit normals.
        faces: (F, 3) int32.
        colors: (N, 3) linear RGB.
        gloss: Strength of highlights, 0 to about 0.5.
        profile: (K, 2) height and radius in mm of a solid of rotation, or (1, 3) half sides of a box.
    """

    kind: str
    points: np.ndarray
    normals: np.ndarray
    faces: np.ndarray
    colors: np.ndarray
    gloss: float
    profile: np.ndarray

    def placed(self, rotation: np.ndarray, center: np.ndarray) -> Solid:
        """Return the object turned by `rotation` (3, 3) and moved to `center` (3,) mm."""
        return replace(self, points=self.points @ rotation.T + center, normals=self.normals @ rotation.T)

    def distance(self, points: np.ndarray) -> np.ndarray:
        """Return about the signed distance (M,) in mm of points (M, 3), in the object's own frame."""
        if self.profile.shape[1] == 3:
            over = np.abs(points) - self.profile[0]
            return np.linalg.norm(np.maximum(over, 0), axis=1) + np.minimum(over.max(axis=1), 0)
        heights, radii = self.profile[:, 0], self.profile[:, 1]
        beside = np.hypot(points[:, 0], points[:, 2]) - np.interp(points[:, 1], heights, radii)
        beyond = np.abs(points[:, 1] - heights[[0, -1]].mean()) - np.ptp(heights) / 2
        return np.hypot(np.maximum(beside, 0), np.maximum(beyond, 0)) + np.minimum(np.maximum(beside, beyond), 0)


def _dense(profile: np.ndarray) -> np.ndarray:
    """Return a profile (K, 2) with more points, at most `SPACING_MM` apart, closed at both ends.

    Returns:
        (M, 4) height, radius, and the unit direction of the profile. Corners are doubled, so they stay sharp.
    """
    closed = np.concatenate([[[profile[0, 0], 0.0]], profile, [[profile[-1, 0], 0.0]]])
    parts = []
    for a, b in itertools.pairwise(closed):
        length = np.linalg.norm(b - a)
        if length > 1e-6:
            steps = np.linspace(0, 1, int(np.ceil(length / SPACING_MM)) + 1)[:, None]
            parts.append(np.hstack([a + (b - a) * steps, np.tile((b - a) / length, (len(steps), 1))]))
    return np.concatenate(parts)


def _grid_faces(rows: int, columns: int, first: int = 0) -> np.ndarray:
    """Return the faces (F, 3) of a grid of vertices."""
    i, j = np.meshgrid(np.arange(rows - 1), np.arange(columns - 1), indexing="ij")
    a = (i * columns + j).ravel() + first
    return np.concatenate([np.stack([a, a + 1, a + columns], 1), np.stack([a + 1, a + columns + 1, a + columns], 1)])


def turned_solid(kind: str, profile: np.ndarray, colors: np.ndarray, gloss: float, bands: np.ndarray) -> Solid:
    """Build a solid of rotation.

    Args:
        kind: One of `SOLID_KINDS`.
        profile: (K, 2) height and radius in mm, by height.
        colors: (2, 3) linear RGB; the second one is that of the bands.
        gloss: Strength of highlights.
        bands: (B, 2) lowest and highest height of each band in mm.
    """
    rows = _dense(profile)
    around = int(np.clip(2 * np.pi * profile[:, 1].max() / SPACING_MM, 10, 48)) + 1
    turns = np.linspace(0, 2 * np.pi, around)
    ring = np.stack([np.cos(turns), np.zeros(around), np.sin(turns)], axis=1)
    points = rows[:, None, 1:2] * ring + rows[:, None, :1] * np.array([0.0, 1.0, 0.0])
    normals = rows[:, None, 2:3] * ring - rows[:, None, 3:] * np.array([0.0, 1.0, 0.0])
    banded = np.any((rows[:, :1] > bands[:, 0]) & (rows[:, :1] < bands[:, 1]), axis=1, keepdims=True)
    painted = np.repeat(np.where(banded, colors[1], colors[0]), around, axis=0)
    faces = _grid_faces(len(rows), around).astype(np.int32)
    return Solid(kind, points.reshape(-1, 3), normals.reshape(-1, 3), faces, painted, gloss, profile)


def wrapped_solid(
    points: np.ndarray, middle: float, half: float, thickness: float, color: np.ndarray, gloss: float
) -> Solid:
    """Build a band around a limb whose axis is y: a ring, a strap or a cuff.

    Args:
        points: (M, 3) mm, points on the limb.
        middle: y of the middle of the band in mm.
        half: Half width of the band in mm.
        thickness: Thickness of the band in mm.
        color: (3,) linear RGB.
        gloss: Strength of highlights.
    """
    near = points[np.abs(points[:, 1] - middle) < max(half, 4.0)]
    center = 0.5 * (near.min(axis=0) + near.max(axis=0)) * (1, 0, 1)
    turns = np.linspace(-np.pi, np.pi, 37)
    own = np.arctan2(near[:, 2] - center[2], near[:, 0] - center[0])
    apart = np.abs((turns[:, None] - own + np.pi) % (2 * np.pi) - np.pi)
    reach = np.hypot(near[:, 0] - center[0], near[:, 2] - center[2])
    radius = np.where(apart < 0.3, reach, 0.0).max(axis=1)
    radius = np.where(radius > 0, radius, np.median(radius))
    heights, lift = np.array([-1.0, -0.93, -0.5, 0.5, 0.93, 1.0]), np.array([-0.5, 0.75, 1.0, 1.0, 0.75, -0.5])
    out = radius + lift[:, None] * thickness
    level = np.broadcast_to((middle + half * heights)[:, None], out.shape)
    grid = np.stack([center[0] + out * np.cos(turns), level, center[2] + out * np.sin(turns)], axis=-1)
    lean = np.array([-0.9, -0.5, 0.0, 0.0, 0.5, 0.9])[:, None] * np.ones(len(turns))
    side = np.sqrt(1 - lean**2)
    normals = np.stack([side * np.cos(turns), lean, side * np.sin(turns)], axis=-1).reshape(-1, 3)
    colors = np.tile(color, (len(normals), 1))
    faces = _grid_faces(len(heights), len(turns)).astype(np.int32)
    return Solid("band", grid.reshape(-1, 3), normals, faces, colors, gloss, np.full((1, 3), half))


def box_solid(kind: str, half: np.ndarray, colors: np.ndarray, gloss: float, margin: float) -> Solid:
    """Build a box.

    Args:
        kind: One of `SOLID_KINDS`.
        half: (3,) half sides in mm.
        colors: (2, 3) linear RGB; the second one covers the front (+z) up to the margin.
        gloss: Strength of highlights.
        margin: Width in mm of the border of the front; negative colors no front.
    """
    points, normals, faces, painted = [], [], [], []
    count = 0
    for axis in range(3):
        u, v = (axis + 1) % 3, (axis + 2) % 3
        lines = []
        for side in (u, v):
            steps = np.linspace(-half[side], half[side], max(int(np.ceil(2 * half[side] / SPACING_MM)), 1) + 1)
            edge = half[side] - margin
            border = [-edge - 0.1, -edge + 0.1, edge - 0.1, edge + 0.1] if 0 < margin < half[side] - 1 else []
            lines.append(np.sort(np.concatenate([steps, border])))
        for sign in (-1.0, 1.0):
            a, b = np.meshgrid(*lines, indexing="ij")
            grid = np.zeros((*a.shape, 3))
            grid[..., u], grid[..., v], grid[..., axis] = a, b, sign * half[axis]
            inside = (np.abs(a) < half[u] - margin) & (np.abs(b) < half[v] - margin)
            front = inside & (axis == 2) & (sign > 0) & (margin >= 0)
            points.append(grid.reshape(-1, 3))
            normals.append(np.tile(np.eye(3)[axis] * sign, (a.size, 1)))
            painted.append(np.where(front.reshape(-1, 1), colors[1], colors[0]))
            faces.append(_grid_faces(a.shape[0], a.shape[1], count))
            count += a.size
    joined = [np.concatenate(parts) for parts in (points, normals, faces, painted)]
    return Solid(kind, joined[0], joined[1], joined[2].astype(np.int32), joined[3], gloss, half[None])


def sample_solid(rng: np.random.Generator, kind: str, radius_mm: float | None = None) -> Solid:
    """Sample one object of a kind.

    Args:
        rng: Random generator.
        kind: One of `SOLID_KINDS`.
        radius_mm: Radius of a rod; None samples it.
    """
    hue, value = rng.uniform(0, 180, 2), 255 * rng.beta(1.3, 1.3, 2)
    hsv = np.stack([hue, 255 * rng.beta(1.0, 1.7, 2), value], axis=1)[None].astype(np.uint8)
    colors = to_linear(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)[0]) * 0.85 + 0.008
    gloss, u = float(rng.uniform(0.0, 0.5) ** 1.5), rng.uniform
    if kind == "phone":
        colors[0] *= rng.uniform(0.05, 0.6)
        colors[1] *= 0.05 if rng.random() < 0.6 else 1.0  # the screen is off or on
        return box_solid(kind, np.array([u(33, 39), u(66, 82), u(3.5, 5.5)]), colors, max(gloss, 0.15), u(1.5, 5))
    if kind == "box":
        half = np.sort(np.array([u(15, 70), u(20, 90), u(2, 40)]))[[1, 2, 0]]
        return box_solid(kind, half, colors, gloss, float(rng.choice([-1.0, half.min() * 0.5])))
    if kind == "ball":
        r, turns = u(18, 45), np.linspace(-np.pi / 2, np.pi / 2, 13)
        profile = r * np.stack([np.sin(turns), np.cos(turns)], axis=1)
    elif kind == "rod":
        r = u(4, 17) if radius_mm is None else radius_mm
        h = u(45, 150)
        profile = np.array([[-h, r * u(0.3, 1)], [-h + r * u(0.3, 2), r], [h - r, r], [h, r * u(0.3, 1)]])
    elif kind == "cup":
        r, h = u(30, 42), u(40, 65)
        profile = np.array([[-h, r * u(0.75, 1)], [h, r]])
    else:
        r, h, neck = u(27, 36), u(85, 120), u(10, 15)
        profile = np.array([[-h, r], [h * 0.35, r], [h * 0.7, neck], [h, neck]])
    middle = u(profile[0, 0], profile[-1, 0])
    width = np.ptp(profile[:, 0]) * u(0.04, 0.3)
    bands = np.array([[middle - width, middle + width], [profile[-1, 0] - 0.1, np.inf]])  # a label, and the opening
    return turned_solid(kind, profile, colors, gloss, bands)


@njit(cache=True, nogil=True, error_model="numpy")
def draw_solid(screen, faces, colors, depth, image):
    """Draw one object into buffers of the fine grid, in place.

    Args:
        screen: (N, 3) vertices from `renderer.project_fine`.
        faces: (F, 3).
        colors: (N, 3) lit colors, linear RGB.
        depth: (2H, 2W) mm, nearest depth.
        image: (2H, 2W, 3) linear RGB at this depth.
    """
    height, width = depth.shape
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if abs(area) < 1e-9 or min(ax, bx, cx) < -1e5:
            continue
        for y in range(max(int(np.ceil(min(ay, by, cy))), 0), min(int(np.floor(max(ay, by, cy))), height - 1) + 1):
            for x in range(max(int(np.ceil(min(ax, bx, cx))), 0), min(int(np.floor(max(ax, bx, cx))), width - 1) + 1):
                wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                wc = 1.0 - wa - wb
                if wa < -1e-5 or wb < -1e-5 or wc < -1e-5:
                    continue
                z = wa * screen[a, 2] + wb * screen[b, 2] + wc * screen[c, 2]
                if z < depth[y, x]:
                    depth[y, x] = z
                    for k in range(3):
                        image[y, x, k] = wa * colors[a, k] + wb * colors[b, k] + wc * colors[c, k]


@njit(cache=True, nogil=True, error_model="numpy")
def merge_solids(solid_depth, solid_image, cloth_depth, region, depths, background):
    """Put drawn objects between limbs and background: limbs behind them disappear from the depth buffers.

    Args:
        solid_depth: (2H, 2W) mm, from `draw_solid`.
        solid_image: (2H, 2W, 3) linear RGB, from `draw_solid`.
        cloth_depth: (H, W) mm, depth of the clothes.
        region: (4,) x0, y0, x1, y1 px; outside there is no object.
        depths: (2, 2H, 2W) depth buffers of the limbs, changed in place.
        background: (H, W, 3) linear RGB, changed in place.
    """
    total = np.empty(3)
    for y in range(region[1], region[3]):
        for x in range(region[0], region[2]):
            count, limb = 0, False
            total[:] = 0.0
            for k in range(4):
                r, c = 2 * y + k // 2, 2 * x + k % 2
                nearest = min(depths[0, r, c], depths[1, r, c])
                limb = limb or nearest < FAR
                z = solid_depth[r, c]
                if z >= cloth_depth[y, x] or z >= FAR:
                    continue
                count += 1
                for i in range(3):
                    total[i] += solid_image[r, c, i]
                for side in range(2):
                    if depths[side, r, c] > z:
                        depths[side, r, c] = FAR
            if count == 0:
                continue
            # Where a limb shares the pixel, its samples replace those of the background, not those of the object.
            share = 1.0 if limb else 0.25 * count
            for i in range(3):
                background[y, x, i] = share * total[i] / count + (1.0 - share) * background[y, x, i]
