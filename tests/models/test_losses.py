from __future__ import annotations

import numpy as np
import pytest
import torch

from interhand_mm.codecs.heatmap import gaussian_volume
from interhand_mm.models import losses
from interhand_mm.models.losses import HandednessLoss, RootDepthLoss, gaussian_mse


def _dense(volume: torch.Tensor, bins: torch.Tensor, weights: torch.Tensor, sigma: float) -> torch.Tensor:
    """The plain reference: build the target, square the difference, mask, mean."""
    depth, height, width = volume.shape[-3:]
    target = gaussian_volume(bins, (width, height, depth), sigma)
    return ((volume - target).square() * weights[..., None, None, None]).mean()


def _case(shape=(2, 5, 16, 12, 20), seed=0):
    generator = torch.Generator().manual_seed(seed)
    batch, joints, depth, height, width = shape
    bins = torch.rand(batch, joints, 3, generator=generator, dtype=torch.float64) * torch.tensor([width, height, depth])
    bins[0, 0] = torch.tensor([-7.0, 3.0, 40.0])  # outside: keeps its coordinate
    weights = (torch.rand(batch, joints, generator=generator) > 0.3).double()
    volume = torch.randn(shape, generator=generator, dtype=torch.float64) * 40
    return volume, bins, weights


def assert_equals_dense(volume, bins, weights, sigma=2.5):
    reference = volume.clone().requires_grad_()
    expected = _dense(reference, bins, weights, sigma)
    expected.backward()
    fast = volume.float().requires_grad_()
    value = gaussian_mse(fast, bins.float(), weights.float(), sigma)
    (3 * value).backward()
    assert value.item() == pytest.approx(expected.item(), rel=1e-4)
    scale = reference.grad.abs().max()
    assert (fast.grad.double() / 3 - reference.grad).abs().max() <= 1e-4 * scale


def test_value_and_gradient_equal_the_dense_reference():
    assert_equals_dense(*_case())


def test_full_size_volume():
    assert_equals_dense(*_case((1, 3, 64, 64, 64)))


@pytest.mark.parametrize("distance", [1e-1, 1e-2, 1e-3])
def test_no_cancellation_when_prediction_is_close_to_target(distance):
    volume, bins, weights = _case()
    size = (20, 12, 16)
    target = gaussian_volume(bins.float(), size, 2.5)  # the float32 target, so that closeness is real
    noise = torch.randn(volume.shape, generator=torch.Generator().manual_seed(3))
    close = target + distance * noise
    expected = (
        (close.double() - gaussian_volume(bins.float().double(), size, 2.5)).square() * weights[..., None, None, None]
    ).mean()
    value = gaussian_mse(close, bins.float(), weights.float(), 2.5)
    # Below about 1e-5 of the peak the float32 prediction itself holds no more digits.
    assert value.item() == pytest.approx(expected.item(), rel=1e-4 if distance >= 1e-2 else 2e-3)


def test_masked_joints_get_no_gradient_but_count_in_the_mean():
    volume, bins, _ = _case()
    weights = torch.zeros(2, 5)
    weights[1, 2] = 1
    tensor = volume.float().requires_grad_()
    gaussian_mse(tensor, bins.float(), weights, 2.5).backward()
    touched = tensor.grad.flatten(2).abs().sum(-1) > 0
    assert touched.nonzero().tolist() == [[1, 2]]
    assert_equals_dense(volume, bins, weights.double())


def test_all_masked_is_zero():
    volume, bins, _ = _case()
    tensor = volume.float().requires_grad_()
    value = gaussian_mse(tensor, bins.float(), torch.zeros(2, 5), 2.5)
    value.backward()
    assert value.item() == 0
    assert tensor.grad.abs().max() == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_prediction(dtype):
    volume, bins, weights = _case()
    half = volume.to(dtype).requires_grad_()
    value = gaussian_mse(half, bins.float(), weights.float(), 2.5)
    value.backward()
    expected = _dense(half.detach().double(), bins, weights, 2.5)
    assert value.item() == pytest.approx(expected.item(), rel=1e-4)
    assert half.grad.dtype == dtype


@pytest.mark.parametrize("scale", [65536.0, 262144.0])
def test_float16_gradient_under_a_loss_scale_equals_float32_at_full_size(scale):
    """One volume of a training step: batch 16, 21 joints, 64^3. Two joints of each sample have weight."""
    shape, used = (16, 21, 64, 64, 64), slice(3, 5)
    generator = torch.Generator().manual_seed(0)
    volume = torch.zeros(shape, dtype=torch.float16)
    volume[:, used] = torch.randn((16, 2, 64, 64, 64), generator=generator).half()  # differences of about one unit
    bins = torch.rand(16, 21, 3, generator=generator) * 64
    weights = torch.zeros(16, 21)
    weights[:, used] = 1
    half = volume.requires_grad_()
    (gaussian_mse(half, bins, weights, 2.5) / 2 * scale).backward()  # two hands share the loss
    found = half.grad[:, used].double() / scale
    size = (64, 64, 64)
    wanted = (volume.detach()[:, used].double() - gaussian_volume(bins[:, used].double(), size, 2.5)) / volume.numel()
    assert torch.isfinite(found).all()
    assert ((found - wanted).norm() / wanted.norm()).item() < 1e-3
    assert (found == 0).double().mean() < 1e-3


def test_an_infinite_prediction_of_a_masked_joint_is_left_out_on_a_gpu_too(monkeypatch):
    monkeypatch.setattr(losses, "_parts", lambda weights: [slice(0, len(weights))])  # as on a GPU
    volume, bins, weights = _case()
    weights[1, 2] = 0
    volume[1, 2, 3, 4, 5] = torch.inf
    tensor = volume.float().requires_grad_()
    value = gaussian_mse(tensor, bins.float(), weights.float(), 2.5)
    value.backward()
    volume[1, 2] = 0
    assert value.item() == pytest.approx(_dense(volume, bins, weights, 2.5).item(), rel=1e-5)
    assert torch.isfinite(tensor.grad).all()


def test_without_gradient():
    volume, bins, weights = _case()
    with torch.no_grad():
        value = gaussian_mse(volume.float(), bins.float(), weights.float(), 2.5)
    assert value.item() == pytest.approx(_dense(volume, bins, weights, 2.5).item(), rel=1e-5)


def test_second_backward_is_refused():
    volume, bins, weights = _case()
    value = gaussian_mse(volume.float().requires_grad_(), bins.float(), weights.float(), 2.5)
    value.backward(retain_graph=True)
    with pytest.raises(RuntimeError, match=r"in-?place"):
        value.backward()


def test_root_depth_by_hand():
    loss = RootDepthLoss()(torch.tensor([30.0, 10.0]), torch.tensor([33.0, 50.0]), torch.tensor([1.0, 0.0]))
    assert loss.item() == pytest.approx(1.5)


def test_handedness_equals_entropy_of_the_sigmoid():
    logits = torch.tensor([[2.0, -1.0], [0.5, 0.5]])
    target, valid = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([1.0, 0.0])
    p = 1 / (1 + np.exp(-np.array([2.0, -1.0])))
    expected = -(np.log(p[0]) + np.log(1 - p[1])) / 2 / 2
    assert HandednessLoss()(logits, target, valid).item() == pytest.approx(expected, rel=1e-6)
