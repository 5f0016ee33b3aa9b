"""Marked probes: committed and listed like alerts, told to nobody."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from notifier.ingest.payload import parse
from notifier.ingest.probes import KEPT, without_probes
from notifier.testing.webhooks import alert, encoded, webhook
from wiltonos_service.probes import PROBE_ALERT, PROBE_LABEL

ENDED = datetime(2026, 1, 1, 1, tzinfo=UTC)


def probe(mark: str, *, ended: bool = False) -> dict[str, Any]:
    """What the doctor lets Alertmanager send."""
    end = ENDED if ended else None
    return alert(PROBE_ALERT, severity="none", labels={PROBE_LABEL: mark}, ends_at=end)


async def test_a_probe_is_listed_and_opens_no_incident(start: Callable[..., Any]) -> None:
    """Its beginning and its end reach the database, and no chat."""
    run = await start()
    await run.post(encoded(webhook(probe("m1"))))
    await run.post(encoded(webhook(probe("m1", ended=True))))
    (seen,) = (await run.get("/api/v1/probes"))["probes"]
    assert seen["mark"] == "m1"
    assert datetime.fromisoformat(seen["received_at"]).tzinfo is not None
    assert (await run.get("/api/v1/incidents"))["incidents"] == []
    assert run.slack_messages() == []


async def test_a_probe_in_a_group_of_alerts_does_not_hide_them(start: Callable[..., Any]) -> None:
    """Somebody's own group_by may put a probe beside real alerts: those are told as ever."""
    run = await start()
    await run.post(encoded(webhook(alert("Real"), probe("m2"))))
    (incident,) = (await run.get("/api/v1/incidents"))["incidents"]
    assert [each["labels"]["alertname"] for each in incident["alerts"]] == ["Real"]
    assert [each["mark"] for each in (await run.get("/api/v1/probes"))["probes"]] == ["m2"]


async def test_the_newest_probes_are_kept(start: Callable[..., Any]) -> None:
    """A doctor that runs each minute does not fill the database."""
    run = await start("")
    for number in range(KEPT + 2):
        await run.post(encoded(webhook(probe(str(number)))))
    marks = [each["mark"] for each in (await run.get("/api/v1/probes"))["probes"]]
    assert marks == [str(number) for number in range(KEPT + 1, 1, -1)]


async def test_probes_that_come_at_once_are_all_kept(start: Callable[..., Any]) -> None:
    """Two doctors, or the end of one probe beside the beginning of the next, lose no mark."""
    run = await start("")
    bodies = [encoded(webhook(probe(f"m{n}", ended=n % 2 == 0))) for n in range(KEPT)]
    await asyncio.gather(*map(run.post, bodies))
    marks = {each["mark"] for each in (await run.get("/api/v1/probes"))["probes"]}
    assert marks == {f"m{n}" for n in range(1, KEPT, 2)}


def test_only_name_and_label_together_make_a_probe() -> None:
    """A real alert that has one of them is told."""
    body = encoded(webhook(alert("Real", labels={PROBE_LABEL: "x"}), alert(PROBE_ALERT)))
    notification = parse(body)
    assert without_probes(notification) == (notification, ())
