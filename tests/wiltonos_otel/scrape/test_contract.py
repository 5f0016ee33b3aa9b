"""One contract for ``/metrics``, whichever reader renders it, over real HTTP."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestClient, TestServer
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.resources import Resource
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics_parser

from wiltonos_otel.scrape import FastMetricReader
from wiltonos_service.telemetry.endpoint import ScrapeEndpoint
from wiltonos_service.telemetry.scrape import StockReader

if TYPE_CHECKING:
    from wiltonos_service.telemetry.exposition import ScrapeReader

Client = TestClient[web.Request, web.Application]


@pytest.fixture(params=[FastMetricReader, StockReader], ids=["fast", "stock"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    """A client of a service with one gauge, one counter and one histogram."""
    reader: ScrapeReader = request.param()
    provider = MeterProvider([reader.reader], Resource({"service.name": "s"}))
    meter = provider.get_meter("test")
    meter.create_up_down_counter("wiltonos.phi.ratio", "{ratio}", "Φ").add(0.75, {"loop": "breath"})
    meter.create_counter("doses", "{dose}", "Doses").add(3)
    meter.create_histogram("size", "By", "Size").record(7)
    app = web.Application()
    app.router.add_get("/metrics", ScrapeEndpoint(reader).handle)
    async with TestClient(
        TestServer(app), auto_decompress=False, headers={"Accept-Encoding": "identity"}
    ) as running:
        yield running
    provider.shutdown()


async def test_text_is_the_default(client: Client) -> None:
    """Without a preference: text 0.0.4, with the metric types that Prometheus knows."""
    async with client.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        families = {f.name: f for f in parser.text_string_to_metric_families(await answer.text())}
    assert {name: f.type for name, f in families.items()} == {
        "target_info": "gauge",
        "wiltonos_phi_ratio": "gauge",
        "doses": "counter",
        "size_bytes": "histogram",
    }
    assert families["wiltonos_phi_ratio"].samples[0].labels == {"loop": "breath"}
    assert families["wiltonos_phi_ratio"].samples[0].value == 0.75


async def test_openmetrics_when_asked(client: Client) -> None:
    """What Prometheus 3 asks for passes a parser that holds it to the specification."""
    accept = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,*/*;q=0.1"
    async with client.get("/metrics", headers={"Accept": accept}) as answer:
        assert answer.headers["Content-Type"].startswith(
            "application/openmetrics-text; version=1.0.0; charset=utf-8"
        )
        text = await answer.text()
    families = [*openmetrics_parser.text_string_to_metric_families(text)]  # type: ignore[no-untyped-call]
    assert {f.name: f.unit for f in families}["size_bytes"] == "bytes"
    assert text.endswith("# EOF\n")


async def test_gzip_when_asked(client: Client) -> None:
    """The same text, smaller."""
    plain = await (await client.get("/metrics")).read()
    headers = {"Accept-Encoding": "gzip"}
    async with client.get("/metrics", headers=headers) as answer:
        assert answer.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await answer.read()) == plain


async def test_only_the_families_that_are_named(client: Client) -> None:
    """``name[]`` takes names of families and of samples."""
    params = [("name[]", "doses_total"), ("name[]", "size_bytes_sum")]
    async with client.get("/metrics", params=params) as answer:
        families = parser.text_string_to_metric_families(await answer.text())
        assert {f.name for f in families} == {"doses", "size_bytes"}


async def test_concurrent_scrapes_are_each_complete(client: Client) -> None:
    """Many scrapers at once, in both formats: nobody gets nothing or anything twice."""
    url = client.make_url("/metrics")

    async def scrape(session: ClientSession, index: int) -> tuple[int, str]:
        accept = ["text/plain", "application/openmetrics-text"][index % 2]
        headers = {"Accept": accept, "Accept-Encoding": ["gzip", "identity"][index // 2 % 2]}
        async with session.get(url, headers=headers) as answer:
            return index % 2, await answer.text()

    async with ClientSession() as session:
        answers = {*await asyncio.gather(*(scrape(session, i) for i in range(40)))}
    assert len(answers) == 2
    assert all(text.count("doses_total 3.0") == 1 for _, text in answers)
