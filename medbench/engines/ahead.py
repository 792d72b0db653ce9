"""Items made ahead of where they are used, by a thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Final, TypeVar

Item = TypeVar("Item")
_END: Final = object()


def ahead(items: Iterable[Item], *, most: int = 1) -> Generator[Item]:
    """Yield items in their order, the next ones made in another thread while one is in use.

    Whatever making an item raises is raised where it would have been yielded. Closed early, it leaves no thread.

    Args:
        items: made one after the other.
        most: how many wait at most.

    >>> list(ahead(number**2 for number in range(4)))
    [0, 1, 4, 9]
    """
    source = iter(items)
    waiting: deque[Future[Any]] = deque()
    maker = ThreadPoolExecutor(1, thread_name_prefix="ahead")
    try:
        waiting.extend(maker.submit(next, source, _END) for _ in range(most))
        while (item := waiting.popleft().result()) is not _END:
            waiting.append(maker.submit(next, source, _END))
            yield item
    finally:
        maker.shutdown(cancel_futures=True)
