"""AIH: published layout, recipes, renders, online synthesis, and every way a download can be broken."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from interhand_mm.engine.hooks import SampleSeedHook
from interhand_mm.errors import AnnotationError, ConfigError, DataContractError, ImageError
from interhand_mm.hdr.data import AIHDataset
from interhand_mm.hdr.data.aih_recipes import read_recipes
from interhand_mm.hdr.data.prepare_aih import prepare_aih
from interhand_mm.hdr.data.transforms.aih import (
    JointColorJitter,
    MirrorHands,
    PackAmodalInputs,
    PadHands,
    PhotometricDistortion,
    ResizeAndCropHands,
)
from interhand_mm.hdr.data.transforms.interaction import SynthesizeInteraction, move_affine, recipe_move
from interhand_mm.hdr.masks import edit_masks, of_target
from interhand_mm.utils.safe_pickle import UnsafeFileError
from tests.conftest import ROOT
from tests.fixtures.tiny_aih import STEMS, hand_mask, recipe, write_aih_render, write_aih_syn

LOAD, PACK = dict(type="LoadAIH"), dict(type="PackAmodalInputs")
SYN = [LOAD, dict(type="SynthesizeInteraction", trials=30)]
CFGS = "AIH_syn/syn_cfgs/all_machine_annot_train_syn_cfgs"


@pytest.fixture
def syn_root(tmp_path):
    root = write_aih_syn(tmp_path)
    prepare_aih(root)
    return root


# --- recipes ---


def test_published_recipes_are_converted_once_and_equal(tmp_path):
    root = write_aih_syn(tmp_path)
    with pytest.raises(AnnotationError, match=r"prepare_aih\.py"):
        AIHDataset(str(root))
    (line,) = prepare_aih(tmp_path)
    assert "3 recipes, 1 of them marked as failed" in line
    made, source = read_recipes(root / f"{CFGS}.npz"), read_recipes(root / f"{CFGS}.npy")
    for name in ("target_side", "target_row", "other_row", "right", "left", "occlusion_rate"):
        np.testing.assert_array_equal(getattr(made, name), getattr(source, name))
    assert made.target_side.tolist() == [0, 1, 0]
    assert made.other_row.tolist() == [1, 2, -1000]
    np.testing.assert_allclose(made.left[0], [0.05, -0.02, 1.1, 12.5, 1.1, 0.9, 1.0], rtol=1e-6)
    assert np.load(root / f"{CFGS}.npz", allow_pickle=False)["right"].dtype == np.float32
    assert not list((root / "AIH_syn/syn_cfgs").glob("*.part"))


class _Touches:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_recipes_that_run_code_are_refused(tmp_path):
    canary = tmp_path / "ran"
    root = write_aih_syn(tmp_path, recipes=[recipe("right", 0, 0, occlusion_rate=_Touches(canary))])
    with pytest.raises(UnsafeFileError, match=r"syn_cfgs\.npy.*system"):
        prepare_aih(root)
    assert not canary.exists()
    assert not (root / f"{CFGS}.npz").exists()


@pytest.mark.parametrize(
    "change",
    [
        {"loop_side": "both"}, {"loop_side_idx": 0.5}, {"another_side_idx": -3}, {"another_side_idx": None},
        {"l_aug_list": [[0, 0], 1.0, 0.0]}, {"l_aug_list": [[0, 0, 0], 1.0, 0.0, [1, 1, 1]]},
        {"l_aug_list": [[0, 0], 0.0, 0.0, [1, 1, 1]]}, {"l_aug_list": [[0, float("nan")], 1.0, 0.0, [1, 1, 1]]},
        {"l_aug_list": [[0, 0], 1.0, 0.0, [1, 1]]},
    ],
)  # fmt: skip
def test_a_broken_recipe_is_named(tmp_path, change):
    root = write_aih_syn(tmp_path, recipes=[recipe("right", 0, 0), recipe("right", 1, 0, **change)])
    with pytest.raises(AnnotationError, match=r"syn_cfgs\.npy: recipe 1"):
        prepare_aih(root)


def test_recipes_beyond_their_list_are_refused(tmp_path):
    root = write_aih_syn(tmp_path, recipes=[recipe("right", 0, 0), recipe("right", 0, 2)])  # two left crops
    prepare_aih(root)
    with pytest.raises(AnnotationError, match="recipe 1") as caught:
        AIHDataset(str(root))
    assert "row 2 of the left list, which has 2" in str(caught.value)


def test_columns_of_unequal_length_are_refused(syn_root):
    path = syn_root / f"{CFGS}.npz"
    columns = dict(np.load(path))
    np.savez(path, **{**columns, "other_row": columns["other_row"][:2]})
    with pytest.raises(AnnotationError, match="column 'other_row'"):
        AIHDataset(str(syn_root))
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(AnnotationError, match="damaged"):
        AIHDataset(str(syn_root))


def test_broken_lists_are_named(syn_root):
    listed = syn_root / "AIH_syn/filtered_list/machine_annot_train_sh_left_filtered.txt"
    listed.write_text("7\nseven\n")
    with pytest.raises(AnnotationError, match=r"left_filtered\.txt: line 2"):
        AIHDataset(str(syn_root))
    listed.unlink()
    with pytest.raises(AnnotationError, match=r"left_filtered\.txt"):
        AIHDataset(str(syn_root))


def test_the_tool_says_so_and_ends_with_2(tmp_path):
    root = write_aih_syn(tmp_path, recipes=[recipe("right", 0, 0, occlusion_rate=_Touches(tmp_path / "ran"))])
    command = [sys.executable, "tools/prepare_aih.py", str(root)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.startswith("UnsafeFileError")
    assert not (tmp_path / "ran").exists()
    write_aih_syn(tmp_path)
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "machine_annot_train_syn_cfgs.npz: 3 recipes, 1 of them marked as failed" in done.stdout


# --- AIH_Syn ---


def test_a_stored_recipe_is_made_as_published(syn_root):
    data = AIHDataset(str(syn_root.parent), pipeline=SYN)  # the folder that holds AIH_dataset does as well
    assert len(data) == 2  # the third was given up
    sample = data[0]
    # Target: right crop 4 unmoved but for the box of 255 px; other: left crop 30, moved.
    assert sample["img_path"].endswith(f"r_images/{STEMS['right'][0]}.jpg")
    right, left = hand_mask("right", 4.0 * 4), hand_mask("left", 4.0 * 30)
    recipes = read_recipes(syn_root / f"{CFGS}.npz")
    wanted = [
        cv2.warpAffine(m.astype(np.float32), move_affine(recipe_move(row), (256, 256), (256, 256)), (256, 256)).astype(
            int
        )
        for m, row in ((right, recipes.right[0]), (left, recipes.left[0]))
    ]
    m_r, m_l = wanted
    for got, mask in zip(sample["masks"], (m_r, m_r * (1 - m_l), m_l, m_l), strict=True):
        np.testing.assert_array_equal(got, mask)
    np.testing.assert_array_equal(sample["img"][m_l == 0], sample["clean"][0][m_l == 0])
    assert np.abs(sample["img"][m_l == 1].astype(int).mean(0) - (170, 190, 240)).max() < 8
    assert sample["occlusion_rate"] == pytest.approx((m_r * m_l).sum() / m_r.sum())
    assert sample["clean_valid"].tolist() == [1, 0]
    edit = edit_masks(*of_target(sample["masks"], 0)[:3])
    np.testing.assert_array_equal(edit.hole, m_r * m_l)
    np.testing.assert_array_equal(edit.removal, (1 - m_r) * m_l)
    np.testing.assert_array_equal(edit.background, (1 - m_r) * (1 - (1 - m_r) * m_l))  # AIH_Syn's own form


def test_a_left_target_is_mirrored_to_the_right(syn_root):
    sample = AIHDataset(str(syn_root), pipeline=SYN)[1]
    assert (sample["target"], sample["mirrored"]) == (0, True)
    mirrored = np.ascontiguousarray(hand_mask("left", 4.0 * 30)[:, ::-1])
    still = move_affine(recipe_move(np.array([0, 0, 1, 0.0])), (256, 256), (256, 256))
    expected = cv2.warpAffine(mirrored.astype(np.float32), still, (256, 256)).astype(int)
    np.testing.assert_array_equal(sample["masks"][0], expected)


def test_online_samples_depend_on_seed_epoch_and_index_alone(syn_root):
    shutil.rmtree(syn_root / "AIH_syn/syn_cfgs")  # not needed
    data = AIHDataset(str(syn_root), online=True, pipeline=[*SYN, PACK])
    assert len(data) == 5
    one = [data[i]["data_samples"] for i in range(5)]
    loaded = DataLoader(data, batch_size=None, num_workers=2, collate_fn=lambda s: s)
    for a, b in zip(one, loaded, strict=True):
        assert torch.equal(a.image, b["data_samples"].image)
        assert a.occlusion_rate == b["data_samples"].occlusion_rate
    data.set_epoch(1)
    assert not torch.equal(data[0]["data_samples"].image, one[0].image)


@pytest.mark.parametrize("front_prob", [0.0, 1.0])
@pytest.mark.parametrize("wanted", [(0.1, 0.2), (0.3, 0.4)])
def test_the_occlusion_rate_is_kept(syn_root, wanted, front_prob):
    steps = [LOAD, dict(type="SynthesizeInteraction", occlusion=wanted, front_prob=front_prob)]
    data = AIHDataset(str(syn_root), online=True, pipeline=steps)
    for i in range(len(data)):
        sample = data[i]
        right, right_seen, left, left_seen = (m.astype(int) for m in sample["masks"])
        hidden, behind = (right - right_seen, right) if front_prob else (left - left_seen, left)
        assert hidden.sum() == (right * left).sum()  # the hand in front is seen whole
        assert wanted[0] <= hidden.sum() / behind.sum() <= wanted[1]
        assert sample["occlusion_rate"] == pytest.approx(hidden.sum() / behind.sum())
        np.testing.assert_array_equal(sample["img"][left_seen == 0], sample["clean"][0][left_seen == 0])


def test_who_is_in_front_is_random(syn_root):
    data = AIHDataset(str(syn_root), online=True, pipeline=[LOAD, dict(type="SynthesizeInteraction", trials=1)])
    fronts = []
    for epoch in range(8):
        data.set_epoch(epoch)
        fronts += [data[i]["other_in_front"] for i in range(len(data))]
    assert 8 < sum(fronts) < 32  # of 40


def _source(mask, side, value=120):
    return {"img": np.full((*mask.shape, 3), value, np.uint8), "amodal": mask.astype(np.uint8), "side": side}


@pytest.mark.parametrize("kind", ["full", "corner", "dot"])
def test_full_masks_and_hands_at_the_border_are_joined(kind):
    """The nearest rate is taken where none fits; two right hands work too, one is mirrored."""
    mask = np.zeros((64, 64), np.uint8)
    mask[{"full": slice(None), "corner": slice(0, 8), "dot": slice(32, 33)}[kind]] = 1
    results = {"skipped": "", "rng": np.random.default_rng(0), "target": 0,
               "sources": [_source(mask, 0, 50), _source(mask, 0, 200)]}  # fmt: skip
    made = SynthesizeInteraction(occlusion=(0.99, 1.0), trials=5).transform(results)
    right, right_seen, left, left_seen = made["masks"]
    assert not (right_seen & left_seen).any()
    assert (right_seen <= right).all()
    assert (left_seen <= left).all()
    assert 0 <= made["occlusion_rate"] <= 1
    assert (made["img"][left_seen == 1] > 0).any() or not left_seen.any()


def test_one_source_is_too_few_and_bad_options_are_refused():
    one = {"skipped": "", "rng": np.random.default_rng(0), "target": 0, "sources": [_source(np.ones((8, 8)), 0)]}
    with pytest.raises(DataContractError, match="two loaded"):
        SynthesizeInteraction().transform(one)
    for options in ({"occlusion": (0.5, 0.2)}, {"occlusion": (0.5,)}, {"front_prob": 2}):
        with pytest.raises(ConfigError):
            SynthesizeInteraction(**options)
    with pytest.raises(ConfigError):
        MirrorHands(prob=-1)


# --- AIH_Render ---


def test_render_triples_with_both_clean_images(tmp_path):
    data = AIHDataset(str(write_aih_render(tmp_path)), part="render", pipeline=[LOAD])
    assert len(data) == 4  # right targets, then left ones
    assert [data[i]["target"] for i in range(4)] == [0, 0, 1, 1]
    right, left = data[0], data[2]
    np.testing.assert_array_equal(right["masks"], left["masks"])
    np.testing.assert_array_equal(right["clean"], left["clean"])
    m_r, m_l = hand_mask("right", 10.0), np.roll(hand_mask("left", -10.0), 40, axis=1)
    for got, mask in zip(right["masks"], (m_r, m_r * (1 - m_l), m_l, m_l), strict=True):
        np.testing.assert_array_equal(got, mask)
    assert right["masks_valid"].tolist() == [1, 1, 1, 1]
    # The crop without the other hand, and the crop with both, differ where the other hand is seen alone.
    apart = np.abs(right["img"].astype(int) - right["clean"][0]).max(-1) > 40
    assert (apart <= (cv2.dilate(m_l, np.ones((9, 9))) > 0)).all()


def test_the_other_hand_is_unknown_where_names_show_other_views(tmp_path):
    root = write_aih_render(tmp_path)
    labels = root / "AIH_render/machine_annot/train/labels/in_l_images/rl_visible"
    for a, b in (("0", "1"),):
        shutil.copy(labels / f"{b}.png", labels / f"{a}.png")
    sample = AIHDataset(str(root), part="render", pipeline=[LOAD])[0]
    assert sample["masks_valid"].tolist() == [1, 1, 0, 1]
    assert sample["clean_valid"].tolist() == [1, 0]
    assert not sample["masks"][2].any()
    shutil.rmtree(root / "AIH_render/machine_annot/train/labels/in_l_images")
    shutil.rmtree(root / "AIH_render/machine_annot/train/images/l_images")
    data = AIHDataset(str(root), part="render", pipeline=[LOAD, PACK])
    assert len(data) == 2  # right targets alone
    assert data[0]["data_samples"].masks_valid.tolist() == [1, 1, 0, 1]


def test_mirroring_makes_left_targets_right(tmp_path):
    root = str(write_aih_render(tmp_path))
    plain = AIHDataset(root, part="render", pipeline=[LOAD])[2]
    sample = AIHDataset(root, part="render", pipeline=[LOAD, dict(type="MirrorHands")])[2]
    assert (sample["target"], sample["mirrored"]) == (0, True)
    np.testing.assert_array_equal(sample["masks"][0], plain["masks"][2][:, ::-1])
    np.testing.assert_array_equal(sample["clean"][0], plain["clean"][1][:, ::-1])
    np.testing.assert_array_equal(sample["img"], plain["img"][:, ::-1])
    back = MirrorHands(prob=1.0).transform(sample)
    assert (back["target"], back["mirrored"]) == (1, False)
    np.testing.assert_array_equal(back["masks"], plain["masks"])
    np.testing.assert_array_equal(back["clean"], plain["clean"])


def _square_sample(seed: int, side: int = 256) -> dict:
    """A sample whose image has the column in blue and the row in green, and a hand in its left half."""
    image = np.zeros((side, side, 3), np.uint8)
    image[..., 0], image[..., 1] = np.arange(side), np.arange(side)[:, None]
    masks = np.zeros((4, side, side), np.uint8)
    masks[:, :, : side // 2] = 1
    clean = np.stack([image, image])
    rng = np.random.default_rng(seed)
    return dict(img=image, masks=masks, clean=clean, clean_valid=np.ones(2, np.float32), rng=rng)


def test_random_crops_of_the_segmentor_are_the_published_ones():
    sizes = []
    for seed in range(60):
        sample = ResizeAndCropHands().transform(_square_sample(seed))
        height, width = sample["img"].shape[:2]
        assert height == width <= 256
        sizes.append(height)
        inner = sample["img"][2:-2, 2:-2, 0].astype(int)
        hand = sample["masks"][0, 2:-2, 2:-2]
        assert hand[inner < 126].all()  # the masks moved with the image
        assert not hand[inner > 130].any()
        assert 0.25 < sample["masks"].mean() < 0.75
        np.testing.assert_array_equal(sample["img"], sample["clean"][0])
    assert min(sizes) < 160
    assert np.mean(np.array(sizes) == 256) > 0.5  # factors above 1 are cut to 256 px

    small = ResizeAndCropHands(ratio=(0.5, 0.5)).transform(_square_sample(0))
    padded = PadHands().transform(small)
    assert padded["img"].shape == (256, 256, 3)
    assert (padded["masks"][:, 128:] == 255).all()
    assert (padded["masks"][:, :128, 128:] == 255).all()
    assert set(np.unique(padded["masks"][:, :128, :128])) == {0, 1}
    assert padded["img"][200, 200].tolist() == [104, 116, 124]


def test_every_distortion_happens_in_half_of_the_samples():
    class Fixed:
        def __init__(self, used, drawn):
            self.used, self.drawn = used, drawn

        def random(self, _):
            return np.where(self.used, 0.0, 0.9)

        def uniform(self, low, high):
            return np.array(self.drawn)

    def change(used, drawn, color):
        sample = _square_sample(0, 4)
        sample["img"][:] = color
        sample["rng"] = Fixed(used, drawn)
        return PhotometricDistortion().transform(sample)["img"][0, 0].tolist()

    drawn = [32.0, 0.5, 0.5, 18.0]
    assert change([0, 0, 0, 0], drawn, (10, 100, 240)) == [10, 100, 240]
    assert change([1, 0, 0, 0], drawn, (10, 100, 240)) == [42, 132, 255]
    assert change([0, 1, 0, 0], drawn, (10, 100, 240)) == [5, 50, 120]
    assert change([0, 0, 1, 0], drawn, (0, 0, 200)) == [100, 100, 200]  # saturation 255 -> 128
    assert change([0, 0, 0, 1], [0, 1, 1, 30.0], (0, 0, 200)) == [0, 200, 200]  # red, 60 degrees on: yellow


def test_colors_change_alike(tmp_path):
    sample = AIHDataset(str(write_aih_render(tmp_path)), part="render", pipeline=[LOAD])[0]
    before = sample["img"].copy(), sample["clean"].copy()
    sample["clean_valid"] = np.array([1, 0], np.float32)
    same = (before[0] == before[1][0]).all(-1)
    JointColorJitter().transform(sample)
    assert not np.array_equal(sample["img"], before[0])
    assert same.sum() > 1000
    np.testing.assert_array_equal(sample["img"][same], sample["clean"][0][same])
    np.testing.assert_array_equal(sample["clean"][1], before[1][1])


def test_packed_samples_hold_tensors(tmp_path):
    packed = AIHDataset(str(write_aih_render(tmp_path)), part="render", pipeline=[LOAD, PACK])[3]
    sample = packed["data_samples"]
    assert packed["inputs"].shape == (3, 256, 256)
    assert packed["inputs"].dtype == sample.clean.dtype == sample.masks.dtype == torch.uint8
    assert sample.clean.shape == (2, 3, 256, 256)
    assert sample.masks.shape == (4, 256, 256)
    assert sample.target == 1
    assert sample.sample_id == "render/machine_annot/train/1/3"


def test_subsets_stand_in_the_published_order(tmp_path):
    for subset in ("human_annot", "machine_annot"):
        prepare_aih(write_aih_syn(tmp_path, subset))
        write_aih_render(tmp_path, subset)
    syn, render = (AIHDataset(str(tmp_path), part=part) for part in ("syn", "render"))
    assert [syn[i]["sample_id"].split("/")[1] for i in range(4)] == ["machine_annot"] * 2 + ["human_annot"] * 2
    order = [(render[i]["sample_id"].split("/")[1], render[i]["target"]) for i in range(0, 8, 2)]
    assert order == [("human_annot", 0), ("human_annot", 1), ("machine_annot", 0), ("machine_annot", 1)]
    assert len(AIHDataset(str(tmp_path), annot_subset="human_annot")) == 2


# --- broken downloads ---


@pytest.mark.parametrize(
    "gone",
    ["images/r_images/DR_gt/1.jpg", "images/r_images/IH/1.jpg", "labels/in_r_images/r_amodal/1.png",
     "labels/in_r_images/rl_visible/1.png", "images/r_images/DR_gt"],
)  # fmt: skip
def test_half_of_a_triple_is_named_or_left_out(tmp_path, gone):
    root = write_aih_render(tmp_path)
    path = root / "AIH_render/machine_annot/train" / gone
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()
    with pytest.raises(AnnotationError, match="miss a file") as caught:
        AIHDataset(str(root), part="render")
    assert str(path) in str(caught.value)
    kept = AIHDataset(str(root), part="render", strict="skip")
    assert len(kept) == (2 if path.suffix == "" else 3)


def test_missing_folders_are_named(tmp_path, syn_root):
    for options in ({"split": "val"}, {"part": "render"}, {"annot_subset": "human_annot"}):
        with pytest.raises(AnnotationError, match="no AIH data"):
            AIHDataset(str(syn_root), **options)
    with pytest.raises(ConfigError):
        AIHDataset(str(syn_root), part="both")
    with pytest.raises(ConfigError):
        AIHDataset(str(syn_root), annot_subset="none")
    (syn_root / "AIH_render/human_annot/train").mkdir(parents=True)
    with pytest.raises(AnnotationError, match="no whole sample"):
        AIHDataset(str(syn_root), part="render")
    with pytest.raises(AnnotationError, match=r"no \.npy recipes"):
        prepare_aih(tmp_path / "nothing")


def _spoil(path, how):
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:300])
    else:
        image = {
            "black": np.zeros((256, 256, 3), np.uint8),
            "empty": np.zeros((256, 256), np.uint8),
            "255": np.full((256, 256), 255, np.uint8),
            "small": np.ones((9, 9), np.uint8),
        }[how]
        cv2.imwrite(str(path), image)


@pytest.mark.parametrize(
    ("folder", "how"),
    [("images/r_images/4.jpg", how) for how in ("gone", "cut", "black")]
    + [("labels/in_r_images/r_amodal/4.png", how) for how in ("gone", "cut", "empty", "255", "small")],
)
def test_broken_crops_are_named_or_blanked(syn_root, folder, how):
    path = syn_root / "AIH_syn/machine_annot/train" / folder
    _spoil(path, how)
    with pytest.raises(ImageError) as caught:
        AIHDataset(str(syn_root), pipeline=SYN)[0]
    assert str(path) in str(caught.value)
    steps = [*SYN, dict(type="MirrorHands"), dict(type="JointColorJitter"), PACK]
    sample = AIHDataset(str(syn_root), strict="skip", pipeline=steps)[0]["data_samples"]
    assert path.name in sample.skipped
    assert not sample.masks_valid.any()
    assert not sample.clean_valid.any()


@pytest.mark.parametrize("where", ["IH", "DR_gt", "r_amodal", "rl_visible"])
def test_broken_renders_are_named(tmp_path, where):
    root = write_aih_render(tmp_path)
    (path,) = (root / "AIH_render").glob(f"**/*r_images/{where}/0.*")
    _spoil(path, "black" if path.suffix == ".jpg" else "255")
    with pytest.raises(ImageError, match=where):
        AIHDataset(str(root), part="render", pipeline=[LOAD])[0]


def test_images_without_or_with_one_hand_are_samples_too(tmp_path):
    root = write_aih_render(tmp_path)
    base = root / "AIH_render/machine_annot/train/labels"
    for side in "rl":
        _spoil(base / f"in_{side}_images/rl_visible/0.png", "empty")
        _spoil(base / f"in_{side}_images/{side}_amodal/0.png", "empty")
    data = AIHDataset(str(root), part="render", pipeline=[LOAD, dict(type="MirrorHands"), PACK])
    assert not data[0]["data_samples"].masks.any()
    _spoil(base / "in_r_images/r_amodal/1.png", "empty")  # one hand: the left one
    masks = data[1]["data_samples"].masks
    assert not masks[0].any()
    assert masks[2].any()


# --- our own renderer, and what mmengine does with the data sets ---


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    from interhand_mm.synthesis import generate
    from interhand_mm.synthesis.plan import SynthesisOptions

    root = tmp_path_factory.mktemp("rendered")
    generate.generate(
        root, SynthesisOptions(num=6, views=1, seed=1, interacting=0.4, aih=True, size="256x256"), progress=False
    )
    return root


def test_our_renderers_triples_and_json_recipes_are_read(rendered):
    render = AIHDataset(str(rendered), part="render", pipeline=[LOAD])
    for i in range(len(render)):
        sample = render[i]
        assert sample["clean_valid"].tolist() == [1, 1]
        assert sample["masks"][2 * sample["target"]].any()
        for side in (0, 1):
            amodal, visible = sample["masks"][2 * side], sample["masks"][2 * side + 1]
            assert (visible <= amodal).all()
    base = rendered / "AIH_dataset/AIH_syn"
    records = json.loads((base / "syn_cfgs/all_machine_annot_train_syn_cfgs.json").read_text())
    syn = AIHDataset(str(rendered), part="syn", pipeline=SYN)
    assert len(syn) == len(records) > 0
    for i in range(len(syn)):
        sample = syn[i]
        assert sample["masks"][1].sum() <= sample["masks"][0].sum()
        assert sample["other_in_front"]


def test_syn_and_render_train_together_and_are_drawn(tmp_path):
    from interhand_mm.apis.browse import browse
    from interhand_mm.registry import DATASETS
    from interhand_mm.utils.config import DataOptions, load_config

    prepare_aih(write_aih_syn(tmp_path))
    write_aih_render(tmp_path)
    cfg = load_config(ROOT / "configs/_base_/aih.py", [], DataOptions(data_root=str(tmp_path)))
    sheet = browse(cfg, "train", num=3, seed=0)
    assert sheet.shape == (3 * (216 + 6) + 6, 7 * 216 + 12, 3)
    assert sheet.std() > 20
    joined = DATASETS.build(cfg.train_dataloader.dataset)
    assert len(joined) == 2 + 4
    runner = SimpleNamespace(train_dataloader=SimpleNamespace(dataset=joined), epoch=3)
    before = joined[0]["inputs"]
    SampleSeedHook().before_train_epoch(runner)  # reaches both parts
    assert not torch.equal(joined[0]["inputs"], before)
    runner.epoch = 0
    SampleSeedHook().before_train_epoch(runner)
    assert torch.equal(joined[0]["inputs"], before)


def test_packed_fields_are_those_of_the_table(tmp_path):
    sample = {"img": np.zeros((4, 5, 3), np.uint8), "clean": np.zeros((2, 4, 5, 3), np.uint8), "target": 1, "rng": None}
    sample |= {"masks": np.zeros((4, 4, 5), np.uint8), "skipped": ""}
    packed = PackAmodalInputs()(sample)["data_samples"]
    assert packed.clean.shape == (2, 3, 4, 5)
    assert packed.masks.shape == (4, 4, 5)
    assert packed.target == 1
    assert "rng" not in packed
