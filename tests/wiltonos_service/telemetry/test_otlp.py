"""Requests over HTTP: the stock exporter's, with a body that is encoded here."""

import gc
import gzip
import weakref
import zlib
from collections.abc import Callable
from typing import Any

import pytest
import requests
from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
)
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, MetricsData

from wiltonos_service.telemetry.encoding import MetricsEncoder
from wiltonos_service.telemetry.otlp import Encoding, OtlpHttp
from wiltonos_service.telemetry.transport import CannotPackError, Packed

URL = "http://127.0.0.1:9/v1/metrics"
NOTHING = MetricsData([])
OPEN: dict[str, Callable[[bytes], bytes]] = {
    "none": bytes,
    "gzip": gzip.decompress,
    "deflate": zlib.decompress,
}


@pytest.fixture
def data() -> MetricsData:
    """One collection."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader], shutdown_on_exit=False)
    provider.get_meter("m").create_counter("c").add(1, {"loop": "Φ"})
    found = reader.get_metrics_data()
    assert found is not None
    return found


def _packed(data: MetricsData, encoding: Encoding[MetricsData] | None, stock: Any) -> Packed:
    sender = OtlpHttp(stock, URL, 1.0, encoding=encoding)
    try:
        return sender.pack(data)
    finally:
        sender.close()


@pytest.mark.parametrize("compression", OPEN)
def test_request_differs_from_the_stock_exporters_in_nothing_but_its_maker(
    data: MetricsData, monkeypatch: pytest.MonkeyPatch, compression: str
) -> None:
    """Method, address, headers and what the body says are its own, compressed or not."""
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_COMPRESSION", compression)
    monkeypatch.setenv("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc")
    ours = _packed(data, Encoding(NOTHING, MetricsEncoder().encode), OTLPMetricExporter)
    theirs = _packed(data, None, OTLPMetricExporter)
    (own, _), (stock, _) = ours.envelope, theirs.envelope
    assert (own.method, own.url) == (stock.method, stock.url)
    assert int(own.headers.pop("Content-Length")) == len(ours.body)
    stock.headers.pop("Content-Length")
    assert own.headers == stock.headers
    messages = [
        ExportMetricsServiceRequest.FromString(OPEN[compression](packed.body))
        for packed in (ours, theirs)
    ]
    assert messages[0] == messages[1]
    assert messages[0].resource_metrics


@pytest.mark.parametrize("encoding", [Encoding(NOTHING, MetricsEncoder().encode), None])
def test_what_was_packed_is_gone_with_its_last_name(
    data: MetricsData, encoding: Encoding[MetricsData] | None
) -> None:
    """In a cycle it would wait for the garbage collector: ten thousand series, each time."""
    sender = OtlpHttp(OTLPMetricExporter, URL, 1.0, encoding=encoding)
    mine = MetricsData(data.resource_metrics)
    kept = weakref.ref(mine)
    gc.disable()
    try:
        sender.pack(mine)
        del mine
        assert kept() is None
    finally:
        gc.enable()
        sender.close()


class Odd:
    """A stock exporter of the future: it compresses as nobody does yet."""

    def __init__(self, endpoint: str, session: requests.Session, **_more: Any) -> None:
        self._endpoint, self._session = endpoint, session

    def export(self, data: MetricsData) -> None:
        """Post what is no protobuf at all."""
        body, headers = f"{len(data.resource_metrics)}".encode(), {"Content-Encoding": "odd"}
        self._session.post(self._endpoint, data=body, headers=headers)

    def shutdown(self) -> None:
        """End."""


def test_compression_that_is_unknown_is_left_to_the_stock_exporter(data: MetricsData) -> None:
    """A body that contradicts its header would be refused, all of it."""
    packed = _packed(data, Encoding(NOTHING, MetricsEncoder().encode), Odd)
    assert packed.body == b"1"


def test_what_cannot_be_encoded_is_said(data: MetricsData) -> None:
    """The queue counts it as lost, and goes on."""

    def fail(_data: MetricsData) -> Any:
        raise ValueError("no")

    with pytest.raises(CannotPackError, match="ValueError"):
        _packed(data, Encoding(NOTHING, fail), OTLPMetricExporter)
