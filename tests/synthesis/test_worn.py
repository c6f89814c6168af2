"""Rings, watches and cuffs lie on the skin of the bone that carries them."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial import cKDTree

from interhand_mm.synthesis import generate, view, wearing
from interhand_mm.synthesis.hand.skeleton import FOREARM_BONE
from interhand_mm.synthesis.plan import SynthesisOptions, plan
from interhand_mm.synthesis.preset import WornRanges
from interhand_mm.synthesis.render.shading import sample_lights
from interhand_mm.synthesis.time_step import Subject

OPTIONS = SynthesisOptions(num=24, seed=29, views=1, subjects=12)
ALL, NONE = WornRanges(ring=1.0, watch=1.0, cuff=1.0), WornRanges(ring=0.0, watch=0.0, cuff=0.0)


@pytest.fixture(scope="module")
def subject() -> Subject:
    """A subject without sleeves."""
    made = (generate.subject_of(OPTIONS, "train", k) for k in range(12))
    return next(s for s in made if not s.meshes[0].fields["sleeve"].any())


def test_rings_and_straps_surround_the_skin(subject: Subject) -> None:
    worn = [item for side in wearing.sample_worn(subject, ALL, np.random.default_rng(1)) for item in side]
    rings = [solid for bone, solid in worn if bone != FOREARM_BONE]
    assert len(rings) == 2
    tree = cKDTree(subject.meshes[0].vertices)
    for ring in rings:
        assert np.ptp(ring.points, axis=0).max() < 35
        distance = tree.query(ring.points)[0]
        assert distance.max() < 6.0  # the mesh's vertices are 3 mm apart
    straps = [solid for bone, solid in worn if bone == FOREARM_BONE]
    assert straps
    middle = straps[0].points[:, 1].mean()
    assert -70 < middle < -30
    arm = subject.meshes[0].vertices[np.abs(subject.meshes[0].vertices[:, 1] - middle) < 4]
    assert np.all(straps[0].points[:, [0, 2]].max(axis=0) > arm[:, [0, 2]].max(axis=0))


def test_only_what_the_ranges_allow_is_worn(subject: Subject) -> None:
    assert wearing.sample_worn(subject, NONE, np.random.default_rng(0)) == ([], [])


def test_a_ring_moves_with_its_finger_and_covers_it(subject: Subject) -> None:
    worn = wearing.sample_worn(subject, WornRanges(ring=1.0, watch=0.0, cuff=0.0), np.random.default_rng(2))
    lights, covered = sample_lights(np.random.default_rng(0)), 0
    for index in range(4):
        shot = generate.step_of(OPTIONS, plan(OPTIONS)[0], subject, index)
        placed = wearing.place_worn(worn, shot.step)
        assert len(placed) == shot.step.present.sum()
        limbs, lit = view.light_step(subject, shot.step, lights, shot.cameras, placed)
        skin = cKDTree(np.concatenate([limb[0] for limb in limbs if limb is not None]))
        for ring in placed:
            assert skin.query(ring.points)[0].max() < 7.0, "the ring stays on the finger in every pose"
        camera = shot.cameras[0]
        args = (subject, shot.step, limbs, lights, camera)
        bare, ringed = (view.render_view(*args, np.random.default_rng(0), objects=o).mask for o in (None, lit))
        np.testing.assert_array_equal(bare & 0x33, ringed & 0x33)
        covered += ((bare & 0xC) > 0).sum() - ((ringed & 0xC) > 0).sum()
    assert 5 < covered < 1500
