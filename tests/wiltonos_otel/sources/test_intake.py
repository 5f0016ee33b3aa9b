"""What readings mean where time or number matters: the cap on loops, and forgetting."""

import os
from typing import TYPE_CHECKING

import pytest

from wiltonos_otel.sources import Reason, intake
from wiltonos_otel.sources.intake import FORGET_AFTER_SECONDS, SETTLE_SECONDS, Intake

if TYPE_CHECKING:
    from tests.wiltonos_otel.sources.conftest import Recorder, Writer

START_MS = 1_795_000_000_000


class SteppedClock:
    """A clock that a test moves."""

    seconds = 0.0

    def now_ms(self) -> int:
        """Unix time in milliseconds."""
        return START_MS + round(self.seconds * 1000)

    def monotonic(self) -> float:
        """Seconds since the start."""
        return self.seconds


@pytest.fixture
def clock() -> SteppedClock:
    """A clock at its start."""
    return SteppedClock()


@pytest.fixture
def taking(writer: "Writer", recorder: "Recorder", clock: SteppedClock) -> Intake:
    """An intake on the writer's directory."""
    return Intake(writer.directory, recorder, clock, "state")


def _look(taking: Intake) -> None:
    changed, bad = taking.changed()
    taking.judge_loops(bad)
    taking.judge(taking.read(sorted(changed)))


def _lose(writer: "Writer", taking: Intake, clock: SteppedClock, name: str) -> None:
    (writer.directory / "loops" / f"{name}.json").unlink()
    _look(taking)
    clock.seconds += SETTLE_SECONDS
    _look(taking)


async def test_loops_beyond_the_cap_are_named_once(
    writer: "Writer", recorder: "Recorder", taking: Intake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cap leaves the first loops in place, says that there are more, and spares Φ."""
    monkeypatch.setattr(intake, "MAX_LOOPS", 5)
    for number in range(8):
        writer.loop(f"loop-{number}", phi=0.75, timestamp=1)
    writer.state(phi=0.75, timestamp=START_MS / 1000)
    _look(taking)
    _look(taking)
    assert sorted(recorder.loops) == [f"loop-{number}" for number in range(5)]
    assert recorder.reasons == [Reason.TOO_MANY_LOOPS]


async def test_gone_loop_makes_room_at_the_cap(
    writer: "Writer",
    recorder: "Recorder",
    taking: Intake,
    clock: SteppedClock,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At the cap, the loop that is gone for longest is forgotten for a new one."""
    monkeypatch.setattr(intake, "MAX_LOOPS", 2)
    for name in ("old", "older"):
        writer.loop(name, phi=0.75, timestamp=1)
    _look(taking)
    _lose(writer, taking, clock, "older")
    _lose(writer, taking, clock, "old")
    writer.loop("new", phi=0.75, timestamp=1)
    _look(taking)
    assert recorder.forgotten == ["older"]
    assert "new" in recorder.loops


async def test_vanished_loop_is_forgotten_after_an_hour(
    writer: "Writer", recorder: "Recorder", taking: Intake, clock: SteppedClock
) -> None:
    """Until then its count stays; afterwards nothing of it is kept."""
    writer.loop("breath", phi=0.75, collapses=1, timestamp=1)
    _look(taking)
    _lose(writer, taking, clock, "breath")
    clock.seconds += FORGET_AFTER_SECONDS
    _look(taking)
    assert recorder.forgotten == []
    clock.seconds += 1
    _look(taking)
    assert recorder.forgotten == ["breath"]
    assert taking.problems == {}


async def test_torn_file_gets_time_to_heal(
    writer: "Writer", recorder: "Recorder", taking: Intake, clock: SteppedClock
) -> None:
    """A torn file is judged after the settling time, not at first sight."""
    writer.put(writer.state_path, b'{"phi": 0.')
    _look(taking)
    _look(taking)
    assert recorder.errors == []
    clock.seconds += SETTLE_SECONDS
    _look(taking)
    assert recorder.reasons == [Reason.TORN]


async def test_each_writing_of_a_bad_content_counts(
    writer: "Writer", recorder: "Recorder", taking: Intake
) -> None:
    """A program that writes the same bad sample three times is refused three times."""
    for _ in range(3):
        writer.state(phi=7)
        _look(taking)
        _look(taking)
    assert recorder.reasons == [Reason.OUT_OF_RANGE] * 3


async def test_file_that_comes_back_as_it_was_is_no_mistake(
    writer: "Writer", recorder: "Recorder", taking: Intake, clock: SteppedClock
) -> None:
    """A directory that was away and is back brings loops that nobody has written meanwhile."""
    file, kept = (writer.directory / name for name in ("loops/breath.json", "kept.json"))
    writer.loop("breath", phi=0.75)
    os.utime(file, (1, 1))
    _look(taking)
    file.rename(kept)
    _look(taking)
    clock.seconds += SETTLE_SECONDS
    _look(taking)
    assert recorder.reasons == [Reason.VANISHED]
    kept.rename(file)
    _look(taking)
    assert recorder.reasons == [Reason.VANISHED]
    assert taking.problems == {}
