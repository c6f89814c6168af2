from __future__ import annotations

import json
import time
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.dataset import ConcatDataset, RepeatDataset

from interhand_mm.datasets import InterHandDataset
from interhand_mm.datasets.plausibility import check_plausible, judge, measure
from interhand_mm.engine.hooks import SkipReportHook
from interhand_mm.errors import AnnotationError
from tests.conftest import ROOT
from tests.fixtures.tiny import annotations, edit_json, write_set

CODEC = dict(type="InterHand3DCodec")


@pytest.fixture
def tiny(tmp_path):
    return write_set(tmp_path / "tiny")


def each_camera(change):
    def edit(content):
        for capture in content.values():
            for camera in capture["campos"]:
                position, rotation = change(np.array(capture["campos"][camera]), np.array(capture["camrot"][camera]))
                capture["campos"][camera], capture["camrot"][camera] = position.tolist(), rotation.tolist()

    return edit


def each_joint(change):
    def edit(content):
        for capture in content.values():
            for frame in capture.values():
                frame["world_coord"] = [change(joint) for joint in frame["world_coord"]]

    return edit


def metres(root):
    edit_json(annotations(root, "joint_3d"), each_joint(lambda joint: [value / 1000 for value in joint]))
    edit_json(annotations(root, "camera"), each_camera(lambda position, rotation: (position / 1000, rotation)))


def translation_as_position(root):
    def to_translation(position, rotation):
        return -rotation @ position, rotation

    def world_far_away(position, rotation):  # as in a real studio, whose origin is not near the cameras
        return position + np.array([700, 0, 800]), rotation

    edit_json(annotations(root, "joint_3d"), each_joint(lambda joint: [joint[0] + 700, joint[1], joint[2] + 800]))
    edit_json(annotations(root, "camera"), each_camera(world_far_away))
    check_plausible(InterHandDataset(str(root), strict="skip"))
    edit_json(annotations(root, "camera"), each_camera(to_translation))


def behind(root):
    edit_json(annotations(root, "joint_3d"), each_joint(lambda joint: [*joint[:2], -joint[2]]))


def no_joint_valid(root):
    def edit(content):
        for annotation in content["annotations"]:
            annotation["joint_valid"] = [[0]] * 42

    edit_json(annotations(root, "data"), edit)


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (metres, r"median hand spans 0\.2\d* mm(.|\n)*millimeters"),
        (translation_as_position, r"% of the valid joints lie outside their box(.|\n)*position"),
        (behind, r"% of the valid joints lie behind the camera"),
        (no_joint_valid, r"no joint is valid(.|\n)*wrist"),
    ],
)
def test_impossible_numbers_are_an_error(tiny, break_it, message):
    break_it(tiny)
    with pytest.raises(AnnotationError, match=message):
        check_plausible(InterHandDataset(str(tiny), strict="skip"))


def corners(root):
    def edit(content):
        for annotation in content["annotations"]:
            x, y, w, h = annotation["bbox"]
            annotation["bbox"] = [x, y, x + w, y + h]

    edit_json(annotations(root, "data"), edit)


def child_size(root):  # a quarter of the size, at a quarter of the distance: every pixel stays
    edit_json(annotations(root, "joint_3d"), each_joint(lambda joint: [value / 4 for value in joint]))
    edit_json(annotations(root, "camera"), each_camera(lambda position, rotation: (position / 4, rotation)))


@pytest.mark.parametrize(
    ("break_it", "words"),
    [(corners, ("off the joints' middle", "x, y, width, height")), (child_size, ("span less than 60",))],
)
def test_doubtful_numbers_are_a_warning(tiny, break_it, words, caplog):
    break_it(tiny)
    dataset = InterHandDataset(str(tiny), strict="skip")
    impossible, doubtful = judge(measure(dataset))
    assert not impossible
    assert all(word in " ".join(finding.what + (finding.fix or "") for finding in doubtful) for word in words)
    check_plausible(dataset)


def test_plausible_numbers_say_nothing(tiny, sample_root):
    for root in (tiny, sample_root):
        found = measure(InterHandDataset(str(root)))
        assert judge(found) == ([], [])
        assert found.in_box == found.in_front == 1.0
        assert found.box_offset < 1e-5
        assert found.box_fill == pytest.approx(1 / 1.5, abs=1e-3)  # enlarged by 1.2, then by 1.25


def test_every_part_of_a_mix_is_looked_at(tiny, tmp_path):
    good, bad = InterHandDataset(str(write_set(tmp_path / "good"))), tiny
    no_joint_valid(bad)
    broken = InterHandDataset(str(bad))
    for mix in (ConcatDataset([good, broken]), RepeatDataset(broken, 2)):
        with pytest.raises(AnnotationError, match="no joint is valid"):
            check_plausible(mix)
    check_plausible([1, 2, 3])  # other data sets are not looked at


def test_the_check_is_fast_whatever_the_size(tiny, monkeypatch):
    dataset = InterHandDataset(str(tiny))
    dataset._rows = np.arange(1_000_000) % 6
    seen = []
    load = dataset.load_item
    monkeypatch.setattr(dataset, "load_item", lambda idx: seen.append(idx) or load(idx))
    start = time.process_time()
    measure(dataset)
    assert time.process_time() - start < 2
    assert len(seen) <= 300
    assert max(seen) - min(seen) > 990_000


@pytest.mark.parametrize(
    ("box", "reason"),
    [([9000.0, 9000.0, 40.0, 40.0], "lies outside the image"), ([10.0, 10.0, 1e-3, 1e-3], "smaller than 1 px")],
)
def test_boxes_that_show_nothing_are_faulty(tiny, box, reason):
    def edit(content):
        for annotation in content["annotations"][:3]:
            annotation["bbox"] = box

    edit_json(annotations(tiny, "data"), edit)
    with pytest.raises(AnnotationError, match=f"3 annotations(.|\n)*{reason}"):
        InterHandDataset(str(tiny))
    assert len(InterHandDataset(str(tiny), strict="skip")) == 3


def test_training_stops_before_the_first_step(tiny, tmp_path):
    from interhand_mm.apis.train import train
    from interhand_mm.utils.config import DataOptions, load_config

    metres(tiny)
    cfg = load_config(ROOT / "configs/internet.py", [], DataOptions(data_root=str(tiny)))
    cfg.model.backbone.update(depth=18, init_cfg=None)
    cfg.model.head.update(in_channels=512, deconv_channels=8)
    cfg.work_dir = str(tmp_path / "work")
    cfg.train_dataloader.update(num_workers=0, persistent_workers=False)
    with pytest.raises(AnnotationError, match=r"spans 0\.2"):
        train(cfg)


def test_prepare_reports_them(tiny):
    from interhand_mm.preparation.interhand26m import check_interhand, report_lines

    before, _ = check_interhand(str(tiny), processes=1, progress=False)
    metres(tiny)
    report, _ = check_interhand(str(tiny), processes=1, progress=False)
    assert report["faults"] == before["faults"] + 1
    assert any("hand spans 0.2" in line for line in report_lines(report))
    assert json.dumps(report)


class _Logger:
    def __init__(self):
        self.lines = []

    def warning(self, text):
        self.lines.append(text)


def test_batches_without_a_joint_are_reported(tiny):
    runner = SimpleNamespace(iter=0, epoch=0, logger=_Logger())
    steps = [dict(type="LoadHandImage"), dict(type="HandCrop", encoder=CODEC), dict(type="EncodeHand", encoder=CODEC)]
    dataset = InterHandDataset(str(tiny), pipeline=[*steps, dict(type="PackHandInputs")])
    full = {"data_samples": [dataset[i]["data_samples"] for i in (0, 1)]}
    no_joint_valid(tiny)
    dataset = InterHandDataset(str(tiny), pipeline=[*steps, dict(type="PackHandInputs")])
    empty = {"data_samples": [dataset[i]["data_samples"] for i in (0, 1)]}
    hook = SkipReportHook()
    for batch in (full, empty, empty):
        hook.after_train_iter(runner, 0, batch)
        runner.iter += 1
    hook.after_train_epoch(runner)
    assert runner.logger.lines == ["training epoch 1: no joint of 2 of 3 batches entered the loss"]
    hook, runner.iter = SkipReportHook(), 0
    for runner.iter in range(49):
        hook.after_train_iter(runner, 0, empty)
    runner.iter = 49
    with pytest.raises(AnnotationError, match="no joint of the first 50 batches"):
        hook.after_train_iter(runner, 0, empty)
