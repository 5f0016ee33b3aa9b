"""What the notifier counts is what happened, each thing once."""

from collections.abc import Callable
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from notifier.testing import answer, rate_limited
from notifier.testing.webhooks import alert, webhook


async def value(run: Any, name: str, **labels: str) -> float:
    """A series on the page ``/metrics``."""
    async with run.http.get(f"{run.base}/metrics") as response:
        text = await response.text()
    found = [
        sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == name and labels.items() <= sample.labels.items()
    ]
    return sum(found)


async def test_each_alert_is_late_once(start: Callable[..., Any], texts: dict[str, str]) -> None:
    """A message that is edited and then rings shows a revision once, and each alert once."""
    run = await start(texts["slack"])
    await run.post(webhook(alert("A")))
    await run.delivered()
    await run.post(webhook(alert("A"), alert("B", severity="critical")))
    await run.delivered()
    assert len(run.slack_replies()) == 1
    assert await value(run, "wiltonos_notifier_delivery_latency_seconds_count") == 2
    assert await value(run, "wiltonos_notifier_alert_latency_seconds_count") == 2
    # both began at the start of the year
    assert await value(run, "wiltonos_notifier_alert_latency_seconds_sum") > 2 * 86400
    assert await value(run, "wiltonos_notifier_delivery_latency_seconds_sum") < 60


async def test_what_was_shown_does_not_age_while_its_ring_waits(
    start: Callable[..., Any], texts: dict[str, str]
) -> None:
    """An alert that joins while a reply is still to come counts from its own webhook on."""
    run = await start(texts["slack"])
    await run.post(webhook(alert("A", severity="critical")))
    await run.delivered()
    for names in ("AB", "ABC", "ABCD"):
        await run.post(webhook(*(alert(name, severity="critical") for name in names)))
    await run.delivered()
    assert await value(run, "wiltonos_notifier_alert_latency_seconds_count") == 4


async def test_what_needs_no_message_has_no_latency(
    start: Callable[..., Any], texts: dict[str, str]
) -> None:
    """A channel that cannot edit is told nothing of an alert that joins quietly."""
    run = await start(texts["hook"])
    await run.post(webhook(alert("A")))
    await run.delivered()
    await run.post(webhook(alert("A"), alert("B")))
    await run.delivered()
    assert len(run.slack_messages()) == 1
    assert await value(run, "wiltonos_notifier_delivery_latency_seconds_count") == 1


async def test_waits_for_a_limit_are_counted_by_whose_it_is(
    start: Callable[..., Any], texts: dict[str, str]
) -> None:
    """Our own budget holds back the fourth message of a burst; the chat asks for a second."""
    run = await start(texts["slack"])
    name = "wiltonos_notifier_rate_limit_wait_seconds_total"
    assert await value(run, name) == 0
    run.slack.faults.add(rate_limited("1"))
    for number in range(6):
        await run.post(webhook(alert(), group_key=f"g{number}"))
    await run.delivered(6)
    assert await value(run, name, by="chat") >= 1
    assert await value(run, name, by="budget") > 0.5


@pytest.mark.parametrize("path", ["/api/v1/alertmanager", "/api/v1/heartbeat"])
async def test_a_sender_with_a_wrong_token_is_counted(start: Callable[..., Any], path: str) -> None:
    """Its alerts reach nobody, and nothing else would tell of it."""
    run = await start(extra='bearer_token = "right"')
    headers = {"Authorization": "Bearer wrong"}
    async with run.http.post(run.base + path, data=b"{}", headers=headers) as response:
        assert response.status == 401
    name = "wiltonos_notifier_refused_total"
    assert await value(run, name, reason="unauthorized") == 1
    assert await value(run, name) == 1


async def test_attempts_are_counted_by_their_end(
    start: Callable[..., Any], texts: dict[str, str]
) -> None:
    """Each request to a chat is one attempt; every end is there from the start, with 0."""
    run = await start(texts["discord"])
    run.discord.faults.add(answer(503), answer(503))
    await run.post(webhook(alert()))
    await run.delivered()
    name = "wiltonos_notifier_attempts_total"
    assert await value(run, name, outcome="transient") == 2
    assert await value(run, name, outcome="delivered") == 1
    assert await value(run, name) == 3
