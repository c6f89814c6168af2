"""Options of inference, from Python and from the command line."""

from __future__ import annotations

import argparse
from dataclasses import FrozenInstanceError

import pytest

from interhand_mm import CameraOptions, InferenceOptions
from interhand_mm.cli.arguments import add_inference_options, camera_options, inference_options
from interhand_mm.errors import ConfigError, InputError

NETWORKS = ["det.py", "det.pth", "pose.py", "pose.pth"]


def parse(*arguments):
    parser = argparse.ArgumentParser()
    add_inference_options(parser)
    parser.add_argument("--bbox", nargs=4, type=float)
    parser.add_argument("--mirror", action="store_true")
    args = parser.parse_args([*NETWORKS, *arguments])
    return inference_options(args), camera_options(args)


def test_the_command_line_has_the_defaults_of_python():
    options, camera = parse("--amp", "float32")
    assert options == InferenceOptions()
    assert camera == CameraOptions()


def test_every_argument_reaches_its_field():
    options, camera = parse(
        *(
            "--device",
            "cuda:1",
            "--backend",
            "openvino",
            "--amp",
            "bfloat16",
            "--batch-size",
            "3",
            "--score-thr",
            "0.5",
        ),
        *("--detect-every", "4", "--smooth", "--mirror", "--bbox", "1", "2", "30", "40"),
        *("--focal", "500", "510", "--principal-pt", "10", "20", "--depth-mm", "700"),
    )
    assert options == InferenceOptions(
        device="cuda:1", amp="bfloat16", batch_size=3, backend="openvino", score_thr=0.5, detect_every=4,
        smooth=True, mirror=True, bbox=(1, 2, 30, 40),
    )  # fmt: skip
    assert camera == CameraOptions(focal=(500, 510), principal_pt=(10, 20), depth_mm=700)
    assert parse("--fov", "70")[1] == CameraOptions(fov_deg=70)


def test_a_plugin_computes_in_float32_unless_asked_otherwise(monkeypatch):
    monkeypatch.setattr("interhand_mm.utils.precision.bfloat16_is_fast", lambda device: True)
    assert parse()[0].amp == "bfloat16"
    assert parse("--hdr", "hdr.py")[0].amp is None
    assert parse("--hdr", "hdr.py", "--amp", "bfloat16")[0].amp == "bfloat16"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (dict(batch_size=0), "batch_size must be at least 1"),
        (dict(detect_every=-2), "detect_every must be at least 1"),
        (dict(amp="int8"), "value of amp is not supported"),
        (dict(backend="tensorrt"), "value of backend is not supported(.|\n)*onnxruntime"),
        (dict(score_thr=1.5), "score_thr must lie between 0 and 1"),
        (dict(box_scale=float("nan")), "box_scale must be a positive number"),
    ],
)
def test_wrong_options_are_typed_errors(wrong, message):
    with pytest.raises(ConfigError, match=message):
        InferenceOptions(**wrong)


@pytest.mark.parametrize("bbox", [[100, 40, 80, 60], [0, 0, 0, 10], [1, 2, 3], [float("nan"), 0, 1, 1], "0 0 1 1", 5])
def test_a_wrong_box_is_an_input_error(bbox):
    with pytest.raises(InputError, match="bbox is not a box"):
        InferenceOptions(bbox=bbox)


def test_options_are_frozen_and_hashable():
    options = InferenceOptions(bbox=[1, 2, 30, 40])
    with pytest.raises(FrozenInstanceError):
        options.device = "cuda"
    assert hash(options) == hash(InferenceOptions(bbox=(1.0, 2.0, 30.0, 40.0)))
    assert CameraOptions(depth_mm=[700]) == CameraOptions(depth_mm=700.0)
