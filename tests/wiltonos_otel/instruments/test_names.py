"""Every row of the catalogue under its own name on ``/metrics`` of the stock exporter."""

from decimal import Decimal

import pytest
from prometheus_client.parser import text_string_to_metric_families

from wiltonos_otel.instruments.catalogue import CATALOGUE
from wiltonos_otel.instruments.coherence import CoherenceInstruments
from wiltonos_otel.instruments.signal import Signal
from wiltonos_otel.longevity.dose import Unit
from wiltonos_otel.longevity.entries import Observation, Stream
from wiltonos_otel.longevity.metrics import DoseMetrics
from wiltonos_otel.longevity.streams import Streams
from wiltonos_otel.policy import Policy
from wiltonos_otel.testing import FakeClock
from wiltonos_service.telemetry.provider import Identity, Telemetry
from wiltonos_service.telemetry.scrape import StockReader

START_MS = 1_795_453_200_000
# the names that were there first
ORIGINAL = {
    "wiltonos_quantum_coherence_ratio",
    "wiltonos_quantum_coherence_derivative",
    "wiltonos_loop_quantum_coherence",
    "wiltonos_loop_pressure",
    "wiltonos_collapse_operations_total",
    "wiltonos_longevity_doses_total",
    "wiltonos_longevity_dose_amount_bucket",
}

Scraped = dict[str, set[tuple[str, ...]]]


@pytest.fixture
def scraped() -> Scraped:
    """The label keys of every sample by its name, after a minute of everything."""
    scrape = StockReader()
    telemetry = Telemetry(Identity("test", "0", "i"), scrape=scrape)
    meter = telemetry.provider.get_meter("test")
    clock = FakeClock(START_MS)
    signal = Signal("state", Policy(), 60, clock)
    CoherenceInstruments(meter, Policy()).attach(signal, ["torn"])
    for _ in range(200):
        clock.advance_ms(1000)
        signal.observe(clock.now_ms(), 0.75)
    signal.observe_loop("breath", clock.now_ms(), 0.74, 0.75, 2)
    doses = [Observation("resveratrol", Unit.MILLIGRAM, Decimal(500), START_MS)]
    DoseMetrics(meter, Streams([Stream("resveratrol", 1, START_MS)], doses), doses)
    body = scrape.render("").body.decode()
    telemetry.shutdown()
    found: Scraped = {}
    for family in text_string_to_metric_families(body):
        for sample in family.samples:
            found.setdefault(sample.name, set()).add(tuple(sorted(sample.labels)))
    return found


def test_names_are_the_catalogues(scraped: Scraped) -> None:
    """None more, none less, but the scrape's own."""
    wanted = {name for row in CATALOGUE for name in row.sample_names}
    assert set(scraped) - {"target_info"} == wanted
    assert wanted >= ORIGINAL


def test_labels_are_the_catalogues(scraped: Scraped) -> None:
    """Every sample has all its attributes, and no scope."""
    for row in CATALOGUE:
        for name in row.sample_names:
            bucket = ("le",) if name.endswith("_bucket") else ()
            assert scraped[name] == {tuple(sorted((*row.attributes, *bucket)))}, name
