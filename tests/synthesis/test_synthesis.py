from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.spatial import cKDTree

from interhand_mm.errors import BackgroundError, ConfigError
from interhand_mm.structures.camera import camera_to_pixel, world_to_camera
from interhand_mm.structures.joints import NUM_HAND_JOINTS
from interhand_mm.synthesis import generate, sampling, time_step, view
from interhand_mm.synthesis.chunks import parse_shard
from interhand_mm.synthesis.generate import subject_of
from interhand_mm.synthesis.hand import contact, gestures, poses, skeleton
from interhand_mm.synthesis.hand.anatomy import sample_hand_size
from interhand_mm.synthesis.hand.mesh import build_hand
from interhand_mm.synthesis.plan import SynthesisOptions, plan
from interhand_mm.synthesis.render import appearance, renderer
from interhand_mm.synthesis.render.cameras import camera_ring
from interhand_mm.synthesis.render.shading import sample_lights
from tests.fixtures.bones import bone_lengths
from tests.fixtures.masks import read_masks

OPTIONS = SynthesisOptions(num=14, num_test=4, seed=11, views=2, subjects=2)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("made") / "set"
    assert generate.generate(out, OPTIONS, workers=1, progress=False)
    return out


@pytest.fixture(scope="session")
def subject() -> time_step.Subject:
    return subject_of(OPTIONS, "train", 0)


def load(out: Path, split: str) -> tuple[dict, dict, dict]:
    base = out / "annotations" / split
    names = ("data", "camera", "joint_3d")
    data, camera, joints = (json.loads((base / f"InterHand2.6M_{split}_{n}.json").read_text()) for n in names)
    return data, camera, joints


def views(out: Path, split: str = "train"):
    """Yield (image entry, annotation, pixels (42, 2), camera points (42, 3), masks) of every image, from the files."""
    data, camera, joints = load(out, split)
    for image, annotation in zip(data["images"], data["annotations"], strict=True):
        c = {k: np.array(v[image["camera"]]) for k, v in camera[str(image["capture"])].items()}
        world = np.array(joints[str(image["capture"])][str(image["frame_idx"])]["world_coord"])
        cam = world_to_camera(world, c["camrot"], c["campos"])
        masks = read_masks((out / "masks" / split / image["file_name"]).with_suffix(".png"))
        yield image, annotation, camera_to_pixel(cam, c["focal"], c["princpt"]), cam, masks


def every_file(out: Path) -> dict[str, bytes]:
    return {str(p.relative_to(out)): p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file()}


def test_joints_lie_in_the_amodal_mask(made: Path) -> None:
    hits = []
    for image, annotation, uv, _, masks in views(made):
        for j in np.flatnonzero(np.array(annotation["joint_valid"]).ravel()):
            x, y = np.rint(uv[j]).astype(int)
            assert 0 <= x < image["width"]
            assert 0 <= y < image["height"]
            hits.append(masks["right_amodal" if j < NUM_HAND_JOINTS else "left_amodal"][y, x])
    assert len(hits) > 200
    assert np.mean(hits) > 0.995


def test_fingertips_lie_at_the_outline(subject: time_step.Subject) -> None:
    flat = poses.finger_pose(np.zeros(4), 1.0, np.array([-10, 0, 0, 0, 0]), np.random.default_rng(0))
    placed = poses.Placement(flat, skeleton.frame_from(np.array([0.0, -1, 0]), np.array([0.0, 0, -1])), np.zeros(3))
    step = time_step.make_step(subject.meshes, "right", (placed, None), "keep", np.eye(3), np.zeros(3))
    lights = sample_lights(np.random.default_rng(0))
    camera = subject.cameras[6]  # nearly in front, so the fingers lie across the view
    limbs = view.light_limbs(subject, step, lights, subject.cameras)
    mask = view.render_view(subject, step, limbs, lights, camera, np.random.default_rng(0)).mask & 1
    uv = sampling.pixels(step, camera)
    for tip in (0, 4, 8, 12, 16):
        ahead = (uv[tip] - uv[tip + 1]) / np.linalg.norm(uv[tip] - uv[tip + 1])
        line = [mask[tuple(np.rint(uv[tip] + ahead * k).astype(int)[::-1])] for k in np.arange(0, 8, 0.5)]
        assert line[0], "the tip is on the finger"
        assert not any(line[7:]), "and the finger ends within 3 px of it"


def test_visible_masks_are_disjoint_and_contained(made: Path) -> None:
    shown = 0
    for _, annotation, _, _, m in views(made):
        for part in ("", "_limb"):
            assert not (m[f"right{part}_visible"] & m[f"left{part}_visible"]).any()
            for side in ("right", "left"):
                assert not (m[f"{side}{part}_visible"] & ~m[f"{side}{part}_amodal"]).any()
                present = annotation["hand_type"] in (side, "interacting")
                assert m[f"{side}{part}_amodal"].any() == present
                shown += m[f"{side}{part}_visible"].sum()
    assert shown > 10000


def test_bones_keep_their_lengths(made: Path) -> None:
    for joints in load(made, "train")[2].values():
        lengths = []
        for frame in joints.values():
            world, valid = np.array(frame["world_coord"]), np.array(frame["joint_valid"]).ravel()
            hands = [world[s : s + NUM_HAND_JOINTS] for s in (0, NUM_HAND_JOINTS) if valid[s]]
            lengths += [bone_lengths(h) for h in hands]
        assert np.ptp(np.array(lengths), axis=0).max() < 0.1
        assert 20 < np.mean(lengths) < 60


def test_annotations_follow_the_format(made: Path) -> None:
    for image, annotation, uv, cam, _ in views(made):
        valid = np.array(annotation["joint_valid"], bool)
        assert valid.shape == (42, 1)
        x, y, w, h = annotation["bbox"]
        tight = uv[valid[:, 0]]
        assert w == pytest.approx(np.ptp(tight[:, 0]) * 1.2, abs=0.01)
        assert x + w / 2 == pytest.approx((tight[:, 0].min() + tight[:, 0].max()) / 2, abs=0.01)
        assert y + h / 2 == pytest.approx((tight[:, 1].min() + tight[:, 1].max()) / 2, abs=0.01)
        assert 700 < cam[valid[:, 0], 2].mean() < 1400
        assert image["file_name"].startswith(f"Capture{image['capture']}/{image['seq_name']}/cam{image['camera']}/")
        assert (made / "images" / "train" / image["file_name"]).is_file()
        if annotation["hand_type"] != "interacting":
            assert not valid[NUM_HAND_JOINTS * (annotation["hand_type"] == "right") :][:NUM_HAND_JOINTS].any()
    assert len((made / "annotations" / "skeleton.txt").read_text().splitlines()) == 43


def test_the_projects_own_loader_reads_it(made: Path, tmp_path: Path) -> None:
    interhand = pytest.importorskip("interhand_mm.datasets.interhand")
    assert len(interhand.InterHandDataset(str(made), split="train", cache_dir=str(tmp_path))) == OPTIONS.num


def test_train_and_test_share_nothing(made: Path) -> None:
    people = [{i["subject"] for i in load(made, s)[0]["images"]} for s in ("train", "test")]
    assert not people[0] & people[1]
    worlds = [{str(f["world_coord"]) for c in load(made, s)[2].values() for f in c.values()} for s in ("train", "test")]
    assert not worlds[0] & worlds[1]
    photos = [set(appearance.list_photos("skimage", s)) for s in ("train", "val", "test")]
    assert sum(map(len, photos)) == len(set.union(*photos))


def test_workers_and_shards_give_the_same_bytes(made: Path, tmp_path: Path) -> None:
    assert generate.generate(tmp_path / "two", OPTIONS, workers=2, progress=False)
    assert every_file(tmp_path / "two") == every_file(made)


def test_a_stopped_run_goes_on_with_the_same_bytes(made: Path, tmp_path: Path, monkeypatch) -> None:
    out, real, done = tmp_path / "set", generate.write_view_files, []

    def stop(*args):
        done.append(1)
        if len(done) > 9:
            raise KeyboardInterrupt
        real(*args)

    monkeypatch.setattr(generate, "write_view_files", stop)
    with pytest.raises(KeyboardInterrupt):
        generate.generate(out, OPTIONS, progress=False)
    assert not (out / "annotations").exists()
    monkeypatch.setattr(generate, "write_view_files", real)
    assert not generate.generate(out, OPTIONS, shard="0/2", progress=False)
    assert generate.generate(out, OPTIONS, shard="1/2", progress=False)
    assert every_file(out) == every_file(made)


def test_another_seed_gives_another_set(made: Path) -> None:
    other = subject_of(replace(OPTIONS, seed=12), "train", 0)
    mine = subject_of(OPTIONS, "train", 0)
    assert other.tone != mine.tone
    assert not np.allclose(other.meshes[0].rig.joints, mine.meshes[0].rig.joints)


@pytest.mark.parametrize("apart", [True, False])
def test_splits_share_subjects_only_without_split_by_subject(apart: bool) -> None:
    options = replace(OPTIONS, split_by_subject=apart)
    train, test = (subject_of(options, split, 0) for split in ("train", "test"))
    assert (train.tone != test.tone) == apart
    assert np.array_equal(train.meshes[0].rig.joints, test.meshes[0].rig.joints) != apart


def test_left_is_the_mirror(subject: time_step.Subject) -> None:
    right = poses.single_placement(np.random.default_rng(3))
    steps = [
        time_step.make_step(subject.meshes, k, placed, "keep", np.eye(3), np.zeros(3))
        for k, placed in (("right", (right, None)), ("left", (None, poses.mirrored(right))))
    ]
    mirrored = steps[1].joints[NUM_HAND_JOINTS:] * (-1, 1, 1)
    np.testing.assert_allclose(mirrored, steps[0].joints[:NUM_HAND_JOINTS], atol=1e-6)
    assert np.linalg.det(steps[0].moves[0][0, :, :3]) == pytest.approx(1)
    assert np.linalg.det(steps[1].moves[1][0, :, :3]) == pytest.approx(-1)


def test_joints_stay_within_their_limits() -> None:
    rng = np.random.default_rng(0)
    for k in range(100):
        pair = poses.interacting_placements(rng, poses.INTERACTING[k % 7])[:2]
        for pose in (poses.single_placement(rng).pose, pair[0].pose, pair[1].pose):
            assert (pose.flexion >= skeleton.FLEXION_LIMITS[..., 0]).all()
            assert (pose.flexion <= skeleton.FLEXION_LIMITS[..., 1]).all()
            assert (pose.abduction >= skeleton.ABDUCTION_LIMITS[:, 0]).all()
            assert (pose.abduction <= skeleton.ABDUCTION_LIMITS[:, 1]).all()
            assert (pose.wrist >= skeleton.WRIST_LIMITS[:, 0]).all()
            assert (pose.wrist <= skeleton.WRIST_LIMITS[:, 1]).all()
    wild = skeleton.clamp_pose(skeleton.HandPose(np.full((5, 3), 9.0), np.full(5, -9.0)))
    np.testing.assert_allclose(wild.flexion, skeleton.FLEXION_LIMITS[..., 1])


def test_the_sampled_segments_are_the_rigs_bones(subject: time_step.Subject) -> None:
    size = sample_hand_size(np.random.default_rng(5))
    rig = skeleton.parametric_rig(size)
    expected = [size.segments_mm[f, s] for f in range(5) for s in (3, 2, 1, 0)]
    np.testing.assert_allclose(bone_lengths(rig.joints), expected, atol=1e-6)


def test_the_mesh_is_closed_and_weighted() -> None:
    mesh = build_hand(sample_hand_size(np.random.default_rng(1)), 150.0)
    edges = np.sort(np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), axis=1)
    assert (np.unique(edges, axis=0, return_counts=True)[1] % 2 == 0).all()
    np.testing.assert_allclose(mesh.weights.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-3)
    a, b, c = (mesh.vertices[mesh.faces[:, i]].astype(float) for i in range(3))
    assert np.sum(a * np.cross(b, c)) > 0, "faces look outward"


def test_the_forearm_swells_towards_the_elbow_and_is_not_a_club() -> None:
    for seed in range(4):
        size = sample_hand_size(np.random.default_rng(seed))
        arm = build_hand(size).vertices

        def breadth(share: float, arm: np.ndarray = arm, length: float = size.forearm_length_mm) -> float:
            return float(np.ptp(arm[np.abs(arm[:, 1] + share * length) < 6.5, 0]))

        breadths = [breadth(share) for share in (0.15, 0.3, 0.45, 0.6, 0.72)]
        assert np.all(np.diff(breadths) > -2.0)
        assert 1.12 < breadths[-1] / breadths[0] < 1.6
        assert breadth(1.0) < breadths[-1], "the elbow is narrower than the muscles below it"
        girth = 2 * np.pi * size.forearm_half_mm / 1.04
        assert breadths[-1] * np.pi == pytest.approx(girth, rel=0.12)


def posed_limbs(subject: time_step.Subject, step: time_step.Step) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the world vertices and normals of both limbs."""
    return [
        renderer.skin(m.vertices, m.normals, m.bones, m.weights, moves)
        for m, moves in zip(subject.meshes, step.moves, strict=True)
        if moves is not None
    ]


def depth_by_rays(points: np.ndarray, faces: np.ndarray, other: np.ndarray) -> float:
    """Return how deep the points lie in a mesh: rays cross its faces twice as often outward where they start inside.

    The depth is the distance to the nearest corner or center of a face. No normals are used.
    """
    triangles = other[faces].astype(float)
    near = np.all((points > other.min(axis=0)) & (points < other.max(axis=0)), axis=1)
    deepest, tree = 0.0, cKDTree(np.concatenate([other, triangles.mean(axis=1)]))
    for point in points[near].astype(float):
        a, b, c = (triangles[:, k, :2] - point[:2] - 1e-4 for k in range(3))
        wa, wb, wc = (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0] for p, q in ((b, c), (c, a), (a, b)))
        hit = ((wa > 0) & (wb > 0) & (wc > 0)) | ((wa < 0) & (wb < 0) & (wc < 0))
        weights = np.stack([wa, wb, wc], axis=1)[hit]
        z = (weights * triangles[hit][..., 2]).sum(axis=1) / weights.sum(axis=1)
        turns = np.sign(weights.sum(axis=1))[z > point[2]].sum()
        if turns != 0:  # hand and arm are two closed meshes, so the number of turns is 0 outside and 1 or 2 inside
            deepest = max(deepest, tree.query(point)[0])
    return deepest


@pytest.mark.parametrize("kind", ["touching", "interlocked", "crossing", "fist_in_palm"])
def test_the_overlap_is_that_of_the_rendered_skin(subject: time_step.Subject, kind: str) -> None:
    draft = sampling.draw_draft(subject.meshes, np.random.default_rng(8), "frontal", 0, 1, kind)
    step = sampling.build(subject.meshes, draft)
    for shift in (0.0, 6.0):
        moves = (step.moves[0], step.moves[1] - np.array([shift, 0, 0])[:, None] * np.eye(4)[3])
        (right, _), (left, _) = posed_limbs(subject, replace(step, moves=moves))
        faces = subject.meshes[0].faces
        true = max(depth_by_rays(right, faces, left), depth_by_rays(left, faces, right))
        assert time_step.skin_overlap(subject.meshes, moves) == pytest.approx(true, abs=1.0)
        if not shift:
            assert step.overlap_mm == time_step.skin_overlap(subject.meshes, moves)
            assert true < 3.0


def test_hands_are_pushed_apart_and_still_touch(subject: time_step.Subject) -> None:
    same = poses.single_placement(np.random.default_rng(3))
    placed = (same, poses.mirrored(same))
    step = time_step.make_step(subject.meshes, "crossing", placed, "keep", np.eye(3), np.zeros(3))
    assert step.overlap_mm <= 2.0
    (right, _), (left, _) = posed_limbs(subject, step)
    assert cKDTree(right).query(left)[0].min() < 5.0
    apart = (same, replace(placed[1], wrist=np.array([150.0, 0, 0])))
    step = time_step.make_step(subject.meshes, "touching", apart, "approach", np.eye(3), np.zeros(3))
    (right, _), (left, _) = posed_limbs(subject, step)
    assert step.overlap_mm <= 2.0
    assert cKDTree(right).query(left)[0].min() < 3.0


def balls(distance: float) -> list[contact.Skin]:
    """Return two balls of radius 20 mm whose centers are `distance` mm apart."""
    i = np.arange(2000) + 0.5
    z, turn = 1 - i / 1000, np.pi * (1 + np.sqrt(5)) * i
    normals = np.stack([np.sqrt(1 - z * z) * np.cos(turn), np.sqrt(1 - z * z) * np.sin(turn), z], axis=1)
    return [contact.sort_skin(20 * normals + (x, 0, 0), normals, np.ones(2000, int)) for x in (0.0, distance)]


def test_overlap_of_two_balls() -> None:
    first, second = balls(35.0)
    deepest, direction, push = contact.overlap(first, second, np.zeros(3))
    assert deepest == pytest.approx(5.0, abs=0.3)
    np.testing.assert_allclose(direction, [1, 0, 0], atol=0.1)
    assert push[0] > 1.0
    assert contact.overlap(first, second, np.array([9.0, 0, 0]))[0] == pytest.approx(-4.0, abs=0.5)
    assert contact.overlap(first, second, np.array([90.0, 0, 0]))[0] < -100, "out of reach"
    shift = contact.separate(first, second, np.zeros(3), 1.0)
    assert 3.0 < np.linalg.norm(shift) < 6.0
    back = contact.approach(first, second, np.array([90.0, 0, 0]))
    assert np.linalg.norm(back + np.array([35.0, 0, 0])) == pytest.approx(40.0, abs=1.0)


def test_a_finger_in_its_own_palm_is_found(subject: time_step.Subject) -> None:
    mesh = subject.meshes[0]
    curled = skeleton.HandPose(np.array([[0, 0, 0], *[[1.57, 1.83, 1.3]] * 4]), np.zeros(5))
    flat = skeleton.HandPose(np.zeros((5, 3)), np.array([0, 0.2, 0.03, -0.15, -0.3]))
    deep, free = (
        contact.self_overlap(time_step.search_skin(mesh, skeleton.bone_transforms(mesh.rig, pose)))
        for pose in (curled, flat)
    )
    assert deep > 5.0
    assert free < 1.0


def test_sequences_move_smoothly(subject: time_step.Subject) -> None:
    args = (subject.meshes, 4, "train", 0)
    steps = [sampling.sample_sequence_step(*args, f, "frontal", 1.0, 0.0) for f in range(10)]
    joints = np.array([s.joints[np.repeat(s.present, NUM_HAND_JOINTS)] for s in steps])
    moved = np.linalg.norm(np.diff(joints, axis=0), axis=-1)
    assert moved.max() < 60
    assert moved.mean() > 0.2


def test_sequences_of_a_capture_share_no_frame_number(subject: time_step.Subject) -> None:
    options = replace(OPTIONS, sequence=2, num=16)
    chunk = plan(options)[0]
    made = [generate.step_of(options, chunk, subject, chunk.first + i) for i in range(4)]
    names, frames = zip(*((shot.name, shot.frame) for shot in made), strict=True)
    assert names[0] == names[1] != names[2] == names[3]
    assert frames == (3, 6, 9, 12)  # joints are filed by capture and frame alone


def test_the_aih_layout(tmp_path: Path) -> None:
    assert generate.generate(
        tmp_path, SynthesisOptions(num=6, views=1, seed=3, interacting=0.7, aih=True), progress=False
    )
    render = tmp_path / "AIH_dataset" / "AIH_render" / "machine_annot" / "train"
    names = sorted(p.stem for p in (render / "images" / "r_images" / "IH").glob("*.jpg"))
    assert names
    for side in "rl":
        assert sorted(p.stem for p in (render / "images" / f"{side}_images" / "DR_gt").glob("*.jpg")) == names
        for label in (f"{side}_amodal", "rl_visible"):
            assert sorted(p.stem for p in (render / "labels" / f"in_{side}_images" / label).glob("*.png")) == names
    import cv2

    amodal = cv2.imread(str(render / "labels" / "in_r_images" / "r_amodal" / f"{names[0]}.png"), -1)
    visible = cv2.imread(str(render / "labels" / "in_r_images" / "rl_visible" / f"{names[0]}.png"), -1)
    assert amodal.shape == (256, 256)
    assert set(np.unique(amodal)) == {0, 1}
    assert not ((visible == 1) & (amodal == 0)).any()


@pytest.mark.parametrize("text", ["", "1", "2/2", "-1/2", "a/b", "0/0", "1/2/3"])
def test_a_bad_shard_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="i/n"):
        parse_shard(text)


def test_a_folder_of_another_seed_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="other options"):
        generate.generate(made, replace(OPTIONS, seed=12), progress=False)
    (tmp_path / "photo.txt").write_text("mine")
    with pytest.raises(ConfigError, match="not empty"):
        generate.generate(tmp_path, OPTIONS, progress=False)


def test_bad_options_are_refused(tmp_path: Path) -> None:
    for bad in ({"size": "wide"}, {"size": "10x10"}, {"views": 0}, {"num": -1}, {"rotation": "up"}, {"preset": "x"}):
        with pytest.raises(ConfigError):
            SynthesisOptions(**{"num": 4, **bad})
    with pytest.raises(BackgroundError, match="does not exist"):
        appearance.list_photos(str(tmp_path / "none"), "train")


def test_every_image_is_in_one_chunk() -> None:
    options = SynthesisOptions(num=1001, num_val=7, num_test=30, views=3)
    for split in ("train", "val", "test"):
        steps = [i for c in plan(options) if c.split == split for i in range(c.first, c.last)]
        assert steps == list(range(-(-options.count(split) // 3)))


def test_lengths_in_pixels_scale_with_the_image() -> None:
    full, half = (camera_ring(np.random.default_rng(3), 12, 2, (size,)) for size in ("512x336", "256x168"))
    for a, b in zip(full, half, strict=True):
        np.testing.assert_allclose(a.focal, 2 * b.focal)
        np.testing.assert_allclose(a.principal_pt, 2 * b.principal_pt)
    glare = []
    for camera in (full[5], half[5]):
        image = np.zeros((camera.size[1], camera.size[0], 3), np.float32)
        appearance.draw_lamps(image, camera, 0.3)
        glare.append((image > 0.02).mean())
    assert glare[0] > 0
    assert glare[1] == pytest.approx(glare[0], rel=0.25)


def settled(name: str, mesh, noise: float) -> tuple[skeleton.HandPose, np.ndarray]:
    """The pose of a gesture, and how deep its fingers lie in each other and in the palm."""
    gesture = gestures.GESTURES[name]

    def overlaps(pose: skeleton.HandPose) -> np.ndarray:
        return contact.finger_overlaps(time_step.search_skin(mesh, skeleton.bone_transforms(mesh.rig, pose)))

    pose = gestures.gesture_pose(gesture, np.random.default_rng(1), noise)
    pose = gestures.settle(pose, mesh.rig, gesture.spot, overlaps)
    return pose, overlaps(pose)


@pytest.mark.parametrize("name", gestures.GESTURES)
def test_gestures_are_possible(name: str, subject: time_step.Subject) -> None:
    pose, depths = settled(name, subject.meshes[0], noise=1.0)
    assert depths.max() < 8.0
    limits = (skeleton.FLEXION_LIMITS, skeleton.ABDUCTION_LIMITS, skeleton.TWIST_LIMITS)
    for angles, limit in zip((pose.flexion, pose.abduction, pose.twist), limits, strict=True):
        assert (angles >= limit[..., 0] - 1e-9).all()
        assert (angles <= limit[..., 1] + 1e-9).all()


@pytest.mark.parametrize(
    ("name", "straight"),
    [("open", "1111"), ("fist", "0000"), ("one", "1000"), ("two", "1100"), ("three", "1110"), ("four", "1111"),
     ("letter_y", "0001"), ("horns", "1001"), ("ok", "0111"), ("thumb_up", "0000"), ("point_at", "1000")],
)  # fmt: skip
def test_gestures_show_their_fingers(name: str, straight: str, subject: time_step.Subject) -> None:
    rig = subject.meshes[0].rig
    pose, _ = settled(name, subject.meshes[0], noise=0.0)
    joints = skeleton.posed_joints(rig, skeleton.bone_transforms(rig, pose))
    for finger, shown in enumerate(straight, start=1):
        chain = joints[[skeleton.joint_index(finger, digit) for digit in (1, 2, 3, 4)]]
        length = np.linalg.norm(np.diff(chain, axis=0), axis=1).sum()
        reach = np.linalg.norm(chain[-1] - chain[0]) / length
        assert reach > 0.94 if shown == "1" else reach < 0.90


@pytest.mark.parametrize(("name", "finger"), [("ok", 1), ("pinch", 1), ("seven", 3), ("eight", 2)])
def test_the_thumb_meets_the_finger(name: str, finger: int, subject: time_step.Subject) -> None:
    rig = subject.meshes[0].rig
    pose, _ = settled(name, subject.meshes[0], noise=0.0)
    joints = skeleton.posed_joints(rig, skeleton.bone_transforms(rig, pose))
    tips = joints[skeleton.joint_index(0, 4)], joints[skeleton.joint_index(finger, 4)]
    assert np.linalg.norm(tips[0] - tips[1]) < 32


def test_the_studio_draws_no_gestures_and_wild_draws_many(subject: time_step.Subject) -> None:
    def kinds(gesturing: float) -> list[str]:
        draws = (np.random.default_rng(k) for k in range(12))
        return [sampling.draw_draft(subject.meshes, r, "frontal", 1.0, 1.0, None, gesturing).kind for r in draws]

    assert set(kinds(0.0)) <= set(poses.INTERACTING)
    assert set(kinds(1.0)) <= set(gestures.PAIRS)


@pytest.mark.parametrize("kind", gestures.PAIRS)
def test_pairs_do_not_sink_into_each_other(kind: str, subject: time_step.Subject) -> None:
    rng = np.random.default_rng(3)
    drafts = (sampling.draw_draft(subject.meshes, rng, "frontal", 1.0, 1.0, kind, 1.0) for _ in range(6))
    steps = (sampling.build(subject.meshes, draft) for draft in drafts)
    step = next((step for step in steps if step.overlap_mm < sampling.MAX_OVERLAP_MM), None)
    assert step is not None
    assert step.kind == kind
    assert step.present.all()


def test_folded_hands_reach_between_each_other(subject: time_step.Subject) -> None:
    """Along the row of the knuckles, right and left fingers take turns."""
    changes = []
    for seed in range(4):
        draft = sampling.draw_draft(subject.meshes, np.random.default_rng(seed), "frontal", 1.0, 1.0, "folded", 1.0)
        joints = sampling.build(subject.meshes, draft).joints
        middles = np.stack(
            [joints[[skeleton.joint_index(f, 3) + NUM_HAND_JOINTS * side for side in (0, 1)]] for f in range(1, 5)]
        )
        row = joints[skeleton.joint_index(1, 1)] - joints[skeleton.joint_index(4, 1)]
        sides = np.tile([0, 1], 4)[np.argsort(middles.reshape(8, 3) @ row)]
        changes.append(int(np.sum(sides[1:] != sides[:-1])))
    assert np.median(changes) >= 6
