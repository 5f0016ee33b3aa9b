"""The instruments of the diary, fed from it, so that a restart changes no value."""

from collections.abc import Iterable

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Meter

from wiltonos_otel.instruments.catalogue import DOSE_AMOUNT, DOSES
from wiltonos_otel.longevity.entries import Observation
from wiltonos_otel.longevity.streams import Streams

# from 10 µg to 100 g, and from single to a hundred thousand IU; usual doses lie on edges,
# which belong to the bucket below
BOUNDARIES = (
    0.01, 0.1, 1.0, 5.0, 10.0, 25.0, 50.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 800.0,
    1e3, 1.5e3, 2e3, 3e3, 5e3, 1e4, 2.5e4, 5e4, 1e5,
)  # fmt: skip


class DoseMetrics:
    """The counter of doses and the histogram of their amounts.

    Args:
        meter: where they are made.
        streams: the state of the counter, read at each collection.
        observations: every dose ever recorded; the histogram is recorded anew from them.
    """

    def __init__(self, meter: Meter, streams: Streams, observations: Iterable[Observation]) -> None:
        self._streams = streams
        self._amounts = meter.create_histogram(
            DOSE_AMOUNT.name,
            DOSE_AMOUNT.unit,
            DOSE_AMOUNT.description,
            explicit_bucket_boundaries_advisory=BOUNDARIES,
        )
        for observation in observations:
            self.add(observation)
        meter.create_observable_counter(DOSES.name, [self._count], DOSES.unit, DOSES.description)

    def add(self, observation: Observation) -> None:
        """Observe the amount of a dose that was committed."""
        attributes = {"compound": observation.label, "unit": observation.unit.value}
        self._amounts.record(float(observation.amount), attributes)

    def _count(self, _options: CallbackOptions) -> Iterable[metrics.Observation]:
        for stream in self._streams.current:
            yield metrics.Observation(stream.count, {"compound": stream.label})
