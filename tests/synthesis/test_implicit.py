"""The implicit surface: leaving out far primitives changes nothing near the surface, and normals are its gradient."""

from __future__ import annotations

import numpy as np
import pytest

from interhand_mm.synthesis.hand import implicit
from interhand_mm.synthesis.hand.anatomy import sample_hand_size
from interhand_mm.synthesis.hand.skeleton import parametric_rig
from interhand_mm.synthesis.hand.surface import hand_primitives


@pytest.fixture(scope="module")
def prims() -> np.ndarray:
    size = sample_hand_size(np.random.default_rng(4))
    return hand_primitives(size, parametric_rig(size), 150.0)


def all_distances(points: np.ndarray, prims: np.ndarray) -> np.ndarray:
    """Distances (N,) of points (N, 3) to the surface of all primitives."""
    rows, groups = implicit._prepared(prims), np.empty(implicit.NUM_GROUPS)
    return np.array([implicit.distance(*p, rows, groups) for p in points])


def test_a_grid_is_right_near_the_surface_and_has_the_right_sign_elsewhere(prims: np.ndarray) -> None:
    axes = np.arange(-60, 61, 4.0), np.arange(-40, 201, 4.0), np.arange(-40, 41, 4.0)
    grid = implicit.distance_grid(*axes, prims).ravel()
    exact = all_distances(np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 3), prims)
    near = np.abs(exact) < 4.0
    assert near.sum() > 2000
    np.testing.assert_allclose(grid[near], exact[near], atol=0.15)  # mm
    np.testing.assert_array_equal(grid[~near] > 0, exact[~near] > 0)


def test_refined_points_lie_on_the_surface_and_normals_are_its_gradient(prims: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    points = rng.uniform((-50, -60, -30), (50, 180, 30), (20000, 3))
    points = points[np.abs(all_distances(points, prims)) < 1.0]
    refined, normals, _ = implicit.refine(points, prims)
    assert len(points) > 300
    assert np.percentile(np.abs(all_distances(refined, prims)), 99) < 0.1
    steps = [all_distances(refined + d, prims) - all_distances(refined - d, prims) for d in 0.02 * np.eye(3)]
    slope = np.stack(steps, axis=1)
    cosine = np.sum(slope * normals, axis=1) / np.linalg.norm(slope, axis=1)
    assert np.percentile(cosine, 2) > 0.995
