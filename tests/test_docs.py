"""The documentation: commands parse, snippets import, pages exist, examples in docstrings run, the site builds."""

from __future__ import annotations

import ast
import doctest
import importlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from interhand_mm.cli import arguments, path_types
from interhand_mm.errors import InterHandError
from tests.conftest import ROOT
from tests.fixtures.tiny import write_set
from tests.inference.test_detector import TINY as DETECTOR
from tests.inference.test_detector import save_random

PAGES = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md",
    *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "configs").rglob("README.md")),
]  # fmt: skip
BLOCK = re.compile(r"^ *```(\w*)\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
WRITTEN_BY_READERS = re.compile(r"my_")  # configs of the how-tos
# What these scripts take before the options of train.py or test.py, beside CONFIG and CHECKPOINT.
OWN_ARGUMENTS = {"dist_train.sh": [1], "dist_test.sh": [2], "slurm_train.sh": [0, 1], "slurm_test.sh": [0, 1]}
RECIPES = {"train_shipped.sh": 2}  # scripts of several commands, and how many arguments they take
OTHER_PROGRAMS = {"cd", "export", "source", "pre-commit"}


def blocks(page: Path, language: str) -> Iterator[str]:
    for found, text in BLOCK.findall(page.read_text()):
        if found == language:
            yield text


def commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for block in blocks(page, "bash"):
            for line in block.replace("\\\n", " ").splitlines():
                if line.strip() and not line.lstrip().startswith(("#", "...")):
                    yield str(page.relative_to(ROOT)), line.strip()


@cache
def tool(path: str):
    """The module of a script, loaded once and not run."""
    spec = importlib.util.spec_from_file_location(Path(path).stem + "_of_docs", ROOT / path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_command(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse one command as the shell and the tool would; an unknown program, file or option raises."""
    for part in re.split(r" && | ; ", command):
        words = shlex.split(part, comments=True)
        while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
            words = words[1:]
        if words:
            _check_words(words, monkeypatch)


def _check_words(words: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    program, *rest = words
    if program == "make":
        targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert [word for word in rest if "=" not in word and word not in targets] == []
    elif Path(program).name in ("python", "pytest", "pip", "bash"):
        if program == "pip":
            rest = [word for before, word in zip(["", *rest], rest, strict=False) if before == "-r"]
        if program == "pytest":
            rest = [word for word in rest if "/" in word]
        if rest[:1] == ["-m"] or not rest:
            return
        assert all((ROOT / word).exists() for word in rest[:1]), f"{rest[0]} does not exist"
        if program != "pip" and rest[0].startswith(("tools/", "demo/")):
            _parse(rest[0], rest[1:], monkeypatch)
        configs = [word for word in rest if word.startswith("configs/") and not WRITTEN_BY_READERS.search(word)]
        assert all((ROOT / config).exists() for config in configs), configs
    else:
        assert program in OTHER_PROGRAMS, f"unknown program {program}"


def _parse(path: str, given: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    name = Path(path).name
    words = [word.strip("[]") for word in given if word != "[...]"]
    if name in RECIPES:
        assert len(words) == RECIPES[name], f"{name} takes {RECIPES[name]} arguments"
        return
    if name in OWN_ARGUMENTS:
        assert len(words) > max(OWN_ARGUMENTS[name]), f"{name} takes more arguments"
        words = [word for i, word in enumerate(words) if i not in OWN_ARGUMENTS[name]]
        path = f"tools/{name.partition('_')[2].removesuffix('.sh')}.py"
    # A number stands for an optional argument's placeholder, such as --bbox X1 Y1 X2 Y2 or --shard i/n.
    monkeypatch.setattr(sys, "argv", [path, *(re.sub(r"^[XYN]\d?$", "1", word) for word in words)])
    monkeypatch.syspath_prepend(str(ROOT / "tools"))  # scripts import one another
    for check in ("_existing", "check_config", "check_checkpoint"):  # readers have these files, the tests do not
        monkeypatch.setattr(path_types, check, lambda path, *_: path)
    monkeypatch.setattr(arguments, "check_config_paths", lambda *_: None)
    parse = getattr(tool(path), "parse_args", None)
    if parse is None:
        assert not words, f"{path} takes no arguments"
    else:
        parse()


@pytest.mark.parametrize(("page", "command"), list(commands()))
def test_command(page, command, monkeypatch, capsys):
    try:
        check_command(command, monkeypatch)
    except SystemExit:
        pytest.fail(f"{page}: {command}\n{capsys.readouterr().err}")


def test_the_recipe_of_the_shipped_networks_runs_commands_that_exist(tmp_path, monkeypatch):
    """Every command that the script would run is parsed by its tool, on a CPU and on a GPU."""
    recorder = tmp_path / "python"
    recorder.write_text(f'#!/usr/bin/env bash\necho "$@" >> {tmp_path}/commands\n')
    recorder.chmod(0o755)
    for settings in ({}, {"AMP": "bfloat16", "WORKERS": "16", "EPOCHS": "3"}):
        environment = os.environ | {"PYTHON": str(recorder)} | settings
        script = str(ROOT / "tools/train_shipped.sh")
        subprocess.run(
            ["bash", script, "TRAIN", "TEST"], cwd=tmp_path, env=environment, check=True, capture_output=True
        )
    ran = (tmp_path / "commands").read_text().replace(f"{ROOT}/tools/../", "").replace(f"{ROOT}/", "").splitlines()
    assert len(ran) == 2 * 10
    for command in ran:
        check_command(f"python {command}", monkeypatch)


@pytest.mark.parametrize(
    "wrong",
    [
        "python tools/train.py configs/internet.py --no-such-option",
        "python tools/train.py configs/MISSING.py",
        "python tools/my_tool.py",
        "bash tools/dist_test.sh configs/internet.py 4",
        "make no_such_target",
        "pip install -r requirements/my_file.txt",
        "no_such_program x",
    ],
)
def test_a_wrong_command_is_found(wrong, monkeypatch):
    with pytest.raises((AssertionError, SystemExit, InterHandError)):
        check_command(wrong, monkeypatch)


def snippets() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for i, text in enumerate(blocks(page, "python")):
            yield f"{page.relative_to(ROOT)}:{i}", text


@pytest.mark.parametrize(("where", "text"), list(snippets()))
def test_snippet_compiles_and_its_imports_exist(where, text):
    if "{{_base_" in text:  # mmengine's text configs have a syntax of their own
        text = re.sub(r"{{(.*?)}}", r"\1", text)
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("interhand_mm"):
            module = importlib.import_module(node.module)
            for alias in node.names:
                if not hasattr(module, alias.name):
                    importlib.import_module(f"{node.module}.{alias.name}")


def test_the_example_of_predictions_made_elsewhere_runs(tmp_path, monkeypatch):
    text = next(blocks(ROOT / "docs/how-to/predictions.md", "python"))
    data, config = write_set(tmp_path / "tiny", split="test"), ROOT / "configs/internet.py"
    monkeypatch.chdir(tmp_path)
    text = text.replace("data/synthetic", str(data)).replace("configs/internet.py", str(config))
    exec(compile(text, "predictions.md", "exec"), {"__name__": "example"})
    from interhand_mm.apis.evaluate_predictions import evaluate_predictions
    from interhand_mm.utils.config import DataOptions, load_config

    report = evaluate_predictions(load_config(config, data=DataOptions(data_root=str(data), split="test")), "preds.npz")
    assert np.isfinite(report["metrics"]["MPJPE/all"])


@cache
def hooks():
    pytest.importorskip("mkdocs")
    spec = importlib.util.spec_from_file_location("docs_hooks", ROOT / "docs/hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("page", "link", "wanted"),
    [
        ("guide/start.md", "[a](../../configs/README.md#x)", "[a](../configs/README.md#x)"),
        ("index.md", "[a](../configs/hdr)", "[a](configs/hdr/README.md)"),
        ("configs/hdr/README.md", "![a](../../docs/images/hdr.jpg)", "![a](../../images/hdr.jpg)"),
        ("index.md", "[the license](../LICENSE)", "the license"),
        ("index.md", "[a](https://example.org/b.md)", "[a](https://example.org/b.md)"),
        ("index.md", "[a](../no_such_file.md)", "[a](../no_such_file.md)"),
        ("index.md", "```\n[a](../LICENSE)\n```", "```\n[a](../LICENSE)\n```"),
    ],
)
def test_links_are_rewritten_for_the_site(page, link, wanted):
    assert hooks().rewrite_links(link, page) == wanted


def test_the_site_builds_without_a_broken_link(tmp_path):
    pytest.importorskip("mkdocs")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    home = (tmp_path / "site/index.html").read_text()
    assert not re.findall(r'(?:src|href)="https?://[^"]*\.(?:js|css|woff2?)', home)  # nothing comes from elsewhere
    assert "HandDetector" in (tmp_path / "site/reference/inference.html").read_text()


def doctested() -> list[str]:
    """Modules with an example in a docstring."""
    files = [path for path in (ROOT / "interhand_mm").rglob("*.py") if ">>> " in path.read_text()]
    names = (".".join(path.relative_to(ROOT).with_suffix("").parts) for path in files)
    return sorted(name.removesuffix(".__init__") for name in names)


@pytest.fixture(scope="session")
def example_names(tiny_pose, tmp_path_factory):
    """The names that examples use without defining them: tiny networks, an image and a file of results."""
    from interhand_mm import InferenceOptions, InterHandInferencer
    from interhand_mm.inference.io.json_frames import JsonWriter
    from interhand_mm.inference.io.sources import open_source

    folder, image = tmp_path_factory.mktemp("examples"), np.full((64, 64, 3), 90, np.uint8)
    writer, source = JsonWriter(mirror=False, provenance={}), open_source(image)
    [frame] = InterHandInferencer(*tiny_pose, options=InferenceOptions(bbox=(5, 5, 60, 60))).infer(image)
    writer.open(folder / "results.json", "image", source)
    writer.add(replace(frame, hands=tuple(replace(hands, presence=("yes", "no")) for hands in frame.hands)), image)
    writer.close(complete=True)
    return {
        "pose_config": tiny_pose[0],
        "pose_checkpoint": tiny_pose[1],
        "det_config": str(DETECTOR),
        "det_checkpoint": str(save_random(folder / "detector.pth")),
        "image": image,
        "results_file": str(folder / "results.json"),
    }


@pytest.mark.parametrize("name", doctested())
def test_examples_in_docstrings(name, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    names = request.getfixturevalue("example_names") if name.startswith("interhand_mm.inference.") else {}
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    result = doctest.testmod(importlib.import_module(name), extraglobs=names, optionflags=flags)
    assert not result.failed
