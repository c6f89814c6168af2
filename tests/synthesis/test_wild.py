from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from interhand_mm.errors import ConfigError
from interhand_mm.structures.camera import camera_to_pixel, world_to_camera
from interhand_mm.structures.joints import NUM_HAND_JOINTS
from interhand_mm.synthesis import generate, shots
from interhand_mm.synthesis.plan import SynthesisOptions, plan
from interhand_mm.synthesis.preset import PRESET_PARTS, PRESETS, LightRanges, ViewRanges, preset_named
from interhand_mm.synthesis.render.cameras import VirtualCamera, camera_ring, look_at
from interhand_mm.synthesis.render.photo_light import cast_shadow, environment, environment_lamps, photo_lights
from interhand_mm.synthesis.render.sensor import scatter
from interhand_mm.synthesis.render.shading import Lights, across, irradiance
from interhand_mm.synthesis.render.viewpoints import draw_camera
from tests.fixtures.masks import read_masks

OPTIONS = SynthesisOptions(num=10, seed=4, views=2, subjects=2, size="256x192", background="skimage", preset="wild")
RANGES = ViewRanges()
# Joints of a made-up hand that points up, 160 mm high.
POINTS = np.stack([np.linspace(-30, 30, 21), -np.linspace(0, 160, 21), np.linspace(-10, 10, 21)], axis=1)
FINGERS = np.array([0.2, -1.0, 0.0])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wild") / "set"
    assert generate.generate(out, OPTIONS, progress=False)
    return out


@pytest.fixture(scope="module")
def cameras() -> list[VirtualCamera]:
    rng = np.random.default_rng(0)
    return [draw_camera(rng, RANGES, POINTS, FINGERS, ("portrait", "landscape")[k % 2], k) for k in range(600)]


def read(out: Path, name: str) -> dict:
    content: dict = json.loads((out / "annotations" / "train" / f"InterHand2.6M_train_{name}.json").read_text())
    return content


def test_wild_hands_keep_the_promises_of_the_studio(made: Path) -> None:
    data, camera, joints = (read(made, name) for name in ("data", "camera", "joint_3d"))
    hits, bits = [], []
    for image, annotation in zip(data["images"], data["annotations"], strict=True):
        own = {key: np.array(table[image["camera"]]) for key, table in camera[str(image["capture"])].items()}
        world = np.array(joints[str(image["capture"])][str(image["frame_idx"])]["world_coord"])
        cam = world_to_camera(world, own["camrot"], own["campos"])
        uv = camera_to_pixel(cam, own["focal"], own["princpt"])
        masks = read_masks((made / "masks" / "train" / image["file_name"]).with_suffix(".png"))
        bits.append(bool((masks["right_visible"] & masks["left_visible"]).any()))
        for j in np.flatnonzero(np.array(annotation["joint_valid"]).ravel()):
            x, y = np.rint(uv[j]).astype(int)
            hits.append(masks["right_amodal" if j < NUM_HAND_JOINTS else "left_amodal"][y, x])
    assert len(hits) > 200
    assert np.mean(hits) > 0.99
    assert not any(bits)


def test_every_wild_view_has_a_camera_of_its_own(made: Path) -> None:
    names = [image["camera"] for image in read(made, "data")["images"]]
    assert len(set(names)) == len(names)
    assert sorted(name for table in read(made, "camera").values() for name in table["focal"]) == sorted(names)


def test_workers_give_the_same_wild_bytes(made: Path, tmp_path: Path) -> None:
    assert generate.generate(tmp_path / "two", OPTIONS, workers=2, progress=False)
    sets = [{p.relative_to(o): p.read_bytes() for p in o.rglob("*") if p.is_file()} for o in (made, tmp_path / "two")]
    assert sets[0] == sets[1]


def test_cameras_are_near_and_far_wide_and_narrow(cameras: list[VirtualCamera]) -> None:
    middle = 0.5 * (POINTS.min(axis=0) + POINTS.max(axis=0))
    distances = np.array([np.linalg.norm(c.position - middle) for c in cameras])
    fov = np.rad2deg([2 * np.arctan(max(c.size) / 2 / c.focal[0]) for c in cameras])
    assert 250 <= distances.min() < 270
    assert 1200 < distances.max() <= 1500
    assert 25 - 1e-6 <= fov.min() < 30
    assert 80 < fov.max() <= 90 + 1e-6


def test_hands_are_off_the_axis_and_in_the_image(cameras: list[VirtualCamera]) -> None:
    offsets, joints_inside = [], []
    for c in cameras:
        uv = camera_to_pixel(world_to_camera(POINTS, c.rotation, c.position), c.focal, c.principal_pt)
        np.testing.assert_allclose(c.rotation @ c.rotation.T, np.eye(3), atol=1e-9)
        assert np.linalg.det(c.rotation) == pytest.approx(1)
        offsets.append(np.abs(uv.mean(axis=0) - np.array(c.size) / 2).max())
        joints_inside.append(np.mean(np.all((uv >= 0) & (uv <= np.array(c.size) - 1), axis=1)))
    assert np.mean(np.array(offsets) > 60) > 0.25
    assert np.mean(joints_inside) > 0.97


def test_hands_are_seen_from_all_sides_and_turned_in_the_image(cameras: list[VirtualCamera]) -> None:
    toward = np.array([c.position - POINTS.mean(axis=0) for c in cameras])
    toward /= np.linalg.norm(toward, axis=1, keepdims=True)
    assert np.mean(toward[:, 2] > 0.3) > 0.15, "from behind the person"
    assert np.mean(toward[:, 1] < -0.7) > 0.1, "from above"
    assert np.mean(toward[:, 1] > 0.5) > 0.04, "from below"
    up = np.array([c.rotation @ np.array([0.0, -1, 0]) for c in cameras])
    assert 0.03 < np.mean(up[:, 1] > 0) < 0.4, "fingers point down in the image"


def test_fingers_point_up_in_a_share_of_the_images(cameras: list[VirtualCamera]) -> None:
    sideways = np.array([0.9, -0.3, -0.3])
    rng = np.random.default_rng(2)
    shares = []
    for upright in (0.0, 1.0):
        ranges = replace(RANGES, upright=upright, any_roll=0.0)
        turned = [
            c.rotation @ sideways
            for c in (draw_camera(rng, ranges, POINTS, sideways, "portrait", k) for k in range(200))
        ]
        angles = np.rad2deg([np.arctan2(x, -y) for x, y, _ in turned])
        shares.append(np.mean(np.abs(angles) < 25))
    assert shares[0] < 0.35
    assert shares[1] > 0.8


def test_the_curriculum_starts_in_front() -> None:
    rng = np.random.default_rng(1)
    start = [draw_camera(rng, RANGES, POINTS, FINGERS, "landscape", k, hard=0.0) for k in range(60)]
    assert all(c.position[2] < 0 for c in start)
    assert all((c.rotation @ np.array([0.0, -1, 0]))[1] < 0 for c in start), "and upright"


def test_an_arm_before_the_hand_is_rejected() -> None:
    options = replace(OPTIONS, interacting=0.0)
    chunk = plan(options)[0]
    subject = generate.subject_of(options, "train", 0)
    shot = generate.step_of(options, chunk, subject, 0)
    joints = shot.step.joints[shot.step.joint_valid]
    elbow = next(shots.arm_points(moves)[5] for moves in shot.step.moves if moves is not None)
    behind = joints.mean(axis=0) + 900 * (elbow - joints.mean(axis=0)) / np.linalg.norm(elbow - joints.mean(axis=0))
    camera = shot.cameras[0]
    along_the_arm = replace(camera, position=behind, rotation=look_at(behind, joints.mean(axis=0), 0.0))
    assert shots.view_score(shot.step, camera) < 1.0 < shots.view_score(shot.step, along_the_arm)


def test_wild_sequences_keep_their_cameras() -> None:
    options = replace(OPTIONS, sequence=2, num=8, subjects=1)
    chunk = plan(options)[0]
    subject = generate.subject_of(options, "train", 0)
    shown = [generate.step_of(options, chunk, subject, k).cameras for k in range(4)]
    names = [[c.name for c in own] for own in shown]
    assert names[0] == names[1] != names[2] == names[3]
    for a, b in itertools.pairwise(shown[:2]):
        np.testing.assert_array_equal(a[0].position, b[0].position)


PHOTO = np.zeros((60, 80, 3), np.uint8) + np.array([40, 90, 160], np.uint8)
PHOTO[:, 60:] = 250  # a window on the right


SKIN = np.array([1.6, 0.85, 0.6])  # relative to its luminance


def lights(photo: np.ndarray, albedo: float = 0.25, **changes: object) -> list[Lights]:
    ranges, rng = replace(LightRanges(), **changes), np.random.default_rng(3)
    camera = replace(camera_ring(rng, 1, 0)[0], rotation=np.eye(3))
    return [photo_lights(photo, camera, np.full(3, albedo) * SKIN, ranges, rng) for _ in range(60)]


def test_light_comes_from_the_bright_side_of_the_photograph() -> None:
    toward, rgb = environment_lamps(environment(PHOTO), chroma=0.5)
    strength = rgb.sum(axis=1)
    assert strength[toward[:, 0] > 0.5].mean() > 2 * strength[toward[:, 0] < -0.1].mean()
    side = [
        np.sum(own.toward[:, 0] * own.rgb.sum(axis=1)) / own.rgb.sum() for own in lights(PHOTO, key_follows_photo=1.0)
    ]
    assert np.mean(side) > 0.15
    flipped = [
        np.sum(own.toward[:, 0] * own.rgb.sum(axis=1)) / own.rgb.sum()
        for own in lights(PHOTO[:, ::-1], key_follows_photo=1.0)
    ]
    assert np.mean(flipped) < -0.15


def test_light_has_the_color_and_brightness_of_the_photograph() -> None:
    blue = np.full((60, 80, 3), (60, 90, 200), np.uint8)
    ratio = [np.mean([own.rgb[:, 2].sum() / own.rgb[:, 0].sum() for own in lights(p)]) for p in (blue, blue[..., ::-1])]
    assert ratio[0] > 1.3 * ratio[1]
    bright, dark = (np.mean([own.rgb.sum() for own in lights(np.full((60, 80, 3), v, np.uint8))]) for v in (200, 60))
    assert bright > 1.5 * dark


def test_dark_skin_is_exposed_longer_but_stays_dark() -> None:
    dark, light = (np.mean([own.rgb.sum() for own in lights(PHOTO, albedo)]) for albedo in (0.08, 0.4))
    assert light < dark < 3 * light
    assert 0.08 * dark < 0.4 * light


def test_automatic_white_balance_makes_skin_less_saturated() -> None:
    ratios = []
    for balance in (0.0, 0.3):
        rgb = sum(own.rgb.sum(axis=0) for own in lights(PHOTO, skin_balance=(balance, balance))) * SKIN
        ratios.append(rgb[0] / rgb[2])
    assert ratios[1] == pytest.approx(ratios[0] * (1.6 / 0.6) ** -0.3, rel=0.05)


def test_scattered_light_wraps_around_an_outline() -> None:
    linear = np.ones((96, 128, 3), np.float32)
    linear[:, :64] = 0.05
    veiled = scatter(linear, 0.1)
    np.testing.assert_allclose(veiled[:, :8], 0.05, atol=2e-3)
    np.testing.assert_allclose(veiled[:, -8:], 1.0, atol=2e-3)
    assert 0.07 < veiled[48, 62, 0] < 0.12, "bright light reaches over the edge"
    assert veiled[48, 66, 0] < 0.99
    np.testing.assert_allclose(veiled.mean(), linear.mean(), rtol=0.01)


def test_ambient_light_is_blocked_between_hands() -> None:
    normals = np.tile([0.0, 0, -1], (2, 1)).astype(np.float32)
    points = np.array([[0.0, 0, 0], [150, 0, 0]], np.float32)
    wall = np.stack([*np.meshgrid(np.arange(-40, 41, 4.0), np.arange(-40, 41, 4.0)), np.full((21, 21), -20.0)], -1)
    toward, rgb, ambient = np.array([[0.0, 0, -1]]), np.full((1, 3), 0.5), np.full(3, 0.2)
    casters = np.concatenate([points, wall.reshape(-1, 3)]).astype(np.float32)
    lamp, seen = (np.zeros(3), toward, rgb, ambient), np.ones(2, bool)
    outward = np.zeros_like(casters)
    lit = [irradiance(points, normals, casters, outward, *lamp, k, across(toward), seen)[0] for k in (0.0, 1.0)]
    np.testing.assert_allclose(lit[0][0] - lit[1][0], 0.2, atol=0.02)
    np.testing.assert_allclose(lit[0][1], lit[1][1], atol=1e-6)


def test_hands_throw_a_shadow_away_from_the_lamp() -> None:
    ranges = replace(LightRanges(), shadow_share=1.0, shadow_gap_mm=(100.0, 100.0))
    camera = replace(camera_ring(np.random.default_rng(0), 1, 0)[0], rotation=np.eye(3), focal=np.array([500.0, 500.0]))
    covered = np.zeros((30, 40), bool)
    covered[10:20, 15:25] = True  # pixels 60 to 100 of the image
    for right in (-1, 1):
        lamp = np.array([[right, 0.0, -2]]) / np.sqrt(5)
        background = np.ones((120, 160, 3), np.float32)
        own = Lights(lamp, np.ones((1, 3)), np.zeros(3))
        cast_shadow(background, covered, own, camera, 1000.0, ranges, np.random.default_rng(0))
        taken = (1 - background[..., 0]).sum(axis=0)
        center = (taken * np.arange(160)).sum() / taken.sum()
        assert center == pytest.approx(80 - 25 * right, abs=3), "50 px per 100 mm, half as much at this slope"
        assert 0.4 <= background.min() <= 0.9
    behind = np.ones((120, 160, 3), np.float32)
    own = Lights(np.array([[0.0, 0, 1]]), np.ones((1, 3)), np.zeros(3))
    cast_shadow(behind, covered, own, camera, 1000.0, ranges, np.random.default_rng(0))
    assert (behind == 1).all()


def test_wild_needs_photographs() -> None:
    assert PRESETS["studio"].views is None
    with pytest.raises(ConfigError, match="photograph"):
        replace(OPTIONS, background="studio")


def test_parts_of_the_wild_preset_are_added_to_the_studio() -> None:
    preset = preset_named("studio+views+poses")
    assert (preset.views, preset.poses) == (PRESETS["wild"].views, PRESETS["wild"].poses)
    assert (preset.light, preset.objects, preset.worn, preset.skin_detail) == (None, None, None, 0.0)
    everything = preset_named("+".join(["studio", *PRESET_PARTS]))
    assert replace(everything, name="wild") == PRESETS["wild"]


@pytest.mark.parametrize("name", ["tame", "studio+", "studio+view", "studio+views+views", "wild+views"])
def test_a_preset_that_is_unknown_or_changes_nothing_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match="--preset"):
        preset_named(name)
