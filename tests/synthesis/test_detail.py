"""Fine detail of the skin: texture, creases that follow flexion, tendons and hair."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from interhand_mm.benchmark.realism import octave_energy
from interhand_mm.synthesis import generate, time_step, view
from interhand_mm.synthesis.hand import poses, skeleton, skin
from interhand_mm.synthesis.plan import SynthesisOptions
from interhand_mm.synthesis.render import detail
from interhand_mm.synthesis.render.shading import sample_lights


@pytest.fixture(scope="module")
def subject() -> time_step.Subject:
    return generate.subject_of(SynthesisOptions(num=4, seed=11, subjects=1), "train", 0)


def back_view(subject: time_step.Subject) -> view.View:
    """Render the back of a flat right hand."""
    flat = poses.finger_pose(np.zeros(4), 1.0, np.array([-10, 0, 0, 0, 0]), np.random.default_rng(0))
    placed = poses.Placement(flat, skeleton.frame_from(np.array([0.0, -1, 0]), np.array([0.0, 0, -1])), np.zeros(3))
    step = time_step.make_step(subject.meshes, "right", (placed, None), "keep", np.eye(3), np.zeros(3))
    lights = sample_lights(np.random.default_rng(0))
    limbs = view.light_limbs(subject, step, lights, subject.cameras)
    return view.render_view(subject, step, limbs, lights, subject.cameras[6], np.random.default_rng(0))


def test_the_slopes_of_the_texture_are_those_of_its_height() -> None:
    texture = detail.relief().astype(float)
    for axis in range(3):
        height = texture[..., 0]
        central = (np.roll(height, -1, axis) - np.roll(height, 1, axis)) / 2  # periodic: it wraps around
        assert np.corrcoef(central.ravel(), texture[..., 1 + axis].ravel())[0, 1] > 0.97
    assert texture[..., 0].std() == pytest.approx(42, abs=3)


def test_detail_adds_energy_on_the_skin_and_leaves_the_masks(subject: time_step.Subject) -> None:
    rough, smooth = (
        back_view(replace(subject, skin=replace(subject.skin, roughness=value, hair=0.0))) for value in (1.2, 0.0)
    )
    np.testing.assert_array_equal(rough.mask, smooth.mask)
    hand = (rough.mask & 4) > 0
    fine, plain = (octave_energy(v.image.mean(axis=2).astype(np.float32), hand) for v in (rough, smooth))
    assert fine[0] > 1.1 * plain[0]
    assert fine[3] == pytest.approx(plain[3], rel=0.05), "large shapes stay"
    far = cv2.dilate(((rough.mask & 0xF0) > 0).astype(np.uint8), np.ones((5, 5))) == 0
    np.testing.assert_array_equal(rough.image[far], smooth.image[far])


def test_hair_darkens_the_arm_and_not_the_palm(subject: time_step.Subject) -> None:
    mesh = subject.meshes[0]
    arm = (mesh.vertices[:, 1] < -80) & (mesh.fields["palmar"] < 0.1)
    palm = (mesh.vertices[:, 1] > 20) & (mesh.fields["palmar"] > 0.6)
    assert mesh.fields["hair"][arm].mean() > 0.5
    assert mesh.fields["hair"][palm].max() < 0.01
    hairy, bare = (
        back_view(replace(subject, skin=replace(subject.skin, hair=value, roughness=1.0))) for value in (0.9, 0.0)
    )
    arm_pixels = (bare.mask & 64) & ~(bare.mask << 4) > 0
    assert hairy.image[arm_pixels].mean() < bare.image[arm_pixels].mean()


def test_creases_follow_the_flexion(subject: time_step.Subject) -> None:
    mesh = subject.meshes[0]
    depths = {}
    for bent in (0.0, 1.5):
        flexion = np.zeros((5, 3))
        flexion[1, 1] = bent  # the middle joint of the index finger
        moves = skeleton.bone_transforms(mesh.rig, skeleton.HandPose(flexion, np.zeros(5)))[:, :3]
        joint = mesh.fields["joint"].astype(int)
        palmar, dorsal = (gain[joint] for gain in skin.crease_gains(mesh.rig, np.ascontiguousarray(moves)))
        index, pinky = mesh.fields["joint"] == 3, mesh.fields["joint"] == 9
        depths[bent] = palmar[index].mean(), dorsal[index].mean(), palmar[pinky].mean(), dorsal[pinky].mean()
    straight, bent_ = depths[0.0], depths[1.5]
    assert bent_[0] > 1.3 * straight[0], "the palm side folds deeper"
    assert bent_[1] < 0.5 * straight[1], "the skin of the back is stretched"
    assert bent_[2:] == pytest.approx(straight[2:]), "another finger is not concerned"


def test_tendons_lift_the_back_of_the_hand_alone(subject: time_step.Subject) -> None:
    mesh, strong = subject.meshes[0], replace(subject.skin, tendons=1.2, veins=0.5)
    normals = skin.back_normals(
        mesh.vertices, mesh.normals, mesh.fields["palmar"], mesh.fields["sleeve"], mesh.rig, strong
    )
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    turned = np.arccos(np.clip((normals * mesh.normals).sum(axis=1), -1, 1))
    back = (np.abs(mesh.vertices[:, 1] - 50) < 20) & (mesh.normals[:, 2] > 0.7)
    palm = (mesh.vertices[:, 1] > 20) & (mesh.fields["palmar"] > 0.65)
    assert turned[back].max() > 0.15
    assert turned[palm].max() < 1e-3


def test_the_border_of_the_palm_is_wide(subject: time_step.Subject) -> None:
    mesh = subject.meshes[0]
    inner = mesh.normals[:, 2] < -0.8
    heights, palmar = mesh.vertices[inner, 1], mesh.fields["palmar"][inner]
    along = [palmar[np.abs(heights - y) < 4].mean() for y in (-80, -40, -20, 0, 30)]
    assert np.all(np.diff(along) > 0)
    assert np.diff(along).max() < 0.5, "no step at the wrist"
