"""Log lines: one form for all, and the trace that each belongs to."""

import json
import logging
from collections.abc import Iterator

import pytest
import structlog
from opentelemetry import trace

from wiltonos_service.logs import configure_logs

CONTEXT = trace.SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=trace.TraceFlags(1))


@pytest.fixture
def _restored() -> Iterator[None]:
    """Logging is put back at the end."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    structlog.reset_defaults()


@pytest.mark.usefixtures("_restored")
@pytest.mark.parametrize("library", ["structlog", "logging"])
def test_a_line_within_a_span_names_its_trace(
    capsys: pytest.CaptureFixture[str], library: str
) -> None:
    """In the names of OpenTelemetry's log formats, whichever library wrote it; outside, none."""
    configure_logs("info", as_json=True)
    log = structlog.get_logger("t") if library == "structlog" else logging.getLogger("t")
    with trace.use_span(trace.NonRecordingSpan(CONTEXT)):
        log.warning("inside")
    log.warning("outside")
    inside, outside = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    ids = {key: inside[key] for key in ("trace_id", "span_id", "trace_flags")}
    assert ids == {"trace_id": f"{0xABC:032x}", "span_id": f"{0xDEF:016x}", "trace_flags": "01"}
    assert not ids.keys() & outside.keys()
