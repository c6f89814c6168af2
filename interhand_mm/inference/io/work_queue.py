"""Work in a thread of its own, in order, with a bounded number of waiting items."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")
_POLL_S = 0.2  # Windows delivers Ctrl-C only between two waits


class BackgroundQueue(Generic[Item]):
    """Call a function with one item after the other in a thread. Nothing is lost, and nothing is reordered.

    Args:
        work: Function to call. Its first error ends the work: waiting items are dropped, and `put` and `close` raise
            that error.
        max_items: Maximum number of items that wait or are worked on. `put` waits where there is no room.
        max_size: Maximum sum of their sizes. A single item may be larger.

    Example:
        >>> done = []
        >>> queue = BackgroundQueue(done.append, max_items=2)
        >>> for number in range(5):
        ...     queue.put(number)
        >>> queue.close()
        >>> done
        [0, 1, 2, 3, 4]
    """

    def __init__(self, work: Callable[[Item], None], max_items: int = 32, max_size: float = float("inf")) -> None:
        self._work, self._max_items, self._max_size = work, max_items, max_size
        self._items: deque[tuple[Item, float]] = deque()  # the first one is being worked on
        self._changed = threading.Condition()
        self._closing = False
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="writer", daemon=True)
        self._thread.start()

    def put(self, item: Item, size: float = 0.0) -> None:
        """Append an item; wait while there is no room for it.

        Args:
            item: Argument of the function.
            size: Size of the item, in the unit of `max_size`.

        Raises:
            Exception: Whatever the function raised for an earlier item.
        """
        with self._changed:
            while self._error is None and not self._has_room(size):
                self._changed.wait(_POLL_S)
            self._raise_error()
            self._items.append((item, size))
            self._changed.notify_all()

    def close(self, quiet: bool = False) -> None:
        """Wait until all items are done, and end the thread. An interruption drops the items that still wait.

        Args:
            quiet: Do not raise the error of the function, because another one is on its way already.

        Raises:
            Exception: Whatever the function raised.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        try:
            while self._thread.is_alive():
                self._thread.join(_POLL_S)
        except BaseException:
            with self._changed:
                while len(self._items) > 1:
                    self._items.pop()
            self._thread.join()
            raise
        if not quiet:
            self._raise_error()

    def _has_room(self, size: float) -> bool:
        total = size + sum(each for _, each in self._items)
        return not self._items or (len(self._items) < self._max_items and total <= self._max_size)

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        while True:
            with self._changed:
                while not self._items and not self._closing:
                    self._changed.wait()
                if not self._items:
                    return
                item, _ = self._items[0]
            try:
                self._work(item)
            except BaseException as error:  # it is raised in the thread that puts the items
                with self._changed:
                    self._error = error
                    self._items.clear()
                    self._changed.notify_all()
                return
            del item
            with self._changed:
                self._items.popleft()
                self._changed.notify_all()
