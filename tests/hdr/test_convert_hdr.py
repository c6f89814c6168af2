from __future__ import annotations

import pytest
import torch

from interhand_mm.checkpoints.io import read_checkpoint
from interhand_mm.errors import CheckpointError
from interhand_mm.hdr import checkpoints as hdr
from interhand_mm.hdr.checkpoints import convert_hdr
from interhand_mm.hdr.models import HandInpaintor, PatchDiscriminator
from tests.fixtures import hdr_names


def published(network: str, prefix: str = "") -> dict:
    """A file of the published names and shapes; large tensors are views of few numbers, so it stays small."""
    generator = torch.Generator().manual_seed(0)
    state = {}
    for name, shape in hdr_names.ALL[network]().items():
        if name.endswith("num_batches_tracked"):
            tensor = torch.tensor(7)
        elif ".mask_conv." in name:
            tensor = torch.ones(1).expand(shape)
        else:
            tensor = torch.rand(shape[:1], generator=generator).view(-1, *[1] * (len(shape) - 1)).expand(shape)
        state[prefix + name] = tensor
    if network == "discriminator":
        state |= {n.replace("conv1.0", "features.0"): t for n, t in state.items() if "conv1.0." in n}
    return {"step": 138000, "state_dict": state, "optimizer": {"param_groups": []}}


@pytest.fixture(autouse=True)
def few_builds(monkeypatch):
    """Each network's shapes once a file of tests."""
    monkeypatch.setattr(hdr, "wanted_shapes", lambda network: _shapes(network))


_CACHE: dict = {}
_WANTED = hdr.wanted_shapes


def _shapes(network: str) -> dict:
    if network not in _CACHE:
        _CACHE[network] = _WANTED(network)
    return _CACHE[network]


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize("network", list(hdr.NETWORKS))
def test_round_trip_in_either_prefix_convention(network, prefix):
    source = published(network, prefix)
    ours = hdr.from_hdr(source)
    assert {n: t.shape for n, t in ours["state_dict"].items()} == hdr.wanted_shapes(network)
    assert ours["meta"]["networks"] == [network]
    back = hdr.to_hdr(ours, network)
    written = "" if network == "segmentor" else "module."
    expected = {written + name.removeprefix(prefix): tensor for name, tensor in source["state_dict"].items()}
    assert set(back["state_dict"]) == set(expected)
    assert all(torch.equal(back["state_dict"][name], tensor) for name, tensor in expected.items())
    assert back.get("step", 138000) == 138000


def test_the_names_that_are_ours():
    ours = hdr.from_hdr(published("generator"))["state_dict"]
    assert len(ours) == 183 - 16
    assert all(name.startswith("generator.") for name in ours)
    assert not [name for name in ours if "mask_conv" in name]
    ours = hdr.from_hdr(published("discriminator"))["state_dict"]
    assert len(ours) == 15
    assert "discriminator.conv1.0.parametrizations.weight.0._u" in ours


def test_the_spectral_norm_means_the_same():
    """torch's older hook, whose names the published file has, and ours give one output."""
    torch.manual_seed(0)
    conv = torch.nn.utils.spectral_norm(torch.nn.Conv2d(5, 64, 4, 2, 1, bias=False))
    old = torch.nn.Sequential(conv)
    old(torch.rand(1, 5, 8, 8))  # one power iteration
    old.eval()
    ours = PatchDiscriminator().eval()
    file = published("discriminator")
    file["state_dict"] |= {f"{prefix}.{n}": t for n, t in old.state_dict().items() for prefix in ("conv1", "features")}
    converted = hdr.from_hdr(file)["state_dict"]
    ours.load_state_dict({name.removeprefix("discriminator."): tensor for name, tensor in converted.items()})
    image = torch.rand(1, 5, 8, 8)
    torch.testing.assert_close(ours.conv1[0](image), old(image))


def test_files_on_disk_both_networks_of_the_inpaintor(tmp_path):
    names = [str(tmp_path / name) for name in ("g.pth.tar", "d.pth.tar", "ours.pth", "g2.pth.tar", "d2.pth.tar")]
    generator, discriminator, ours, generator_back, discriminator_back = names
    torch.save(published("generator", "module."), generator)
    torch.save(published("discriminator", "module."), discriminator)
    assert convert_hdr(generator, ours, discriminator=discriminator) == 167 + 15
    with torch.device("meta"):
        model = HandInpaintor(dict(type="PartialConvUNet"), dict(type="PatchDiscriminator"))
    model.load_state_dict(read_checkpoint(ours)["state_dict"], strict=True, assign=True)
    assert convert_hdr(ours, generator_back, back=True, discriminator=discriminator_back) == 183 + 18
    for there, back in ((generator, generator_back), (discriminator, discriminator_back)):
        a, b = read_checkpoint(there)["state_dict"], read_checkpoint(back)["state_dict"]
        assert set(a) == set(b)
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_what_is_not_the_published_network_is_refused(tmp_path):
    wrong = published("generator")
    wrong["state_dict"]["enc_2.conv.mask_conv.weight"] = torch.zeros(128, 64, 5, 5)
    with pytest.raises(CheckpointError, match="mask kernels of ones"):
        hdr.from_hdr(wrong)
    wrong = published("discriminator")
    wrong["state_dict"]["features.0.weight_u"] = torch.zeros(64)
    with pytest.raises(CheckpointError, match=r"features\.0 equal to conv1\.0"):
        hdr.from_hdr(wrong)
    wrong = published("pose")
    wrong["state_dict"]["lmap_0.prediction.weight"] = torch.zeros(63, 128, 1, 1)
    del wrong["state_dict"]["resnet.conv1.weight"]
    with pytest.raises(CheckpointError, match="1 parameters missing, 0 unexpected, 1 of another shape"):
        hdr.from_hdr(wrong)
    with pytest.raises(CheckpointError, match="not a network of HDR"):
        hdr.from_hdr({"state_dict": {"backbone.conv1.weight": torch.zeros(1)}})
    with pytest.raises(CheckpointError, match="one model"):
        hdr.from_hdr(published("pose"), published("generator"))
    source, target = tmp_path / "pose.pth.tar", tmp_path / "never.pth"
    torch.save(published("pose"), source)
    with pytest.raises(CheckpointError, match="one model"):
        convert_hdr(str(source), str(target), discriminator=str(source))
    assert not target.exists()
    with pytest.raises(CheckpointError, match="not a network of HDR"):
        hdr.to_hdr({"state_dict": {"x": torch.zeros(1)}})


def test_missing_batch_counters_are_filled_in():
    source = published("pose")
    source["state_dict"] = {n: t for n, t in source["state_dict"].items() if "num_batches" not in n}
    assert len(hdr.from_hdr(source)["state_dict"]) == 288
