"""Threads that can be asked to stop, and how much of their work is in memory at a time."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import Any

Progress = Callable[[str, int, int], None]  # what is being done, steps done, steps in all


def no_progress(what: str, done: int, total: int) -> None:
    pass


class Cancelled(Exception):
    """The run was asked to stop; what was finished is kept."""


class Threads:
    """``number`` threads of one run; ``stop`` may be called from any thread."""

    def __init__(self, number: int) -> None:
        self.number = number
        self._stop = threading.Event()

    def stop(self) -> None:
        self._stop.set()

    def check(self) -> None:
        """Cancelled after ``stop``."""
        if self._stop.is_set():
            raise Cancelled

    def checked_map(self, work: Callable[..., None], tasks: Any) -> Iterator[None]:
        """``map`` that can be stopped between two tasks."""
        for task in tasks:
            self.check()
            yield work(task)

    @contextmanager
    def pool(self) -> Iterator[ThreadPoolExecutor]:
        """Threads that stop soon after the block is left by an interruption."""
        pool = ThreadPoolExecutor(self.number)
        try:
            yield pool
        except BaseException:
            self.stop()
            pool.shutdown(cancel_futures=True)
            raise
        pool.shutdown()

    def finished(self, pending: dict[Future, Any]) -> Iterator[Future]:
        left = set(pending)
        while left:
            # a wait without a limit would hold back Ctrl-C on some systems
            finished, left = wait(left, timeout=0.5, return_when=FIRST_COMPLETED)
            self.check()
            yield from finished

    def bounded(self, submitted: Iterator[tuple[Any, Future]]) -> Iterator[tuple[Any, Any]]:
        """What is submitted, by its name and in order, with no more of it in memory than keeps the threads busy."""
        waiting: deque[tuple[Any, Future]] = deque()
        for named in submitted:
            waiting.append(named)
            if len(waiting) > 2 * self.number:
                name, future = waiting.popleft()
                yield name, future.result()
        for name, future in waiting:
            yield name, future.result()
