"""Charts in messages: after the message, kept, replaced at the end, and never in its way."""

import asyncio
import struct
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from notifier.deliver import charts as drawing
from notifier.deliver import pacing
from notifier.deliver.charts import ChartError
from notifier.deliver.outcome import ChartEnd
from notifier.deliver.pacing import Budget
from notifier.deliver.protocol import Operation
from notifier.dispatch import charting
from notifier.render.chart import ChartPlan
from notifier.store import charts as stored
from notifier.testing import answer, hang_before
from notifier.testing.slack import CHANNEL
from notifier.testing.webhooks import Body, alert, webhook

START = datetime(2026, 1, 1, tzinfo=UTC)
NOW = START + timedelta(minutes=3)


def firing(*names: str, group: str = "g", **more: Any) -> Body:
    """A group in which these alerts fire."""
    alerts = (alert(name, starts_at=START, **more) for name in names or ("A",))
    return webhook(*alerts, group_key=group)


def resolved(*names: str, group: str = "g") -> Body:
    """The same group, over."""
    alerts = (alert(name, starts_at=START, ends_at=NOW) for name in names or ("A",))
    return webhook(*alerts, group_key=group)


class Pen:
    """Draws at once, what and when the test says.

    Attributes:
        plans: what was drawn, in order.
        fails: drawing fails for this reason.
        may_draw: drawing waits for it.
    """

    def __init__(self) -> None:
        self.plans: list[ChartPlan] = []
        self.fails = ""
        self.may_draw = asyncio.Event()
        self.may_draw.set()

    async def draw(self, plan: ChartPlan, *_: Any) -> bytes:
        """A picture that names its number."""
        self.plans.append(plan)
        await self.may_draw.wait()
        if self.fails:
            raise ChartError(ChartEnd.NOT_DRAWN, self.fails)
        return b"\x89PNG" + struct.pack(">I", len(self.plans))


@pytest.fixture
def pen(monkeypatch: pytest.MonkeyPatch) -> Pen:
    """Instead of the drawing process; nothing waits longer than it has to."""
    made = Pen()
    monkeypatch.setattr(drawing, "draw", made.draw)
    monkeypatch.setattr(charting, "SETTLE_SECONDS", 0.02)
    monkeypatch.setattr(charting, "POLL_SECONDS", 0.1)
    monkeypatch.setattr(charting, "BUSY_SECONDS", 0.1)
    monkeypatch.setattr(charting, "SHOW_WAITS_SECONDS", (0.0, 0.05))
    monkeypatch.setattr(stored, "RETRY_SECONDS", 0.3)
    # a second chart within ten seconds would wait for its turn on Discord
    monkeypatch.setattr(pacing, "discord_channel_budget", lambda: Budget(None, 0.0))
    return made


class Watch:
    """A running notifier that draws charts, and what it has shown."""

    def __init__(self, run: Any, eventually: Callable[..., Any]) -> None:
        self.run = run
        self.eventually = eventually

    @property
    def messages(self) -> list[Any]:
        """The living messages of both chats."""
        return [*self.run.slack_messages(), *self.run.discord.shown()]

    async def charted(self, count: int = 2, total: int = 2) -> None:
        """Return once so many of so many messages show a chart."""

        async def shown() -> bool:
            files = [message.files for message in self.messages]
            return len(files) == total and sum(len(each) for each in files) == count

        await self.eventually(shown)

    async def counted(self, channel: str, end: ChartEnd, count: int = 1) -> None:
        """Return once the metric says that so many charts of the channel ended so."""
        wanted = f'charts_total{{channel="{channel}",outcome="{end.value}"}} {count:.1f}'

        async def told() -> bool:
            async with self.run.http.get(f"{self.run.base}/metrics") as response:
                return wanted in await response.text()

        await self.eventually(told)


@pytest.fixture
def watch(
    start: Callable[..., Any], eventually: Callable[..., Any], prometheus: Any
) -> Callable[..., Any]:
    """Starts a notifier that draws charts."""

    async def begin(channels: str = "", extra: str = "charts = true") -> Watch:
        more = f'{extra}\nprometheus_url = "{prometheus.url}"'
        run = await (start(channels, more) if channels else start(extra=more))
        return Watch(run, eventually)

    return begin


async def test_a_chart_follows_the_message_and_is_replaced_at_the_end(
    watch: Callable[..., Any], pen: Pen, prometheus: Any
) -> None:
    """Drawn once for both chats, then once more as the whole incident."""
    seen: Watch = await watch()
    await seen.run.post(firing())
    await seen.charted()
    assert len(pen.plans) == len(prometheus.queries) == 1
    assert prometheus.queries[0]["query"] == "up"
    (on_slack,) = seen.run.slack_messages()
    assert seen.run.slack.files.content(on_slack.files[0]) == b"\x89PNG\x00\x00\x00\x01"
    await seen.run.post(resolved())
    for channel in ("slack", "discord"):
        await seen.counted(channel, ChartEnd.SHOWN, 2)
    await seen.charted()
    assert seen.run.slack.files.content(on_slack.files[0]) == b"\x89PNG\x00\x00\x00\x02"

    async def tidied() -> bool:
        return bool(seen.run.slack.files.kept == list(on_slack.files))

    # the first one would stay in Slack's storage, seen by nobody
    await seen.eventually(tidied)
    assert [plan.ended_at is not None for plan in pen.plans] == [False, True]
    for message in seen.messages:
        assert "Resolved" in message.text
        # post, chart, end, chart: nothing else was sent
        assert message.edits == 3
        assert [len(version.files) for version in message.history] == [0, 1, 1, 1]


async def test_a_later_edit_keeps_the_chart(watch: Callable[..., Any], pen: Pen) -> None:
    """An alert joins: the words change, the picture stays, and none is drawn again."""
    seen: Watch = await watch()
    await seen.run.post(firing("A"))
    await seen.charted()
    await seen.run.post(firing("A", "B"))
    await seen.run.delivered()
    for message in (seen.run.slack_messages()[0], seen.run.discord.shown()[0]):
        assert "B" in message.text
        assert len(message.files) == 1
    assert len(pen.plans) == 1


async def test_an_incident_that_fires_again_is_drawn_at_its_new_end(
    watch: Callable[..., Any], pen: Pen
) -> None:
    """The chart of the first end stays until then."""
    seen: Watch = await watch()
    await seen.run.post(firing())
    await seen.charted()
    await seen.run.post(resolved())
    await seen.counted("discord", ChartEnd.SHOWN, 2)
    again = webhook(alert("A", starts_at=NOW + timedelta(seconds=5)), group_key="g")
    await seen.run.post(again)
    await seen.run.delivered()
    over = alert("A", starts_at=NOW + timedelta(seconds=5), ends_at=NOW + timedelta(seconds=9))
    await seen.run.post(webhook(over, group_key="g"))
    await seen.counted("discord", ChartEnd.SHOWN, 3)
    assert [plan.ended_at is not None for plan in pen.plans] == [False, True, True]


async def test_a_message_that_was_posted_anew_gets_its_chart_again(
    watch: Callable[..., Any], pen: Pen
) -> None:
    """Somebody deleted the first one."""
    assert pen
    seen: Watch = await watch()
    await seen.run.post(firing("A"))
    await seen.charted()
    for message in seen.messages:
        message.deleted = True
    await seen.run.post(firing("A", "B"))
    await seen.charted(2, total=2)


@pytest.mark.parametrize("broken", ["prometheus", "drawing"])
async def test_without_a_picture_the_message_stays_as_it_is(
    watch: Callable[..., Any],
    pen: Pen,
    prometheus: Any,
    broken: str,
) -> None:
    """Said once, counted each time, tried again with a bound; the end gets its chart."""
    if broken == "prometheus":
        prometheus.status = 503
    else:
        pen.fails = "drawing failed: no ink"
    end = ChartEnd.UNANSWERED if broken == "prometheus" else ChartEnd.NOT_DRAWN
    with capture_logs() as lines:
        seen: Watch = await watch()
        await seen.run.post(firing())
        await seen.counted("slack", end, stored.TRIES)
        assert [message.edits for message in seen.messages] == [0, 0]
        prometheus.status, pen.fails = 200, ""
        await seen.run.post(resolved())
        await seen.charted()
    said = [line["event"] for line in lines if "charts" in line["event"]]
    assert said == ["no charts", "charts are back"]


async def test_a_missing_scope_costs_the_picture_only(watch: Callable[..., Any], pen: Pen) -> None:
    """Slack without files:write goes on; Discord has its chart, and the log names the scope."""
    assert pen
    seen: Watch = await watch()
    seen.run.slack.scopes.discard("files:write")
    with capture_logs() as lines:
        await seen.run.post(firing())
        await seen.counted("slack", ChartEnd.REFUSED)
        await seen.counted("discord", ChartEnd.SHOWN)
    (line,) = [line for line in lines if line["event"] == "no charts"]
    assert (line["subject"], "files:write" in line["problem"]) == ("slack", True)
    assert (await seen.run.get("/-/ready"))["degraded"] == []
    await seen.run.post(resolved())
    await seen.run.delivered()
    assert "Resolved" in seen.run.slack_messages()[0].text


async def test_what_passes_is_tried_again(watch: Callable[..., Any], pen: Pen) -> None:
    """A chat that is ill for a moment gets the same drawing a little later."""
    seen: Watch = await watch()
    seen.run.slack.faults.add(answer(503).on(Operation.ATTACH))
    await seen.run.post(firing())
    await seen.counted("slack", ChartEnd.DELAYED)
    await seen.charted()
    assert len(pen.plans) == 1


async def test_a_file_that_slack_has_not_looked_at_is_shown_later(
    watch: Callable[..., Any], pen: Pen
) -> None:
    """The refusal of the first edit is no end; the message keeps its words meanwhile."""
    assert pen
    seen: Watch = await watch()
    seen.run.slack.files._processing = 0.03
    await seen.run.post(firing())
    await seen.charted()
    assert seen.run.slack_messages()[0].edits == 1


async def test_a_chart_that_cannot_be_removed_is_told_once(
    watch: Callable[..., Any], pen: Pen
) -> None:
    """Nothing else depends on it: the message shows the new one."""
    assert pen
    seen: Watch = await watch()
    await seen.run.post(firing("A", group="one"))
    await seen.run.post(firing("B", group="two"))
    await seen.charted(4, total=4)
    seen.run.slack.faults.always("down", answer(500).on(Operation.DELETE))
    with capture_logs() as lines:
        await seen.run.post(resolved("A", group="one"))
        await seen.run.post(resolved("B", group="two"))
        await seen.counted("slack", ChartEnd.SHOWN, 4)
        await seen.charted(4, total=4)

        async def tried() -> bool:
            return bool(seen.run.slack.answers[500] == 2)

        await seen.eventually(tried)
    said = [line["event"] for line in lines if "chart" in line["event"]]
    assert said == ["a chart that nothing shows stays in the chat"]
    assert len(seen.run.slack.files.kept) == 4


async def test_messages_go_first(watch: Callable[..., Any], pen: Pen) -> None:
    """While something waits to be said on a channel no chart is shown there."""
    seen: Watch = await watch()
    pen.may_draw.clear()
    await seen.run.post(firing("A", group="first"))
    await seen.run.delivered()
    seen.run.slack.faults.always("down", answer(503).on(Operation.POST))
    seen.run.discord.faults.always("down", answer(503).on(Operation.POST))
    await seen.run.post(firing("B", group="second", severity="critical"))

    async def waits() -> bool:
        listed = (await seen.run.get("/api/v1/incidents"))["incidents"]
        rows = [row for each in listed for row in each["deliveries"]]
        return len([row for row in rows if row["attempts"] > 0]) == 2

    await seen.eventually(waits)
    pen.may_draw.set()
    seen.run.slack.faults.clear()
    seen.run.discord.faults.clear()
    await seen.charted(4, total=4)
    for messages in (seen.run.slack_messages(), seen.run.discord.shown()):
        first, second = messages
        charted_at = next(version.at for version in first.history if version.files)
        assert charted_at > second.history[0].at


async def test_news_during_the_edit_of_a_chart_is_the_last_word(
    watch: Callable[..., Any], pen: Pen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The edit hangs and is cut off; the end of the incident is shown right after."""
    assert pen
    monkeypatch.setattr(charting, "EDIT_SECONDS", 0.3)
    seen: Watch = await watch()
    seen.run.discord.faults.add(hang_before().on(Operation.EDIT))
    await seen.run.post(firing())

    async def hangs() -> bool:
        left: int = seen.run.discord.faults.left
        return left == 0

    await seen.eventually(hangs)
    await seen.run.post(resolved())
    await seen.run.delivered()
    assert "Resolved" in seen.run.discord.shown()[0].text
    await seen.charted()
    assert all("Resolved" in message.text for message in seen.messages)


async def test_who_wants_no_charts_gets_none(
    watch: Callable[..., Any], pen: Pen, texts: dict[str, str]
) -> None:
    """A channel that says so, and a webhook that cannot; the others have theirs."""
    assert pen
    channels = texts["slack"] + texts["hook"] + texts["discord"] + "charts = false\n"
    seen: Watch = await watch(channels)
    await seen.run.post(firing())
    await seen.counted("slack", ChartEnd.SHOWN)
    await seen.run.delivered()
    files = sorted(len(message.files) for message in seen.run.slack.messages[CHANNEL])
    assert files == [0, 1]
    assert seen.run.discord.shown()[0].edits == 0


async def test_one_channel_may_have_what_the_others_do_not(
    watch: Callable[..., Any], pen: Pen, texts: dict[str, str]
) -> None:
    """Off for all but the one that says otherwise."""
    assert pen
    channels = texts["slack"] + texts["discord"] + "charts = true\n"
    seen: Watch = await watch(channels, "charts = false")
    await seen.run.post(firing())
    await seen.counted("discord", ChartEnd.SHOWN)
    assert seen.run.slack_messages()[0].files == ()


async def test_a_reload_switches_charts_on_and_moves_them(
    watch: Callable[..., Any], pen: Pen, prometheus: Any
) -> None:
    """Neither needs a restart, and no other setting of the channels has to change."""
    seen: Watch = await watch(extra="charts = false")
    await seen.run.post(firing())
    await seen.run.delivered()
    file = seen.run.directory / "wiltonos.toml"
    text = file.read_text().replace("charts = false", "charts = true", 1)
    moved = text.replace(prometheus.url, "http://127.0.0.1:9", 1)
    file.write_text(
        moved.replace("charts = true", f'charts = true\nprometheus_query_url = "{prometheus.url}"')
    )
    async with seen.run.http.post(f"{seen.run.base}/-/reload") as response:
        assert response.status == 200, await response.text()
    await seen.charted()
    assert len(pen.plans) == len(prometheus.queries) == 1


async def test_without_the_library_there_is_one_line(
    watch: Callable[..., Any], prometheus: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says what to install; messages go as ever."""
    monkeypatch.setattr("notifier.dispatch.charting.can_draw", lambda: False)
    with capture_logs() as lines:
        seen: Watch = await watch()
        await seen.run.post(firing())
        await seen.run.delivered()
    (line,) = [line for line in lines if line["event"] == "no charts"]
    assert "wiltonos-otel[charts]" in line["problem"]
    assert prometheus.queries == []


async def test_an_alert_without_an_expression_asks_nobody(
    watch: Callable[..., Any], pen: Pen, prometheus: Any
) -> None:
    """Grafana's, for example; one after it has its chart."""
    seen: Watch = await watch()
    foreign = alert("A", starts_at=START) | {"generatorURL": "http://grafana/alerting/1"}
    await seen.run.post(webhook(foreign, group_key="foreign"))
    await seen.run.delivered()
    await seen.run.post(firing("B"))
    await seen.charted(2, total=4)
    assert len(pen.plans) == len(prometheus.queries) == 1


async def test_the_real_picture_arrives(watch: Callable[..., Any]) -> None:
    """Asked, drawn in its own process, uploaded, shown."""
    pytest.importorskip("matplotlib", reason="charts are an extra")
    seen: Watch = await watch()
    await seen.run.post(firing())
    await seen.charted()
    (message,) = seen.run.slack_messages()
    assert seen.run.slack.files.content(message.files[0]).startswith(b"\x89PNG")
    assert "the alert's expression from" in message.text
