"""The precision that `--amp auto` selects."""

from __future__ import annotations

import pytest

from interhand_mm.utils import precision
from interhand_mm.utils.precision import pick_amp


@pytest.mark.parametrize("fast", [True, False])
def test_auto_depends_on_device_and_backend(fast, monkeypatch):
    monkeypatch.setattr(precision, "bfloat16_is_fast", lambda device: fast)
    assert pick_amp("auto", "cpu") == ("bfloat16" if fast else None)
    assert pick_amp("auto", "cuda:1", "openvino") == ("bfloat16" if fast else None)
    assert pick_amp("auto", "cpu", "onnxruntime") is None
    assert pick_amp("float32", "cpu") is None
    assert pick_amp("float16", "cuda") == "float16"


def test_bfloat16_is_fast_with_its_instructions(monkeypatch, tmp_path):
    for flags, want in (("fpu avx512_bf16 sse", True), ("fpu avx2", False)):
        info = tmp_path / "cpuinfo"
        info.write_text(flags)
        monkeypatch.setattr(precision, "Path", lambda _, info=info: info)
        precision.bfloat16_is_fast.cache_clear()
        assert precision.bfloat16_is_fast() is want
    precision.bfloat16_is_fast.cache_clear()
    assert not precision.bfloat16_is_fast("mps")
