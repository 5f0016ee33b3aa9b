"""What Prometheus refuses and the Collector gives up: delta temporality, above all.

Prometheus answers 500 to a request with one delta point in it (invalid temporality and type
combination, storage/remote/write_otlp_handler.go), and the Collector drops the whole request, the
gauges too [measured with Prometheus 3.15 and Collector 0.161].
"""

from wiltonos_otel.stack.doctor.polling import poll
from wiltonos_otel.stack.finding import Finding, broken, note, ok
from wiltonos_otel.stack.logs import last_lines
from wiltonos_otel.stack.pipe import Pipe
from wiltonos_otel.stack.plan import Places
from wiltonos_otel.stack.record import Record

HOP = "temporality"
REFUSED = "refused points"
FAILED = "otelcol_exporter_send_failed_metric_points"
# what Prometheus' own scrapes of the Collector have seen
_HISTORY = f"sum({FAILED}) - (sum({FAILED} offset 5m) or vector(0))"
_SAYS = "invalid temporality and type combination"
_LINES = 400
MEND = (
    "set OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=cumulative for {name}: Prometheus takes "
    "no delta sums, and refuses all that came with them"
)


def check(pipe: Pipe, name: str, *, present: bool, seconds: float) -> Finding:
    """Whether points are refused that may be this service's.

    Args:
        pipe: the pipe.
        name: the service.
        present: whether anything of it arrives.
        seconds: how long to watch the Collector's counter.
    """
    before = pipe.counters("collector_metrics").total(FAILED)
    count = _history(pipe) or poll(lambda: _growth(pipe, before), seconds)
    if not count:
        return ok(HOP, "nothing was refused in the last 5 minutes")
    said = _said(pipe)
    detail = f"Prometheus refused {count:.0f} points in the last 5 minutes"
    mend = MEND.format(name=name)
    if said:
        return (note if present else broken)(HOP, f"{detail}: {said}", mend)
    if present:
        return note(HOP, f"{detail}, of whomever", f"{pipe.log('prometheus')} says whose and why")
    return broken(
        HOP,
        f"{detail}, and nothing of {name} arrives: delta temporality, most likely",
        f"{mend}; a clock that is wrong is the other reason: {pipe.log('prometheus')}",
    )


def check_all(pipe: Pipe) -> Finding:
    """Whether points of anybody were refused lately."""
    count = _history(pipe)
    if not count:
        return ok(REFUSED, "none in the last 5 minutes")
    said = _said(pipe)
    detail = f"Prometheus refused {count:.0f} points in the last 5 minutes"
    mend = (
        MEND.format(name="that service")
        if said
        else f"{pipe.log('prometheus')} says whose and why; wt metrics doctor --service NAME"
    )
    return note(REFUSED, f"{detail}: {said}" if said else detail, mend)


def _history(pipe: Pipe) -> float:
    found = pipe.query(_HISTORY) if pipe.has("prometheus") else []
    return max(0.0, float(found[0]["value"][1])) if found else 0.0


def _growth(pipe: Pipe, before: float) -> float | None:
    return (pipe.counters("collector_metrics").total(FAILED) - before) or None


def _said(pipe: Pipe) -> str:
    """Prometheus' own words, where its log is at hand."""
    log = _log(pipe.record) if pipe.record else []
    lines = [line for line in log if _SAYS in line]
    return lines[-1][lines[-1].index(_SAYS) :].rstrip('"\n').replace('\\"', '"') if lines else ""


def _log(record: Record) -> list[str]:
    if record.mode == "native":
        return last_lines(Places(record.base).logs / "prometheus.log", _LINES)
    # all that runs a stack; who brings a pipe of their own needs none of it
    from wiltonos_otel.stack import compose_stack  # noqa: PLC0415 - see above

    return compose_stack.last_lines(record, "prometheus", _LINES)
