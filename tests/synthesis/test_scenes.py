"""Scenes: exact cameras, the data set's box definition, bytes that depend on (seed, index) alone, typed errors."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from interhand_mm.datasets.interhand import InterHandDataset
from interhand_mm.errors import AnnotationError, BackgroundError, ConfigError, ImageError
from interhand_mm.inference.grouping import interaction_bbox
from interhand_mm.structures import mask_bits
from interhand_mm.structures.boxes import BBOX_ENLARGE, scale_boxes
from interhand_mm.synthesis.scenes.compose import Scene, SceneOptions, make_scenes
from interhand_mm.synthesis.scenes.labels import coco_box
from interhand_mm.synthesis.scenes.paste import CutOut, PastedHands, cut_out, paste
from interhand_mm.utils.coco import coco_detection
from tests.fixtures.tiny import edit_json, write_photographs, write_set

RIGHT = mask_bits.RIGHT_AMODAL | mask_bits.RIGHT_VISIBLE | mask_bits.RIGHT_LIMB_AMODAL | mask_bits.RIGHT_LIMB_VISIBLE
LEFT = RIGHT << 1


def write_hands(root: Path) -> Path:
    """A tiny set with masks; left sticks are lighter than right ones (see tests.fixtures.tiny)."""
    for split, num in (("train", 6), ("test", 3)):
        write_set(root, split, num=num, seed=len(split))
        for path in (root / "images" / split).rglob("*.jpg"):
            image = cv2.imread(str(path))
            bits = np.where(image[..., 0] > 130, LEFT, RIGHT) * (image[..., 2] > 60)
            target = root / "masks" / path.relative_to(root / "images").with_suffix(".png")
            target.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(target), bits.astype(np.uint8))
    return root


@pytest.fixture(scope="module")
def options(tmp_path_factory) -> SceneOptions:
    base = tmp_path_factory.mktemp("hands")
    photos = [str(write_photographs(base / name, seed=i)) for i, name in enumerate(("a", "b"))]
    for path in Path(photos[1]).iterdir():
        path.rename(path.with_name(f"other_{path.name}"))
    return SceneOptions(str(write_hands(base / "set")), tuple(photos), num=14, num_test=5, seed=3)


@pytest.fixture(scope="module")
def made(options, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("made") / "scenes"
    assert make_scenes(out, options, progress=False)
    return out


def load(path: Path):
    return json.loads(path.read_bytes())


def test_same_bytes_from_shards_and_from_a_longer_run(made, options, tmp_path, monkeypatch):
    monkeypatch.setattr("interhand_mm.synthesis.scenes.compose.SCENES_PER_CHUNK", 4)
    more = replace(options, num=15)
    assert not make_scenes(tmp_path / "s", more, shard="1/2", progress=False)
    assert make_scenes(tmp_path / "s", more, shard="0/2", progress=False)
    images = sorted((made / "images").rglob("scene*.jpg"))
    assert len(images) == 19
    again = {p.parts[-3] + p.name: p for p in (tmp_path / "s" / "images").rglob("scene*.jpg")}
    assert len(again) == 20
    assert all(p.read_bytes() == again[p.parts[-3] + p.name].read_bytes() for p in images)


def test_stopped_run_goes_on_and_other_options_are_refused(made, options):
    before = {p: p.stat().st_mtime_ns for p in (made / "images").rglob("*.jpg")}
    assert make_scenes(made, options, progress=False)
    assert before == {p: p.stat().st_mtime_ns for p in (made / "images").rglob("*.jpg")}
    with pytest.raises(ConfigError, match="started with other options"):
        make_scenes(made, replace(options, seed=4), progress=False)


def test_the_data_set_reads_scenes_and_boxes_agree_with_coco(made):
    dataset = InterHandDataset(str(made), split="train")  # contract checks are on: projection == keypoints
    per_hand: dict[int, list] = {}
    for hand in load(made / "annotations/coco/sides_train.json")["annotations"]:
        x, y, w, h = hand["bbox"]
        per_hand.setdefault(hand["interaction"], []).append((hand["category_id"], [x, y, x + w, y + h]))
    kinds = set()
    for i in range(len(dataset)):
        sample = dataset.get_data_info(i)
        hands = per_hand[sample["ann_id"]]
        kinds.add(len(hands))
        x1, y1, x2, y2 = interaction_bbox(np.array([box for _, box in hands]))
        side = max(x2 - x1, y2 - y1) * 1.25
        np.testing.assert_allclose(sample["bbox"][2:] - sample["bbox"][:2], side, rtol=1e-4)
        np.testing.assert_allclose(
            (sample["bbox"][2:] + sample["bbox"][:2]) / 2, [(x1 + x2) / 2, (y1 + y2) / 2], atol=0.01
        )
        for category, box in hands:
            joints = slice(21 * (category - 1), 21 * category)
            seen = sample["keypoints"][0, joints, :2][sample["keypoints_visible"][0, joints] > 0]
            if len(seen) == 21:
                tight = np.concatenate([seen.min(0), seen.max(0)])
                np.testing.assert_allclose(scale_boxes(box, 1 / BBOX_ENLARGE), tight, atol=0.01)
    assert kinds == {1, 2}


@pytest.mark.parametrize("scale", [0.35, 0.8, 1.5])
def test_a_pixel_lands_where_its_joint_does(scale):
    image = np.zeros((100, 120, 3), np.uint8)
    cv2.circle(image, (70, 40), 6, (255, 255, 255), -1)
    piece = CutOut(image, np.ones((100, 120), np.float32), np.ones((100, 120), np.uint8))
    offset = np.array([12.3, -3.6])
    mixed, _ = paste(np.zeros((200, 240, 3), np.uint8), piece, scale, offset)
    weight = mixed[..., 0].astype(float)
    y, x = np.indices(weight.shape)
    center = np.array([(x * weight).sum(), (y * weight).sum()]) / weight.sum()
    np.testing.assert_allclose(center, scale * np.array([70, 40]) + offset, atol=0.1)


def test_one_class_file_differs_in_categories_alone(made):
    sides, hand = (load(made / f"annotations/coco/{kind}_test.json") for kind in ("sides", "hand"))
    assert [c["name"] for c in sides["categories"]] == ["right_hand", "left_hand"]
    assert [c["name"] for c in hand["categories"]] == ["hand"]
    assert len(sides["images"]) == len(hand["images"]) == 5
    assert {a["category_id"] for a in hand["annotations"]} == {1}
    assert [a["bbox"] for a in sides["annotations"]] == [a["bbox"] for a in hand["annotations"]]


def test_scenes_without_hands_are_in_coco_and_the_rest_in_both(made):
    images = load(made / "annotations/coco/hand_train.json")["images"]
    files = {image["file_name"] for image in load(made / "annotations/train/InterHand2.6M_train_data.json")["images"]}
    assert len(images) == 14
    assert files <= {image["file_name"] for image in images}


def test_hardly_visible_hands_are_ignored_not_wanted():
    box = coco_box(7, dict(side=1, bbox=[0, 0, 4, 5], iscrowd=1, interaction=3))
    (entry,) = coco_detection([], [box], ("right_hand", "left_hand"))["annotations"]
    assert entry == dict(
        id=1, image_id=7, category_id=2, bbox=[0, 0, 4, 5], area=20, iscrowd=1, side="left", interaction=3
    )


def test_paste_scales_shifts_and_blends():
    piece = CutOut(np.full((10, 10, 3), 200, np.uint8), np.ones((10, 10), np.float32), np.full((10, 10), 2, np.uint8))
    mixed, cover = paste(np.zeros((40, 40, 3), np.uint8), piece, 2.0, np.array([10.0, 5.0]))
    assert (mixed[6:23, 11:28] == 200).all()
    assert (cover[6:23, 11:28] == 2).all()
    assert mixed[:4].max() == mixed[:, :8].max() == mixed[26:].max() == mixed[:, 31:].max() == 0


def test_a_piece_that_hides_an_earlier_hand_is_not_pasted():
    square = np.ones((20, 20), np.uint8)
    piece = CutOut(np.full((20, 20, 3), 200, np.uint8), square.astype(np.float32), square)
    scene = Scene(np.zeros((60, 60, 3), np.uint8))

    def place(x: float) -> PastedHands:
        return PastedHands(None, 1.0, np.array([x, 10.0]), np.zeros((42, 2)), np.ones(42, bool))

    assert scene.add(piece, place(10))
    before = scene.image
    assert not scene.add(piece, place(16))  # would leave 30 % of the first hand
    assert scene.image is before
    assert scene.add(piece, place(27))  # leaves 85 %
    assert [hands.offset[0] for hands in scene.placed] == [10, 27]


def test_cut_out_with_and_without_arms():
    bits = np.zeros((100, 100), np.uint8)
    bits[20:50, 40:60] = RIGHT
    bits[50:, 40:60] = mask_bits.RIGHT_LIMB_AMODAL | mask_bits.RIGHT_LIMB_VISIBLE
    image = np.zeros((100, 100, 3), np.uint8)
    with_arm, without = cut_out(image, bits, True), cut_out(image, bits, False)
    assert with_arm.alpha[60, 50] == 1
    assert 0 < with_arm.alpha[97, 50] < 0.5  # fades towards the frame
    large = cut_out(np.kron(image, np.ones((4, 4, 1), np.uint8)), np.kron(bits, np.ones((4, 4), np.uint8)), True)
    assert large.alpha[4 * 97 + 1, 200] == pytest.approx(with_arm.alpha[97, 50], abs=0.1)  # over the same share of it
    assert without.alpha[60, 50] == 0
    assert with_arm.alpha[30, 50] == without.alpha[30, 50] == 1
    assert (with_arm.owners > 0).sum() == 600


@pytest.mark.parametrize("fault", ["json", "key", "masks", "none"])
def test_bad_sources_are_named(options, tmp_path, fault):
    root = write_hands(tmp_path / "hands")
    data = root / "annotations/train/InterHand2.6M_train_data.json"
    if fault == "json":
        data.write_text("{")
    elif fault == "key":
        edit_json(data, lambda content: content["annotations"][0].pop("joint_valid"))
    elif fault == "masks":
        (root / "masks/train").rename(root / "masks/gone")
    else:
        edit_json(data, lambda content: [a.update(joint_valid=[[0]] * 42) for a in content["annotations"]])
    with pytest.raises(AnnotationError, match="train"):
        make_scenes(tmp_path / "out", replace(options, hands=str(root)), progress=False)
    assert not (tmp_path / "out").exists()


def test_mask_of_another_size_is_named(options, tmp_path):
    root = write_hands(tmp_path / "hands")
    for path in (root / "masks/train").rglob("*.png"):
        cv2.imwrite(str(path), np.zeros((5, 5), np.uint8))
    with pytest.raises(ImageError, match="mask"):
        make_scenes(tmp_path / "out", replace(options, hands=str(root)), progress=False)


def test_photographs_must_be_there_and_disjoint(options, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(BackgroundError, match="there are no photographs"):
        replace(options, photographs=(options.photographs[0], str(tmp_path / "empty")))
    with pytest.raises(BackgroundError, match="share photographs"):
        replace(options, photographs=(options.photographs[0],) * 2)
    with pytest.raises(ConfigError, match="negative"):
        replace(options, num=-1)
