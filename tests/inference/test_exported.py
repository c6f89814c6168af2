from __future__ import annotations

import types

import pytest

from interhand_mm.errors import ConfigError
from interhand_mm.inference.network.exported import OnnxRuntimeNetwork, OpenVinoNetwork


@pytest.mark.parametrize(("device", "settings"), [("cuda", {}), ("cuda:1", {"device_id": "1"})])
def test_onnxruntime_runs_on_the_gpu_that_the_device_names(device, settings):
    opened = []
    runtime = types.SimpleNamespace(
        get_available_providers=lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"],
        SessionOptions=types.SimpleNamespace,
        InferenceSession=lambda path, options, providers: opened.append(providers),
    )
    OnnxRuntimeNetwork._open(object.__new__(OnnxRuntimeNetwork), runtime, "a.onnx", device, None)
    assert opened == [[("CUDAExecutionProvider", settings)]]


@pytest.mark.parametrize(
    ("amp", "computed"), [("float16", "f32"), ("bfloat16", "f32"), (None, "f32"), ("float16", "f16")]
)
def test_openvino_refuses_a_precision_that_the_device_does_not_compute_in(amp, computed):
    """OpenVINO takes it for a hint and computes in float32 without a word."""
    model = types.SimpleNamespace(get_property=lambda _: types.SimpleNamespace(get_type_name=lambda: computed))
    core = types.SimpleNamespace(
        available_devices=["CPU"], read_model=lambda path: path, compile_model=lambda *_: model
    )
    network = object.__new__(OpenVinoNetwork)
    runtime = types.SimpleNamespace(Core=lambda: core)
    if amp is not None and computed == "f32":
        with pytest.raises(
            ConfigError, match=f"cannot compute in {amp} on cpu\n  got:  float32\n  fix:  --amp float32"
        ):
            network._open(runtime, "a.xml", "cpu", amp)
    else:
        network._open(runtime, "a.xml", "cpu", amp)
