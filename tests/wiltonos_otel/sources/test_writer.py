"""What the simulator writes is what the source reads, or refuses for the reason intended."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from wiltonos_otel.clock import SystemClock
from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.sources import Reason
from wiltonos_otel.sources.check import check_directory
from wiltonos_otel.sources.directory import StateDirectory
from wiltonos_otel.sources.simulate import Scenario, simulate
from wiltonos_otel.sources.writer import Slip, StateWriter, is_real_signal

if TYPE_CHECKING:
    from tests.wiltonos_otel.sources.conftest import Recorder

STEP = next(simulate(Scenario.CALM))
REASONS = {
    Slip.NOT_A_NUMBER: Reason.NON_FINITE,
    Slip.DIRECTORY: Reason.NOT_A_FILE,
    **{slip: Reason(slip.value) for slip in Slip if slip.value in {*Reason}},
}


async def test_what_is_written_is_read(tmp_path: Path, recorder: "Recorder") -> None:
    """Φ and all loops arrive as they were simulated."""
    now_ms = SystemClock().now_ms()
    StateWriter(tmp_path / "state").write(STEP, now_ms)
    await StateDirectory(tmp_path / "state", recorder, SystemClock()).read_now()
    assert recorder.samples == [(now_ms, STEP.phi)]
    assert recorder.loops == {name: [loop.phi] for name, loop in STEP.loops.items()}
    assert recorder.errors == []


@pytest.mark.parametrize("slip", Slip)
async def test_every_slip_is_refused_as_intended_and_mended_by_the_next_file(
    tmp_path: Path, recorder: "Recorder", slip: Slip
) -> None:
    """A careless program's file has the reason that it was made for, and leaves no obstacle."""
    writer = StateWriter(tmp_path)
    source = StateDirectory(tmp_path, recorder, SystemClock())
    now_ms = SystemClock().now_ms()
    writer.write(STEP, now_ms)
    await source.read_now()
    writer.slip(slip, STEP, now_ms + 1)
    if REASONS[slip] in {Reason.TORN, Reason.EMPTY, Reason.VANISHED}:
        source._intake._clock = _Later()
        source._intake._files[tmp_path / "quantum_state.json"].doubted_until = 0.0
    await source.read_now()
    assert recorder.reasons == [REASONS[slip]]
    writer.write(STEP, now_ms + 2)
    await source.read_now()
    assert len(recorder.samples) == 2


class _Later(SystemClock):
    """A clock on which every settling time is over."""

    def monotonic(self) -> float:
        return super().monotonic() + 1


def test_no_file_of_the_writer_is_ever_torn(tmp_path: Path) -> None:
    """At any moment every file that is there is whole."""
    writer = StateWriter(tmp_path)
    now_ms = SystemClock().now_ms()
    for number in range(100):
        writer.write(STEP, now_ms + number)
        assert all(finding.is_good() for finding in check_directory(tmp_path, now_ms))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["loops", "quantum_state.json"]


def test_real_signal_is_recognised(tmp_path: Path) -> None:
    """A file that something else wrote lately is real; an old or a simulated one is not."""
    now_ms = SystemClock().now_ms()
    assert not is_real_signal(tmp_path, now_ms, 60_000)
    (tmp_path / "quantum_state.json").write_text(json.dumps({"phi": 0.75}))
    assert is_real_signal(tmp_path, now_ms, 60_000)
    assert not is_real_signal(tmp_path, now_ms + 120_000, 60_000)
    StateWriter(tmp_path).write(STEP, now_ms)
    assert not is_real_signal(tmp_path, now_ms, 60_000)


def test_what_nobody_can_read_is_no_real_signal(tmp_path: Path) -> None:
    """Brackets without end, and a pipe that nobody writes to: to wait for it is for ever."""
    file, now_ms = tmp_path / "quantum_state.json", SystemClock().now_ms()
    file.write_text("[" * 200_000)
    assert not is_real_signal(tmp_path, now_ms, 60_000)
    file.unlink()
    os.mkfifo(file)
    assert not is_real_signal(tmp_path, now_ms, 60_000)


def test_slip_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    """A directory in the place of the file that holds something stays, and is named."""
    (tmp_path / "quantum_state.json" / "kept").mkdir(parents=True)
    with pytest.raises(WiltonosError, match=r"quantum_state\.json: Directory not empty"):
        StateWriter(tmp_path).slip(Slip.VANISHED, STEP, 0)


def test_place_that_cannot_be_written_to_is_one_line(tmp_path: Path) -> None:
    """A file in the place of the directory is said with its name."""
    (tmp_path / "state").write_text("")
    with pytest.raises(WiltonosError, match="state"):
        StateWriter(tmp_path / "state")
