"""Every shipped config takes one training step on miniature data, shrunk by overrides where the network is large."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config

from interhand_mm.datasets import InterHandDataset
from interhand_mm.engine.runner import build_runner
from interhand_mm.errors import ConfigError
from interhand_mm.hdr.data.prepare_aih import prepare_aih
from interhand_mm.structures.joints import HAND_JOINT_NAMES
from interhand_mm.utils.config import DataOptions, load_config, walk_dicts
from tests.conftest import ROOT
from tests.fixtures import tiny_sets
from tests.fixtures.tiny import write_photographs, write_set
from tests.fixtures.tiny_aih import write_aih_render, write_aih_syn
from tests.fixtures.tiny_masks import write_masks

NAMES = sorted(
    str(path.relative_to(ROOT / "configs").with_suffix(""))
    for path in (ROOT / "configs").rglob("*.py")
    if "_base_" not in path.parts
)
# `hdr/small` is the quick start's network with a plugin for inference: it trains like `quickstart/marginal`, and
# tests/hdr builds the plugin.
WITHOUT_TRAINING = {"hdr/small"}

RESNET = [
    "model.backbone.depth=18", "model.backbone.init_cfg=None", "model.head.in_channels=512",
    "model.head.deconv_channels=8",
]  # fmt: skip
VOLUME = [*RESNET, "codec.input_size=(64,64)", "codec.heatmap_size=(16,16,16)", "codec.sigma=1.0"]
FASTER_RCNN = [
    "model.backbone.depth=18", "model.neck.in_channels=[64,128,256,512]", "model.neck.out_channels=16",
    "model.rpn_head.in_channels=16", "model.rpn_head.feat_channels=16",
    "model.roi_head.bbox_roi_extractor.out_channels=16", "model.roi_head.bbox_head.in_channels=16",
    "model.roi_head.bbox_head.fc_out_channels=32",
]  # fmt: skip
SMALLER = {
    "internet_simcc": [
        "model.backbone.depth=18", "model.backbone.init_cfg=None", "model.head.in_channels=(256,512)",
        "codec.input_size=(64,64)", "codec.heatmap_size=(16,16,16)", "codec.sigma=1.0",
    ],
    "mobilenet_marginal": ["model.backbone.init_cfg=None"],
    "mobilenet_mixed": ["model.backbone.init_cfg=None"],
    "mobilenet_photos": ["model.backbone.init_cfg=None"],
    "detector/rtmdet_mobilenet": ["model.backbone.init_cfg=None"],
    "heatmap_freihand": ["model.backbone.depth=18", "model.head.in_channels=512"],
    "unet_freihand": ["model.backbone.base_channels=4", "model.head.in_channels=4"],
    "unet_freihand_all": ["model.backbone.base_channels=4", "model.head.in_channels=4"],
    "hdr/segmentor_mit-b5": ["model.backbone.size=b0", "model.decode_head.norm_cfg.type=BN"],
    "hdr/inpaintor_pconv-unet": ["model.generator.base_channels=8", "model.discriminator.base_channels=8"],
    "hdr/pose_detnet": ["model.width=8", "codec.input_size=(128,128)"],
    "detector/faster_rcnn_egohands": FASTER_RCNN,
}  # fmt: skip
SMALLER |= {name: VOLUME for name in NAMES if name.startswith(("internet", "overfit")) and name not in SMALLER}


@pytest.fixture(scope="module")
def data(tmp_path_factory, rendered_hands) -> dict[str, str]:
    """Return a folder with miniature data for each type of data set, and one with photographs."""
    base = tmp_path_factory.mktemp("data")
    hands = write_set(base / "interhand")
    write_masks(hands)
    for folder in ("annotations", "images", "masks"):  # the split that tools/restore_hands.py writes
        shutil.copytree(hands / folder / "train", hands / folder / "restored_train")
    for path in (hands / "annotations" / "restored_train").iterdir():
        path.rename(path.with_name(path.name.replace("_train_", "_restored_train_")))
    aih = base / "aih"
    for subset in ("machine_annot", "human_annot"):
        write_aih_syn(aih, subset)
        write_aih_render(aih, subset)
    prepare_aih(aih / "AIH_dataset")
    return {
        "InterHandDataset": str(hands),
        "OneHandDataset": str(hands),
        "AIHDataset": str(aih),
        "RHDDataset": str(tiny_sets.write_rhd(base / "rhd", rendered_hands)),
        "STBDataset": str(tiny_sets.write_stb(base / "stb", rendered_hands)),
        "FreiHANDDataset": str(tiny_sets.write_freihand(base / "freihand", rendered_hands)),
        "CocoDataset": str(write_coco(base / "coco")),
        "CocoHandDataset": str(write_labelled_hand(base / "labelled")),
        "photographs": str(write_photographs(base / "photographs")),
    }


def write_coco(root: Path) -> Path:
    """Write photographs with one box each, in the layouts of both detector data sets."""
    for prefix in ("", "images/train/"):
        write_photographs(root / prefix, num=2, size=(96, 96))
    names = sorted(path.name for path in (root / "images/train").iterdir())
    images = [dict(id=i + 1, file_name=name, width=96, height=96) for i, name in enumerate(names)]
    boxes = [dict(id=i, image_id=i, category_id=1, bbox=[20, 20, 40, 50], area=2000, iscrowd=0) for i in (1, 2)]
    content = dict(images=images, annotations=boxes, categories=[dict(id=1, name="hand")])
    path = root / "annotations/coco/hand_train.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(content))
    return root


def write_labelled_hand(root: Path) -> Path:
    """Write one photograph of a left hand with 2D keypoints of another network."""
    write_photographs(root, num=1, size=(96, 96))
    points = np.c_[np.random.default_rng(0).uniform(20, 70, (21, 2)), np.ones(21)]
    label = dict(pseudo_keypoints=points.ravel().tolist(), pseudo_side="left", pseudo_side_score=0.9)
    content = dict(
        images=[dict(id=1, file_name=next(root.iterdir()).name, width=96, height=96)],
        annotations=[dict(id=1, image_id=1, category_id=1, bbox=[20, 20, 50, 50], **label)],
        categories=[dict(id=1, name="hand", keypoints=list(HAND_JOINT_NAMES))],
    )
    (root / "hands.json").write_text(json.dumps(content))
    return root


def shrunk(name: str, data: dict[str, str]) -> Config:
    """Return a config that reads miniature data, in batches of two and without workers."""
    path = ROOT / f"configs/{name}.py"
    types = {node["type"] for _, node in walk_dicts(load_config(path).train_dataloader) if node.get("type") in data}
    roots = {kind: data[kind] for kind in types}
    own_roots = load_config(path).get("data_root") is None and len(types) > 1
    options = DataOptions(data_root=None if own_roots else roots if len(roots) > 1 else next(iter(roots.values())))
    if "RandomBackgroundReplace" in str(load_config(path)._cfg_dict):
        options.backgrounds = [data["photographs"]]
    cfg = load_config(path, SMALLER.get(name, []), options)
    for _, node in walk_dicts(cfg.train_dataloader):
        if node.get("type") == "CocoDataset":  # a mix names each of its files
            node.update(ann_file="annotations/coco/hand_train.json", data_prefix=dict(img="images/train/"))
            node.update(data_root=data["CocoDataset"])
        if node.get("type") == "CocoHandDataset":
            node.update(ann_file=f"{data['CocoHandDataset']}/hands.json", img_dir=data["CocoHandDataset"], part="all")
        elif own_roots and node.get("type") in data:
            node.update(data_root=data[node["type"]])
        if types == {"CocoDataset"}:
            node.update({key: (96, 96) for key in ("scale", "size", "crop_size") if key in node})
    cfg.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    return cfg


@pytest.mark.parametrize("name", [name for name in NAMES if name not in WITHOUT_TRAINING])
def test_config_builds_and_takes_a_step(name, data, tmp_path):
    cfg = shrunk(name, data)
    cfg.work_dir = str(tmp_path)
    torch.manual_seed(0)
    runner = build_runner(cfg)
    batch = next(iter(runner.build_dataloader(cfg.train_dataloader, seed=0)))
    wrapper = runner.build_optim_wrapper(cfg.optim_wrapper)
    runner.model.init_weights()
    runner.model.train()
    before = [parameter.detach().clone() for parameter in runner.model.parameters()]
    losses = runner.model.train_step(batch, wrapper)
    assert losses
    assert all(np.isfinite(float(value)) for value in losses.values())
    changed = [not torch.equal(old, new) for old, new in zip(before, runner.model.parameters(), strict=True)]
    assert sum(changed) > len(changed) / 4  # some configs freeze parts, and single hands train no root depth


WITH_MASKS = sorted(name for name in NAMES if "mask_root" in (ROOT / f"configs/{name}.py").read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", WITH_MASKS)
def test_masks_follow_the_data_root(name):
    cfg = load_config(ROOT / f"configs/{name}.py", (), DataOptions(data_root="elsewhere"))
    roots = [
        Path(node["data_root"], node["mask_root"])
        for loader in ("train_dataloader", "test_dataloader")
        for _, node in walk_dicts(cfg[loader])
        if node.get("mask_root")
    ]
    assert set(roots) <= {Path("elsewhere/masks")}
    assert roots or name == "hdr/pose_detnet"  # its masks are optional and off


def test_a_mask_folder_beside_the_data_root_is_refused(data, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/quickstart/masks").mkdir(parents=True)
    options = dict(data_root=data["InterHandDataset"], cache_dir=str(tmp_path / "cache"))
    with pytest.raises(ConfigError, match="mask_root='masks'"):
        InterHandDataset(mask_root="data/quickstart/masks", **options)
    sample = InterHandDataset(mask_root="masks", **options).load_item(0)
    assert sample["mask_path"].startswith(data["InterHandDataset"] + "/masks/train/")
