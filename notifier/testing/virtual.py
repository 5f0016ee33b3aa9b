"""Virtual time: an event loop in which hours pass in seconds, and nothing is left out of them.

Time stands still while anything is under way (a callback, a socket, a thread of the loop) and
jumps to the next timer when nothing is. Servers and clients that share the loop, such as a
notifier and the fakes behind its channels, therefore meet each other in time as they would in
real life, with an endlessly fast machine.
"""

import asyncio
import selectors
from collections.abc import Callable, Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

from notifier.testing.clock import START

R = TypeVar("R")
# real seconds that everything has to be silent for: loopback needs a moment
SILENCE_SECONDS = 0.002


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop whose :meth:`time` is virtual.

    What other processes do takes no time in it: use it for programs that live in one process.
    """

    def __init__(self) -> None:
        self._now = 0.0
        self._in_threads = 0
        super().__init__(_JumpingSelector(self._jump))

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        return self._now

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., R], *args: Any
    ) -> "asyncio.Future[R]":
        """As usual; the time stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._in_threads += 1
        future.add_done_callback(self._returned)
        return future

    def _returned(self, _future: "asyncio.Future[Any]") -> None:
        self._in_threads -= 1

    def _jump(self, seconds: float) -> bool:
        """Let the time pass; False when it must not."""
        if self._in_threads:
            return False
        self._now += seconds
        return True


class _JumpingSelector(selectors.DefaultSelector):
    """Asks to jump where another selector would wait."""

    def __init__(self, jump: Callable[[float], bool]) -> None:
        super().__init__()
        self._jump = jump

    def select(self, timeout: float | None = None) -> Any:
        if timeout is not None and timeout <= 0:
            return super().select(0)
        while True:
            ready = super().select(SILENCE_SECONDS)
            if ready or (timeout is not None and self._jump(timeout)):
                return ready


class LoopClock:
    """The :class:`notifier.clock.Clock` of the running loop, for its threads as well."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()

    def now(self) -> datetime:
        """The wall-clock time, aware, in UTC."""
        return START + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Seconds that never go backwards."""
        return self._loop.time()

    async def sleep(self, seconds: float) -> None:
        """Return after so many virtual seconds."""
        await asyncio.sleep(max(seconds, 0.0))


def run_virtually(main: Coroutine[Any, Any, R]) -> R:
    """Run a coroutine in a loop of virtual time, and return its result."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        return runner.run(main)
