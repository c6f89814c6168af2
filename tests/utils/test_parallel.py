from __future__ import annotations

import os
import signal

import pytest

from interhand_mm.utils.parallel import WorkerError, parallel_map


def double(x: int) -> int:
    return 2 * x


def end(x: int) -> int:
    if x == 3:
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does when memory runs out
    return x


@pytest.mark.parametrize("workers", [1, 2])
def test_results_keep_their_order(workers: int) -> None:
    with parallel_map(workers) as run:
        assert list(run(double, range(40))) == list(range(0, 80, 2))


def test_a_killed_worker_is_an_error() -> None:
    with pytest.raises(WorkerError, match="killed"), parallel_map(2) as run:
        list(run(end, range(40)))
