from __future__ import annotations

import numpy as np
import pytest
import torch

from interhand_mm.codecs import InterHand3DCodec
from interhand_mm.codecs import heatmap as H
from interhand_mm.errors import ConfigError

CODEC = InterHand3DCodec()
RNG = np.random.default_rng(1)
BOTH = np.ones(2, np.float32)


def _points(n: int = 42) -> np.ndarray:
    return np.column_stack([RNG.uniform(5, 250, (n, 2)), RNG.uniform(-180, 180, n)])


def test_known_bins():
    assert np.allclose(CODEC.to_bins(np.array([[128.0, 64.0, 0.0], [0, 0, -200]])), [[32, 16, 32], [0, 0, 0]])
    assert CODEC.root_to_bin(60.0) == pytest.approx(41.6)
    assert CODEC.root_from_bin(32) == 0


def test_round_trip_numpy_and_torch():
    points = _points()
    assert np.allclose(CODEC.from_bins(CODEC.to_bins(points)), points)
    tensor = torch.from_numpy(points)
    assert torch.allclose(CODEC.from_bins(CODEC.to_bins(tensor)), tensor)
    assert np.allclose(CODEC.to_bins(tensor).numpy(), CODEC.to_bins(points))


def test_round_trip_through_whole_bins_stays_within_half_a_bin():
    points = _points(1000)
    error = np.abs(CODEC.from_bins(np.rint(CODEC.to_bins(points))) - points)
    assert error[:, :2].max() <= 2.0
    assert error[:, 2].max() <= 3.2
    assert error[:, 2].max() > 3.0  # the quantum is real


def test_encode_weights():
    points = _points()
    points[[20, 41]] = [[100, 100, 0], [150, 150, 0]]
    points[0, 0] = 256.0  # just outside
    points[1, 1] = -0.1
    points[2, 2] = 200.0  # bin 64, one past the last
    points[3, 2] = -200.0  # bin 0
    out = CODEC.encode(points, np.ones(42), BOTH, 30.0)
    assert out["bin_weights"][:4].tolist() == [0, 0, 0, 1]
    assert out["bins"][20, 2] == 32
    assert out["root_weight"] == 1
    assert sum(value.nbytes for value in out.values()) < 1024


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (dict(hand_type=np.array([1.0, 0.0])), "one hand"),
        (dict(rel_root_depth=200.0), "beyond the range"),
        (dict(rel_root_valid=0.0), "not annotated"),
        (dict(wrist=300.0), "wrist outside the crop"),
    ],
)
def test_root_depth_counts_only_where_known(change, what):
    points = _points()
    points[[20, 41], :2] = change.pop("wrist", 100.0)
    arguments = dict(hand_type=BOTH, rel_root_depth=30.0, rel_root_valid=1.0) | change
    assert CODEC.encode(points, np.ones(42), **arguments)["root_weight"] == 0, what


def test_wrist_outside_the_crop_leaves_its_hand_valid():
    points = _points()
    points[20, 0] = -5.0
    weights = CODEC.encode(points, np.ones(42), BOTH, 0.0)["bin_weights"]
    assert weights[20] == 0
    assert weights[:20].all()


def test_bad_codec():
    with pytest.raises(ConfigError):
        InterHand3DCodec(heatmap_size=(64, 64))
    with pytest.raises(ConfigError):
        InterHand3DCodec(sigma=0)


def test_gaussian_volume_is_the_formula():
    bins = torch.tensor([[10.3, 20.0, 30.5]], dtype=torch.float64)
    volume = H.gaussian_volume(bins, (64, 64, 64), 2.5)
    k, j, i = 31, 18, 12
    expected = 255 * np.exp(-((i - 10.3) ** 2 + (j - 20) ** 2 + (k - 30.5) ** 2) / (2 * 2.5**2))
    assert volume[0, k, j, i].item() == pytest.approx(expected, rel=1e-12)


def test_argmax_and_refinement():
    bins = torch.tensor(RNG.uniform(4, 59, (50, 3)), dtype=torch.float32)
    volume = H.gaussian_volume(bins, (64, 64, 64), 2.5)
    peak, score = H.argmax_3d(volume)
    assert torch.equal(peak, bins.round())
    assert (score <= 255).all()
    assert (H.refine_gaussian(volume, peak) - bins).abs().max() < 1e-3


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_argmax_by_planes_is_the_first_of_the_flat_volume(dtype):
    volume = torch.tensor(RNG.integers(-9, 3, (4, 21, 5, 6, 7))).to(dtype)  # few heights, so many ties
    height, flat = volume.flatten(-3).float().max(-1).values, volume.flatten(-3).float().numpy().argmax(-1)
    peak, score = H.argmax_3d(volume)
    assert torch.equal(score.float(), height)
    z, y, x = np.unravel_index(flat, (5, 6, 7))
    assert np.array_equal(peak.numpy(), np.stack([x, y, z], axis=-1))


def test_refinement_at_borders_and_on_dead_volumes_keeps_the_peak():
    volume = torch.zeros(2, 8, 8, 8)
    volume[0, 0, 7, 3] = 5.0
    peak, _ = H.argmax_3d(volume)
    assert torch.equal(H.refine_gaussian(volume, peak), peak)
    assert torch.isfinite(H.refine_gaussian(-volume, H.argmax_3d(-volume)[0])).all()


def test_soft_argmax():
    assert H.soft_argmax(torch.zeros(1, 64)).item() == pytest.approx(31.5)
    logits = torch.full((1, 64), -100.0)
    logits[0, 17] = 100
    assert H.soft_argmax(logits).item() == pytest.approx(17)


def test_mirrored_inputs_mirror_whole_bins():
    image = torch.arange(256.0).expand(1, 1, 2, 256)
    mirrored = H.mirror_inputs(image, 4)
    # Bin x shows pixel 4x; mirrored, bin 63 - x must show the same pixel.
    for x in (0, 10, 63):
        assert mirrored[0, 0, 0, 4 * (63 - x)] == image[0, 0, 0, 4 * x]
