"""Every fast path against the plain one."""

from __future__ import annotations

import json
import pickle

import cv2
import numpy as np
import pytest

from interhand_mm.datasets import InterHandDataset
from interhand_mm.datasets.crop_cache import cache_bytes, reach_of, region, write_crop_cache
from interhand_mm.datasets.transforms.background import blend
from interhand_mm.datasets.transforms.background_pool import BackgroundPool
from interhand_mm.datasets.transforms.geometry import crop_sample, draw_augment
from interhand_mm.datasets.transforms.loading import LoadHandImage
from interhand_mm.datasets.transforms.matte import connected_to, draw_hand, nonzero_pixels, uint8_percentiles
from interhand_mm.errors import ConfigError, ImageError, OutputError
from interhand_mm.structures.joints import BONES
from interhand_mm.utils.images import read_image
from tests.fixtures.tiny import write_photographs, write_set

CODEC = dict(type="InterHand3DCodec")


def test_blending_edges_alone_is_the_integer_formula():
    rng = np.random.default_rng(0)
    front, behind = rng.integers(0, 256, (2, 256, 256, 3), dtype=np.uint8)
    alpha = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 256, axis=1)  # every alpha
    front[:, :3], behind[:, :3] = (255, 255, 0), (255, 0, 255)  # and the extremes
    weight = alpha[..., None].astype(np.int64)
    want = (front * (255 - weight) + behind * weight + 127) // 255
    assert np.array_equal(blend(front, behind, alpha), want)


@pytest.mark.parametrize("count", [1, 2, 7, 500])
def testuint8_percentiles_by_counting_are_numpys(count):
    rng = np.random.default_rng(count)
    values = rng.integers(0, 256, (count, 3), dtype=np.uint8)
    assert np.array_equal(uint8_percentiles(values, (8, 50, 92)), np.percentile(values, (8, 50, 92), axis=0))


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 1.0])
def test_places_are_flatnonzero(share):
    mask = np.where(np.random.default_rng(0).random((90, 70)) < share, 255, 0).astype(np.uint8)
    assert np.array_equal(nonzero_pixels(mask), np.flatnonzero(mask))


@pytest.mark.parametrize("step", [2, 40])  # thousands of parts, which a byte cannot number, and few
def test_parts_that_touch_the_core_are_kept(step):
    mask = np.zeros((120, 120), np.uint8)
    mask[::step, ::step] = 255
    core = np.zeros_like(mask)
    core[step, step] = core[0, 0] = 255
    assert np.array_equal(connected_to(mask, nonzero_pixels(core)), np.where(core & mask, 255, 0))


def test_bones_drawn_at_once_are_those_drawn_singly():
    rng = np.random.default_rng(0)
    for seen in (1.0, 0.7, 0.0):
        points, visible = rng.uniform(-40, 160, (21, 2)), rng.random(21) < seen
        visible[[3, 7, 11, 15, 19, 20]] = False  # no palm and no wrist: bones alone
        core, reach, want_core, want_reach = np.zeros((4, 120, 120), np.uint8)
        draw_hand(core, reach, points, visible, 0.5, 90.0)
        pixels = np.rint(points).astype(np.int32)
        for child, parent in BONES[:20]:
            if visible[child] and visible[parent]:
                end = pixels[parent] + (pixels[child] - pixels[parent]) * 7 // 10 if child % 4 == 0 else pixels[child]
                cv2.line(want_core, end.tolist(), pixels[parent].tolist(), 255, 6)
                cv2.line(want_reach, pixels[child].tolist(), pixels[parent].tolist(), 255, 13)
        assert core.any() == reach.any() == (seen > 0)
        assert np.array_equal(core, want_core)
        assert np.array_equal(reach, want_reach)


def test_a_small_pool_is_decoded_once_and_a_large_one_is_not_kept(tmp_path):
    photos = write_photographs(tmp_path / "photos", num=3)
    kept, not_kept = BackgroundPool(photos), BackgroundPool(photos, keep_mb=0)
    seeds = range(12)
    first = [kept.draw(np.random.default_rng(seed))[0] for seed in seeds]
    for seed, photo in zip(seeds, first, strict=True):
        again = kept.draw(np.random.default_rng(seed))[0]
        other = not_kept.draw(np.random.default_rng(seed))[0]
        assert again is photo
        assert not again.flags.writeable  # what one sample gets, the next one will
        assert other is not photo
        assert np.array_equal(other, photo)


def smooth_frame(period_px=80, width=512, height=334):
    """Waves in three directions, 120 levels high."""
    y, x = np.mgrid[:height, :width]
    waves = [127 + 120 * np.sin(2 * np.pi * (a * x + b * y) / period_px) for a, b in ((1, 0), (0, 1), (0.7, 0.7))]
    return np.stack(waves, axis=-1).astype(np.uint8)


@pytest.mark.parametrize("shrink", [2, 4, 8])
@pytest.mark.parametrize("flip", [False, True])
def test_crops_of_shrunk_frames_lie_where_the_plain_ones_do(tmp_path, shrink, flip):
    path = tmp_path / "frame.jpg"
    cv2.imwrite(str(path), smooth_frame(40 * shrink), [cv2.IMWRITE_JPEG_QUALITY, 100])
    side = 32 * shrink
    box = np.array([200.0, 60, 200 + side, 60 + side], np.float32)
    sample = dict(
        img_path=str(path), ann_id=0, image_size=(512, 334), bbox=box, keypoints=np.zeros((1, 42, 3)),
        keypoints_cam=np.zeros((1, 42, 3)), keypoints_visible=np.ones((1, 42)), principal_pt=np.zeros(2),
        hand_type=np.ones((1, 2)), abs_depth=np.ones(2), rel_root_depth=0.0,
    )  # fmt: skip
    augment = draw_augment(np.random.default_rng(3), 0.15, 0.25, 45, 1.0, float(flip))
    crops = []
    for min_box_px in (None, 32):
        own = LoadHandImage(min_box_px)(
            {key: np.copy(value) if isinstance(value, np.ndarray) else value for key, value in sample.items()}
        )
        assert own["img"].shape[0] == (334 if min_box_px is None else -(-334 // shrink))
        crops.append(crop_sample(own, augment, (32, 32))["img"].astype(int))
        last = own
    inner = (slice(4, -4), slice(4, -4))
    # Means and straight lines between them flatten these waves by 0.4 levels; a shift of (shrink - 1) / 2 px is 3.
    difference = np.abs(crops[0] - crops[1])[inner]
    assert difference.mean() < 1.2
    shifted = last["warp"].read_to_crop @ np.array(
        [[1, 0, 0.5 - 0.5 / shrink], [0, 1, 0.5 - 0.5 / shrink], [0, 0, 1.0]]
    )
    wrong = cv2.warpAffine(last["img_full"], shifted, (32, 32)).astype(int)
    assert np.abs(crops[0] - wrong)[inner].mean() > 2 * difference.mean()


def test_only_large_boxes_and_jpegs_are_shrunk(tmp_path):
    load = LoadHandImage(96)
    sides = {95: 1, 191: 1, 192: 2, 383: 2, 384: 4, 767: 4, 768: 8, 5000: 8}
    assert {side: load._shrink(np.array([0, 0, side, side + 9.0])) for side in sides} == sides
    cv2.imwrite(str(tmp_path / "a.png"), smooth_frame())
    assert read_image(tmp_path / "a.png", shrink=2).shape == (334, 512, 3)
    with pytest.raises(ConfigError, match="min_box_px"):
        LoadHandImage(0)


def pipeline(photos=None):
    steps = [dict(type="LoadHandImage"), dict(type="HandCropAugment", encoder=CODEC, rotation_prob=1.0)]
    replace = dict(type="RandomBackgroundReplace", backgrounds=str(photos), prob=1.0, mask="matte")
    return [*steps, replace] if photos else steps


@pytest.mark.parametrize("photographs", [False, True])
def test_cached_crops_are_the_plain_ones(tmp_path, photographs):
    root = write_set(tmp_path / "tiny", num=6)
    photos = write_photographs(tmp_path / "photos") if photographs else None
    plain = InterHandDataset(data_root=str(root), pipeline=pipeline(photos))
    said = cache_bytes(plain)
    assert write_crop_cache(plain, tmp_path / "crops") == said == (tmp_path / "crops/pixels.bin").stat().st_size
    assert sorted(path.name for path in (tmp_path / "crops").iterdir()) == ["head.json", "index.npz", "pixels.bin"]
    cached = InterHandDataset(data_root=str(root), pipeline=pipeline(photos), crop_cache=str(tmp_path / "crops"))
    for epoch in range(4):
        plain.set_epoch(epoch)
        cached.set_epoch(epoch)
        for i in range(6):
            one, other = plain[i], cached[i]
            assert np.abs(one["img"].astype(int) - other["img"].astype(int)).max() <= 1
            assert np.array_equal(one["warp"].full_to_crop, other["warp"].full_to_crop)


def test_a_cache_opens_no_image(tmp_path):
    root = write_set(tmp_path / "tiny", num=3)
    write_crop_cache(InterHandDataset(data_root=str(root), pipeline=pipeline()), tmp_path / "crops")
    for path in (root / "images").rglob("*.jpg"):
        path.unlink()
    cached = InterHandDataset(data_root=str(root), pipeline=pipeline(), crop_cache=str(tmp_path / "crops"))
    assert cached[0]["img"].std() > 5


def test_a_region_holds_whatever_the_augmentation_can_show(tmp_path):
    dataset = InterHandDataset(data_root=str(write_set(tmp_path / "tiny", num=1)), pipeline=pipeline())
    reach = reach_of(dataset)
    assert reach == pytest.approx(0.15 + 0.5 * 1.25 * 2**0.5)
    rng, box = np.random.default_rng(0), np.array([300.0, 300, 400, 400])
    x1, y1, x2, y2 = region(box, (1000, 1000), reach)
    from interhand_mm.structures.camera import apply_affine, crop_affine, invert_affine

    corners = np.array([[0, 0], [256, 0], [0, 256], [256, 256.0]])
    for _ in range(300):
        augment = draw_augment(rng, 0.15, 0.25, 45, 1.0, 0.0)
        moved = box + np.tile(augment.shift, 2) * 100
        seen = apply_affine(corners, invert_affine(crop_affine(moved, (256, 256), augment.scale, augment.rotation_deg)))
        assert (seen >= [x1, y1]).all()
        assert (seen < [x2, y2]).all()


def test_wrong_caches_are_refused(tmp_path, monkeypatch):
    root = write_set(tmp_path / "tiny", num=4)
    dataset = InterHandDataset(data_root=str(root), pipeline=pipeline())
    folder = tmp_path / "crops"

    def opened(steps=None):
        return InterHandDataset(data_root=str(root), pipeline=steps or pipeline(), crop_cache=str(folder))

    with pytest.raises(ConfigError, match="cannot be read"):
        opened()
    (tmp_path / "two.txt").write_text("500\n501\n")
    two = InterHandDataset(data_root=str(root), pipeline=pipeline(), ann_ids_file=str(tmp_path / "two.txt"))
    write_crop_cache(two, folder)
    with pytest.raises(ConfigError, match="no pixels for 2 of 4"):
        opened()
    write_crop_cache(dataset, folder)
    wilder = [dict(type="LoadHandImage"), dict(type="HandCropAugment", encoder=CODEC, scale=0.9)]
    with pytest.raises(ConfigError, match="smaller augmentation"):
        opened(wilder)
    pixels = folder / "pixels.bin"
    pixels.write_bytes(pixels.read_bytes()[:-10])
    with pytest.raises(ConfigError, match="crop cache"):
        opened()
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), dict(free=1000)))
    with pytest.raises(OutputError, match="too little space"):
        write_crop_cache(dataset, folder)


def test_a_cache_is_refused_for_other_data(tmp_path):
    first, second = (write_set(tmp_path / name, num=3) for name in "ab")  # the same ids and pixels
    write_set(first, num=3, split="val")
    folder = tmp_path / "crops"

    def dataset(root=first, **kwargs):
        return InterHandDataset(data_root=str(root), pipeline=pipeline(), **kwargs)

    write_crop_cache(dataset(), folder)
    dataset(crop_cache=str(folder))
    for other, named in (
        (dict(root=second), "another images"),
        (dict(split="val"), "another index and split and images"),
    ):
        with pytest.raises(ConfigError, match=named) as caught:
            dataset(crop_cache=str(folder), **other)
        assert "another folder" in caught.value.fix
    boxes = {"boxes": [{"annot_id": i, "bbox": [90, 90, 60, 60]} for i in (500, 501, 502)], "missed": []}
    (tmp_path / "boxes.json").write_text(json.dumps(boxes))
    with pytest.raises(ConfigError, match="another boxes"):
        dataset(crop_cache=str(folder), boxes=str(tmp_path / "boxes.json"))
    # Annotations that changed in place.
    for path in first.rglob("*train_data.json"):
        path.write_text(path.read_text().replace('"hand_type_valid": 1', '"hand_type_valid": true'))
    with pytest.raises(ConfigError, match="another index"):
        dataset(crop_cache=str(folder))
    head = json.loads((folder / "head.json").read_text())
    (folder / "head.json").write_text(json.dumps({**head, "version": 1}))
    with pytest.raises(ConfigError, match="another version"):
        dataset(crop_cache=str(folder))


def test_a_cache_leaves_out_what_cannot_be_read(tmp_path):
    root = write_set(tmp_path / "tiny", num=4)
    gone = InterHandDataset(data_root=str(root)).load_item(1)["img_path"]
    cv2.imwrite(gone, np.zeros_like(cv2.imread(gone)))
    with pytest.raises(ImageError, match="all black"):
        write_crop_cache(InterHandDataset(data_root=str(root), pipeline=pipeline()), tmp_path / "crops")
    plain = InterHandDataset(data_root=str(root), pipeline=pipeline(), strict="skip")
    size = write_crop_cache(plain, tmp_path / "crops")
    assert size == (tmp_path / "crops/pixels.bin").stat().st_size < cache_bytes(plain)
    cached = InterHandDataset(
        data_root=str(root), pipeline=pipeline(), strict="skip", crop_cache=str(tmp_path / "crops")
    )
    for i in range(4):
        one, other = plain[i], cached[i]
        assert one["skipped"] == other["skipped"]
        assert bool(one["skipped"]) == (i == 1)
        assert np.abs(one["img"].astype(int) - other["img"].astype(int)).max() <= 1


def test_a_cache_is_mapped_by_new_processes(tmp_path):
    root = write_set(tmp_path / "tiny", num=3)
    write_crop_cache(InterHandDataset(data_root=str(root), pipeline=pipeline()), tmp_path / "crops")
    cached = InterHandDataset(data_root=str(root), pipeline=pipeline(), crop_cache=str(tmp_path / "crops"))
    copied = pickle.dumps(cached.crops)
    assert len(copied) < 1000
    np.testing.assert_array_equal(pickle.loads(copied).read(501)[0], cached.crops.read(501)[0])
