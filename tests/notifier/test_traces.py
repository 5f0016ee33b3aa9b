"""One trace from the webhook to the chats: its spans, its links, and what it costs when away."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from notifier.testing import answer
from notifier.testing.webhooks import alert, encoded, webhook
from wiltonos_service.telemetry.testing import (
    OtlpReceiver,
    ReceivedSpan,
    black_hole,
    otlp_receiver,
)

TRACE = "0af7651916cd43dd8448eb211c80319c"
PARENT = "b7ad6b7169203331"
SAMPLED = f"00-{TRACE}-{PARENT}-01"


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    """Takes the spans."""
    with otlp_receiver() as made:
        yield made


@pytest.fixture
def traced(
    start: Callable[..., Any], texts: dict[str, str], receiver: OtlpReceiver
) -> Callable[..., Any]:
    """Starts notifiers that push their spans to the receiver."""

    async def run(*channels: str, endpoint: str = "") -> Any:
        chats = "".join(texts[each] for each in channels or ("slack", "discord"))
        telemetry = f'[telemetry]\ntraces = true\notlp_endpoint = "{endpoint or receiver.endpoint}"'
        return await start(f"{chats}\n{telemetry}\n")

    return run


async def post(run: Any, body: Any, traceparent: str = SAMPLED) -> None:
    """Send a webhook as part of a trace."""
    headers = {"traceparent": traceparent}
    url = f"{run.base}/api/v1/alertmanager"
    async with run.http.post(url, data=encoded(body), headers=headers) as response:
        assert response.status == 200


async def spans(run: Any, receiver: OtlpReceiver) -> list[ReceivedSpan]:
    """What has ended by now."""
    await asyncio.to_thread(run.service.tracing.flush)
    return receiver.spans()


def named(found: list[ReceivedSpan], name: str) -> list[ReceivedSpan]:
    """The spans of this name, by their start."""
    mine = [each for each in found if each.span.name == name]
    return sorted(mine, key=lambda each: each.span.start_time_unix_nano)


async def test_a_webhook_and_both_deliveries_are_one_trace(
    traced: Callable[..., Any], receiver: OtlpReceiver
) -> None:
    """The server span continues the sender's; the commit and the requests are below it."""
    run = await traced()
    await post(run, webhook(alert()))
    await run.delivered()
    found = await spans(run, receiver)
    assert {each.service for each in found} == {"wiltonos-notifier"}
    assert {each.span.trace_id.hex() for each in found} == {TRACE}
    (server,) = named(found, "POST /api/v1/alertmanager")
    assert server.span.kind == Span.SPAN_KIND_SERVER
    assert server.span.parent_span_id.hex() == PARENT
    assert server.attributes["http.route"] == "/api/v1/alertmanager"
    assert server.attributes["http.response.status_code"] == 200
    (commit,) = named(found, "accept")
    (incident,) = (await run.get("/api/v1/incidents"))["incidents"]
    assert commit.attributes["messaging.message.conversation_id"] == incident["id"]
    assert commit.attributes["wiltonos.notifier.reasons"] == ["first", "new_alert"]
    for chat in ("slack", "discord"):
        (sent,) = named(found, f"send {chat}")
        assert sent.span.kind == Span.SPAN_KIND_CLIENT
        assert sent.attributes["messaging.system"] == chat
        assert sent.attributes["messaging.destination.name"] == chat
        assert sent.attributes["wiltonos.notifier.outcome"] == "delivered"
        (row,) = [each for each in incident["deliveries"] if each["channel"] == chat]
        assert sent.attributes["messaging.message.id"] == row["receipt"]["message"]
    below = {each.span.parent_span_id for each in found if each is not server}
    assert below == {server.span.span_id}


async def test_retries_are_linked_even_over_a_restart(
    traced: Callable[..., Any], receiver: OtlpReceiver, eventually: Callable[..., Any]
) -> None:
    """Each attempt is a span of the first trace, linked to every attempt before it."""
    run = await traced("slack")
    run.slack.faults.add(answer(503, "later"), answer(503, "later"))

    async def tried() -> bool:
        (incident,) = (await run.get("/api/v1/incidents"))["incidents"]
        return bool(incident["deliveries"][0]["attempts"] > 0)

    await post(run, webhook(alert()))
    await eventually(tried)
    await run.end()
    again = await traced("slack")
    await again.delivered()
    sent = named(await spans(again, receiver), "send slack")
    assert [each.span.status.code for each in sent[:2]] == [Status.STATUS_CODE_ERROR] * 2
    assert [each.attributes["wiltonos.notifier.attempt"] for each in sent] == [1, 2, 3]
    assert {each.span.trace_id.hex() for each in sent} == {TRACE}
    assert len({each.span.parent_span_id for each in sent}) == 1
    for number, each in enumerate(sent):
        links = [link.span_id for link in each.span.links]
        assert links == [before.span.span_id for before in sent[:number]]
    assert sent[0].attributes["error.type"] == "transient"


async def test_a_message_that_tells_of_two_webhooks_is_linked_to_the_other(
    traced: Callable[..., Any], receiver: OtlpReceiver, eventually: Callable[..., Any]
) -> None:
    """The newest webhook is the parent; the one that was merged into it is a link."""
    run = await traced("discord")
    run.discord.faults.add(answer(503, "later"))
    await post(run, webhook(alert("A")))

    async def tried() -> bool:
        return bool(run.discord.faults.left == 0)

    await eventually(tried)
    other = "1" * 32
    await post(run, webhook(alert("A"), alert("B")), f"00-{other}-{PARENT}-01")
    await run.delivered()
    found = await spans(run, receiver)
    first, second = named(found, "POST /api/v1/alertmanager")
    failed, told = named(found, "send discord")[:2]
    assert failed.span.trace_id.hex() == TRACE
    assert told.span.trace_id.hex() == other
    assert told.span.parent_span_id == second.span.span_id
    assert [link.span_id for link in told.span.links] == [
        first.span.span_id,
        failed.span.span_id,
    ]


async def test_a_sender_that_does_not_sample_is_obeyed(
    traced: Callable[..., Any], receiver: OtlpReceiver
) -> None:
    """No span is exported, neither of the webhook nor of its deliveries."""
    run = await traced()
    await post(run, webhook(alert()), f"00-{TRACE}-{PARENT}-00")
    await run.delivered()
    assert await spans(run, receiver) == []


@pytest.mark.parametrize("traceparent", ["", "rubbish", f"00-{'0' * 32}-{PARENT}-01"])
async def test_without_a_trace_one_begins_here(
    traced: Callable[..., Any], receiver: OtlpReceiver, traceparent: str
) -> None:
    """A sender without tracing, or with a malformed header, makes no difference to the rest."""
    run = await traced("slack")
    await post(run, webhook(alert()), traceparent)
    await run.delivered()
    found = await spans(run, receiver)
    (server,) = named(found, "POST /api/v1/alertmanager")
    assert not server.span.parent_span_id
    assert {each.span.trace_id for each in found} == {server.span.trace_id}


async def test_a_refused_webhook_is_a_span_without_error(
    traced: Callable[..., Any], receiver: OtlpReceiver
) -> None:
    """A 4xx is the sender's fault (semantic conventions, HTTP server spans)."""
    run = await traced("slack")
    await run.post(b"rubbish", 400)
    (server,) = named(await spans(run, receiver), "POST /api/v1/alertmanager")
    assert server.attributes["http.response.status_code"] == 400
    assert server.span.status.code == Status.STATUS_CODE_UNSET


async def test_a_latency_leads_to_its_trace(
    traced: Callable[..., Any], receiver: OtlpReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The histograms carry the trace of a delivery as an exemplar."""
    monkeypatch.delenv("OTEL_METRICS_EXPORTER")
    run = await traced("slack")
    await post(run, webhook(alert()))
    await run.delivered()
    await asyncio.to_thread(run.service.telemetry.flush)
    exemplars = {
        metric.name: exemplar.trace_id.hex()
        for received in receiver.received
        for metric in received.metrics()
        for point in metric.histogram.data_points
        for exemplar in point.exemplars
    }
    for name in ("delivery.latency", "alert.latency"):
        assert exemplars[f"wiltonos.notifier.{name}"] == TRACE


async def test_a_receiver_that_never_answers_slows_nothing(traced: Callable[..., Any]) -> None:
    """Webhooks are accepted, messages delivered and the end is quick, with spans going nowhere."""
    with black_hole() as nowhere:
        run = await traced(endpoint=nowhere)
        for number in range(3):
            await post(run, webhook(alert(), group_key=f"g{number}"))
        await run.delivered(3)
        begun = time.monotonic()
        await run.end()
        assert time.monotonic() - begun < 4


async def test_a_receiver_that_is_away_is_said_and_gets_the_spans_later(
    traced: Callable[..., Any], receiver: OtlpReceiver, eventually: Callable[..., Any]
) -> None:
    """What could not be pushed waits; the service is degraded meanwhile, not broken."""
    receiver.go_away()
    run = await traced("slack")
    await post(run, webhook(alert()))
    await run.delivered()
    await asyncio.to_thread(run.service.tracing.flush)

    async def said() -> bool:
        degraded = (await run.get("/-/ready"))["degraded"]
        return any("/v1/traces fails" in line for line in degraded)

    await eventually(said)
    receiver.come_back()

    async def arrived() -> bool:
        return bool(named(receiver.spans(), "send slack"))

    await eventually(arrived)
