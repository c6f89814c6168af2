"""Detectors: class names, batches, scopes, wrong files, training, testing and the boxes they give."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.registry import DefaultScope, init_default_scope

from interhand_mm.apis.detect import detect_split, write_boxes
from interhand_mm.apis.test import run_test
from interhand_mm.apis.train import train
from interhand_mm.checkpoints.io import read_checkpoint
from interhand_mm.datasets.interhand import InterHandDataset
from interhand_mm.engine.runner import build_model
from interhand_mm.errors import AnnotationError, CheckpointError, ConfigError
from interhand_mm.evaluation.report import metrics_report, metrics_table
from interhand_mm.inference.detector import HandDetector, class_names, detector_scope, hand_sides, select_hands
from interhand_mm.inference.options import InferenceOptions
from interhand_mm.structures.boxes import box_iou
from interhand_mm.structures.results import Detections
from interhand_mm.utils.config import DataOptions, load_config, walk_dicts
from tests.conftest import ROOT
from tests.fixtures.tiny import write_photographs, write_set
from tests.synthesis.test_scenes import write_hands

TINY = ROOT / "configs/quickstart/detector.py"
EGOHANDS = ROOT / "configs/detector/faster_rcnn_egohands.py"


def save_random(path: Path, config: Path = TINY, classes=("hand",), **meta) -> Path:
    """A checkpoint with mmengine's habits: metadata, log buffers, weights of a few scales that give some boxes."""
    cfg = load_config(config)
    with detector_scope(cfg):
        from mmdet.registry import MODELS

        torch.manual_seed(0)
        model = MODELS.build(cfg.model)
        model.init_weights()
    state = model.state_dict()
    for name in state:
        if "rtm_cls" in name and name.endswith("bias"):
            state[name] += 6.0  # everything is a hand
        if "rtm_reg" in name and name.endswith("bias"):
            state[name] += 2.0  # and has an area
    buffer = HistoryBuffer([1.0], [1])
    torch.save(
        {"state_dict": state, "meta": {"dataset_meta": {"classes": classes}, **meta}, "message_hub": buffer}, path
    )
    return path


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory) -> Path:
    return save_random(tmp_path_factory.mktemp("ckpt") / "random.pth")


@pytest.fixture(scope="module")
def detector(checkpoint) -> HandDetector:
    return HandDetector(TINY, checkpoint, InferenceOptions(score_thr=0.0))


@pytest.mark.parametrize(
    ("classes", "sides"),
    [
        (("hand",), {0: -1}),
        (("right_hand", "left_hand"), {0: 0, 1: 1}),
        (("myleft", "myright", "yourleft", "yourright"), {0: 1, 1: 0, 2: 1, 3: 0}),
        (("person", "Left Hand", "face"), {1: 1}),
        (("handbag", "handle", "human_hands"), {2: -1}),
        (("targetobject", "hand"), {1: -1}),
    ],
)
def test_class_names_say_whose_hand(classes, sides):
    assert hand_sides(classes) == sides


def test_a_detector_of_people_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"person, bicycle(.|\n)*want: a class 'hand'"):
        HandDetector(TINY, save_random(tmp_path / "p.pth", classes=("person", "bicycle")))


def test_class_names_of_checkpoint_then_config():
    cfg = load_config(TINY)
    assert class_names(cfg, {"meta": {"dataset_meta": {"CLASSES": ["lefthand"]}}}) == ("lefthand",)
    assert class_names(cfg, {"meta": {"CLASSES": ("a", "b")}}) == ("a", "b")  # mmdet 2
    assert class_names(cfg, {}) == ("hand",)
    cfg.test_dataloader.dataset.pop("metainfo")
    with pytest.raises(CheckpointError, match="classes"):
        class_names(cfg, {"meta": {}})


def test_batches_of_any_size_give_what_single_images_do(detector):
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 255, (h, w, 3), dtype=np.uint8) for h, w in ((120, 160), (200, 90), (64, 64))]
    together = detector(images)
    assert detector([]) == []
    for image, found in zip(images, together, strict=True):
        (alone,) = detector([image])
        assert len(found.boxes)
        np.testing.assert_allclose(found.boxes, alone.boxes, atol=0.05)
        np.testing.assert_allclose(found.scores, alone.scores, atol=1e-4)
        assert (found.sides == -1).all()
        assert (np.diff(found.scores) <= 0).all()
        overlap = box_iou(found.boxes, found.boxes)
        np.fill_diagonal(overlap, 0)
        assert overlap.max() <= 0.65 + 1e-6


def test_right_and_left_box_of_one_hand_become_one():
    from mmengine.structures import InstanceData

    classes = ("right_hand", "person", "left_hand")
    boxes = torch.tensor([[0, 0, 100, 100], [5, 0, 105, 100], [200, 0, 240, 40], [0, 0, 9, 9], [300, 0, 340, 40.0]])
    scores, labels = torch.tensor([0.6, 0.8, 0.7, 0.9, 0.2]), torch.tensor([0, 2, 0, 1, 0])
    predicted = InstanceData(bboxes=boxes, scores=scores, labels=labels)
    found = select_hands(predicted, classes, InferenceOptions(score_thr=0.3, box_scale=0.5))
    np.testing.assert_allclose(found.boxes, [[30, 25, 80, 75], [210, 10, 230, 30]])
    assert found.sides.tolist() == [1, 0]
    np.testing.assert_allclose(found.scores, [0.8, 0.7])


@pytest.mark.parametrize("scope", [None, "interhand_mm"])
def test_pose_model_and_detector_live_in_one_process(checkpoint, scope):
    if scope:
        init_default_scope(scope)
    build_model(load_config(ROOT / "configs/quickstart/marginal.py"))
    HandDetector(TINY, checkpoint)([np.zeros((64, 64, 3), np.uint8)])
    assert DefaultScope.get_current_instance().scope_name == "interhand_mm"
    build_model(load_config(ROOT / "configs/quickstart/marginal.py"))


def test_bfloat16_finds_about_the_same(checkpoint, detector):
    image = np.random.default_rng(1).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    (full,), (half,) = (
        detector([image]),
        HandDetector(TINY, checkpoint, InferenceOptions(score_thr=0.0, amp="bfloat16"))([image]),
    )
    assert half.boxes.dtype == full.boxes.dtype
    assert abs(half.scores[0] - full.scores[0]) < 0.05


def test_config_and_checkpoint_that_do_not_belong_together(tmp_path, checkpoint):
    with pytest.raises(CheckpointError, match=r"faster_rcnn_egohands\.py.*does not belong"):
        HandDetector(EGOHANDS, checkpoint)
    with pytest.raises(ConfigError, match="not a detector's config"):
        HandDetector(ROOT / "configs/internet.py", checkpoint)
    with pytest.raises(CheckpointError, match="does not exist"):
        HandDetector(TINY, tmp_path / "none.pth")
    with pytest.raises(CheckpointError, match="does not exist"):
        HandDetector(TINY, tmp_path)


def test_a_checkpoint_executes_nothing(tmp_path):
    class Evil:
        def __reduce__(self):
            return Path.touch, (tmp_path / "executed",)

    torch.save({"state_dict": {}, "meta": Evil()}, tmp_path / "evil.pth")
    with pytest.raises(CheckpointError, match="refused"):
        HandDetector(TINY, tmp_path / "evil.pth")
    assert not (tmp_path / "executed").exists()


# --- training and testing through the tools' functions ---


@pytest.fixture(scope="module")
def scenes(tmp_path_factory) -> Path:
    from interhand_mm.synthesis.scenes.compose import SceneOptions, make_scenes

    base = tmp_path_factory.mktemp("scenes")
    photos = [write_photographs(base / name, seed=i) for i, name in enumerate(("a", "b"))]
    for path in photos[1].iterdir():
        path.rename(path.with_name(f"other_{path.name}"))
    hands = str(write_hands(base / "hands"))
    make_scenes(base / "out", SceneOptions(hands, tuple(map(str, photos)), num=4, num_test=4, seed=1), progress=False)
    return base / "out"


def small(config: Path, scenes: Path, tmp_path: Path, *more: str):
    cfg = load_config(config, ["train_dataloader.batch_size=2", *more], DataOptions(data_root=str(scenes)))
    cfg.default_hooks.checkpoint.save_optimizer = False
    for _, step in walk_dicts([cfg.train_dataloader, cfg.test_dataloader]):
        step.update({key: (96, 96) for key in ("scale", "size") if key in step})
    cfg.work_dir = str(tmp_path / "work")
    for loader in (cfg.train_dataloader, cfg.test_dataloader):
        loader.num_workers, loader.persistent_workers = 0, False
    cfg.train_cfg.max_epochs = 1
    return cfg


@pytest.mark.parametrize(
    ("config", "amp"), [(ROOT / "configs/detector/rtmdet_tiny_hands.py", None), (TINY, "bfloat16")]
)
def test_detector_configs_train_and_test(config, amp, scenes, tmp_path):
    runner = train(small(config, scenes, tmp_path), amp=amp)
    assert runner.iter == 2
    report = run_test(small(config, scenes, tmp_path), str(tmp_path / "work/epoch_1.pth"))
    hands = json.loads((scenes / "annotations/coco/hand_test.json").read_text())
    assert report["counts"] == {"images": 4, "hands": len(hands["annotations"])}
    assert 0 <= report["metrics"]["AP50"] <= 1
    written = json.loads((tmp_path / "work/metrics.json").read_text())["metrics"]
    assert written["AP50"] == report["metrics"]["AP50"]
    assert all(value is None or value >= 0 for value in written.values())
    if config == TINY:
        init_default_scope("interhand_mm")
        found = HandDetector(config, tmp_path / "work/epoch_1.pth")([np.zeros((50, 60, 3), np.uint8)])
        assert len(found) == 1


def test_starting_from_other_classes_but_not_another_backbone(scenes, tmp_path, checkpoint):
    state = read_checkpoint(checkpoint)
    state["state_dict"]["bbox_head.rtm_cls.0.weight"] = torch.zeros(80, 64, 1, 1)  # as a COCO checkpoint's
    torch.save(state, tmp_path / "coco.pth")
    cfg = small(TINY, scenes, tmp_path)
    cfg.load_from = str(tmp_path / "coco.pth")
    runner = train(cfg)
    assert runner.iter == 2
    cfg = small(ROOT / "configs/detector/rtmdet_tiny_hands.py", scenes, tmp_path)
    cfg.load_from = str(checkpoint)
    with pytest.raises(CheckpointError, match="backbone"):
        train(cfg)


def test_missing_files_and_classes_are_named(scenes, tmp_path):
    with pytest.raises(AnnotationError, match=r"none/annotations/coco/hand_train\.json"):
        train(small(TINY, tmp_path / "none", tmp_path))
    cfg = small(TINY, scenes, tmp_path, "train_dataloader.dataset.metainfo.classes=['hand','foot']")
    with pytest.raises(AnnotationError, match=r"does not contain all classes(.|\n)*foot"):
        train(cfg)


def test_options_without_effect_on_a_detector_are_refused():
    for option in (dict(split="val"), dict(backgrounds=["x"]), dict(boxes="b.json"), dict(depth_source="gt")):
        with pytest.raises(ConfigError, match="no effect on a detector"):
            load_config(TINY, [], DataOptions(**option))


# --- boxes for the pose network ---


class Oracle:
    """A detector that knows the annotations: finds every hand but those of the samples it is told to miss."""

    def __init__(self, root: Path, miss: int) -> None:
        self.samples = [InterHandDataset(str(root), split="test").get_data_info(i) for i in range(3)]
        self.calls, self.miss = 0, miss

    def __call__(self, images):
        found = []
        for _ in images:
            sample = self.samples[self.calls]
            points, seen = sample["keypoints"][0, :, :2], sample["keypoints_visible"][0] > 0
            boxes = []
            for joints in (slice(0, 21), slice(21, 42)):
                if seen[joints].any():
                    low, high = points[joints].min(0), points[joints].max(0)
                    boxes.append(np.concatenate([1.1 * low - 0.1 * high, 1.1 * high - 0.1 * low]))
            if self.calls == self.miss:
                boxes = [np.array([0.0, 0, 5, 5])]
            self.calls += 1
            found.append(Detections(np.array(boxes), np.full(len(boxes), 0.9), np.full(len(boxes), -1)))
        return found


def test_detected_boxes_are_the_annotated_crops_and_misses_are_counted(tmp_path):
    root = write_set(tmp_path / "set", "test", num=3)
    found = detect_split(Oracle(root, miss=1), str(root), "test", batch_size=2, progress=False)
    truth = InterHandDataset(str(root), split="test")
    assert found["counts"] == dict(images=3, annotations=3, found=2, missed=1, hands=4, groups=3, unmatched_groups=1), (
        found
    )
    assert found["missed"] == [truth.get_data_info(1)["ann_id"]]
    write_boxes(tmp_path / "boxes.json", found)

    detected = InterHandDataset(str(root), split="test", boxes=str(tmp_path / "boxes.json"))
    assert detected.protocol == {"box": "detected", "depth": "gt"}
    assert detected.coverage == {"annotations": 3, "found": 2, "missed": 1}
    assert len(detected) == 2
    for i, j in ((0, 0), (1, 2)):
        a, b = detected.get_data_info(i), truth.get_data_info(j)
        assert a["ann_id"] == b["ann_id"]
        np.testing.assert_allclose(a["bbox"], b["bbox"], atol=0.01)
    report = metrics_report({"original": {"metrics": {"MPJPE/all": 5.0}, "per_joint": {}, "counts": {}}}, detected, {})
    assert report["counts"]["boxes"]["missed"] == 1
    assert report["metrics"]["BoxRecall"] == pytest.approx(2 / 3)
    assert "2 of 3 annotations" in metrics_table(report)
    plain = metrics_report({"original": {"metrics": {}, "per_joint": {}, "counts": {}}}, truth, {})
    assert "BoxRecall" not in plain["metrics"]


def test_boxes_reach_the_test_set_alone(tmp_path):
    cfg = load_config(ROOT / "configs/internet.py", [], DataOptions(boxes="b.json"))
    assert cfg.test_dataloader.dataset.boxes == "b.json"
    assert cfg.train_dataloader.dataset.get("boxes") is None


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ('{"boxes": []}', "missed"),
        ('{"boxes": [{"annot_id": 500, "bbox": [1, 2, 3]}], "missed": []}', "not a file of detected boxes"),
        ('{"boxes": [{"annot_id": 500, "bbox": [1, 2, 0, 4]}], "missed": [501, 502]}', "annotation 500"),
        ('{"boxes": [], "missed": [500, 500]}', "twice"),
        ('{"boxes": [], "missed": [500]}', "2 of 3 neither found nor missed"),
        ('{"boxes": [], "missed": [500, 501, 502]}', "nothing was detected"),
    ],
)
def test_broken_boxes_are_named(tmp_path, content, message):
    root = write_set(tmp_path / "set", "test", num=3)
    path = tmp_path / "boxes.json"
    path.write_text(content)
    with pytest.raises(AnnotationError, match=message):
        InterHandDataset(str(root), split="test", boxes=str(path))
    with pytest.raises(AnnotationError, match="cannot be read"):
        InterHandDataset(str(root), split="test", boxes=str(tmp_path / "none.json"))
