"""A bounded number of open streams."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

from aiohttp import web


class Places:
    """Places for readers who stay; one whose reader has left makes way for the next.

    A handler learns that its reader has left when it writes, which may be long after.

    Args:
        most: how many there are.
    """

    def __init__(self, most: int) -> None:
        self.most = most
        self._held: dict[asyncio.Task[object], web.BaseRequest] = {}

    def __len__(self) -> int:
        return len(self._held)

    @contextmanager
    def taken(self, request: web.BaseRequest) -> Iterator[bool]:
        """Hold a place for the handler that runs now; whether there was one."""
        if len(self._held) >= self.most:
            self._clear()
        if len(self._held) >= self.most:
            yield False
            return
        task = asyncio.current_task()
        assert task is not None
        self._held[task] = request
        try:
            yield True
        finally:
            self._held.pop(task, None)

    def _clear(self) -> None:
        """End the handlers whose readers have left, as aiohttp would with handler_cancellation."""
        for task, request in [*self._held.items()]:
            if request.transport is None or request.transport.is_closing():
                del self._held[task]
                task.cancel()
