"""Every instrument of WiltonOS: the one table that docs, dashboards, rules and tests read.

Names and units are chosen so that the Prometheus series is the same through a scrape of the
Python exporter, through the Collector and through Prometheus' OTLP receiver: units are
annotations (``{…}``), which no path turns into a suffix, and a gauge never has unit ``1``
(the Go translator would append ``_ratio``).
"""

from dataclasses import dataclass
from enum import Enum


class Kind(Enum):
    """The instrument kinds of the OpenTelemetry metrics API that we use."""

    OBSERVABLE_GAUGE = "observable_gauge"
    OBSERVABLE_COUNTER = "observable_counter"
    COUNTER = "counter"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Instrument:
    """One instrument.

    Attributes:
        name: the OpenTelemetry name, dotted.
        kind: the instrument kind.
        unit: a UCUM annotation.
        description: one sentence; becomes HELP.
        attributes: the keys of every data point, always all of them, values always strings.
    """

    name: str
    kind: Kind
    unit: str
    description: str
    attributes: tuple[str, ...] = ()

    @property
    def series(self) -> str:
        """The Prometheus metric name (for a histogram, the name without ``_bucket`` and kin)."""
        base = self.name.replace(".", "_")
        counts = self.kind in (Kind.COUNTER, Kind.OBSERVABLE_COUNTER)
        return f"{base}_total" if counts else base

    @property
    def sample_names(self) -> tuple[str, ...]:
        """The names of the samples in the Prometheus text format."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(f"{self.series}_{part}" for part in ("bucket", "sum", "count"))
        return (self.series,)


COHERENCE_RATIO = Instrument(
    "wiltonos.quantum_coherence.ratio",
    Kind.OBSERVABLE_GAUGE,
    "{ratio}",
    "Quantum coherence ratio Φ, a share of 1.",
)
COHERENCE_DERIVATIVE = Instrument(
    "wiltonos.quantum_coherence.derivative",
    Kind.OBSERVABLE_GAUGE,
    "{ratio_per_minute}",
    "Least-squares slope of Φ over the window, per minute.",
    ("window",),
)
LOOP_COHERENCE = Instrument(
    "wiltonos.loop.quantum_coherence",
    Kind.OBSERVABLE_GAUGE,
    "{ratio}",
    "Quantum coherence ratio Φ of a loop, a share of 1.",
    ("loop",),
)
LOOP_PRESSURE = Instrument(
    "wiltonos.loop.pressure",
    Kind.OBSERVABLE_GAUGE,
    "{ratio}",
    "Distance |Φ - Φ★| of a loop from its set-point.",
    ("loop",),
)
COLLAPSES = Instrument(
    "wiltonos.collapse.operations",
    Kind.OBSERVABLE_COUNTER,
    "{operation}",
    "Collapse operations that reset a loop.",
    ("loop",),
)
DOSES = Instrument(
    "wiltonos.longevity.doses",
    Kind.OBSERVABLE_COUNTER,
    "{dose}",
    "Doses recorded in the diary.",
    ("compound",),
)
DOSE_AMOUNT = Instrument(
    "wiltonos.longevity.dose.amount",
    Kind.HISTOGRAM,
    "{amount}",
    "Amount of each recorded dose, in the unit that the attribute names.",
    ("compound", "unit"),
)
SUSTAINED_GOOD = Instrument(
    "wiltonos.sustained_good.ratio",
    Kind.OBSERVABLE_GAUGE,
    "{ratio}",
    "Share of the observed time with Φ in band and moving within the rate limit.",
    ("window",),
)
SOFT_STEER_LIMIT = Instrument(
    "wiltonos.soft_steer.limit",
    Kind.OBSERVABLE_GAUGE,
    "{limit}",
    "Thresholds of the coherence policy in force.",
    ("limit",),
)
SOURCE_LAST_SAMPLE = Instrument(
    "wiltonos.source.last_sample.time",
    Kind.OBSERVABLE_GAUGE,
    "{unix_seconds}",
    "Unix time of the newest good sample of a source.",
    ("source",),
)
SOURCE_ERRORS = Instrument(
    "wiltonos.source.errors",
    Kind.COUNTER,
    "{error}",
    "Samples of a source that were refused, by reason.",
    ("source", "reason"),
)

CATALOGUE: tuple[Instrument, ...] = (
    COHERENCE_RATIO,
    COHERENCE_DERIVATIVE,
    LOOP_COHERENCE,
    LOOP_PRESSURE,
    COLLAPSES,
    DOSES,
    DOSE_AMOUNT,
    SUSTAINED_GOOD,
    SOFT_STEER_LIMIT,
    SOURCE_LAST_SAMPLE,
    SOURCE_ERRORS,
)

# the windows of wiltonos.sustained_good.ratio, by label, in seconds
SUSTAINED_GOOD_WINDOWS: dict[str, int] = {"5m": 300, "1h": 3600, "24h": 86400}
