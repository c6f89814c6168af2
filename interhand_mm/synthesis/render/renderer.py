"""CPU renderer in numba: skinning, a z-buffer at twice the resolution, and shading.

Coverage is sampled twice per pixel and axis. The color of a pixel is computed once for each smooth surface that its
four samples see. Nothing here is random. Pixel centers are integers (structures/camera.py), so sample (i, j) of the
fine grid lies at pixel ((j - 0.5) / 2, (i - 0.5) / 2).
"""

from __future__ import annotations

import numpy as np
from numba import njit

from .detail import shade_detail

FAR = np.float32(1e9)
# Columns of the attribute table (V, 21), whose values are interpolated between vertices.
LIT, NORMAL, NAIL, CREASE, PALM_CREASE, BACK_CREASE, GLOSS, SHADOW, REST, GLOW, FINE, HAIR, BAND = (
    0, 3, 6, 7, 8, 9, 10, 11, 12, 15, 18, 19, 20,
)  # fmt: skip
ATTRIBUTES = 21
EDGE_MM = 4.0  # samples of a pixel that differ more in depth see different surfaces


@njit(cache=True, nogil=True, error_model="numpy")
def skin(vertices, normals, bones, weights, moves):
    """Apply linear blend skinning.

    Args:
        vertices: (V, 3) mm, rest pose.
        normals: (V, 3) unit normals, rest pose.
        bones: (V, 4) bones of each vertex.
        weights: (V, 4) their weights.
        moves: (B, 3, 4) transform of each bone from the rest pose to the world; it may include a mirror.

    Returns:
        Points (V, 3) in mm and unit normals (V, 3), both float32, world frame.
    """
    n = vertices.shape[0]
    points, turned = np.empty((n, 3), np.float32), np.empty((n, 3), np.float32)
    m = np.empty((3, 4))
    for i in range(n):
        for r in range(3):
            for c in range(4):
                m[r, c] = 0.0
        for k in range(4):
            w = weights[i, k]
            if w > 0.0:
                b = bones[i, k]
                for r in range(3):
                    for c in range(4):
                        m[r, c] += w * moves[b, r, c]
        x, y, z = vertices[i, 0], vertices[i, 1], vertices[i, 2]
        u, v, w2 = normals[i, 0], normals[i, 1], normals[i, 2]
        length = 1e-12
        for r in range(3):
            points[i, r] = m[r, 0] * x + m[r, 1] * y + m[r, 2] * z + m[r, 3]
            value = m[r, 0] * u + m[r, 1] * v + m[r, 2] * w2
            turned[i, r] = value
            length += value * value
        length = np.sqrt(length)
        for r in range(3):
            turned[i, r] /= length
    return points, turned


@njit(cache=True, nogil=True, error_model="numpy")
def attribute_table(
    light, albedo, normals, shadow, nail, crease, palmar_crease, dorsal_crease, joint, sleeve, palmar_gain, dorsal_gain
):
    """Return the attribute table (V, ATTRIBUTES) of one limb, with empty columns from `REST` on.

    Args:
        light: (V, 3) light of each vertex.
        albedo: (V, 3).
        normals: (V, 3) unit normals, world frame.
        shadow: (V,) share of direct light that is not shadowed.
        nail: (V,) field of `skin.skin_fields`, as the next four.
        crease: (V,).
        palmar_crease: (V,).
        dorsal_crease: (V,).
        joint: (V,).
        sleeve: (V,) 1 where clothes cover the arm.
        palmar_gain: (11,) from `skin.crease_gains`.
        dorsal_gain: (11,) from `skin.crease_gains`.
    """
    table = np.empty((light.shape[0], ATTRIBUTES), np.float32)
    for i in range(light.shape[0]):
        for c in range(3):
            table[i, LIT + c], table[i, NORMAL + c] = light[i, c] * albedo[i, c], normals[i, c]
        table[i, NAIL], table[i, CREASE] = nail[i], crease[i]
        table[i, PALM_CREASE] = palmar_crease[i] * palmar_gain[int(joint[i])]
        table[i, BACK_CREASE] = dorsal_crease[i] * dorsal_gain[int(joint[i])]
        table[i, GLOSS], table[i, SHADOW] = 1.0 - sleeve[i], shadow[i]
        table[i, REST:] = 0.0
    return table


@njit(cache=True, nogil=True, error_model="numpy")
def project_fine(points, rotation, position, focal, principal, factor):
    """Project world points to the fine grid.

    Args:
        points: (V, 3) mm, world frame.
        rotation: (3, 3) world to camera.
        position: (3,) mm, position of the camera.
        focal: (2,) px.
        principal: (2,) px.
        factor: Samples per pixel and axis.

    Returns:
        (V, 3) float32: column and row in samples, and depth in mm. Points behind the camera get -1e6.
    """
    out = np.empty(points.shape, np.float32)
    for i in range(points.shape[0]):
        x, y, z = points[i, 0] - position[0], points[i, 1] - position[1], points[i, 2] - position[2]
        cx = rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z
        cy = rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z
        cz = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z
        if cz > 50.0:
            out[i, 0] = factor * (focal[0] * cx / cz + principal[0]) + 0.5 * (factor - 1)
            out[i, 1] = factor * (focal[1] * cy / cz + principal[1]) + 0.5 * (factor - 1)
        else:  # points behind the lens lie outside every image
            out[i, 0], out[i, 1] = -1e6, -1e6
        out[i, 2] = cz
    return out


@njit(cache=True, nogil=True, error_model="numpy")
def extent(screen):
    """Return the lowest and the highest column and row (2,) of the points (V, 3) in front of the camera, in samples."""
    low, high = np.full(2, np.inf), np.full(2, -np.inf)
    for i in range(screen.shape[0]):
        if screen[i, 0] > -1e5:
            for k in range(2):
                low[k], high[k] = min(low[k], screen[i, k]), max(high[k], screen[i, k])
    return low, high


@njit(cache=True, nogil=True, error_model="numpy")
def seen_by(points, normals, rotation, position, focal, principal, size, seen):
    """Mark the vertices that a camera may see: inside its image, and not facing clearly away from it.

    Args:
        points: (V, 3) mm, world frame.
        normals: (V, 3) unit normals.
        rotation: (3, 3) world to camera.
        position: (3,) mm, position of the camera.
        focal: (2,) px.
        principal: (2,) px.
        size: (2,) width and height in px.
        seen: (V,) bool, set to True in place.
    """
    for i in range(points.shape[0]):
        x, y, z = points[i, 0] - position[0], points[i, 1] - position[1], points[i, 2] - position[2]
        away = x * normals[i, 0] + y * normals[i, 1] + z * normals[i, 2]
        if away > 0.0 and away * away > 0.2 * (x * x + y * y + z * z):
            continue
        cz = rotation[2, 0] * x + rotation[2, 1] * y + rotation[2, 2] * z
        if cz < 50.0:
            continue
        u = focal[0] * (rotation[0, 0] * x + rotation[0, 1] * y + rotation[0, 2] * z) / cz + principal[0]
        v = focal[1] * (rotation[1, 0] * x + rotation[1, 1] * y + rotation[1, 2] * z) / cz + principal[1]
        if -25.0 < u < size[0] + 25.0 and -25.0 < v < size[1] + 25.0:
            seen[i] = True


@njit(cache=True, nogil=True, error_model="numpy")
def rasterize(screen, faces, flip, backs, is_hand, depth, owner, cover):  # noqa: C901 - one numba kernel
    """Draw one closed mesh into its own buffers, in place.

    Args:
        screen: (V, 3) vertices from `project_fine`.
        faces: (F, 3).
        flip: The mesh is mirrored, so that its front faces have the opposite orientation.
        backs: The arm points towards the camera. Then the back faces of the hand count for its amodal mask, because
            the cut between hand and arm is open.
        is_hand: (V,) 1 on the hand, 0 on the arm.
        depth: (H, W) float32, nearest depth in mm.
        owner: (H, W) int32, the face at this depth.
        cover: (H, W) uint8; bit 1 is set where a face of the hand lies, bit 2 where any face lies.
    """
    height, width = depth.shape
    for f in range(faces.shape[0]):
        a, b, c = faces[f, 0], faces[f, 1], faces[f, 2]
        if flip:
            b, c = c, b
        ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        front = area < 0.0  # because y points down, faces towards the camera are clockwise
        hand = is_hand[a] + is_hand[b] + is_hand[c] > 1.5
        if abs(area) < 1e-9 or not (front or (hand and backs)):
            continue
        x0 = max(int(np.ceil(min(ax, bx, cx))), 0)
        x1 = min(int(np.floor(max(ax, bx, cx))), width - 1)
        y0 = max(int(np.ceil(min(ay, by, cy))), 0)
        y1 = min(int(np.floor(max(ay, by, cy))), height - 1)
        if x0 > x1 or y0 > y1 or ax < -1e5 or bx < -1e5 or cx < -1e5:
            continue
        bits = np.uint8(3) if hand else np.uint8(2)
        inv = 1.0 / area
        az, bz, cz = screen[a, 2], screen[b, 2], screen[c, 2]
        step_a, step_b = (by - cy) * inv, (cy - ay) * inv
        for y in range(y0, y1 + 1):
            wa = ((bx - x0) * (cy - y) - (by - y) * (cx - x0)) * inv - step_a
            wb = ((cx - x0) * (ay - y) - (cy - y) * (ax - x0)) * inv - step_b
            inside = False
            for x in range(x0, x1 + 1):
                wa += step_a
                wb += step_b
                wc = 1.0 - wa - wb
                # The tolerance avoids gaps between adjacent faces.
                if min(wa, wb, wc) >= -1e-5:
                    inside = True
                    cover[y, x] |= bits
                    if not front:
                        continue
                    z = wa * az + wb * bz + wc * cz
                    if z < depth[y, x]:
                        depth[y, x] = z
                        owner[y, x] = f
                elif inside:  # a triangle is convex: the rest of the row lies outside
                    break


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _interpolate(row, col, face, screen, faces, table, detailed, out):
    """Interpolate the attributes of one face at a sample, into `out` (ATTRIBUTES,); from `REST` on if `detailed`."""
    a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
    ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
    inv = 1.0 / ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))
    wa = ((bx - col) * (cy - row) - (by - row) * (cx - col)) * inv
    wb = ((cx - col) * (ay - row) - (cy - row) * (ax - col)) * inv
    u, v, w = np.float32(wa), np.float32(wb), np.float32(1.0 - wa - wb)
    for k in range(REST):
        out[k] = u * table[a, k] + v * table[b, k] + w * table[c, k]
    if detailed:
        for k in range(REST, ATTRIBUTES):
            out[k] = u * table[a, k] + v * table[b, k] + w * table[c, k]


@njit(cache=True, nogil=True, error_model="numpy", inline="always")
def _skin_color(attr, look, shine_dirs, shine, nail_ratio, texture, pixel_mm, scratch, fresh, fine, color):
    """Compute linear RGB from interpolated attributes, into `color` (3,): creases, nails, detail, highlights, sheen."""
    nx, ny, nz = attr[3], attr[4], attr[5]
    inv = 1.0 / np.sqrt(nx * nx + ny * ny + nz * nz + 1e-12)
    nx, ny, nz = nx * inv, ny * inv, nz * inv
    if fresh:  # the samples of a pixel share their detail
        shade_detail(
            texture,
            attr[12],
            attr[13],
            attr[14],
            attr[15],
            attr[16],
            attr[17],
            attr[18],
            attr[19],
            pixel_mm,
            scratch,
            fine,
        )
    wave = fine[3]
    s = attr[7] + 0.30 * wave  # creases are not straight, and not equally deep everywhere
    line = np.exp(-(s * s) * 0.55) * attr[8] * min(max(0.8 - 0.35 * wave, 0.2), 1.2) if attr[8] > 0.01 else 0.0
    fold = 0.5 + 0.5 * np.cos(2.1 * s + 0.9 * wave) if attr[9] > 0.01 else 0.0
    dark = (1.0 - 0.36 * line - 0.28 * fold * fold * attr[9]) * fine[0]
    nail = min(max(attr[6] * 3.2 + 0.3, 0.0), 1.0)
    rim = max(0.0, 1.0 - abs(attr[6] * 4.0 - 0.1) * 0.9) * 0.20 * (1.0 if attr[6] > -0.6 else 0.0)
    facing = max(-(nx * look[0] + ny * look[1] + nz * look[2]), 0.0)
    light = 0.0
    power = 20.0 + 45.0 * nail
    for k in range(shine_dirs.shape[0]):
        d = nx * shine_dirs[k, 0] + ny * shine_dirs[k, 1] + nz * shine_dirs[k, 2]
        if d > 0.75:
            light += shine[k] * np.exp(-power * (1.0 - d) * 1.6)
    edge = (1.0 - facing) * (1.0 - facing)
    edge *= edge
    gloss = attr[10] * attr[11] * (0.05 + 0.18 * nail) * light * (1.0 - 0.5 * line) * (fine[0] * fine[0])
    for c in range(3):
        tint = 1.0 + nail * (nail_ratio[c] - 1.0)
        warm = 1.0 - line * (0.0, 0.10, 0.12)[c] + fine[1] * (0.0, 0.5, 0.4)[c]
        bare = 1.0 - fine[2] * (0.55, 0.60, 0.62)[c]
        color[c] = attr[c] * dark * (1.0 - rim) * tint * warm * bare * (1.0 - 0.10 * edge) + gloss * (1.0 - fine[2])
    return facing


@njit(cache=True, nogil=True, error_model="numpy")
def resolve(  # noqa: C901 - one numba kernel
    depths, owners, screens0, screens1, faces0, faces1, tables0, tables1, look, shine_dirs, shine, nail0, nail1,
    cloth_depth, background, region, texture, pixel_angle, detailed, image, depth_out,
):  # fmt: skip
    """Shade and average the four samples of every pixel, over a background.

    Args:
        depths: (2, 2H, 2W) depth buffers of the right and the left limb.
        owners: (2, 2H, 2W) face indices, -1 for none.
        screens0: (V, 3) vertices of the right limb on the fine grid.
        screens1: (V, 3) vertices of the left limb on the fine grid.
        faces0: (F, 3) faces of the right limb.
        faces1: (F, 3) faces of the left limb.
        tables0: (V, 21) attributes of the right limb.
        tables1: (V, 21) attributes of the left limb.
        look: (3,) viewing direction, world frame.
        shine_dirs: (L, 3) half vectors of the highlights.
        shine: (L,) strengths of the highlights.
        nail0: (3,) nail color of the right hand divided by its skin color.
        nail1: (3,) nail color of the left hand divided by its skin color.
        cloth_depth: (H, W) mm, depth of the clothes, FAR where there are none.
        background: (H, W, 3) float32 linear RGB.
        region: (4,) x0, y0, x1, y1 px; outside there is no limb.
        texture: (T, T, T, 4) from `detail.relief`.
        pixel_angle: Width of a pixel divided by its depth.
        detailed: Whether the skin has fine detail.
        image: (H, W, 3) float32 linear RGB, written inside the region.
        depth_out: (H, W) float32 mm, written inside the region; 0 where no limb is visible.
    """
    attr, color, total = np.zeros(ATTRIBUTES, np.float32), np.empty(3), np.empty(3)
    scratch, fine = np.empty(4, np.float32), np.zeros(4)
    fine[0] = 1.0
    limbs, zs = np.empty(4, np.int64), np.empty(4, np.float32)
    for y in range(region[1], region[3]):
        for x in range(region[0], region[2]):
            count, nearest, cloth = 0, FAR, cloth_depth[y, x]
            for k in range(4):
                r, c = 2 * y + k // 2, 2 * x + k % 2
                limbs[k] = 0 if depths[0, r, c] <= depths[1, r, c] else 1
                zs[k] = depths[limbs[k], r, c]
                if zs[k] < cloth:
                    count += 1
                    nearest = min(nearest, zs[k])
                else:
                    limbs[k] = -1
            depth_out[y, x] = nearest if count >= 2 else 0.0
            if count == 0:
                continue
            for c in range(3):
                total[c] = background[y, x, c] * (4 - count)
            pixel_mm = nearest * pixel_angle
            fresh = detailed
            for first in range(4):
                limb = limbs[first]
                if limb < 0:
                    continue
                # Samples that see one smooth surface are shaded together, at their middle.
                share, rows, columns = 0, 0, 0
                for k in range(first, 4):
                    if limbs[k] == limb and abs(zs[k] - zs[first]) < EDGE_MM:
                        share, rows, columns = share + 1, rows + k // 2, columns + k % 2
                        limbs[k] = -1
                face = owners[limb, 2 * y + first // 2, 2 * x + first % 2]
                row, col = 2 * y + rows / share, 2 * x + columns / share
                screen, faces = (screens0, faces0) if limb == 0 else (screens1, faces1)
                table, nail = (tables0, nail0) if limb == 0 else (tables1, nail1)
                _interpolate(row, col, face, screen, faces, table, detailed, attr)
                _skin_color(attr, look, shine_dirs, shine, nail, texture, pixel_mm, scratch, fresh, fine, color)
                fresh = False
                for i in range(3):
                    total[i] += max(color[i], 0.0) * share
            for c in range(3):
                image[y, x, c] = total[c] * 0.25


@njit(cache=True, nogil=True, error_model="numpy")
def mask_bits(depths, covers, owners, hand_faces0, hand_faces1, cloth_depth, region, out):  # noqa: C901 - one numba kernel
    """Compute the mask bits (`structures.mask_bits`) of one view.

    A pixel belongs to a mask if at least two of its four samples do. Visible masks are disjoint and lie inside the
    amodal ones.

    Args:
        depths: (2, 2H, 2W) depth buffers of the right and the left limb.
        covers: (2, 2H, 2W) coverage from `rasterize`.
        owners: (2, 2H, 2W) face indices.
        hand_faces0: (F,) 1 for hand faces of the right limb, 0 for arm faces.
        hand_faces1: (F,) 1 for hand faces of the left limb, 0 for arm faces.
        cloth_depth: (H, W) mm, depth of the clothes.
        region: (4,) x0, y0, x1, y1 px; outside there is no limb.
        out: (H, W) uint8, written inside the region.
    """
    for y in range(region[1], region[3]):
        for x in range(region[0], region[2]):
            hand0, hand1, limb0, limb1, seen0, seen1, bare0, bare1 = 0, 0, 0, 0, 0, 0, 0, 0
            cloth = cloth_depth[y, x]
            for r in range(2 * y, 2 * y + 2):
                for c in range(2 * x, 2 * x + 2):
                    if covers[0, r, c] | covers[1, r, c] == 0:
                        continue
                    hand0 += covers[0, r, c] & 1
                    hand1 += covers[1, r, c] & 1
                    z0, z1 = depths[0, r, c], depths[1, r, c]
                    limb0 += z0 < cloth  # an arm inside the clothes is not foreground
                    limb1 += z1 < cloth
                    if min(z0, z1) >= cloth:
                        continue
                    if z0 <= z1:
                        seen0 += 1
                        bare0 += hand_faces0[owners[0, r, c]]
                    else:
                        seen1 += 1
                        bare1 += hand_faces1[owners[1, r, c]]
            bits = (hand0 >= 2) | (hand1 >= 2) << 1 | (limb0 >= 2) << 4 | (limb1 >= 2) << 5
            if bare0 >= 2 and bare0 >= bare1:
                bits |= 4
            elif bare1 >= 2:
                bits |= 8
            if seen0 >= 2 and seen0 >= seen1:
                bits |= 64
            elif seen1 >= 2:
                bits |= 128
            out[y, x] = bits
