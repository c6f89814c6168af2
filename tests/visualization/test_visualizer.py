from __future__ import annotations

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from matplotlib import pyplot
from mmengine.structures import InstanceData
from mmengine.visualization import Visualizer

from interhand_mm.datasets import InterHandDataset
from interhand_mm.engine import HandVisualizationHook
from interhand_mm.errors import ConfigError
from interhand_mm.registry import VISUALIZERS
from interhand_mm.structures.joints import COLORS
from interhand_mm.utils.config import load_config
from interhand_mm.utils.images import resize_image
from interhand_mm.visualization.plot3d import plot_hands
from interhand_mm.visualization.visualizer import InterHandVisualizer, lift, sample_tiles
from tests.conftest import ROOT
from tests.fixtures.frames import make_hands
from tests.fixtures.tiny import write_set

CODEC = dict(type="InterHand3DCodec", input_size=(128, 128))
PIPELINE = [dict(type="LoadHandImage"), dict(type="HandCrop", encoder=CODEC), dict(type="PackHandInputs")]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    root = write_set(tmp_path_factory.mktemp("tiny"), num=6)
    return InterHandDataset(data_root=str(root), pipeline=PIPELINE, test_mode=True)


def predicted(dataset, row: int, depth_mm: float = 0.0, root_mm: float = 0.0):
    """A sample whose prediction is the truth but for its joints' depth and the relative root depth."""
    packed = dataset[row]
    sample = packed["data_samples"]
    points = sample.gt_instances.keypoints.copy()
    points[0, :20, 2] += depth_mm
    points[0, 21:41, 2] += depth_mm
    sample.pred_instances = InstanceData(
        keypoints=points,
        hand_prob=np.array([[0.98, 0.03]]),
        rel_root_depth=sample.gt_instances.rel_root_depth + root_mm,
    )
    return packed["inputs"], sample


def crop_of(inputs) -> np.ndarray:
    return np.ascontiguousarray(inputs.numpy().transpose(1, 2, 0))


def test_the_truth_is_lifted_to_itself_and_a_wrong_root_moves_the_left_hand(dataset):
    row = next(i for i in range(6) if dataset[i]["data_samples"].gt_instances.hand_type.min() > 0)
    _, sample = predicted(dataset, row)
    truth = sample.gt_instances.keypoints_cam[0]
    assert np.allclose(lift(sample), truth, atol=0.05)
    # A network predicts the d of a wrist too, some millimeters beside 0; the wrist still lies at its true depth.
    sample.pred_instances.keypoints[0, :, 2] += 12.0
    assert np.allclose(lift(sample), truth, atol=0.05)
    _, sample = predicted(dataset, row, root_mm=30.0)
    moved = lift(sample)
    assert np.allclose(moved[:21], truth[:21], atol=0.05)
    assert np.allclose(moved[21:, 2] - truth[21:, 2], 30, atol=0.01)


@pytest.mark.parametrize("depth_mm", [0.0, 25.0])
def test_tiles_show_truth_prediction_and_error(dataset, monkeypatch, depth_mm):
    told = []
    monkeypatch.setattr(
        "interhand_mm.visualization.visualizer.draw_label", lambda tile, text: told.append(text) or tile
    )
    inputs, sample = predicted(dataset, 0, depth_mm=depth_mm)
    tiles = sample_tiles(crop_of(inputs), sample)
    assert [tile.shape for tile in tiles] == [(288, 288, 3)] * 3
    assert told[0] == "truth: right"
    assert told[1].startswith("R .98 · L .03 · ")
    # 25 mm deeper at 1 m, 100 mm off the axis at the most: 25 mm and up to 2.5 mm sideways.
    assert float(told[1].split()[-2]) == pytest.approx(depth_mm, abs=0.2)
    assert len(sample_tiles(crop_of(inputs), sample, draw_pred=False)) == 2


def test_joints_lie_on_the_hand_in_the_tile(dataset):
    inputs, sample = predicted(dataset, 0)
    plain = resize_image(crop_of(inputs), (288, 288))
    tile = sample_tiles(crop_of(inputs), sample)[1]
    painted = (tile != plain).any(axis=-1)
    painted[:30] = False  # the label
    assert painted.sum() > 500
    assert (plain[painted].max(axis=-1) > 40).mean() > 0.9  # skin, not the black behind it


def hook_run(dataset, folder, num=2, visualizer=None):
    runner = SimpleNamespace(
        visualizer=visualizer
        or InterHandVisualizer("hands", vis_backends=[dict(type="LocalVisBackend")], save_dir=folder),
        val_dataloader=SimpleNamespace(dataset=dataset),
        iter=120,
    )
    hook = HandVisualizationHook(num=num)
    hook.before_val_epoch(runner)
    drawn = []
    for start in (0, 4):
        batch = [predicted(dataset, row) for row in range(start, min(start + 4, 6))]
        inputs, samples = zip(*batch, strict=True)
        hook.after_val_iter(runner, start // 4, {"inputs": list(inputs)}, list(samples))
        drawn = sorted(hook._samples)
    hook.after_val_epoch(runner)
    return drawn


def test_the_hook_draws_the_same_few_samples(dataset, tmp_path):
    assert hook_run(dataset, str(tmp_path)) == [0, 3]
    image = cv2.imread(str(tmp_path / "vis_data" / "vis_image" / "val_predictions_120.png"))
    assert image.shape == (288 + 16, 2 * (3 * 288 + 8) + 8, 3)
    assert hook_run(dataset, str(tmp_path / "none"), num=0) == []
    assert not (tmp_path / "none" / "vis_data" / "vis_image").exists()


def test_colors_reach_the_file_in_order(dataset, tmp_path):
    """mmengine's images are RGB, ours BGR: the thumb must be red in the file too."""
    hook_run(dataset, str(tmp_path), num=1)
    image = cv2.imread(str(tmp_path / "vis_data" / "vis_image" / "val_predictions_120.png"))
    assert (image == COLORS[0][::-1]).all(axis=-1).sum() > 50


def test_another_visualizer_is_refused(dataset, tmp_path):
    with pytest.raises(ConfigError, match="cannot draw hands"):
        hook_run(dataset, str(tmp_path), visualizer=Visualizer("plain"))


def test_one_sample_as_mmengine_asks_for_it(dataset, tmp_path):
    inputs, sample = predicted(dataset, 0)
    made = VISUALIZERS.build(
        dict(
            type="InterHandVisualizer", name="one", vis_backends=[dict(type="LocalVisBackend")], save_dir=str(tmp_path)
        )
    )
    made.add_datasample("sample", crop_of(inputs)[..., ::-1], sample, step=7)
    assert cv2.imread(str(tmp_path / "vis_data" / "vis_image" / "sample_7.png")).shape == (296, 3 * 292 + 4, 3)


def test_tensorboard_gets_the_image(dataset, tmp_path):
    event_accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    visualizer = InterHandVisualizer("board", vis_backends=[dict(type="TensorboardVisBackend")], save_dir=str(tmp_path))
    hook_run(dataset, str(tmp_path), visualizer=visualizer)
    visualizer.close()
    events = event_accumulator.EventAccumulator(str(tmp_path / "vis_data")).Reload()
    assert [image.step for image in events.Images("val_predictions")] == [120]


def test_configs_with_a_validation_draw():
    # As the comment in configs/_base_/runtime.py has it.
    backends = "visualizer.vis_backends=[{'type':'LocalVisBackend'},{'type':'TensorboardVisBackend'}]"
    cfg = load_config(ROOT / "configs/internet_bgaug.py", [backends])
    assert [backend["type"] for backend in cfg.visualizer.vis_backends] == ["LocalVisBackend", "TensorboardVisBackend"]
    assert cfg.default_hooks.visualization.type == "HandVisualizationHook"
    assert cfg.visualizer.type == "InterHandVisualizer"


def test_plots_stand_upright_and_leave_pyplot_alone():
    points = np.full((42, 3), np.nan)
    hands = make_hands().keypoints_mm
    points[:20] = hands[:20]  # without a wrist there is no letter

    def middle_of(color_of: int, image: np.ndarray) -> np.ndarray:
        rows, columns = np.nonzero((np.abs(image[..., ::-1].astype(int) - COLORS[color_of]) < 12).all(axis=-1))
        return np.array([np.median(columns), np.median(rows)])

    front = plot_hands(points, azimuth_deg=-90, elevation_deg=0)
    assert front.shape == (320, 320, 3)
    assert front.dtype == np.uint8
    thumb, pinky = middle_of(0, front), middle_of(16, front)
    assert np.sign(pinky[0] - thumb[0]) == np.sign(hands[16, 0] - hands[0, 0])
    lowered = points.copy()
    lowered[:4, 1] += 100  # the camera's y points down
    assert middle_of(0, plot_hands(lowered, azimuth_deg=-90, elevation_deg=0))[1] > middle_of(16, front)[1]
    assert pyplot.get_fignums() == []


def test_plots_of_nothing_and_of_several_crops():
    assert plot_hands(np.full((42, 3), np.nan), size_px=(200, 150)).shape == (150, 200, 3)
    two = np.stack([make_hands().keypoints_mm, make_hands(shift_mm=(0, 300, 0)).keypoints_mm])

    def rows_of_thumbs(points: np.ndarray, **options) -> np.ndarray:
        plot = plot_hands(points, azimuth_deg=-90, elevation_deg=0, **options)[..., ::-1].astype(int)
        return np.flatnonzero((np.abs(plot - COLORS[0]) < 12).all(axis=-1).any(axis=1))

    # Two crops, one 300 mm below the other, leave rows without a right thumb between them.
    assert np.diff(rows_of_thumbs(two)).max() > 50
    assert np.diff(rows_of_thumbs(two[:1])).max() < 20
    # The ground truth is gray, so it adds no colored thumb, even if it is the only one at its place.
    assert np.diff(rows_of_thumbs(two[:1], truth_mm=two[1:])).max() < 20
