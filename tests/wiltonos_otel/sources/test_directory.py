"""The watched directory: real files, real events, every way in which a file can be bad."""

import asyncio
import json
import os
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import pytest
import watchfiles.main
from structlog.testing import capture_logs
from watchfiles._rust_notify import RustNotify

from wiltonos_otel.clock import SystemClock
from wiltonos_otel.sources import Reason, directory, intake
from wiltonos_otel.sources.directory import StateDirectory

if TYPE_CHECKING:
    from tests.wiltonos_otel.sources.conftest import Recorder, Running, Writer


def _seconds() -> float:
    return SystemClock().now_ms() / 1000


NOW = _seconds()


def _clear(path: Path) -> None:
    path.unlink(missing_ok=True)


def _bytes(content: bytes) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        beside = path.with_suffix(".tmp")
        beside.write_bytes(content)
        beside.replace(path)

    return write


def _keys(**keys: Any) -> Callable[[Path], None]:
    return _bytes(json.dumps(keys).encode())


def _later(seconds: float, unit: float = 1, **keys: Any) -> Callable[[Path], None]:
    """Keys with a time relative to that of the writing, which is the test's."""

    def write(path: Path) -> None:
        _keys(timestamp=(_seconds() + seconds) * unit, **keys)(path)

    return write


def _repeated(path: Path) -> None:
    before = json.loads(path.read_bytes())["timestamp"]
    _keys(phi=0.76, timestamp=before)(path)


def _directory(path: Path) -> None:
    _clear(path)
    path.mkdir()


def _dangling(path: Path) -> None:
    _clear(path)
    path.symlink_to("nowhere.json")


def _pipe(path: Path) -> None:
    _clear(path)
    os.mkfifo(path)


def _socket(path: Path) -> None:
    _clear(path)
    here = Path.cwd()
    os.chdir(path.parent)
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(path.name)
    finally:
        os.chdir(here)


def _device(path: Path) -> None:
    _clear(path)
    path.symlink_to("/dev/zero")


def _unreadable(path: Path) -> None:
    _clear(path)
    # a regular file whose first page is mapped by nobody, whoever reads
    path.symlink_to("/proc/self/mem")


BAD_FILES = {
    "vanished": (_clear, Reason.VANISHED),
    "empty": (_bytes(b""), Reason.EMPTY),
    "blank": (_bytes(b" \n"), Reason.EMPTY),
    "torn": (_bytes(b'{"timestamp": 17000000'), Reason.TORN),
    "torn in a string": (_bytes(b'{"timestamp": "2026-1'), Reason.TORN),
    "not JSON": (_bytes(b"phi = 0.75"), Reason.NOT_JSON),
    "nested without end": (_bytes(b"[" * 200_000), Reason.NOT_JSON),
    "number without end": (_bytes(b'{"phi": ' + b"1" * 5000 + b"}"), Reason.NOT_JSON),
    "not UTF-8": (_bytes(b'{"phi": 0.75, "note": "\xff"}'), Reason.NOT_UTF8),
    "oversized": (_bytes(b'{"phi": 0.75}' + b" " * (1 << 20)), Reason.OVERSIZED),
    "duplicate key": (_bytes(b'{"phi": 0.75, "phi": 0.8}'), Reason.DUPLICATE_KEY),
    "a list": (_bytes(b"[0.75]"), Reason.WRONG_TYPE),
    "a string for a number": (_keys(phi="0.75"), Reason.WRONG_TYPE),
    "a boolean for a number": (_keys(phi=True), Reason.WRONG_TYPE),
    "NaN": (_bytes(b'{"phi": NaN}'), Reason.NON_FINITE),
    "infinite": (_bytes(b'{"phi": 1e999}'), Reason.NON_FINITE),
    "too large": (_keys(phi=1.5), Reason.OUT_OF_RANGE),
    "negative": (_keys(phi=-0.1), Reason.OUT_OF_RANGE),
    "no parts": (_keys(coherence=0, chaos=0), Reason.OUT_OF_RANGE),
    "no Φ": (_keys(timestamp=NOW), Reason.NO_PHI),
    "half of Φ": (_keys(coherence=3), Reason.NO_PHI),
    "Φ twice": (_keys(phi=0.75, coherence=3, chaos=1), Reason.AMBIGUOUS),
    "no time": (_keys(phi=0.75, timestamp="yesterday"), Reason.BAD_TIMESTAMP),
    "no zone": (_keys(phi=0.75, timestamp="2026-11-23T17:00:00"), Reason.BAD_TIMESTAMP),
    "milliseconds": (_later(0, 1000, phi=0.75), Reason.BAD_TIMESTAMP),
    "future": (_later(3600, phi=0.75), Reason.FUTURE),
    "backwards": (_later(-3600, phi=0.75), Reason.BACKWARDS),
    "repeated": (_repeated, Reason.REPEATED),
    "another schema": (_keys(schema="wiltonos.state/2", phi=0.75), Reason.UNKNOWN_SCHEMA),
    "a directory": (_directory, Reason.NOT_A_FILE),
    "a pipe": (_pipe, Reason.NOT_A_FILE),
    "a socket": (_socket, Reason.NOT_A_FILE),
    "a device": (_device, Reason.NOT_A_FILE),
    "an unreadable file": (_unreadable, Reason.UNREADABLE),
    "a dangling link": (_dangling, Reason.DANGLING_LINK),
}


@pytest.mark.parametrize("kind", BAD_FILES)
async def test_bad_file_is_counted_once_and_the_exporter_goes_on(
    writer: "Writer", recorder: "Recorder", source: StateDirectory, running: "Running", kind: str
) -> None:
    """Each kind of bad file keeps the last good value, is counted and logged once, and heals."""
    spoil, reason = BAD_FILES[kind]
    writer.state(phi=0.75, timestamp=_seconds() - 10)
    with capture_logs() as lines:
        async with running(source):
            await recorder.until(lambda: recorder.phis == [0.75])
            spoil(writer.state_path)
            await recorder.until(lambda: bool(recorder.errors))
            writer.loop("breath", phi=0.7, timestamp=_seconds())
            await recorder.until(lambda: "breath" in recorder.loops)
            # a rescan of the same bytes is no second error
            await source.read_now()
            await source.read_now()
            assert recorder.reasons == [reason]
            assert recorder.tracker.snapshot(SystemClock().now_ms()).phi == 0.75
            assert source.problems["quantum_state.json"].reason is reason
            if writer.state_path.is_dir():
                writer.state_path.rmdir()
            writer.state(phi=0.74, timestamp=_seconds() + 1)
            await recorder.until(lambda: recorder.recoveries == ["quantum_state.json"])
    assert recorder.phis == [0.75, 0.74]
    assert source.problems == {}
    said = [(line["event"], line.get("reason")) for line in lines]
    assert said == [("state file refused", reason.value), ("state file is good again", None)]


async def test_directory_may_appear_later(
    writer: "Writer", recorder: "Recorder", source: StateDirectory, running: "Running"
) -> None:
    """A directory that does not exist yet is picked up when somebody makes it."""
    async with running(source):
        writer.state(phi=0.75, timestamp=NOW)
        writer.loop("breath", phi=0.7, phi_star=0.7, collapses=2, timestamp=NOW)
        await recorder.until(lambda: bool(recorder.samples and recorder.loops))
    assert recorder.errors == []


async def test_directory_may_be_replaced(
    writer: "Writer",
    recorder: "Recorder",
    source: StateDirectory,
    running: "Running",
    tmp_path: Path,
) -> None:
    """A directory that is exchanged for another one is followed, events included."""
    writer.state(phi=0.75, timestamp=NOW)
    async with running(source):
        await recorder.until(lambda: recorder.phis == [0.75])
        writer.directory.rename(tmp_path / "old")
        writer.state(phi=0.74, timestamp=NOW + 1)
        await recorder.until(lambda: recorder.phis == [0.75, 0.74])
        shutil.rmtree(writer.directory)
        await recorder.until(lambda: recorder.reasons == [Reason.VANISHED])
        writer.state(phi=0.73, timestamp=NOW + 2)
        await recorder.until(lambda: recorder.phis == [0.75, 0.74, 0.73])


async def test_file_written_just_before_the_watch_begins_is_taken(
    writer: "Writer",
    recorder: "Recorder",
    source: StateDirectory,
    running: "Running",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the last rescan and before the first event: neither sees it, and it is not missed."""
    monkeypatch.setattr(directory, "RESCAN_SECONDS", 3600)
    writer.state(phi=0.75, timestamp=NOW)
    async with running(source):
        await recorder.until(lambda: recorder.phis == [0.75])

        def begin(*arguments: Any) -> RustNotify:
            writer.state(phi=0.74, timestamp=NOW + 1)
            return RustNotify(*arguments)

        monkeypatch.setattr(watchfiles.main, "RustNotify", begin)
        (writer.directory / "loops").mkdir()
        await recorder.until(lambda: recorder.phis == [0.75, 0.74])


async def test_changes_arrive_by_events(
    writer: "Writer", recorder: "Recorder", source: StateDirectory, running: "Running"
) -> None:
    """Once events flow, a change is taken well before the next rescan could find it."""
    loop = asyncio.get_running_loop()
    writer.state(phi=0.5, timestamp=NOW)
    delays = []
    async with running(source):
        await recorder.until(lambda: len(recorder.samples) == 1)
        for number in range(1, 21):
            start = loop.time()
            writer.state(phi=0.5 + number / 100, timestamp=NOW + number)
            await recorder.until(lambda: len(recorder.samples) == number + 1)  # noqa: B023 - awaited here
            delays.append(loop.time() - start)
    assert sorted(delays)[len(delays) // 2] < 0.5


async def test_without_events_files_are_looked_at_more_often(
    writer: "Writer",
    recorder: "Recorder",
    source: StateDirectory,
    running: "Running",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file system of a network announces nothing: it is noticed, said, and made up for."""

    class Silent:
        """A watch that sees nothing happen."""

        def __init__(self, *_arguments: Any) -> None: ...

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *_error: object) -> None: ...

        def watch(self, _debounce: int, _step: int, _timeout: int, stop: Any) -> str:
            time.sleep(0.01)
            return "stop" if stop.is_set() else "timeout"

    monkeypatch.setattr(watchfiles.main, "RustNotify", Silent)
    monkeypatch.setattr(directory, "RESCAN_SECONDS", 0.05)
    monkeypatch.setattr(directory, "POLL_SECONDS", 0.02)
    with capture_logs() as said:
        async with running(source):
            number = 0
            while not any(line.get("arrive") is False for line in said):
                number += 1
                writer.state(phi=0.5 + number / 10_000, timestamp=NOW + number)
                await recorder.until(lambda: len(recorder.samples) == number)  # noqa: B023 - awaited here
    assert recorder.errors == []


async def test_no_watches_left_is_said_once_and_files_are_still_taken(
    writer: "Writer",
    recorder: "Recorder",
    source: StateDirectory,
    running: "Running",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """``fs.inotify.max_user_watches`` is reached, or the system knows no events."""

    def refuse(*_arguments: Any) -> RustNotify:
        raise OSError("no watches left")

    monkeypatch.setattr(watchfiles.main, "RustNotify", refuse)
    monkeypatch.setattr(directory, "RESCAN_SECONDS", 0.05)
    monkeypatch.setattr(directory, "RENEW_SECONDS", 0.05)
    writer.state(phi=0.75, timestamp=NOW)
    with capture_logs() as said:
        async with running(source):
            for number in range(1, 6):
                writer.state(phi=0.75 + number / 1000, timestamp=NOW + number)
                await recorder.until(lambda: recorder.phis[-1:] == [0.75 + number / 1000])  # noqa: B023 - awaited here
    assert [line["error"] for line in said if "error" in line] == ["no watches left"]


async def test_burst_of_writes_ends_with_the_newest(
    writer: "Writer", recorder: "Recorder", source: StateDirectory, running: "Running"
) -> None:
    """A thousand writes in one go lose nothing that matters: the last one is taken."""
    async with running(source):
        for number in range(1000):
            writer.state(phi=number / 1000, timestamp=NOW + number / 1000)
        await recorder.until(lambda: bool(recorder.samples) and recorder.phis[-1] == 0.999)
    assert recorder.errors == []


async def test_writer_in_place_is_no_error(
    writer: "Writer",
    recorder: "Recorder",
    source: StateDirectory,
    running: "Running",
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A file that is truncated and written again a moment later never counts as torn."""
    # a busy disk may take longer than that for what is a moment here
    monkeypatch.setattr(intake, "SETTLE_SECONDS", 60)
    writer.state(phi=0.75, timestamp=NOW)
    async with running(source):
        await recorder.until(lambda: recorder.phis == [0.75])
        for number in range(1, 11):
            text = json.dumps({"phi": 0.75 + number / 1000, "timestamp": NOW + number})
            with writer.state_path.open("w") as file:
                file.write(text[:20])
                file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
                file.write(text[20:])
            await recorder.until(lambda: len(recorder.samples) == number + 1)  # noqa: B023 - awaited here
    assert recorder.errors == []


async def test_without_timestamp_the_modification_time_counts(
    writer: "Writer", recorder: "Recorder", source: StateDirectory, running: "Running"
) -> None:
    """A file without a time is a sample of the moment at which it was written, again and again."""
    async with running(source):
        writer.state(coherence=3, chaos=1)
        await recorder.until(lambda: len(recorder.samples) == 1)
        later_ms = recorder.samples[0][0] + 5_000
        os.utime(writer.state_path, ns=(0, later_ms * 1_000_000))
        await recorder.until(lambda: len(recorder.samples) == 2)
    assert recorder.phis == [0.75, 0.75]
    assert recorder.samples[1][0] == later_ms


async def test_same_sample_written_again_is_neither_news_nor_error(
    writer: "Writer", recorder: "Recorder", source: StateDirectory, running: "Running"
) -> None:
    """A writer that repeats itself byte for byte is left in peace."""
    writer.state(phi=0.75, timestamp=NOW)
    async with running(source):
        await recorder.until(lambda: len(recorder.samples) == 1)
        writer.state(phi=0.75, timestamp=NOW)
        await source.read_now()
        writer.state(phi=0.74, timestamp=NOW + 1)
        await recorder.until(lambda: len(recorder.samples) == 2)
    assert recorder.errors == []


async def test_vanished_loop_is_named_and_keeps_its_count(
    writer: "Writer", recorder: "Recorder", source: StateDirectory, running: "Running"
) -> None:
    """A loop file that vanishes is an error once; the count of its collapses stays."""
    writer.loop("breath", phi=0.7, collapses=3, timestamp=NOW)
    async with running(source):
        await recorder.until(lambda: "breath" in recorder.loops)
        (writer.directory / "loops" / "breath.json").unlink()
        await recorder.until(lambda: recorder.reasons == [Reason.VANISHED])
        writer.loop("breath", phi=0.7, collapses=1, timestamp=NOW + 1)
        await recorder.until(lambda: recorder.recoveries == ["loops/breath.json"])
    assert recorder.tracker.snapshot(SystemClock().now_ms()).loops["breath"].collapses == 4


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31mred", "x" * 101, " edge", "\u202egnp"])
async def test_hostile_loop_names_are_refused(
    writer: "Writer", recorder: "Recorder", source: StateDirectory, name: str
) -> None:
    """A name that cannot be shown is refused by name, in text that prints."""
    writer.loop(name, phi=0.7, timestamp=NOW)
    await source.read_now()
    assert recorder.reasons == [Reason.BAD_NAME]
    assert recorder.errors[0][1].isprintable()
    assert recorder.loops == {}


async def test_hidden_and_temporary_files_are_no_loops(
    writer: "Writer", recorder: "Recorder", source: StateDirectory
) -> None:
    """What a writer leaves beside its files is not looked at."""
    writer.loop("breath", phi=0.7, timestamp=NOW)
    for name in (".hidden.json", "breath.json.tmp", "notes.txt"):
        (writer.directory / "loops" / name).write_text("{")
    await source.read_now()
    assert (recorder.errors, list(recorder.loops)) == ([], ["breath"])


async def test_state_directory_may_be_a_file(tmp_path: Path, recorder: "Recorder") -> None:
    """A file in the place of the directory is said, not suffered."""
    (tmp_path / "state").write_text("not a directory")
    source = StateDirectory(tmp_path / "state", recorder, SystemClock())
    await source.read_now()
    await source.read_now()
    assert set(recorder.reasons) == {Reason.NOT_A_FILE, Reason.UNREADABLE}
    assert len(recorder.errors) == 2
