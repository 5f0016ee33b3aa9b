"""One OTLP/HTTP request per call, and what came of it as a value."""

import logging
import threading
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any

import requests
from opentelemetry.exporter.otlp.proto.http import metric_exporter
from opentelemetry.sdk.metrics.export import MetricsData

METRICS_PATH = "v1/metrics"
# OTLP specification 1.x, "OTLP/HTTP Response": these may be tried again, other 4xx may not
RETRYABLE_STATUSES = frozenset({408, 429})
SENDER_THREAD = "wiltonos-otlp-sender"


class Outcome(Enum):
    """What an attempt to deliver means for the batch."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended.

    Attributes:
        outcome: whether the batch is delivered, may be tried again, or never will be taken.
        reason: why it failed, short and free of addresses; "" when it did not.
    """

    outcome: Outcome
    reason: str = ""


def metrics_url(endpoint: str) -> str:
    """The address that metrics are posted to, from the base address of an OTLP receiver."""
    base = endpoint.rstrip("/")
    return base if base.endswith(f"/{METRICS_PATH}") else f"{base}/{METRICS_PATH}"


class OtlpHttp:
    """Posts metrics with the stock exporter; headers and TLS come from ``OTEL_EXPORTER_OTLP_*``.

    Args:
        url: the full address, with ``/v1/metrics``.
        timeout_seconds: bound on connecting and on waiting for the answer, each.
    """

    def __init__(self, url: str, timeout_seconds: float) -> None:
        self.target = url
        self._session = _OneShotSession()
        self._exporter = metric_exporter.OTLPMetricExporter(
            endpoint=url, timeout=timeout_seconds, session=self._session
        )
        logging.getLogger(metric_exporter.__name__).addFilter(_not_from_sender)

    def send(self, data: MetricsData) -> Attempt:
        """Post once."""
        # an attempt that never reaches the network could not be encoded: it never will be
        self._session.attempt = Attempt(Outcome.REFUSED, "the batch cannot be encoded")
        # 1.39 lets exceptions other than connection errors through
        with suppress(requests.RequestException):
            self._exporter.export(data)
        return self._session.attempt

    def close(self) -> None:
        """Let go of the connections."""
        self._exporter.shutdown()


class _OneShotSession(requests.Session):
    """Remembers how the request ended, and keeps the stock exporter from sleeping and retrying.

    The exporter retries connection errors and some statuses by itself, which would hold a
    shutdown up for seconds; any other ``RequestException`` ends its attempt at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self.attempt = Attempt(Outcome.RETRY)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        try:
            response = super().send(request, **kwargs)
        except requests.RequestException as error:
            self.attempt = Attempt(Outcome.RETRY, _reason(error))
            raise requests.RequestException(self.attempt.reason) from None
        self.attempt = _judge(response)
        if self.attempt.outcome is not Outcome.DELIVERED:
            raise requests.RequestException(self.attempt.reason)
        return response


def _judge(response: requests.Response) -> Attempt:
    status = response.status_code
    if 200 <= status < 300:
        return Attempt(Outcome.DELIVERED)
    reason = f"HTTP {status} {response.reason or ''}".rstrip()
    permanent = 300 <= status < 500 and status not in RETRYABLE_STATUSES
    return Attempt(Outcome.REFUSED if permanent else Outcome.RETRY, reason)


def _reason(error: BaseException) -> str:
    """The operating system's word for it, where there is one: it names no address."""
    if isinstance(error, requests.Timeout):
        return "timed out"
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno and seen.strerror:
            return seen.strerror
        nested = getattr(seen.args[0], "reason", None) if seen.args else None
        seen = nested if isinstance(nested, BaseException) else seen.__cause__ or seen.__context__
    return type(error).__name__


def _not_from_sender(_record: logging.LogRecord) -> bool:
    """Drop what the stock exporter logs about each attempt of ours: the queue says it once."""
    return threading.current_thread().name != SENDER_THREAD
