"""``wt notifier render`` and ``wt notifier test``: messages as the channels get them."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from notifier.alerts import Alert, AlertStatus, Notification
from notifier.building import chart_cache, make_context, make_outlet, make_planner, make_template
from notifier.cli.sample_chart import sample_chart, show
from notifier.cli.text import json_text
from notifier.clock import Clock, SystemClock
from notifier.deliver.charts import NO_LIBRARY, ChartError, can_draw
from notifier.deliver.http import open_session
from notifier.deliver.outcome import Outcome, OutcomeKind, Receipt
from notifier.deliver.pacing import Budgets
from notifier.deliver.protocol import Charting, Operation, Removing, Rendered
from notifier.dispatch.outlet import Outlet
from notifier.errors import NotifierError
from notifier.incident import Incident
from notifier.incident.planner import Planner
from notifier.ingest.payload import parse
from notifier.render import Chat, RenderContext, Template, chat_of
from notifier.render import render as render_message
from notifier.settings import Channel, Settings, load
from wiltonos_service.cli import config_option, run_async, running_offset_option
from wiltonos_service.errors import UsageError
from wiltonos_service.running import with_running_stack
from wiltonos_service.settings import Loaded


@click.command()
@config_option
@running_offset_option
@click.argument("payload", type=click.File("rb"))
@click.option("--channel", "name", help="Only this channel (default: every one).")
def render(config: Path | None, port_offset: int | None, payload: Any, name: str | None) -> None:
    """Print the JSON that each chat would get for a webhook body; "-" reads it from stdin."""
    environ = with_running_stack(config, port_offset)
    loaded = load(config=config, offset=port_offset, environ=environ)
    now = SystemClock().now()
    plan = make_planner(loaded).plan(None, parse(payload.read()), now)
    if plan.step.incident is None:
        raise NotifierError("the payload has no alerts, so there is nothing to show")
    document = {}
    for label, chat, context, template in _chosen(loaded, name, now):
        message = render_message(chat, plan.step.incident, context, template)
        document[label] = message.payload
        if message.problem:
            click.echo(
                f"{label}: template failed, shown is the default: {message.problem}", err=True
            )
    click.echo(json_text(document, 2))


def _chosen(
    loaded: Loaded[Settings], name: str | None, now: datetime
) -> list[tuple[str, Chat, RenderContext, Template | None]]:
    channels = _channels(loaded, name)
    if not channels:
        context = RenderContext(now, loaded.settings.notifier.linked_to)
        return [(chat.value, chat, context, None) for chat in Chat]
    chosen = []
    for channel in channels:
        context = make_context(channel, loaded, now)
        template = make_template(channel, loaded)
        words = template.current() if template else None
        chosen.append((channel.name, chat_of(channel.kind.value), context, words))
    return chosen


def _channels(loaded: Loaded[Settings], name: str | None) -> list[Channel]:
    channels = loaded.settings.notifier.channels
    found = [channel for channel in channels if name in (None, channel.name)]
    if name is not None and not found:
        known = ", ".join(channel.name for channel in channels) or "none"
        raise UsageError(f"there is no channel {name!r}; configured: {known}")
    return found


@click.command()
@config_option
@running_offset_option
@click.option("--channel", "name", help="Only this channel (default: every one).")
@click.option("--keep", is_flag=True, help="Leave the message where it is.")
def test(config: Path | None, port_offset: int | None, name: str | None, keep: bool) -> None:
    """Send a real message to every channel, edit it, show a chart in it, and take it away."""
    environ = with_running_stack(config, port_offset)
    loaded = load(config=config, offset=port_offset, environ=environ)
    channels = _channels(loaded, name)
    if not channels:
        raise NotifierError("no channel is configured; add [[notifier.channels]]")
    if not run_async(_try_all(channels, loaded, keep)):
        raise NotifierError("not every channel works; see above")


async def _try_all(channels: list[Channel], loaded: Loaded[Settings], keep: bool) -> bool:
    clock = SystemClock()
    well = True
    async with open_session() as session:
        budgets = Budgets()
        for channel in channels:
            outlet = make_outlet(
                channel,
                loaded,
                session=session,
                clock=clock,
                budgets=budgets,
                doubtful=lambda: False,
            )
            cache = (
                chart_cache(loaded) if channel.name in loaded.settings.notifier.charted else None
            )
            lines = [line async for line in _try(outlet, clock, keep, cache)]
            well = well and all(good for good, _ in lines)
            for good, line in lines:
                click.echo(f"{'ok  ' if good else 'FAIL'} {channel.name}: {line}")
    return well


async def _try(outlet: Outlet, clock: Clock, keep: bool, cache: Path | None) -> Any:
    """Yields whether each step went well, and what happened; without a cache it shows no chart."""
    deliverer = outlet.deliverer
    firing, resolved = _samples(clock.now())
    message = outlet.message(firing, Operation.POST, clock.now())
    outcome = await _paced(outlet, clock, Operation.POST, lambda: deliverer.post(message))
    yield _line("posted", outcome)
    receipt = outcome.receipt
    if outcome.kind is not OutcomeKind.DELIVERED or receipt is None:
        return
    if not deliverer.can_edit:
        yield True, "cannot edit (an incoming webhook of Slack); it posts again instead"
        return
    changed = outlet.message(resolved, Operation.EDIT, clock.now())
    place: Receipt = receipt
    edited = await _paced(outlet, clock, Operation.EDIT, lambda: deliverer.edit(place, changed))
    yield _line("edited", edited)
    if cache is not None and isinstance(deliverer, Charting):
        yield await _try_chart(deliverer, clock, place, changed, cache)
    if not keep and isinstance(deliverer, Removing):
        remover: Removing = deliverer
        gone = await _paced(outlet, clock, Operation.DELETE, lambda: remover.delete(place))
        yield _line("removed", gone)


async def _try_chart(
    deliverer: Charting, clock: Clock, place: Receipt, message: Rendered, cache: Path
) -> tuple[bool, str]:
    if not can_draw():
        return True, f"no chart: {NO_LIBRARY}"
    try:
        chart = await sample_chart(clock.now(), cache)
    except ChartError as error:
        return False, f"no chart: {error}"
    while (at := deliverer.next_idle()) > clock.monotonic():
        await clock.sleep(max(at - clock.monotonic(), 0.01))
    return _line("shown a chart", await show(deliverer, clock, place, message, chart))


async def _paced(
    outlet: Outlet, clock: Clock, operation: Operation, call: Callable[[], Awaitable[Outcome]]
) -> Outcome:
    while (at := outlet.deliverer.next_allowed(operation, urgent=True)) > clock.monotonic():
        await clock.sleep(max(at - clock.monotonic(), 0.01))
    return await call()


def _line(what: str, outcome: Outcome) -> tuple[bool, str]:
    if outcome.kind is OutcomeKind.DELIVERED:
        return True, what
    return False, f"not {what}: {outcome.kind.value} {outcome.detail}".rstrip()


def _samples(now: datetime) -> tuple[Incident, Incident]:
    planner = Planner()
    begun = planner.plan(None, _sample(AlertStatus.FIRING, now), now).step.incident
    ended = planner.plan(begun, _sample(AlertStatus.RESOLVED, now), now).step.incident
    if begun is None or ended is None:
        raise NotifierError("the sample alert made no incident")
    return begun, ended


def _sample(status: AlertStatus, now: datetime) -> Notification:
    started = now.astimezone(UTC) - timedelta(minutes=1)
    alert = Alert(
        fingerprint="test",
        status=status,
        labels={"alertname": "NotifierTest", "severity": "info"},
        annotations={
            "summary": "A test of this channel",
            "description": "Nothing is wrong: somebody ran `wt notifier test`.",
        },
        starts_at=started,
        ends_at=now if status is AlertStatus.RESOLVED else None,
    )
    return Notification("test", "test", {"alertname": "NotifierTest"}, (alert,))
