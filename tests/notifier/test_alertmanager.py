"""A real Alertmanager drives the notifier through the life of a group."""

from collections.abc import Callable
from typing import Any

import pytest

from notifier.testing import answer
from wiltonos_service.telemetry.testing import ReceivedSpan, otlp_receiver

pytestmark = pytest.mark.stack


async def test_the_life_of_a_group_is_one_message(
    start: Callable[..., Any], alertmanager: Any, eventually: Callable[..., Any]
) -> None:
    """First alert, a second one, one resolved, a restart of Alertmanager, the end."""
    run = await start()
    await alertmanager.start(run.base)

    async def firing() -> set[str]:
        incidents = (await run.get("/api/v1/incidents"))["incidents"]
        return {
            each["labels"]["alertname"]
            for incident in incidents
            for each in incident["alerts"]
            if each["status"] == "firing"
        }

    async def knows(*names: str) -> None:
        async def it_does() -> bool:
            return await firing() == set(names)

        await eventually(it_does)

    await alertmanager.say("A")
    await knows("A")
    await alertmanager.say("A", "B")
    await knows("A", "B")
    await alertmanager.say("B", over=("A",))
    await knows("B")
    await alertmanager.stop()
    await alertmanager.start(run.base)
    await alertmanager.say("B")
    await alertmanager.say(over=("B",))
    await knows()
    await run.delivered()
    (incident,) = (await run.get("/api/v1/incidents"))["incidents"]
    assert incident["phase"] == "resolved"
    (message,) = run.slack_messages()
    assert "Resolved" in message.text
    assert len(run.slack_replies()) == 1


def _ancestors(span: ReceivedSpan, known: dict[bytes, ReceivedSpan]) -> list[ReceivedSpan]:
    """The spans above it, the nearest first."""
    above = []
    while (parent := known.get(span.span.parent_span_id)) is not None:
        above.append(parent)
        span = parent
    return above


async def test_one_trace_leads_from_the_dispatch_to_both_chats(
    start: Callable[..., Any],
    texts: dict[str, str],
    alertmanager: Any,
    eventually: Callable[..., Any],
) -> None:
    """Alertmanager's own spans are above ours, though the notifier restarts in between."""
    with otlp_receiver() as receiver:
        telemetry = f'[telemetry]\ntraces = true\notlp_endpoint = "{receiver.endpoint}"'
        channels = texts["slack"] + texts["discord"] + telemetry
        run = await start(channels)
        for chat in (run.slack, run.discord):
            chat.faults.always("down", answer(503, "later"))
        await alertmanager.start(run.base, receiver.endpoint)
        await alertmanager.say("A")

        async def both_were_tried() -> bool:
            incidents = (await run.get("/api/v1/incidents"))["incidents"]
            rows = [row for each in incidents for row in each["deliveries"]]
            return len(rows) == 2 and all(row["attempts"] for row in rows)

        await eventually(both_were_tried)
        await run.end()
        for chat in (run.slack, run.discord):
            chat.faults.always("down", None)
        again = await start(channels)
        await again.delivered()
        # so that every program pushes what it has
        await again.end()
        await alertmanager.stop()
        spans = receiver.spans()
    known = {each.span.span_id: each for each in spans}
    for name in ("send slack", "send discord"):
        sent = [each for each in spans if each.span.name == name]
        sent.sort(key=lambda each: each.span.start_time_unix_nano)
        last = sent[-1]
        assert last.attributes["wiltonos.notifier.outcome"] == "delivered"
        assert [link.span_id for link in last.span.links] == [s.span.span_id for s in sent[:-1]]
        above = _ancestors(last, known)
        names = [(each.service, each.span.name) for each in above]
        assert names[0] == ("wiltonos-notifier", "POST /api/v1/alertmanager")
        assert {service for service, _ in names[1:]} == {"alertmanager"}
        assert names[-1] == ("alertmanager", "dispatch.AggregationGroup.flush")
        assert {each.span.trace_id for each in above} == {last.span.trace_id}
