"""The queue in front of a receiver: what waits, what is lost, and what is said of it."""

import logging
import threading
from collections.abc import Callable

import pytest
from opentelemetry.sdk.metrics.export import MetricsData

from wiltonos_service.telemetry.push import Queue
from wiltonos_service.telemetry.transport import Attempt, Outcome, Packed

DELIVERED = Attempt(Outcome.DELIVERED)
AWAY = Attempt(Outcome.RETRY, "Connection refused")
REFUSED = Attempt(Outcome.REFUSED, "HTTP 400 Bad Request")


class Receiver:
    """A transport whose answer the test decides; it can also hold an attempt."""

    target = "http://collector/v1/metrics"

    def __init__(self) -> None:
        self.answer = DELIVERED
        self.taken: list[MetricsData] = []
        self.open = threading.Event()
        self.open.set()

    def pack(self, data: MetricsData) -> Packed:
        """A body of a thousand bytes, and the collection in the envelope."""
        return Packed(b"x" * 1000, data)

    def send(self, packed: Packed) -> Attempt:
        """Answer, once the gate is open."""
        self.open.wait(10)
        assert packed.body == b"x" * 1000
        if self.answer is DELIVERED:
            self.taken.append(packed.envelope)
        return self.answer

    def reopen(self) -> None:
        """There are no connections."""

    def close(self) -> None:
        """Nothing to let go of."""


@pytest.fixture
def receiver() -> Receiver:
    """Takes everything."""
    return Receiver()


def exporter(receiver: Receiver, max_batches: int = 3) -> Queue[MetricsData]:
    """A queue of three that tries again at once."""
    return Queue(receiver, max_batches=max_batches, retry_seconds=0.005, close_seconds=0.6)


def until(exporter: Queue[MetricsData], holds: Callable[[], object]) -> None:
    """Wait for a change of the queue that makes it true."""
    with exporter._changed:
        assert exporter._changed.wait_for(holds, 10)


def batches(count: int) -> list[MetricsData]:
    """Distinct batches without points."""
    return [MetricsData([]) for _ in range(count)]


def test_oldest_gives_way_when_the_queue_is_full(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """Memory is bounded; what is lost is counted, and said once."""
    receiver.answer = AWAY
    queue = exporter(receiver)
    sent = batches(10)
    for data in sent:
        queue.put(data)
    until(queue, lambda: queue._failed)
    receiver.answer = DELIVERED
    assert queue.flush(5) or queue.flush(5)
    assert [id(data) for data in receiver.taken] == [
        id(data) for data in sent[-len(receiver.taken) :]
    ]
    health = queue.health()
    assert health.lost == 10 - len(receiver.taken)
    assert health.delivered == len(receiver.taken) <= 4
    assert len([line for line in caplog.messages if "are lost" in line]) == 1
    queue.close()


def test_batch_that_is_refused_for_good_does_not_block_the_others(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """A 400 will be a 400 tomorrow: it is counted as lost, and the next one goes."""
    receiver.answer = REFUSED
    queue = exporter(receiver)
    for data in batches(2):
        queue.put(data)
    until(queue, lambda: queue._lost == 2)
    receiver.answer = DELIVERED
    queue.put(MetricsData([]))
    assert queue.flush(5)
    assert queue.health().delivered == 1
    assert len([line for line in caplog.messages if "are lost: HTTP 400" in line]) == 1
    queue.close()


def test_collection_is_not_held_up_by_a_receiver_that_hangs(receiver: Receiver) -> None:
    """``export`` returns while an attempt is under way."""
    receiver.open.clear()
    queue = exporter(receiver, max_batches=100)
    for data in batches(50):
        queue.put(data)
    assert queue.health().queued == 50
    receiver.open.set()
    assert queue.flush(5)
    assert len(receiver.taken) == 50
    queue.close()


def test_shutdown_leaves_a_hanging_receiver_behind(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """It says how many were left, after the time it was given."""
    receiver.open.clear()
    queue = exporter(receiver)
    queue.put(MetricsData([]))
    queue.close()
    assert "ends with 1 unsent pushes" in caplog.text
    receiver.open.set()


def test_change_of_reason_is_said_and_its_repetition_is_not(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    """One line per change of state."""
    caplog.set_level(logging.INFO)
    receiver.answer = AWAY
    queue = exporter(receiver)
    queue.put(MetricsData([]))
    until(queue, lambda: queue._failed >= 5)
    receiver.answer = Attempt(Outcome.RETRY, "HTTP 503 Service Unavailable")
    until(queue, lambda: queue._failing.startswith("HTTP 503"))
    receiver.answer = DELIVERED
    until(queue, lambda: queue._delivered)
    said = [line.split(";")[0].rpartition("metrics ")[2] for line in caplog.messages]
    assert said == [
        "fails: Connection refused",
        "fails: HTTP 503 Service Unavailable",
        "works again",
    ]
    queue.close()


def test_queue_outlives_a_transport_that_raises(
    receiver: Receiver, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that the exporter stumbles over is lost, and the next one goes."""
    with monkeypatch.context() as stumbling:
        stumbling.setattr(receiver, "send", lambda _data: 1 / 0)
        queue = exporter(receiver)
        queue.put(MetricsData([]))
        until(queue, lambda: queue._lost == 1)
    queue.put(MetricsData([]))
    assert queue.flush(5)
    assert queue.health().delivered == 1
    assert "ZeroDivisionError" in caplog.text
    queue.close()


def test_wide_collections_are_bounded_by_their_compressed_size(receiver: Receiver) -> None:
    """What waits is kept small, and the oldest give way when it is still too much."""
    receiver.answer = AWAY
    queue = Queue(
        receiver, max_batches=1000, max_bytes=2000, retry_seconds=0.005, close_seconds=0.1
    )
    for data in batches(200):
        queue.put(data)
    with queue._changed:
        assert queue._bytes <= 2000
        # uncompressed there would be room for two
        assert len(queue._queue) > 20
        assert queue._bytes == sum(packed.size for packed in queue._queue)
    receiver.answer = DELIVERED
    assert queue.flush(5) or queue.flush(5)
    with queue._changed:
        assert queue._bytes == 0
    queue.close()
