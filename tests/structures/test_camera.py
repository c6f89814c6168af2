from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from interhand_mm.structures import camera as C
from interhand_mm.structures.boxes import square_bbox

RNG = np.random.default_rng(0)
FOCAL, PRINCIPAL = np.array([1270.0, 1265.0]), np.array([167.0, 256.0])


def _rotation() -> np.ndarray:
    q, _ = np.linalg.qr(RNG.normal(size=(3, 3)))
    return q * np.sign(np.linalg.det(q))


def test_world_to_camera_is_a_rigid_motion():
    rotation, position, points = _rotation(), RNG.normal(size=3) * 1000, RNG.normal(size=(42, 3)) * 100
    cam = C.world_to_camera(points, rotation, position)
    assert np.allclose(cam[0], rotation @ (points[0] - position))
    assert np.allclose(cam @ rotation + position, points)


def test_pixel_camera_round_trip():
    points = RNG.normal(size=(5, 42, 3)) * 80 + [0, 0, 1000]
    uv = C.camera_to_pixel(points, FOCAL, PRINCIPAL)
    back = C.pixel_to_camera(np.concatenate([uv, points[..., 2:]], -1), FOCAL, PRINCIPAL)
    assert np.abs(back - points).max() < 1e-3


def test_known_projection():
    uv = C.camera_to_pixel(np.array([[100.0, -50.0, 1000.0]]), FOCAL, PRINCIPAL)
    assert np.allclose(uv, [[167 + 127, 256 - 63.25]], atol=1e-6)


def test_torch_gives_what_numpy_gives():
    points = RNG.normal(size=(3, 42, 3)) * 50 + [0, 0, 900]
    args = (points, FOCAL, PRINCIPAL)
    expected = C.camera_to_pixel(*args)
    got = C.camera_to_pixel(*(torch.from_numpy(a) for a in args))
    assert isinstance(got, torch.Tensor)
    assert np.allclose(got.numpy(), expected)
    affine = C.crop_affine(np.array([10, 20, 110, 120.0]), (256, 256), 1.1, 30)
    assert np.allclose(
        C.apply_affine(torch.from_numpy(expected), torch.from_numpy(affine)).numpy(), C.apply_affine(expected, affine)
    )


def test_square_bbox_by_hand():
    # 40 x 20 about (30, 30): squared to 40, enlarged to 50.
    assert np.allclose(square_bbox(np.array([10.0, 20, 50, 40])), [5, 5, 55, 55])
    assert np.allclose(square_bbox(np.array([5.0, 5, 55, 55]), padding=1.0), [5, 5, 55, 55])


def test_crop_affine_without_rotation_maps_corners():
    affine = C.crop_affine(np.array([10.0, 20, 138, 148]), (256, 256))
    assert np.allclose(
        C.apply_affine(np.array([[10.0, 20], [74, 84], [138, 148]]), affine), [[0, 0], [128, 128], [256, 256]]
    )


def test_crop_affine_follows_the_three_published_point_pairs():
    box, scale, angle = np.array([30.0, 40, 190, 200]), 1.2, 35.0
    center, side = np.array([110.0, 120]), 160.0
    cos, sin = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    turn = np.array([[cos, -sin], [sin, cos]])
    source = np.array([center, center + turn @ [0, side * scale / 2], center + turn @ [side * scale / 2, 0]])
    affine = C.crop_affine(box, (256, 256), scale, angle)
    assert np.allclose(C.apply_affine(source, affine), [[128, 128], [128, 256], [256, 128]])


@given(st.floats(-90, 90), st.floats(0.5, 2), st.floats(-300, 600), st.floats(10, 500))
def test_affine_inverse(angle, scale, left, side):
    affine = C.crop_affine(np.array([left, 5.0, left + side, 5.0 + side]), (256, 256), scale, angle)
    points = np.array([[0.0, 0.0], [333, 511], [-50, 700]])
    assert np.abs(C.apply_affine(C.apply_affine(points, affine), C.invert_affine(affine)) - points).max() < 1e-4


def test_batched_affine():
    affines = np.stack([C.crop_affine(np.array([0.0, 0, s, s]), (256, 256)) for s in (64, 128)])
    points = np.array([[[8.0, 16]], [[8.0, 16]]])
    assert np.allclose(C.apply_affine(points, affines), [[[32, 64]], [[16, 32]]])
    assert np.allclose(C.apply_affine(C.apply_affine(points, affines), C.invert_affine(affines)), points)


def test_mirror_is_its_own_inverse():
    mirror = C.mirror_affine(334)
    assert C.apply_affine(np.array([[0.0, 7.0]]), mirror).tolist() == [[333, 7]]
    assert np.allclose(C.compose_affine(mirror, mirror), [[1, 0, 0], [0, 1, 0]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_projection_keeps_dtype(dtype):
    points = np.array([[1.0, 2, 1000]], dtype)
    assert C.camera_to_pixel(points, FOCAL.astype(dtype), PRINCIPAL.astype(dtype)).dtype == dtype
