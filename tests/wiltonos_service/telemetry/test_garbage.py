"""The garbage collector during a collection of metrics: off, and on again however it ends."""

import gc
import os
import threading
import warnings

import pytest

from wiltonos_service.telemetry.garbage import paused


def test_nothing_is_collected_within_and_everything_after() -> None:
    """Pauses nest, and an exception ends one too."""
    with paused():
        with pytest.raises(ValueError, match="in between"), paused():
            raise ValueError("in between")
        assert not gc.isenabled()
    assert gc.isenabled()


def test_pauses_of_threads_overlap() -> None:
    """The last one to end switches the collector on again."""
    inside, leave = threading.Event(), threading.Event()

    def pause() -> None:
        with paused():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=pause)
    thread.start()
    assert inside.wait(10)
    with paused():
        pass
    assert not gc.isenabled()
    leave.set()
    thread.join()
    assert gc.isenabled()


def test_a_collector_that_was_off_stays_off() -> None:
    """A program that does without it is not given it."""
    gc.disable()
    try:
        with paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_child_that_is_forked_within_collects_garbage() -> None:
    """The thread that would switch it on again is not in the child."""
    inside, leave = threading.Event(), threading.Event()

    def pause() -> None:
        with paused():
            inside.set()
            leave.wait(10)

    thread = threading.Thread(target=pause)
    thread.start()
    assert inside.wait(10)
    with warnings.catch_warnings():
        # that others run is what this is about
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        enabled = gc.isenabled()
        with paused():
            enabled = enabled and not gc.isenabled()
        os._exit(0 if enabled and gc.isenabled() else 1)
    leave.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
