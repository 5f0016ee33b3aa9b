"""The routes of the exporter, asked over HTTP."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
from prometheus_client.parser import text_string_to_metric_families


async def test_nothing_is_made_up_before_the_first_sample(exporter: Any) -> None:
    """No Φ, no band, no history: only the policy."""
    view = await exporter.view()
    assert view["phi"] is None
    assert view["band"] is None
    assert not view["ever_seen"]
    assert view["policy"]["band_high"] == 0.77


async def test_written_sample_is_shown(exporter: Any) -> None:
    """Value, band, age and place."""
    exporter.write(0.7512)
    view = await exporter.until(lambda view: view["phi"] == 0.7512)
    assert view["band"] == "in"
    assert 0 <= view["now_ms"] - view["time_ms"] < 10_000
    assert view["source"]["location"] == str(exporter.state)


async def test_simulated_state_is_shown_as_such(exporter: Any) -> None:
    """A file that says so is believed, until one that does not replaces it."""
    (exporter.state / "quantum_state.json").write_text('{"phi": 0.75, "simulated": true}')
    await exporter.until(lambda view: view["simulated"])
    (exporter.state / "quantum_state.json").write_text("torn")
    await exporter.until(lambda view: view["source"]["problems"])
    assert (await exporter.view())["simulated"]
    exporter.write(0.75)
    await exporter.until(lambda view: not view["simulated"])


async def test_loops_come_by_pressure(exporter: Any) -> None:
    """The loop that may need a collapse is on top."""
    loops = exporter.state / "loops"
    loops.mkdir()
    for name, phi in {"calm": 0.75, "tense": 0.6, "fair": 0.72}.items():
        (loops / f"{name}.json").write_text(json.dumps({"phi": phi, "phi_star": 0.75}))
    view = await exporter.until(lambda view: len(view["loops"]) == 3)
    assert [loop["name"] for loop in view["loops"]] == ["tense", "fair", "calm"]


async def test_events_come_each_second_with_what_they_add(exporter: Any) -> None:
    """One line of JSON per event, the newest sample as a point."""
    exporter.write(0.76)
    await exporter.until(lambda view: view["phi"] == 0.76)
    async with exporter.http.get(f"{exporter.url}/api/v1/events") as stream:
        assert stream.content_type == "text/event-stream"
        lines = [line async for line in _data(stream, 2)]
    first, second = (json.loads(line) for line in lines)
    assert 500 < second["now_ms"] - first["now_ms"] < 1500
    assert first["phi"] == 0.76
    # a value that is only held adds nothing to the line
    assert second["point"] is None


async def _data(stream: aiohttp.ClientResponse, count: int) -> AsyncIterator[str]:
    async for raw in stream.content:
        line = raw.decode()
        if line.startswith("data: "):
            yield line.removeprefix("data: ")
            count -= 1
        if count == 0:
            return


async def test_metrics_are_served_in_both_formats(exporter: Any) -> None:
    """Prometheus text and OpenMetrics, by the Accept header."""
    exporter.write(0.7512)
    await exporter.until(lambda view: view["phi"] == 0.7512)
    async with exporter.http.get(f"{exporter.url}/metrics") as answer:
        assert answer.content_type == "text/plain"
        families = {f.name: f for f in text_string_to_metric_families(await answer.text())}
    (sample,) = families["wiltonos_quantum_coherence_ratio"].samples
    assert (sample.value, sample.labels) == (0.7512, {})
    accept = {"Accept": "application/openmetrics-text;version=1.0.0,text/plain;q=0.5"}
    async with exporter.http.get(f"{exporter.url}/metrics", headers=accept) as answer:
        assert answer.content_type == "application/openmetrics-text"
        assert (await answer.text()).endswith("# EOF\n")


async def test_health_and_readiness(exporter: Any) -> None:
    """A refused file is told as degraded, and does not make the service unready."""
    (exporter.state / "quantum_state.json").write_text("[]")
    await exporter.until(lambda view: view["source"]["problems"])
    async with exporter.http.get(f"{exporter.url}/-/healthy") as answer:
        assert answer.status == 200
    async with exporter.http.get(f"{exporter.url}/-/ready") as answer:
        assert answer.status == 200
        (degraded,) = (await answer.json())["degraded"]
    assert degraded.startswith("quantum_state.json: ")


async def test_page_runs_under_a_strict_policy(exporter: Any) -> None:
    """Own scripts only, nothing inline, nothing from elsewhere."""
    async with exporter.http.get(exporter.url) as answer:
        policy = answer.headers["Content-Security-Policy"]
        page = await answer.text()
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in page.replace("<meta http-equiv", "")
    assert " style=" not in page
    assert " onclick" not in page


async def test_foreign_host_name_is_refused(exporter: Any) -> None:
    """DNS rebinding shows nobody the page."""
    async with exporter.http.get(f"{exporter.url}/api/v1/phi", headers={"Host": "evil"}) as answer:
        assert answer.status == 403


async def test_service_with_readers_ends_at_once(exporter: Any) -> None:
    """Open streams are ended, not waited for."""
    streams = [await exporter.http.get(f"{exporter.url}/api/v1/events") for _ in range(20)]
    exporter.stop.set()
    async with asyncio.timeout(2):
        for stream in streams:
            await stream.read()
            stream.close()
        await exporter.ended
