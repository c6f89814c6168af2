"""Freed memory stays with the process, so a second tensor of the same size causes no page faults."""

from __future__ import annotations

import subprocess
import sys

import pytest

from interhand_mm.utils.memory import keep_freed_memory

_FAULTS = """
import resource, sys
import torch
from interhand_mm.utils.memory import keep_freed_memory, return_freed_memory
from interhand_mm.benchmark.measure import resident_mb

if sys.argv[1] == "keep":
    assert keep_freed_memory()
faults = []
for _ in range(12):  # the first few also fill malloc's own caches
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.empty(50_000_000, dtype=torch.uint8).fill_(1)
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
kept = resident_mb("VmRSS")
return_freed_memory()
print(faults[-1], round(kept - resident_mb("VmRSS")))
"""


@pytest.mark.skipif(not keep_freed_memory(), reason="the C library is not glibc")
def test_large_tensors_are_not_mapped_again():
    def run(how):
        done = subprocess.run([sys.executable, "-c", _FAULTS, how], capture_output=True, text=True, check=True)
        return [int(word) for word in done.stdout.split()]

    (faults, returned), (plain_faults, _) = run("keep"), run("plain")
    assert faults < 20 < plain_faults
    assert returned >= 45
