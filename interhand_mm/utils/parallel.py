"""Run a function on many items in worker processes that can never leave the main process waiting."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from typing import Any

from ..errors import InterHandError

_WAITING = 4  # items per worker that are handed over ahead


class WorkerError(InterHandError):
    """A worker process ended before its work was done."""


@contextmanager
def parallel_map(workers: int) -> Iterator[Callable[[Callable[[Any], Any], Iterable[Any]], Iterator[Any]]]:
    """Open worker processes, and give a function like `map` that uses them and keeps the order of the results.

    Two faults of `multiprocessing.Pool` are avoided. A pool waits for ever for the result of a worker that was killed,
    for example because memory ran out; here this is an error. And a forked worker inherits locks that a thread of the
    main process may hold at this moment, for example of OpenCV or a progress bar; here workers are started anew.

    Args:
        workers: Number of processes. With 1, the work is done in this process.

    Raises:
        WorkerError: A worker process was killed.

    Example:
        >>> with parallel_map(1) as run:
        ...     list(run(abs, [-1, 2]))
        [1, 2]
    """
    if workers <= 1:
        yield map
        return
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:

        def run(job: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
            running: list[Future] = []
            for item in items:
                running.append(pool.submit(job, item))
                while len(running) > _WAITING * workers:
                    yield running.pop(0).result()
            for future in running:
                yield future.result()

        try:
            yield run
        except BrokenProcessPool as error:
            raise WorkerError(
                "a worker process was killed, probably because memory ran out",
                got=f"{workers} processes",
                fix="repeat the command with fewer processes",
            ) from error
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
