"""When the series of the diary begin, and how they are announced to a receiver.

The SDK starts every stream with the process and cannot start one anew, so a batch is put right
on its way out: the start times are the diary's (a dose, or the withdrawal that ended the stream
before), and a series that is new begins with a 0, because ``increase()`` does not see the first
event of a series that begins at 1.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from opentelemetry.sdk.metrics.export import Metric, MetricsData, NumberDataPoint

from wiltonos_otel.instruments.catalogue import DOSE_AMOUNT, DOSES, Instrument
from wiltonos_otel.longevity.entries import Observation, Stream

NANOSECONDS = 1_000_000
_OURS: dict[str, Instrument] = {x.name: x for x in (DOSES, DOSE_AMOUNT)}

# the name of a metric and the attribute values of a point, in the catalogue's order
Series = tuple[str, ...]


class Streams:
    """The state of the doses counter and the beginnings of both metrics.

    Args:
        streams: the counter, as the ledger rebuilds it.
        observations: every dose ever recorded.
    """

    def __init__(self, streams: Sequence[Stream], observations: Iterable[Observation]) -> None:
        self._starts: dict[Series, int] = {}
        self.current: tuple[Stream, ...] = ()
        for observation in observations:
            self.add(observation)
        self.follow(streams)
        # a receiver has seen what the diary already holds: a 0 now would look like a reset
        self._announced = set(self._starts)

    def follow(self, streams: Sequence[Stream]) -> None:
        """Take over the counter after an entry was committed."""
        self._starts.update({(DOSES.name, x.label): x.started_ms for x in streams})
        self.current = tuple(streams)

    def add(self, observation: Observation) -> None:
        """Note the first observation of a series of the histogram."""
        series = (DOSE_AMOUNT.name, observation.label, observation.unit.value)
        self._starts.setdefault(series, observation.recorded_ms)

    def prepare(self, data: MetricsData) -> MetricsData:
        """The batch as it is to be pushed."""
        return _map_metrics(data, self._prepare_metric)

    def _prepare_metric(self, metric: Metric) -> Metric:
        instrument = _OURS.get(metric.name)
        if instrument is None:
            return metric
        points = [self._prepare_point(instrument, point) for point in metric.data.data_points]
        data: Any = metric.data
        return dataclasses.replace(metric, data=dataclasses.replace(data, data_points=points))

    def _prepare_point(self, instrument: Instrument, point: Any) -> Any:
        values = [str(point.attributes.get(key)) for key in instrument.attributes]
        series = (instrument.name, *values)
        started = self._starts.get(series)
        if started is not None:
            point = dataclasses.replace(point, start_time_unix_nano=started * NANOSECONDS)
        if series in self._announced:
            return point
        self._announced.add(series)
        return _zero(point)


def _zero(point: Any) -> Any:
    if isinstance(point, NumberDataPoint):
        return dataclasses.replace(point, value=0)
    empty = [0] * len(point.bucket_counts)
    # without observations there is no smallest and no largest one
    return dataclasses.replace(
        point, count=0, sum=0.0, bucket_counts=empty, min=None, max=None, exemplars=[]
    )


def _map_metrics(data: MetricsData, change: Callable[[Metric], Metric]) -> MetricsData:
    return MetricsData(
        [
            dataclasses.replace(
                resource,
                scope_metrics=[
                    dataclasses.replace(scope, metrics=[change(x) for x in scope.metrics])
                    for scope in resource.scope_metrics
                ],
            )
            for resource in data.resource_metrics
        ]
    )
