"""A history that was kept by the writer: what is taken, and the text that Prometheus imports."""

import json
import socket
from pathlib import Path

import pytest
from click import UsageError
from click.testing import CliRunner
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from wiltonos_otel.cli.state import state
from wiltonos_otel.phi import SlidingSlopes
from wiltonos_otel.policy import Policy
from wiltonos_otel.sources import Reason
from wiltonos_otel.sources.history import openmetrics, read_history
from wiltonos_service.errors import OperatorError

START_MS = 1_795_000_000_000
LABELS = {"job": "wiltonos-exporter", "instance": 'a"b'}
SAMPLES = [(START_MS + n * 1000, 0.75 + n / 10_000) for n in range(100)]


def _line(time_ms: int, phi: float) -> bytes:
    return json.dumps({"timestamp": time_ms / 1000, "phi": phi}).encode() + b"\n"


def test_lines_that_cannot_be_taken_are_named() -> None:
    """By their number and reason; the others count."""
    lines = [
        _line(START_MS, 0.75),
        b"\n",
        b"{torn",
        b'{"phi": 0.7}',
        _line(START_MS, 0.76),
        _line(START_MS + 1, 1.5),
        _line(START_MS + 1000, 0.74),
    ]
    history = read_history(lines, START_MS + 10_000)
    assert history.samples == [(START_MS, 0.75), (START_MS + 1000, 0.74)]
    assert [(number, bad.reason) for number, bad in history.refused] == [
        (3, Reason.TORN),
        (4, Reason.BAD_TIMESTAMP),
        (5, Reason.BACKWARDS),
        (6, Reason.OUT_OF_RANGE),
    ]


def test_text_holds_what_would_have_been_exported() -> None:
    """Φ and the exact slopes at every sample of the gap, with the labels of the live series."""
    since, until = SAMPLES[40][0], SAMPLES[90][0]
    text = "".join(openmetrics(SAMPLES, Policy(), LABELS, since, until))
    found = {
        (s.name, s.labels.get("window"), round(float(s.timestamp) * 1000)): s.value
        for family in text_string_to_metric_families(text)  # type: ignore[no-untyped-call]
        for s in family.samples
        if s.labels["instance"] == 'a"b' and s.timestamp is not None
    }
    slopes = SlidingSlopes([30_000, 60_000, 300_000])
    expected: dict[tuple[str, str | None, int], float] = {}
    for time_ms, phi in SAMPLES[:90]:
        slopes.add(time_ms, phi)
        if time_ms < since:
            continue
        expected["wiltonos_quantum_coherence_ratio", None, time_ms] = phi
        for window, slope in zip((30, 60, 300), slopes.per_minute(time_ms), strict=True):
            assert slope is not None
            expected["wiltonos_quantum_coherence_derivative", f"{window}s", time_ms] = slope
    assert found == expected


def test_command_writes_the_text_and_says_what_to_do_next(tmp_path: Path) -> None:
    """One file in, one file out, and the line that imports it."""
    history, out = tmp_path / "history.jsonl", tmp_path / "gap.om"
    history.write_bytes(b"".join(_line(*sample) for sample in SAMPLES) + b"{torn\n")
    result = CliRunner().invoke(state, ["backfill", str(history), "--output", str(out)])
    assert result.exit_code == 0, result.output
    assert "promtool tsdb create-blocks-from openmetrics" in result.output
    assert "line 101: torn" in result.output
    assert out.read_text().endswith("# EOF\n")
    assert f'instance="{socket.gethostname()}"' in out.read_text()


def test_command_without_a_sample_is_one_line(tmp_path: Path) -> None:
    """Nothing to import is said, and no file is written."""
    history, out = tmp_path / "history.jsonl", tmp_path / "gap.om"
    history.write_bytes(b"")
    result = CliRunner().invoke(state, ["backfill", str(history), "--output", str(out)])
    assert isinstance(result.exception, OperatorError)
    assert "holds no sample" in str(result.exception)
    assert not out.exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--output", "/nowhere/gap.om"], "/nowhere/gap.om: No such file or directory"),
        (["--output", "{history}"], "--output is HISTORY itself"),
        (["--output", "{out}", "--since", "2100-01-01"], "nothing of it is in the gap"),
        (
            ["--output", "{out}", "--since", "2026-01-02", "--until", "2026-01-01"],
            "nothing of it is in the gap",
        ),
    ],
)
def test_command_that_cannot_fill_the_gap_is_one_line_and_spoils_nothing(
    tmp_path: Path, more: list[str], says: str
) -> None:
    """The history above all, which nobody can write again."""
    history, out = tmp_path / "history.jsonl", tmp_path / "gap.om"
    history.write_bytes(kept := b"".join(_line(*sample) for sample in SAMPLES))
    words = [word.format(history=history, out=out) for word in more]
    result = CliRunner().invoke(state, ["backfill", str(history), *words], standalone_mode=False)
    assert isinstance(result.exception, OperatorError | UsageError)
    assert says in str(result.exception)
    assert "\n" not in str(result.exception)
    assert history.read_bytes() == kept
    assert not out.exists()
