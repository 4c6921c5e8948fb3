"""Work that runs ahead of who asks for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TypeVar

DEPTH = 4
Item = TypeVar("Item")
_END = object()


def ahead(items: Generator[Item, None, None], depth: int = DEPTH) -> Iterator[Item]:
    """The same items in the same order, made by a thread of their own, at most `depth` of them before they are asked
    for. What `items` raises comes where its next item would have come; who stops early waits for the item at work.
    depth: 0 for no thread, where there is too little to do.
    """
    if not depth:
        with closing(items):
            yield from items
        return
    with closing(items), ThreadPoolExecutor(1) as thread:
        coming = deque(thread.submit(next, items, _END) for _ in range(depth))
        try:
            while (item := coming.popleft().result()) is not _END:
                coming.append(thread.submit(next, items, _END))
                yield item
        finally:
            for call in coming:
                call.cancel()
