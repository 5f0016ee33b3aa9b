"""``wt state``: what it says, and how it ends."""

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from wiltonos_otel.clock import SystemClock
from wiltonos_service.cli import wt
from wiltonos_service.errors import OperatorError

Run = Callable[..., Result]


def now_seconds() -> float:
    """Now: a file that was written when the tests were collected may be stale by now."""
    return SystemClock().now_ms() / 1000


@pytest.fixture
def run() -> Run:
    """Runs ``wt state …`` in this process; a failure comes back as the error itself."""
    return lambda *words: CliRunner().invoke(wt, ["state", *map(str, words)], standalone_mode=False)


def _write(directory: Path, name: str, **keys: object) -> None:
    path = directory / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"timestamp": now_seconds(), **keys}))


def test_good_files_are_one_line_each(tmp_path: Path, run: Run) -> None:
    """Φ first, then the loops by name, and exit code 0."""
    _write(tmp_path, "quantum_state.json", coherence=3, chaos=1)
    _write(tmp_path, "loops/breath.json", phi=0.7, phi_star=0.72, collapses=3)
    _write(tmp_path, "loops/attention.json", phi=0.75)
    result = run("check", tmp_path)
    lines = [line.rpartition(", ")[0] for line in result.output.splitlines()]
    assert lines == [
        "ok     quantum_state.json: Φ 0.7500",
        "ok     loops/attention.json: Φ 0.7500",
        "ok     loops/breath.json: Φ 0.7000, Φ★ 0.72, 3 collapses",
    ]
    assert result.return_value in (None, 0)


def test_bad_file_is_named_with_its_reason(tmp_path: Path, run: Run) -> None:
    """The line says what is wrong, and the exit code is 1."""
    _write(tmp_path, "quantum_state.json", phi=0.75)
    _write(tmp_path, "loops/a\nb.json", phi=0.7)
    _write(tmp_path, "loops/breath.json", phi=7)
    result = run("check", tmp_path)
    assert result.return_value == 1
    assert result.output.splitlines()[1:] == [
        r"BAD    loops/a\nb.json: bad_name: a name with characters that do not print; rename it",
        (
            "BAD    loops/breath.json: out_of_range: phi = 7 is no share between 0 and 1; "
            "write a fraction like 0.75"
        ),
    ]


def test_every_mistake_of_every_file_is_a_line(tmp_path: Path, run: Run) -> None:
    """One run names all there is to mend: file, key, what is wrong, what to write instead."""
    _write(tmp_path, "quantum_state.json", coherence=-1, chaos="x", schema="wiltonos.state/2")
    _write(tmp_path, "loops/breath.json", phi=7, phi_star=None, collapses=1.5, timestamp="noon")
    (tmp_path / "loops/torn.json").write_text('{"phi": 0.7,\n "timestamp": ')
    (tmp_path / "loops/typo.json").write_text("{'phi': 0.7}")
    result = run("check", tmp_path)
    assert result.return_value == 1
    assert result.output.splitlines() == [
        (
            "BAD    quantum_state.json: unknown_schema: schema 'wiltonos.state/2' is unknown; "
            "write 'wiltonos.state/1'"
        ),
        "BAD    quantum_state.json: out_of_range: coherence = -1 is negative; write 0 or more",
        "BAD    quantum_state.json: wrong_type: chaos must be a number, not a string",
        (
            "BAD    loops/breath.json: out_of_range: phi = 7 is no share between 0 and 1; "
            "write a fraction like 0.75"
        ),
        "BAD    loops/breath.json: wrong_type: phi_star must be a number, not null",
        "BAD    loops/breath.json: bad_collapses: collapses = 1.5 is no running total: 0, 1, 2 …",
        (
            "BAD    loops/breath.json: bad_timestamp: timestamp 'noon' is neither RFC 3339 with a "
            "zone nor Unix seconds; write one of them"
        ),
        (
            "BAD    loops/torn.json: torn: the text ends early; write it beside and rename it into "
            "place (Expecting value: line 2 column 15)"
        ),
        (
            "BAD    loops/typo.json: not_json: Expecting property name enclosed in double quotes "
            "at line 1 column 2; write JSON (RFC 8259)"
        ),
    ]


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("Timestamp", "did you mean 'timestamp'?"),
        ("time", "did you mean 'timestamp'?"),
        ("phi_star", "it belongs into loops/<loop>.json"),
        ("weather", "remove it"),
    ],
)
def test_unknown_key_is_a_warning(tmp_path: Path, run: Run, key: str, hint: str) -> None:
    """The file would be taken, as one of a newer version; who writes it hears of a slip."""
    (tmp_path / "quantum_state.json").write_text(json.dumps({"phi": 0.75, key: 1}))
    result = run("check", tmp_path)
    assert result.return_value in (None, 0)
    assert result.output.splitlines()[1] == (
        f"warn   quantum_state.json: '{key}' is no key of this file and is ignored; {hint}"
    )
    assert run("check", tmp_path, "--strict").return_value == 1
    told = json.loads(run("check", tmp_path, "--strict", "--json").output)
    assert (told["ok"], told["files"][0]["ok"]) == (False, True)
    assert [warning["key"] for warning in told["files"][0]["warnings"]] == [key]


def test_strict_takes_good_files(tmp_path: Path, run: Run) -> None:
    """What the simulator and the documentation write holds no key in vain."""
    run("simulate", tmp_path, "--duration", 0.05, "--interval", 0.01)
    assert run("check", tmp_path, "--strict").return_value in (None, 0)


def test_old_file_is_stale_but_not_bad(tmp_path: Path, run: Run) -> None:
    """An old sample is well-formed; the line says that it no longer counts."""
    _write(tmp_path, "quantum_state.json", phi=0.75, timestamp=now_seconds() - 3600)
    result = run("check", tmp_path)
    assert result.output.startswith("stale  quantum_state.json")
    assert result.return_value in (None, 0)


def test_empty_directory_says_what_to_write(tmp_path: Path, run: Run) -> None:
    """Somebody who has no files yet reads two examples, which are taken as they are."""
    result = run("check", tmp_path)
    examples = [json.loads(line) for line in result.output.splitlines() if line.startswith("  {")]
    _write(tmp_path, "quantum_state.json", **{**examples[0], "timestamp": now_seconds()})
    _write(tmp_path, "loops/name.json", **{**examples[1], "timestamp": now_seconds()})
    assert run("check", tmp_path).return_value in (None, 0)


def test_json_is_for_scripts(tmp_path: Path, run: Run) -> None:
    """The same findings as data, and the same exit code."""
    _write(tmp_path, "quantum_state.json", phi=0.75)
    _write(tmp_path, "loops/breath.json")
    result = run("check", tmp_path, "--json")
    told = json.loads(result.output)
    assert (result.return_value, told["ok"]) == (1, False)
    assert told["files"][0]["phi"] == 0.75
    assert told["files"][1]["reason"] == "no_phi"
    assert [(bad["key"], bad["reason"]) for bad in told["files"][1]["mistakes"]] == [
        ("phi", "no_phi")
    ]


def test_simulation_ends_by_itself_after_its_duration(tmp_path: Path, run: Run) -> None:
    """The files are there and good, and two lines say what was done."""
    result = run("simulate", tmp_path / "state", "--duration", 0.05, "--interval", 0.01)
    first, last = result.output.splitlines()
    assert first.startswith("simulating calm in ")
    assert last.startswith("simulated 5 samples in ")
    assert len(run("check", tmp_path / "state").output.splitlines()) == 4


def test_simulation_does_not_overwrite_a_real_signal(tmp_path: Path, run: Run) -> None:
    """A file that something else writes is left alone, unless told otherwise."""
    _write(tmp_path, "quantum_state.json", phi=0.5)
    result = run("simulate", tmp_path, "--duration", 0.01)
    assert isinstance(result.exception, OperatorError)
    assert "--force" in str(result.exception)
    assert json.loads((tmp_path / "quantum_state.json").read_text())["phi"] == 0.5
    assert run("simulate", tmp_path, "--duration", 0.01, "--force").exception is None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_simulation_ends_cleanly_when_asked_to(tmp_path: Path, number: signal.Signals) -> None:
    """Ctrl-C and SIGTERM end it with one line and exit code 0, without a traceback."""
    call = "from wiltonos_otel.cli.entry import main; main()"
    command = [sys.executable, "-c", call, "state", "simulate", str(tmp_path)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        assert process.stderr
        assert process.stdout.readline().startswith("simulating calm")
        process.send_signal(number)
        assert process.stdout.read().startswith("simulated ")
        assert process.stderr.read() == ""
        assert process.wait(10) == 0
