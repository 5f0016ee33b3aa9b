"""What is pushed, decoded from real OTLP requests."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality, Metric

from wiltonos_otel.instruments.catalogue import DOSE_AMOUNT, DOSES
from wiltonos_service.telemetry.testing import Received, otlp_receiver

if TYPE_CHECKING:
    from tests.wiltonos_otel.longevity.conftest import Running, SettableClock

DOSE = {"compound": "resveratrol", "mg": 500}


def metrics(received: list[Received], name: str) -> list[Metric]:
    """Every collection of a metric, in the order of arrival."""
    return [x for request in received for x in request.metrics() if x.name == name]


def values(received: list[Received]) -> list[tuple[int, int]]:
    """Start time in ms and value of the doses counter, without repetitions."""
    seen: list[tuple[int, int]] = []
    for metric in metrics(received, DOSES.name):
        (point,) = metric.sum.data_points
        pair = (point.start_time_unix_nano // 1_000_000, point.as_int)
        if not seen or seen[-1] != pair:
            seen.append(pair)
    return seen


def reaches(count: int) -> Callable[[list[Received]], object]:
    """Whether the newest value of the counter is this."""
    return lambda received: (found := values(received)) and found[-1][1] == count


async def test_the_first_dose_of_a_compound_can_be_seen_by_increase(
    running: "Running", clock: "SettableClock"
) -> None:
    """A new series arrives at 0 before it arrives at 1, counter and histogram alike."""
    with otlp_receiver() as receiver:
        async with running(receiver.endpoint) as client:
            async with client.post("/longevity/dose", json=DOSE):
                pass
            receiver.wait_for(reaches(1))
        assert values(receiver.received) == [(clock.ms, 0), (clock.ms, 1)]
        amounts = [
            metric.histogram.data_points[0]
            for metric in metrics(receiver.received, DOSE_AMOUNT.name)
        ]
    assert [point.count for point in amounts[:2]] == [0, 1]
    assert [sum(point.bucket_counts) for point in amounts[:2]] == [0, 1]
    assert amounts[1].sum == 500
    assert {point.start_time_unix_nano for point in amounts} == {clock.ms * 1_000_000}


async def test_a_withdrawal_ends_the_stream_and_never_lets_it_fall(
    running: "Running", clock: "SettableClock"
) -> None:
    """Within one start time the value only rises; the withdrawal starts a new one at 0."""
    first = clock.ms
    with otlp_receiver() as receiver:
        async with running(receiver.endpoint) as client:
            for _ in range(2):
                async with client.post("/longevity/dose", json=DOSE):
                    pass
            receiver.wait_for(reaches(2))
            clock.ms += 60_000
            async with client.delete("/longevity/doses/1"):
                pass
            receiver.wait_for(reaches(0))
            async with client.post("/longevity/dose", json=DOSE):
                pass
            receiver.wait_for(reaches(1))
        found = values(receiver.received)
    assert found[0] == (first, 0)
    assert found[-3:] == [(first, 2), (clock.ms, 0), (clock.ms, 1)]


async def test_a_restart_continues_the_streams(running: "Running", clock: "SettableClock") -> None:
    """Value and start time are the diary's, so a restart is no reset."""
    first = clock.ms
    with otlp_receiver() as receiver:
        async with running(receiver.endpoint) as client:
            async with client.post("/longevity/dose", json=DOSE):
                pass
            receiver.wait_for(reaches(1))
        clock.ms += 60_000
        seen = len(receiver.received)
        async with running(receiver.endpoint):
            receiver.wait_for(lambda received: len(received) > seen)
        assert values(receiver.received) == [(first, 0), (first, 1)]
        resource = receiver.received[-1].resource()
        (metric,) = metrics(receiver.received[-1:], DOSES.name)
    assert resource["service.name"] == "wiltonos-longevity"
    assert metric.sum.is_monotonic
    assert metric.sum.aggregation_temporality == (
        AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    )


async def test_the_last_dose_is_delivered_at_the_end(running: "Running") -> None:
    """A dose that was recorded right before the end is pushed before the process ends."""
    with otlp_receiver() as receiver:
        async with running(receiver.endpoint) as client:
            async with client.post("/longevity/dose", json=DOSE):
                pass
            receiver.wait_for(reaches(1))
            async with client.post("/longevity/dose", json=DOSE):
                pass
        assert values(receiver.received)[-1][1] == 2
