"""Makes the parts of the notifier from its settings."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import aiohttp

from notifier.clock import Clock
from notifier.deliver.charts import Charts
from notifier.deliver.factory import build
from notifier.deliver.pacing import Budgets
from notifier.dispatch.gate import Gate
from notifier.dispatch.outlet import Actions, Outlet
from notifier.dispatch.templates import ChannelTemplate, Source
from notifier.incident.planner import Planner, Route
from notifier.render import Chat, RenderContext, chat_of
from notifier.settings import Channel, Settings
from notifier.silences.buttons import App
from notifier.silences.links import PATH as SILENCE_PATH
from notifier.silences.service import Wanted
from wiltonos_service.listen import Listen
from wiltonos_service.settings import Loaded
from wiltonos_service.web.guard import Guard

# keys of a channel; each has a twin that names a file
TEMPLATES = ("title_template", "text_template")
_CHART_CACHE = Path("var/matplotlib")
# replaced by the time of each rendering
_NO_TIME = datetime(1970, 1, 1, tzinfo=UTC)


def make_guard(loaded: Loaded[Settings]) -> Guard:
    """Who may ask the notifier for what.

    Raises:
        SettingsError: the token's file is missing, or there is none beyond loopback.
    """
    table = loaded.settings.notifier
    token = table.token(loaded)
    if token is not None:
        # a missing file is said now, not at the first request
        token.read()
    listen = Listen.parse(table.listen)
    signed = (SILENCE_PATH,)
    return Guard("notifier", listen, token, table.public_url, table.allowed_hosts, signed)


def make_planner(loaded: Loaded[Settings]) -> Planner:
    """The rules by which notifications become incidents and deliveries."""
    table = loaded.settings.notifier
    return Planner(
        routes=tuple(Route(channel.name, channel.match) for channel in table.channels),
        incident_by=table.incident_by,
        reopen_seconds=table.reopen_seconds,
    )


def make_context(
    channel: Channel, loaded: Loaded[Settings], now: datetime = _NO_TIME
) -> RenderContext:
    """What the messages of a channel depend on besides their incidents."""
    page = make_page_context(loaded)
    context = replace(page, now=now, mentions=channel.mentions, buttons=channel.buttons)
    return replace(context, language=channel.language.value) if channel.language else context


def make_page_context(loaded: Loaded[Settings]) -> RenderContext:
    """What the messages on the inbox page depend on besides their incidents."""
    table = loaded.settings.notifier
    return RenderContext(
        now=_NO_TIME,
        public_url=table.linked_to,
        alertmanager_url=table.alertmanager_url,
        prometheus_url=table.prometheus_url,
        grafana_url=table.grafana_url,
        language=table.language.value,
    )


def make_silences(loaded: Loaded[Settings]) -> Wanted:
    """What the configuration says of silences.

    Raises:
        SettingsError: an app token is missing.
    """
    table = loaded.settings.notifier
    return Wanted(
        channels=tuple(channel.name for channel in table.channels),
        alertmanager_url=table.silences_at,
        silence_hours=table.silence_hours,
        ack_minutes=table.ack_minutes,
        context=make_page_context(loaded),
        apps=make_apps(loaded),
    )


def make_apps(loaded: Loaded[Settings]) -> Mapping[tuple[str, str], App]:
    """The Slack apps whose buttons are heard, by address and token; channels share them.

    Raises:
        SettingsError: an app token is missing.
    """
    found: dict[tuple[str, str], App] = {}
    for channel in loaded.settings.notifier.channels:
        secret = channel.app_secret(loaded)
        if secret is not None:
            found.setdefault((channel.api_url, secret.read()), App(secret, channel.api_url))
    return found


def make_source(channel: Channel, key: str, loaded: Loaded[Settings]) -> Source:
    """Where one of :data:`TEMPLATES` of a channel comes from."""
    file = getattr(channel, f"{key}_file")
    return Source(key, getattr(channel, key), loaded.path(file) if file else None)


def make_template(
    channel: Channel, loaded: Loaded[Settings], failed: Callable[[], None] = lambda: None
) -> ChannelTemplate | None:
    """The channel's own words; None where it has none."""
    title, text = (make_source(channel, key, loaded) for key in TEMPLATES)
    return ChannelTemplate(channel.name, title, text, failed) or None


def make_outlet(
    channel: Channel,
    loaded: Loaded[Settings],
    *,
    session: aiohttp.ClientSession,
    clock: Clock,
    budgets: Budgets,
    doubtful: Callable[[], bool],
    gates: Mapping[Chat, Gate] | None = None,
    actions: Actions | None = None,
    template_failed: Callable[[], None] = lambda: None,
) -> Outlet:
    """A channel ready for use.

    Raises:
        SettingsError: its secret is missing.
    """
    secret = channel.secret(loaded)
    secret.read()
    deliverer = build(
        kind=channel.kind.value,
        name=channel.name,
        secret=secret,
        session=session,
        clock=clock,
        budgets=budgets,
        channel=channel.channel or "",
        api_url=channel.api_url,
        thread_id=channel.thread_id or "",
        broadcast=channel.broadcast,
    )
    chat = chat_of(channel.kind.value)
    return Outlet(
        name=channel.name,
        chat=chat,
        deliverer=deliverer,
        context=make_context(channel, loaded),
        secret_changed=secret.changed,
        doubtful=doubtful,
        actions=actions,
        template=make_template(channel, loaded, template_failed),
        gate=gates[chat] if gates else None,
    )


def make_charts(loaded: Loaded[Settings], session: aiohttp.ClientSession) -> Charts:
    """What draws the charts of messages."""
    return Charts(session, loaded.settings.notifier.charts_from, chart_cache(loaded))


def chart_cache(loaded: Loaded[Settings]) -> Path:
    """Where the drawing library keeps its list of fonts."""
    cache = loaded.path(_CHART_CACHE)
    # where it cannot be made, the library makes one that does not last
    with suppress(OSError):
        cache.mkdir(parents=True, exist_ok=True)
    return cache
