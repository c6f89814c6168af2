"""Generated data know what made them: images of fixed plans are recorded beside the generators' versions.

If a change of the code changes images or labels, increase `VERSION` of the options (`SynthesisOptions`, `SceneOptions`)
and record the values again: pytest tests/synthesis/test_version.py --regen.
"""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from interhand_mm.errors import ConfigError
from interhand_mm.synthesis import generate
from interhand_mm.synthesis.plan import SynthesisOptions
from interhand_mm.synthesis.scenes.compose import SceneOptions, are_complete, make_scenes
from interhand_mm.utils.images import packaged_photograph, read_image, write_image

RECORD = Path(__file__).parents[1] / "golden" / "synthesis.json"
HANDS = SynthesisOptions(num=4, views=2, subjects=1, seed=5, size="192x128", interacting=1.0, background="skimage")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("version")
    assert generate.generate(out / "hands", HANDS, progress=False)
    for split, name in (("train", "coffee"), ("test", "rocket")):
        path = packaged_photograph(name)
        assert path is not None
        write_image(out / "photographs" / split / f"{name}.png", read_image(path))
    return out


def scene_options(folder: Path) -> SceneOptions:
    photographs = tuple(str(folder / "photographs" / split) for split in ("train", "test"))
    return SceneOptions(str(folder / "hands"), photographs, num=2, seed=5, side_px=128)


def summary(path: Path) -> list[float]:
    """Mean and spread of the blocks of an image: equal on all processors, and different when the image differs."""
    image = cv2.cvtColor(read_image(path), cv2.COLOR_BGR2GRAY).astype(float)
    rows, columns = image.shape[0] // 16, image.shape[1] // 16
    blocks = image[: rows * 16, : columns * 16].reshape(rows, 16, columns, 16)
    return [round(v, 2) for v in (*blocks.mean((1, 3)).ravel(), *blocks.std((1, 3)).ravel())]


def summaries(folder: Path, version: int, kind: str) -> dict:
    images = sorted((folder / "images").rglob("*.jpg"))
    values = {f"image {i}": summary(path) for i, path in enumerate(images)}
    masks = sorted((folder / "masks").rglob("*.png"))
    for i, path in enumerate(masks):
        mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        values[f"mask {i}"] = [float(np.mean((mask >> bit) & 1)) for bit in range(8)]
    joints = json.loads((folder / "annotations" / "train" / "InterHand2.6M_train_joint_3d.json").read_text())
    for i, step in enumerate(s for capture in joints.values() for s in capture.values()):
        values[f"joints {i}"] = np.ravel(step["world_coord"]).round(2).tolist()
    return {"version": version, "kind": kind, "values": values}


def check(made: dict, regen: bool) -> None:
    record = json.loads(RECORD.read_text()) if RECORD.is_file() else {}
    known = record.get(made["kind"])
    same = known is not None and known["values"].keys() == made["values"].keys()
    for key in made["values"] if same else ():
        tolerance = {"i": 0.5, "m": 1e-3, "j": 0.1}[key[0]]
        same = same and np.allclose(known["values"][key], made["values"][key], rtol=0, atol=tolerance)
    if known is not None and not same:
        assert made["version"] > known["version"], "images or labels changed: increase VERSION, then run with --regen"
    if regen:
        RECORD.write_text(json.dumps({**record, made["kind"]: made}, indent=None) + "\n")
        return
    assert same, "images or labels changed: run with --regen"
    assert made["version"] == known["version"], "VERSION changed: run with --regen"


def test_rendered_hands_are_those_of_their_version(folder: Path, request: pytest.FixtureRequest) -> None:
    check(summaries(folder / "hands", HANDS.VERSION, "hands"), request.config.getoption("--regen"))


def test_scenes_are_those_of_their_version(folder: Path, request: pytest.FixtureRequest) -> None:
    options = scene_options(folder)
    assert make_scenes(folder / "scenes", options, progress=False)
    check(summaries(folder / "scenes", options.VERSION, "scenes"), request.config.getoption("--regen"))


def test_a_set_of_other_code_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert generate.is_complete(folder / "hands", HANDS)
    with pytest.raises(ConfigError, match="other options"):
        generate.is_complete(folder / "hands", replace(HANDS, seed=6))
    monkeypatch.setattr(SynthesisOptions, "VERSION", HANDS.VERSION + 1)
    for ask in (generate.is_complete, generate.generate):
        with pytest.raises(ConfigError, match="another version of the generator"):
            ask(folder / "hands", HANDS)


def test_scenes_of_other_hands_are_refused(folder: Path, tmp_path: Path) -> None:
    options = scene_options(folder)
    assert make_scenes(tmp_path / "scenes", options, progress=False)
    assert are_complete(tmp_path / "scenes", options)
    made = folder / "hands" / "synthesis.json"
    text = made.read_text()
    made.write_text(text.replace('"seed": 5', '"seed": 6'))
    try:
        with pytest.raises(ConfigError, match="other options"):
            make_scenes(tmp_path / "scenes", options, progress=False)
    finally:
        made.write_text(text)
