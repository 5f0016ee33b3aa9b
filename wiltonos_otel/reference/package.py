"""What ``wiltonos_otel`` says about itself."""

from decimal import Decimal

from opentelemetry.metrics import MeterProvider

from wiltonos_otel.instruments.catalogue import SUSTAINED_GOOD_WINDOWS
from wiltonos_otel.instruments.coherence import METER, CoherenceInstruments
from wiltonos_otel.longevity.dose import Unit
from wiltonos_otel.longevity.entries import Observation, Stream
from wiltonos_otel.longevity.metrics import DoseMetrics
from wiltonos_otel.longevity.streams import Streams
from wiltonos_otel.phi import Band, LoopSnapshot, Snapshot
from wiltonos_otel.policy import Policy
from wiltonos_otel.settings import Settings
from wiltonos_otel.sources.reasons import Reason
from wiltonos_service.reference import Package, Route, Service

_TIME_MS = 1
_HEALTH = (
    Route("GET", "/-/healthy", "the process is up"),
    Route("GET", "/-/ready", "it can do its work; what is degraded is listed and stays 200"),
    Route("POST", "/-/session", "the token for a cookie, so that a browser can read"),
)
_EXPORTER = Service(
    "wiltonos-exporter",
    "exporter",
    (
        Route("GET", "/", "the live page"),
        Route("GET", "/api/v1/phi", "Φ, band, derivatives, loops and ten minutes of history"),
        Route("GET", "/api/v1/events", "the same once a second, as server-sent events"),
        Route("GET", "/metrics", "Prometheus text or OpenMetrics; `name[]` chooses families"),
        *_HEALTH,
    ),
)
_LONGEVITY = Service(
    "wiltonos-longevity",
    "longevity",
    (
        Route("POST", "/longevity/dose", "record a dose; `Idempotency-Key` makes it repeatable"),
        Route("GET", "/longevity/doses", "a page of doses: `compound`, `since`, `limit`, `cursor`"),
        Route("GET", "/longevity/doses/{id}", "one dose"),
        Route("DELETE", "/longevity/doses/{id}", "withdraw a dose; the entry stays and says so"),
        Route("GET", "/longevity/info", "sums by compound"),
        Route("GET", "/longevity/metrics", "the metrics of the diary"),
        *_HEALTH,
    ),
)


class _Everything:
    """A signal in which nothing is missing."""

    source = "state"

    def snapshot(self) -> Snapshot:
        policy = Policy()
        loop = LoopSnapshot(_TIME_MS, policy.target, policy.target, 0.0, 1, _TIME_MS)
        return Snapshot(
            now_ms=_TIME_MS,
            time_ms=_TIME_MS,
            phi=policy.target,
            band=Band.IN,
            derivatives=dict.fromkeys(policy.windows_seconds, 0.0),
            sustained_good=dict.fromkeys(SUSTAINED_GOOD_WINDOWS, 1.0),
            loops={"breath": loop},
            ever_seen=True,
        )


def emit(provider: MeterProvider) -> object:
    """Every instrument of the catalogue, with a point for each series."""
    coherence = CoherenceInstruments(provider.get_meter(METER), Policy())
    coherence.attach(_Everything(), reasons=list(Reason))
    doses = [
        Observation("vitamin d3", Unit.MILLIGRAM, Decimal("0.05"), _TIME_MS),
        Observation("vitamin d3", Unit.INTERNATIONAL_UNIT, Decimal(2000), _TIME_MS),
    ]
    streams = Streams([Stream("vitamin d3", len(doses), _TIME_MS)], doses)
    diary = DoseMetrics(provider.get_meter(f"{METER}.longevity"), streams, doses)
    return coherence, diary


PACKAGE = Package(
    title="Φ, its sources and the diary",
    order=1,
    emit=emit,
    attributes={
        "compound": "Normalised name of a compound; beyond the bound on names, the overflow label.",
        "limit": "A threshold of the coherence policy.",
        "loop": "Name of a loop.",
        "reason": "Why something was counted, from a closed list.",
        "source": "Name of a source of samples.",
        "unit": "Unit of an amount.",
        "window": "Length of the window that a value is computed over.",
    },
    settings=Settings,
    described_by={"coherence": Policy},
    services=(_EXPORTER, _LONGEVITY),
)
