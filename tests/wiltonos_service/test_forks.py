"""What a child process begins with, and what a fork waits for."""

import gc
import os
import threading

import pytest

from wiltonos_service.forks import Unforked, in_child, in_child_last

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="the platform has no fork"),
    pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning"),
]


class Noted:
    """Writes down that it was called."""

    def __init__(self, notes: list[str], name: str) -> None:
        self.notes = notes
        self.name = name

    def note(self) -> None:
        """Do so."""
        self.notes.append(self.name)


class Failing:
    """Cannot begin."""

    def begin(self) -> None:
        """Fail."""
        raise ValueError("no")


def test_threads_begin_in_a_child_when_all_values_are_its_own() -> None:
    """Whoever was there first or fails; what is gone is not called, and the parent does nothing."""
    notes: list[str] = []
    failing = Failing()
    thread, value, gone, later = (
        Noted(notes, name) for name in ("thread", "value", "gone", "later")
    )
    in_child_last(thread.note)
    in_child(failing.begin)
    in_child(value.note)
    in_child(gone.note)
    in_child(later.note)
    del gone
    gc.collect()
    child = os.fork()
    if child == 0:
        os._exit(0 if notes == ["value", "later", "thread"] else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert notes == []


def test_fork_waits_for_what_is_under_way_and_a_child_finds_it_free() -> None:
    """What is half done in another thread would stay so in a child for ever."""
    lock, halves = Unforked(), [0, 0]
    stopped = threading.Event()

    def work() -> None:
        while not stopped.is_set():
            with lock.held():
                halves[0] += 1
                stopped.wait(0.001)
                halves[1] += 1

    worker = threading.Thread(target=work)
    worker.start()
    try:
        for _ in range(20):
            child = os.fork()
            if child == 0:
                with lock.held():
                    os._exit(halves[0] != halves[1])
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    finally:
        stopped.set()
        worker.join()
