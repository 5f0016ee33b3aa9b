"""Exporters that never block a collection: a bounded queue, and a thread that sends it.

While the receiver is away, batches wait with the times at which they were measured, oldest
first; nothing is lost until the queue is full, and what is lost is counted and said.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from opentelemetry.sdk.metrics import (
    Counter,
    Histogram,
    ObservableCounter,
    ObservableGauge,
    ObservableUpDownCounter,
    UpDownCounter,
)
from opentelemetry.sdk.metrics.export import (
    AggregationTemporality,
    MetricExporter,
    MetricExportResult,
    MetricsData,
)
from opentelemetry.sdk.metrics.view import Aggregation

from wiltonos_service.forks import in_child_last
from wiltonos_service.telemetry.transport import (
    Attempt,
    CannotPackError,
    Outcome,
    Packed,
    Sender,
)

log = logging.getLogger(__name__)

SENDER_THREAD = "wiltonos-otlp-sender"

# said aloud, because OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE=delta would else turn
# every counter into something that Prometheus refuses
CUMULATIVE: dict[type, AggregationTemporality] = dict.fromkeys(
    (
        Counter,
        UpDownCounter,
        Histogram,
        ObservableCounter,
        ObservableUpDownCounter,
        ObservableGauge,
    ),
    AggregationTemporality.CUMULATIVE,
)


# ten thousand loops of a second each for some five minutes, anything smaller for longer
MAX_BYTES = 64 << 20

Data = TypeVar("Data")
Prepare = Callable[[MetricsData], MetricsData]


@dataclass(frozen=True, slots=True)
class PushHealth:
    """What became of the batches so far.

    Attributes:
        target: where they go.
        failing: why the newest attempt failed; "" when it did not.
        delivered: batches that the receiver took.
        failed_attempts: attempts that failed, including those made good later.
        lost: batches that will never arrive.
        queued: batches that wait.
    """

    target: str
    failing: str
    delivered: int
    failed_attempts: int
    lost: int
    queued: int


class Queue(Generic[Data]):
    """Takes each batch at once and delivers it from a thread of its own, in order.

    Args:
        sender: the transport.
        max_batches: how many batches may wait.
        max_bytes: how much of them may wait, compressed; bounds the memory of wide batches.
        retry_seconds: pause after a failed attempt.
        close_seconds: how long ``close`` may take.
    """

    def __init__(
        self,
        sender: Sender[Data],
        *,
        max_batches: int,
        max_bytes: int = MAX_BYTES,
        retry_seconds: float = 1.0,
        close_seconds: float = 1.0,
    ) -> None:
        self._sender = sender
        self._max_batches = max_batches
        self._max_bytes = max_bytes
        self._retry_seconds = retry_seconds
        self._close_seconds = close_seconds
        self._fresh: list[Packed] = []
        self._bytes = 0
        self._ended = False
        self._reset()
        in_child_last(self._begin_in_child)

    def put(self, data: Data) -> bool:
        """Queue a batch; False when it cannot be encoded.

        Never waits; the oldest gives way when the queue is full.
        """
        try:
            packed = self._sender.pack(data)
        except CannotPackError as error:
            with self._changed:
                self._lose(str(error))
            return False
        with self._changed:
            # what still waits when more comes is likely to wait for long
            self._bytes -= sum(waiting.squeeze() for waiting in self._fresh)
            self._fresh = [packed]
            self._queue.append(packed)
            self._bytes += packed.size
            self._make_room()
            self._changed.notify_all()
        return True

    def flush(self, seconds: float) -> bool:
        """Wait until what is queued now is delivered; False when time or receiver forbid it."""
        with self._changed:
            failed, lost = self._failed, self._lost
            due = self._settled + self._waiting()
            self._changed.wait_for(lambda: self._settled >= due or self._failed > failed, seconds)
            return self._settled >= due and self._lost == lost

    def close(self) -> None:
        """Try what is queued once more, within ``close_seconds``, and end.

        A receiver that failed just now gets a third of the time to come back.
        """
        with self._changed:
            self._closing = True
            self._changed.notify_all()
            seconds = self._close_seconds / 3 if self._failing else self._close_seconds
            self._changed.wait_for(lambda: self._ended, seconds)
            left = self._waiting()
        self._sender.close()
        if left:
            log.warning("ends with %d unsent pushes to %s", left, self._sender.target)

    def health(self) -> PushHealth:
        """What became of the batches so far."""
        with self._changed:
            return PushHealth(
                target=self._sender.target,
                failing=self._failing,
                delivered=self._delivered,
                failed_attempts=self._failed,
                lost=self._lost,
                queued=self._waiting(),
            )

    def _begin_in_child(self) -> None:
        """After a fork: thread, locks and connections are the parent's, and so is the queue."""
        self._sender.reopen()
        self._reset()

    def _reset(self) -> None:
        """Start empty."""
        self._failing = self._losing = ""
        self._delivered = self._failed = self._lost = 0
        # batches that were queued and are not any more, for whatever reason
        self._settled = 0
        self._changed = threading.Condition()
        self._queue: deque[Packed] = deque()
        # what is in the queue and came last
        self._fresh = []
        self._under_way: Packed | None = None
        self._bytes = 0
        self._closing = self._ended = False
        threading.Thread(target=self._run, name=SENDER_THREAD, daemon=True).start()

    def _waiting(self) -> int:
        return len(self._queue) + (self._under_way is not None)

    def _make_room(self) -> None:
        while self._queue and (
            len(self._queue) > self._max_batches or self._bytes > self._max_bytes
        ):
            self._drop(self._queue.popleft())
            self._settled += 1
            self._lose("the queue is full, the oldest give way")

    def _drop(self, packed: Packed) -> None:
        """Note that it left the queue."""
        self._bytes -= packed.size
        if packed in self._fresh:
            self._fresh.remove(packed)

    def _run(self) -> None:
        while (packed := self._next()) is not None:
            attempt = self._send(packed)
            with self._changed:
                self._settle(packed, attempt)
                self._changed.notify_all()
                if attempt.outcome is Outcome.RETRY and not self._pause():
                    break
        with self._changed:
            self._ended = True
            self._changed.notify_all()

    def _send(self, packed: Packed) -> Attempt:
        try:
            return self._sender.send(packed)
        except Exception as error:
            # the thread must outlive a batch that the transport stumbles over
            log.exception("a push to %s cannot be made", self._sender.target)
            return Attempt(Outcome.REFUSED, type(error).__name__)

    def _next(self) -> Packed | None:
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._closing)
            if not self._queue:
                return None
            self._under_way = self._queue.popleft()
            self._drop(self._under_way)
            return self._under_way

    def _pause(self) -> bool:
        """Wait before the next attempt; False when there is to be none."""
        if self._closing:
            return False
        self._changed.wait_for(lambda: self._closing, self._retry_seconds)
        return True

    def _settle(self, packed: Packed, attempt: Attempt) -> None:
        self._under_way = None
        self._failed += attempt.outcome is not Outcome.DELIVERED
        self._settled += attempt.outcome is not Outcome.RETRY
        if attempt.outcome is Outcome.DELIVERED:
            self._delivered += 1
        elif attempt.outcome is Outcome.REFUSED:
            self._lose(attempt.reason)
        else:
            packed.squeeze()
            self._queue.appendleft(packed)
            self._bytes += packed.size
            self._make_room()
        self._say_change(attempt.reason)

    def _lose(self, why: str) -> None:
        self._lost += 1
        if self._losing != why:
            self._losing = why
            log.warning("pushes to %s are lost: %s", self._sender.target, why)

    def _say_change(self, reason: str) -> None:
        if reason == self._failing:
            return
        self._failing = reason
        if reason:
            log.warning(
                "push to %s fails: %s; up to %d pushes wait, tried again every %g s",
                self._sender.target,
                reason,
                self._max_batches,
                self._retry_seconds,
            )
            return
        self._losing = ""
        log.info(
            "push to %s works again; %d were waiting, %d lost so far",
            self._sender.target,
            len(self._queue) + 1,
            self._lost,
        )


class QueueingExporter(MetricExporter):
    """Exports metrics through a queue.

    Args:
        queue: delivers them.
        prepare: changes each collection before it is queued; must not block.
        aggregation: that of instruments no view speaks of, by their class.
    """

    def __init__(
        self,
        queue: Queue[MetricsData],
        prepare: Prepare | None = None,
        aggregation: dict[type, Aggregation] | None = None,
    ) -> None:
        super().__init__(dict(CUMULATIVE), aggregation)
        self._prepare = prepare
        self._queue = queue

    def export(
        self,
        metrics_data: MetricsData,
        timeout_millis: float = 10_000,  # noqa: ARG002 - never waits
        **kwargs: Any,  # noqa: ARG002 - the base class passes more on some versions
    ) -> MetricExportResult:
        """Queue a collection; never waits."""
        data = self._prepare(metrics_data) if self._prepare else metrics_data
        return MetricExportResult.SUCCESS if self._queue.put(data) else MetricExportResult.FAILURE

    def force_flush(self, timeout_millis: float = 10_000) -> bool:
        """Wait until what is queued now is settled; False when time or receiver do not allow it."""
        return self._queue.flush(timeout_millis / 1000)

    def shutdown(self, timeout_millis: float = 30_000, **kwargs: Any) -> None:  # noqa: ARG002
        """Try what is queued once more, and end."""
        self._queue.close()

    def health(self) -> PushHealth:
        """What became of the batches so far."""
        return self._queue.health()
