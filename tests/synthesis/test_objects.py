"""Objects in and before the hands: their shapes, where they are, and what they do to masks and images."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from interhand_mm.synthesis import generate, holding, view
from interhand_mm.synthesis.plan import SynthesisOptions, plan
from interhand_mm.synthesis.preset import PRESETS, ObjectRanges
from interhand_mm.synthesis.render import solids
from interhand_mm.synthesis.render.shading import sample_lights
from interhand_mm.synthesis.time_step import Subject

OPTIONS = SynthesisOptions(num=24, seed=3, views=1, subjects=1)
ALWAYS = ObjectRanges(held=1.0, in_front=1.0)
AMODAL, VISIBLE = 0x33, 0xCC


@pytest.fixture(scope="module")
def subject() -> Subject:
    return generate.subject_of(OPTIONS, "train", 0)


@pytest.fixture(scope="module")
def shots(subject: Subject) -> list[generate.Shot]:
    return [generate.step_of(OPTIONS, plan(OPTIONS)[0], subject, i) for i in range(8)]


@pytest.mark.parametrize("kind", solids.SOLID_KINDS)
def test_vertices_lie_on_the_surface_and_normals_look_outward(kind: str) -> None:
    for seed in range(5):
        solid = solids.sample_solid(np.random.default_rng(seed), kind)
        assert np.abs(solid.distance(solid.points)).max() < 0.5
        np.testing.assert_allclose(np.linalg.norm(solid.normals, axis=1), 1, atol=1e-6)
        outside, inside = (solid.distance(solid.points + sign * 1.0 * solid.normals) for sign in (1, -1))
        assert outside.mean() > 0.4
        assert inside.mean() < -0.2
        assert (outside > inside - 1e-9).mean() > 0.9


def test_objects_do_not_enter_the_skin_and_hide_at_most_half(subject: Subject, shots: list[generate.Shot]) -> None:
    found = 0
    for i, shot in enumerate(shots):
        skin = np.concatenate([limb[0] for limb in limbs_of(subject, shot) if limb is not None])
        for solid in holding.sample_objects(subject, shot.step, shot.cameras, ALWAYS, np.random.default_rng(i)):
            near = np.linalg.norm(solid.points[:, None, ::1] - skin[None, ::7], axis=2).min()
            assert near > 0.05, "no vertex of the skin lies on the object"
            assert holding.hidden_share(solid, shot.step, shot.cameras[0]) <= ALWAYS.most_hidden
            found += 1
    assert found >= 8


def limbs_of(subject: Subject, shot: generate.Shot) -> view.Limbs:
    return view.light_limbs(subject, shot.step, sample_lights(np.random.default_rng(0)), shot.cameras)


def test_a_held_object_touches_the_hand(subject: Subject, shots: list[generate.Shot]) -> None:
    gaps = []
    for i, shot in enumerate(shots):
        only = replace(ALWAYS, in_front=0.0)
        points = holding._skin_points(subject, shot.step)
        for solid in holding.sample_objects(subject, shot.step, shot.cameras, only, np.random.default_rng(i)):
            gaps.append(np.linalg.norm(solid.points[:, None] - points[None], axis=2).min())
    assert len(gaps) >= 5
    assert np.median(gaps) < 4.0  # vertices of both are up to 4 mm from the point where they touch


def test_a_pixel_of_an_object_belongs_to_no_visible_mask(subject: Subject, shots: list[generate.Shot]) -> None:
    lights, hidden = sample_lights(np.random.default_rng(0)), 0
    for i, shot in enumerate(shots):
        camera = shot.cameras[0]
        solid = solids.sample_solid(np.random.default_rng(i), "box")
        middle = shot.step.joints[shot.step.joint_valid].mean(axis=0)
        objects = [solid.placed(np.eye(3), middle + 0.25 * (camera.position - middle))]  # in front of everything
        limbs = limbs_of(subject, shot)
        _, lit = view.light_step(subject, shot.step, lights, shot.cameras, objects)
        args = (subject, shot.step, limbs, lights, camera)
        plain = view.render_view(*args, np.random.default_rng(0))
        other = view.render_view(*args, np.random.default_rng(0), objects=lit)
        np.testing.assert_array_equal(other.mask & AMODAL, plain.mask & AMODAL)
        assert not (other.mask & VISIBLE & ~plain.mask).any()
        gone = ((plain.mask & VISIBLE) > 0) & ((other.mask & VISIBLE) == 0)
        hidden += gone.sum()
        assert (other.depth[gone] == 0).all()
        kept = (other.mask & VISIBLE) > 0
        assert (np.abs(other.image[kept].astype(int) - plain.image[kept]) <= 2).mean() > 0.9, "the rest looks the same"
    assert hidden > 2000


def test_the_studio_has_no_objects_and_sequences_have_none(subject: Subject) -> None:
    chunk = plan(OPTIONS)[0]
    shot = generate.step_of(OPTIONS, chunk, subject, 0)
    assert PRESETS["studio"].objects is None
    assert generate._objects_of(OPTIONS, chunk, subject, shot, 0) == []
    moving = replace(OPTIONS, preset="wild", background="skimage", sequence=4)
    assert all(generate._objects_of(moving, chunk, subject, shot, i) == [] for i in range(12))
