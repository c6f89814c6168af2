"""The core knows plugins only by their protocol: it works without HDR's folder, and it never names HDR."""

from __future__ import annotations

import ast
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from interhand_mm.checkpoints.io import load_checked
from interhand_mm.engine.runner import build_model
from interhand_mm.models.plugin import with_plugin
from interhand_mm.utils.config import load_config
from tests.conftest import ROOT
from tests.fixtures.tiny import write_set

PACKAGE = ROOT / "interhand_mm"
OUTSIDE_THE_CORE = ("hdr", "quickstart", "benchmark")
# The key of the plugin slot, the option --hdr with its argparse names, and files in docs and configs may be named.
ALLOWED_WORDS = re.compile(r"model\.hdr|--hdr|args\.hdr|add_hdr_options|docs/spec/hdr|configs/hdr")
ALLOWED_FILES = {"registry.py", "utils/config.py", "models/estimator.py"}  # the plugins' folders, and the key's name


def _core_files() -> Iterator[Path]:
    for file in sorted(PACKAGE.rglob("*.py")):
        if file.relative_to(PACKAGE).parts[0] not in OUTSIDE_THE_CORE:
            yield file


def _imported(file: Path) -> Iterator[str]:
    """Yield the modules of this package that a file imports, without the package's own name."""
    own = file.relative_to(PACKAGE).with_suffix("").parts
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from (name.removeprefix("interhand_mm.") for name in names if name.startswith("interhand_mm."))
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(own[: len(own) - node.level]) if node.level else ""
            module = ".".join(filter(None, (base, node.module)))
            if node.level or module.split(".")[0] == "interhand_mm":
                for alias in node.names:
                    yield f"{module}.{alias.name}".removeprefix("interhand_mm.").removeprefix(".")


def test_the_core_imports_neither_plugins_nor_what_stands_on_top():
    wrong = [
        f"{file.relative_to(ROOT)} imports {module}"
        for file in _core_files()
        for module in _imported(file)
        if module.split(".")[0] in OUTSIDE_THE_CORE
    ]
    assert not wrong, "\n".join(wrong)


def test_the_import_check_sees_every_form(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), "PACKAGE", tmp_path)
    file = tmp_path / "apis" / "bad.py"
    file.parent.mkdir()
    file.write_text(
        "import interhand_mm.hdr.masks\nfrom interhand_mm import hdr\nfrom interhand_mm.hdr import masks\n"
        "def late():\n    from ..hdr.models import plugin\n    from .. import hdr\n"
    )
    assert [module.split(".")[0] for module in _imported(file)] == ["hdr"] * 5


def test_the_core_does_not_name_hdr():
    named = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in _core_files()
        if file.relative_to(PACKAGE).as_posix() not in ALLOWED_FILES
        for number, line in enumerate(file.read_text().splitlines(), start=1)
        if re.search(r"hdr|HandSegmentor|inpaintor", ALLOWED_WORDS.sub("", line), re.IGNORECASE)
        and not file.is_relative_to(PACKAGE / "cli")  # its help explains --hdr
    ]
    assert not named, "\n".join(named)


WITHOUT_HDR = """
import importlib, pkgutil, sys
from pathlib import Path

# An editable installation would find the missing folders in the checkout.
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in getattr(finder, "__module__", "")]

import numpy as np
import torch

import interhand_mm

folder, root, configs = map(Path, sys.argv[1:])
assert Path(interhand_mm.__file__).is_relative_to(folder)
for module in pkgutil.walk_packages(interhand_mm.__path__, "interhand_mm."):
    importlib.import_module(module.name)

from interhand_mm import registry

for kind in [value for value in vars(registry).values() if isinstance(value, registry.Registry)]:
    for location in kind._locations:
        importlib.import_module(location)
assert "InterNetHead" in registry.MODELS
assert "HDRPlugin" not in registry.MODELS

from interhand_mm.engine.runner import build_runner
from interhand_mm.errors import ConfigError
from interhand_mm.inference.inferencer import InterHandInferencer
from interhand_mm.models.plugin import with_plugin
from interhand_mm.utils.config import DataOptions, load_config

small = [
    "model.backbone.depth=18", "model.backbone.init_cfg=None", "model.head.in_channels=512",
    "model.head.deconv_channels=16",
    "codec.input_size=(64,64)", "codec.heatmap_size=(16,16,16)", "codec.sigma=1.0",
]
for name, overrides in (("internet", small), ("quickstart/marginal", [])):
    cfg = load_config(configs / f"{name}.py", overrides, DataOptions(data_root=str(root)))
    cfg.train_dataloader.update(batch_size=2, num_workers=0, persistent_workers=False)
    cfg.work_dir = str(folder / "work")
    runner = build_runner(cfg)
    batch = next(iter(runner.build_dataloader(cfg.train_dataloader, seed=0)))
    losses = runner.model.train_step(batch, runner.build_optim_wrapper(cfg.optim_wrapper))
    assert torch.isfinite(losses["loss"])
torch.save({"state_dict": runner.model.state_dict(), "meta": {}}, folder / "marginal.pth")
frame = next(iter(InterHandInferencer(cfg, folder / "marginal.pth").infer(np.full((96, 96, 3), 90, np.uint8))))
assert frame.image.shape == (96, 96, 3)

try:
    with_plugin(cfg, configs / "hdr" / "small.py")
except ConfigError as error:
    assert "'HDRPlugin' is not registered" in str(error), error
else:
    raise AssertionError("a plugin without its folder must be an error")
print("the core works alone")
"""


@pytest.fixture
def core_alone(tmp_path: Path) -> Path:
    """A folder with a copy of the package that has no HDR, and nothing that builds on it."""
    ignored = shutil.ignore_patterns(*OUTSIDE_THE_CORE, "__pycache__")
    shutil.copytree(PACKAGE, tmp_path / "copy" / "interhand_mm", ignore=ignored)
    return tmp_path / "copy"


def test_the_core_works_without_hdr(core_alone, tmp_path):
    root = write_set(tmp_path / "set")
    environment = {**os.environ, "PYTHONPATH": str(core_alone)}
    command = [sys.executable, "-c", WITHOUT_HDR, str(core_alone), str(root), str(ROOT / "configs")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=core_alone, env=environment)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.endswith("the core works alone\n")


def test_the_plugin_of_the_how_to_works(tmp_path, monkeypatch):
    plugin, config = re.findall(r"```python\n(.*?)```", (ROOT / "docs/how-to/plugin.md").read_text(), re.DOTALL)
    base = ROOT / "configs/quickstart/marginal.py"
    (tmp_path / "right_hand_expert.py").write_text(plugin)
    (tmp_path / "config.py").write_text(config.replace("quickstart/marginal.py", str(base), 1))
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(ROOT)
    torch.manual_seed(0)
    network = build_model(load_config(base)).eval()
    torch.save({"state_dict": network.state_dict(), "meta": {}}, tmp_path / "pose.pth")
    cfg = with_plugin(base, tmp_path / "config.py", [tmp_path / "pose.pth"])
    cfg.model.hdr.min_score = 0.0
    model = build_model(cfg).eval()
    assert set(model.state_dict()) == set(network.state_dict())
    load_checked(model, tmp_path / "pose.pth")
    for parameter in model.parameters():
        parameter.data *= 1.1  # so that the estimator and its plugin disagree
    inputs = torch.rand(2, 3, *model.crop_size[::-1])
    with torch.no_grad():
        alone, found = network.infer(inputs), model.infer(inputs)
    assert found["replaced"].tolist() == [[1, 0], [1, 0]]
    assert torch.allclose(found["keypoints"][:, :21].float(), alone["keypoints"][:, :21].float(), atol=1e-2)
    assert not torch.allclose(found["keypoints"][:, 21:].float(), alone["keypoints"][:, 21:].float(), atol=1e-2)
