from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest
from mmengine.runner import Runner

from interhand_mm.errors import ConfigError
from interhand_mm.models.plugin import with_plugin
from interhand_mm.utils.config import RUNNER_KEYS, DataOptions, declared_options, load_config, walk_dicts
from tests.conftest import ROOT

CONFIGS = sorted(path for path in (ROOT / "configs").rglob("*.py") if "_base_" not in path.parts)
INTERNET = ROOT / "configs/internet.py"


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_every_config_loads_and_shares_one_codec(path):
    cfg = load_config(path, ["codec.sigma=1.75"] if "codec" in path.read_text() or "internet" in path.stem else [])
    copies = [
        node[key]
        for _, node in walk_dicts(cfg._cfg_dict)
        for key in ("encoder", "decoder")
        if isinstance(node.get(key), dict)
    ]
    assert all(copy == cfg.codec for copy in copies)
    assert cfg.work_dir == f"work_dirs/{path.stem}"


def test_codec_reaches_network_and_data():
    cfg = load_config(INTERNET, ["codec.heatmap_size=(32,32,16)"])
    assert cfg.model.head.decoder.heatmap_size == (32, 32, 16)
    encoders = [step.encoder for step in cfg.train_dataloader.dataset.pipeline if "encoder" in step]
    assert len(encoders) == 2
    assert all(encoder.heatmap_size == (32, 32, 16) for encoder in encoders)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("optim_wraper.lr=5", "did you mean 'optim_wrapper'"),
        ("model.head.channels=5", "no key 'model.head.channels'"),
        ("train_dataloader.dataset.pipeline.9.prob=0", "index below"),
        ("train_pipeline.1.shift=0", "no key 'train_pipeline'"),
        ("model.head.decoder.sigma=3", "set codec.sigma"),
        ("model.type.x=1", "has no keys"),
        ("just_a_word", "key.sub=value"),
        ("train_dataloader.dataset.blocklst=x", "did you mean 'blocklist'"),
        ("train_dataloader.dataset.ann_file=x", "no key 'train_dataloader.dataset.ann_file'"),
        ("train_dataloader.dataset.blocklist.x=1", "no key 'train_dataloader.dataset.blocklist'"),
    ],
)
def test_overrides_that_would_have_no_effect_are_refused(override, message):
    with pytest.raises(ConfigError, match=message):
        load_config(INTERNET, [override])


def test_values_and_added_keys():
    cfg = load_config(
        INTERNET,
        [
            "model.channels_last=True",
            "param_scheduler.0.milestones=[1,2]",
            "+model.neck.type=Identity",
            "load_from=none",
            "log_level=DEBUG",
        ],
    )
    assert cfg.model.channels_last is True
    assert cfg.param_scheduler[0].milestones == [1, 2]
    assert cfg.model.neck.type == "Identity"
    assert cfg.load_from is None
    assert cfg.log_level == "DEBUG"


def test_data_options_reach_every_place():
    cfg = load_config(
        ROOT / "configs/internet_bgaug.py",
        [],
        DataOptions(
            data_root="/d",
            split="val",
            annot_subset="human_annot",
            depth_source="rootnet",
            backgrounds=["/a", "/b"],
            strict="skip",
        ),
    )
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        assert loader.dataset.data_root == "/d"
        assert loader.dataset.strict == "skip"
        assert loader.dataset.annot_subset == "human_annot"
    assert "depth_source" not in cfg.train_dataloader.dataset
    assert cfg.test_dataloader.dataset.depth_source == "rootnet"
    assert cfg.test_dataloader.dataset.split == "val"
    assert cfg.train_dataloader.dataset.split == "train"
    assert cfg.train_dataloader.dataset.pipeline[2].backgrounds == "/a"
    assert cfg.test_variants.augmented[0].backgrounds == "/b"


def test_options_that_a_class_declares_need_no_row_in_the_config():
    options = [
        "train_dataloader.dataset.blocklist=b.txt",  # of the data set
        "train_dataloader.dataset.seed=3",  # of its parent
        "train_dataloader.dataset.pipeline.1.flip_left_to_right=True",  # of a transform
        "test_variants.augmented.0.backgrounds=photos",
    ]
    cfg = load_config(ROOT / "configs/internet_bgaug.py", options)
    assert cfg.train_dataloader.dataset.blocklist == "b.txt"
    assert cfg.train_dataloader.dataset.seed == 3
    assert cfg.train_dataloader.dataset.pipeline[1].flip_left_to_right is True
    assert cfg.test_variants.augmented[0].backgrounds == "photos"
    joint = load_config(ROOT / "configs/internet_joint.py", ["train_dataloader.sampler.length=8"])
    assert joint.train_dataloader.sampler.length == 8


def test_a_data_set_declares_its_options_in_its_constructors():
    options = declared_options({"type": "OneHandDataset"})
    assert {"interacting", "blocklist", "strict", "pipeline"} <= options  # its own, its parent's, its grandparent's
    assert not options & {"self", "kwargs", "ann_file", "indices"}  # mmengine's have no effect
    assert declared_options({"type": "InterNetHead"}) == declared_options({}) == frozenset()


@pytest.mark.parametrize(
    ("config", "option", "message"),
    [
        ("internet_rhd", {"annot_subset": "all"}, "--annot-subset has no effect"),
        ("internet_freihand", {"depth_source": "gt"}, "--depth-source has no effect"),
        ("internet_stb", {"boxes": "b.json"}, "--boxes has no effect"),
        ("internet", {"backgrounds": ["/a"]}, "no RandomBackgroundReplace"),
    ],
)
def test_data_options_without_effect_are_refused(config, option, message):
    with pytest.raises(ConfigError, match=message):
        load_config(ROOT / f"configs/{config}.py", [], DataOptions(**option))


def test_data_options_reach_the_sets_of_a_mix_that_take_them():
    cfg = load_config(ROOT / "configs/internet_joint.py", [], DataOptions(depth_source="rootnet", strict="skip"))
    interhand, rhd, freihand = cfg.test_dataloader.dataset.datasets
    assert interhand.depth_source == rhd.depth_source == "rootnet"
    assert "depth_source" not in freihand
    assert all(part.strict == "skip" for part in (interhand, rhd, freihand))


def test_the_overfit_config_learns_what_it_validates():
    cfg = load_config(ROOT / "configs/overfit.py")
    crop, jitter = cfg.train_dataloader.dataset.pipeline[1:3]
    assert crop.shift == crop.scale == crop.rotation_prob == crop.flip_prob == 0
    assert (jitter.low, jitter.high) == (1, 1)
    assert cfg.train_dataloader.dataset.split == cfg.val_dataloader.dataset.split == "train"
    assert cfg.train_dataloader.batch_size == 4


def test_data_root_override_is_shared():
    cfg = load_config(INTERNET, ["data_root=/elsewhere"])
    assert cfg.val_dataloader.dataset.data_root == "/elsewhere"


def test_missing_and_broken_files(tmp_path):
    with pytest.raises(ConfigError, match="does not exist"):
        load_config(tmp_path / "none.py")
    broken = tmp_path / "broken.py"
    broken.write_text("model = dict(")
    with pytest.raises(ConfigError, match=r"broken\.py"):
        load_config(broken)


def test_parts_of_a_plugin_are_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = ROOT / "configs/hdr/small.py"
    assert load_config(path).model.hdr.segmentor.config == str(ROOT / "configs/hdr/small_segmentor.py")
    checkpoint = load_config(path).model.hdr.pose.checkpoint
    own = tmp_path / "work_dirs/small_pose/pose.pth"
    own.parent.mkdir(parents=True)
    own.touch()
    assert load_config(path).model.hdr.pose.checkpoint == "work_dirs/small_pose/pose.pth"
    assert checkpoint.endswith("work_dirs/small_pose/pose.pth")
    slot = with_plugin(ROOT / "configs/quickstart/marginal.py", path).model.hdr
    assert all(Path(slot[part].config).is_file() for part in ("segmentor", "inpaintor", "pose"))


def test_inheritance_is_shallow():
    for path in CONFIGS:
        depth, text = 0, path.read_text()
        assert text.count("\n") <= 100, path
        while "_base_ = [" in text and depth < 3:
            base = (path.parent / text.split('_base_ = ["')[1].split('"')[0]).resolve()
            depth, path, text = depth + 1, base, base.read_text()
        assert depth <= 2, path


def test_every_key_that_the_runner_reads_is_kept(tmp_path):
    source = inspect.getsource(Runner)
    read = {*re.findall(r"cfg\.get\(\s*'(\w+)'", source)} & {*re.findall(r"self\.cfg\.get\(\s*'(\w+)'", source)}
    parameters = set(inspect.signature(Runner.__init__).parameters) - {"self"}
    assert parameters | read == RUNNER_KEYS
    extra = {
        "sync_bn": "torch",
        "find_unused_parameters": True,
        "activation_checkpointing": ["backbone"],
        "efficient_conv_bn_eval": ["backbone"],
        "compile": {"backend": "eager"},
    }
    own = tmp_path / "own.py"
    own.write_text(f"_base_ = [{str(INTERNET)!r}]\n" + "".join(f"{key} = {value!r}\n" for key, value in extra.items()))
    cfg = load_config(own)
    assert {key: cfg[key] for key in extra} == extra


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("optim_wraper = dict(optimizer=dict(lr=1))", "did you mean 'optim_wrapper'"),
        ("train_pipeline = []", "sets 'train_pipeline', which has no effect"),  # the base has copied its own
        ("train_dataloader = dict(dataset=dict(data_root='/a'))", "train_dataloader.dataset.data_root has no effect"),
        (
            "data_root = '/c'\ntrain_dataloader = dict(dataset=dict(data_root='/a'))",
            "train_dataloader.dataset.data_root has no effect",
        ),
    ],
)
def test_names_of_a_config_without_effect_are_refused(tmp_path, text, message):
    own = tmp_path / "own.py"
    own.write_text(f"_base_ = [{str(INTERNET)!r}]\n{text}\n")
    with pytest.raises(ConfigError, match=message):
        load_config(own)


def test_each_data_set_may_have_its_own_folder_if_there_is_no_shared_one(tmp_path):
    own = tmp_path / "own.py"
    own.write_text(
        f"_base_ = [{str(INTERNET)!r}]\ndata_root = None\n"
        "train_dataloader = dict(dataset=dict(data_root='/a'))\nval_dataloader = dict(dataset=dict(data_root='/b'))\n"
    )
    cfg = load_config(own, ["test_dataloader.dataset.data_root=/t"])
    assert [cfg[f"{p}_dataloader"].dataset.data_root for p in ("train", "val", "test")] == ["/a", "/b", "/t"]


def test_nested_roots_on_the_command_line_are_refused():
    with pytest.raises(ConfigError, match="reads the one data_root"):
        load_config(INTERNET, ["train_dataloader.dataset.data_root=/a"])
    with pytest.raises(ConfigError, match=r"set model\.hdr\.crop_scale"):
        load_config(ROOT / "configs/hdr/small.py", ["test_dataloader.dataset.pipeline.1.crop_scale=3"])
