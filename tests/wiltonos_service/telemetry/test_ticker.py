"""The thread that collects: how it lets a fork through, and what it does last."""

import asyncio
import os
import threading
import time
from statistics import median
from typing import Self

import pytest

from wiltonos_service.telemetry.ticker import Ticker

WORK_SECONDS = 0.005


class Busy:
    """A collection that takes a while and is due again at once."""

    def __init__(self) -> None:
        self.begun = 0
        self.ticker = Ticker(self.collect, WORK_SECONDS / 2)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exception: object) -> None:
        self.ticker.end(lambda: None, 5)

    def collect(self) -> None:
        """Take its time, and leave the interpreter to the others."""
        self.begun += 1
        time.sleep(WORK_SECONDS)


def test_fork_waits_for_no_more_collections_than_are_due() -> None:
    """A thread that always has more to collect would else hold a fork up until it gives up."""
    asked: list[int] = []
    forked: list[int] = []
    watched: list[Busy] = []
    # hooks before a fork run in the reverse order: this one after the ticker's, the next before it
    os.register_at_fork(before=lambda: forked.extend(each.begun for each in watched))
    with Busy() as busy:
        os.register_at_fork(before=lambda: asked.extend(each.begun for each in watched))
        watched.append(busy)
        for _ in range(60):
            pid = os.fork()
            if not pid:
                os._exit(0)
            os.waitpid(pid, 0)
        watched.clear()
    begun_meanwhile = [after - before for before, after in zip(asked, forked, strict=True)]
    assert len(begun_meanwhile) == 60
    # a busy machine may take the processor from the forking thread before it asks for its turn,
    # but not mostly; without a turn at least one more collection goes first nearly every time
    assert median(begun_meanwhile) == 0


def test_forks_of_several_threads_leave_collections_possible() -> None:
    """What one of them holds is not forgotten by the other."""
    with Busy() as busy:

        def fork() -> None:
            for _ in range(10):
                pid = os.fork()
                if not pid:
                    os._exit(0)
                os.waitpid(pid, 0)

        threads = [threading.Thread(target=fork) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        after = threading.Thread(target=busy.ticker.collect, daemon=True)
        after.start()
        after.join(5)
        assert not after.is_alive()


def test_the_last_work_is_done_by_the_collecting_thread() -> None:
    """It needs no new thread, and holds up nobody for longer than was asked for."""
    ticker = Ticker(lambda: None, 3600)
    names: list[str] = []
    ticker.end(lambda: names.append(threading.current_thread().name), 5)
    assert names == ["wiltonos-collection"]
    forever = threading.Event()
    hanging = Ticker(lambda: None, 3600)
    began = time.monotonic()
    hanging.end(forever.wait, 0.05)
    assert time.monotonic() - began < 2
    forever.set()


def test_collection_that_fails_each_time_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """And again once it failed otherwise: a traceback a second would fill the disk in a year."""
    results: list[BaseException | None] = [
        *(asyncio.CancelledError(),) * 3,
        *(OSError("gone"),) * 3,
        None,
        OSError("gone"),
    ]
    done = threading.Event()

    def collect() -> None:
        if not results:
            done.set()
            return
        result = results.pop(0)
        if result:
            raise result

    ticker = Ticker(collect, 0.001)
    assert done.wait(5)
    ticker.end(lambda: None, 5)
    said = [record.exc_info[0] for record in caplog.records if record.exc_info]
    assert said == [asyncio.CancelledError, OSError, OSError]
