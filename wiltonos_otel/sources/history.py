"""What a writer kept of Φ while nobody was looking, as samples for Prometheus.

The history is one JSON object a line, each as in ``quantum_state.json`` and with a timestamp.
Prometheus takes old samples in blocks that ``promtool tsdb create-blocks-from openmetrics`` makes.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from wiltonos_otel.instruments.catalogue import COHERENCE_DERIVATIVE, COHERENCE_RATIO, Instrument
from wiltonos_otel.phi import Tracker
from wiltonos_otel.policy import Policy
from wiltonos_otel.sources.document import parse_state
from wiltonos_otel.sources.reasons import Bad, Reason

_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(slots=True)
class History:
    """What a history holds.

    Attributes:
        samples: Unix milliseconds and Φ, rising.
        refused: the numbers of the lines that were not taken, from 1, and why.
    """

    samples: list[tuple[int, float]] = field(default_factory=list)
    refused: list[tuple[int, Bad]] = field(default_factory=list)


def read_history(lines: Iterable[bytes], now_ms: int) -> History:
    """The samples of a history; a line that cannot follow the one before is refused."""
    history = History()
    newest = 0
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        sample = parse_state(line, now_ms, now_ms)
        if isinstance(sample, Bad):
            history.refused.append((number, sample))
        elif not sample.timed:
            bad = Bad(Reason.BAD_TIMESTAMP, "no timestamp; a line of a history needs one")
            history.refused.append((number, bad))
        elif sample.time_ms <= newest:
            bad = Bad(Reason.BACKWARDS, "not newer than the line before; sort the lines by time")
            history.refused.append((number, bad))
        else:
            newest = sample.time_ms
            history.samples.append((sample.time_ms, sample.phi))
    return history


def openmetrics(
    samples: Iterable[tuple[int, float]],
    policy: Policy,
    labels: Mapping[str, str],
    since_ms: int = 0,
    until_ms: int | None = None,
) -> Iterator[str]:
    """Φ and its derivatives, as they would have been exported, in OpenMetrics 1.0.

    Args:
        samples: Unix milliseconds and Φ, rising; those before ``since_ms`` only fill the windows.
        policy: names the windows.
        labels: ``job``, ``instance`` and what else the live series carry.
        since_ms: first time to put out.
        until_ms: first time not to put out; None is the end.
    """
    tracker = Tracker(policy, stale_after_ms=1)
    slopes: dict[int, list[str]] = {window: [] for window in policy.windows_seconds}
    yield from _head(COHERENCE_RATIO)
    plain = _labels(labels)
    windows = {window: _labels({**labels, "window": f"{window}s"}) for window in slopes}
    for time_ms, phi in samples:
        tracker.observe(time_ms, phi)
        if time_ms < since_ms or (until_ms is not None and time_ms >= until_ms):
            continue
        seconds = f"{time_ms // 1000}.{time_ms % 1000:03}"
        yield f"{COHERENCE_RATIO.series}{plain} {phi!r} {seconds}\n"
        for window, slope in tracker.snapshot(time_ms).derivatives.items():
            slopes[window].append(
                f"{COHERENCE_DERIVATIVE.series}{windows[window]} {slope!r} {seconds}\n"
            )
    yield from _head(COHERENCE_DERIVATIVE)
    for lines in slopes.values():
        yield from lines
    yield "# EOF\n"


def _head(row: Instrument) -> Iterator[str]:
    yield f"# TYPE {row.series} gauge\n"
    yield f"# HELP {row.series} {row.description}\n"


def _labels(labels: Mapping[str, str]) -> str:
    pairs = (f'{name}="{value.translate(_ESCAPES)}"' for name, value in sorted(labels.items()))
    return f"{{{','.join(pairs)}}}"
