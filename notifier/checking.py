"""Everything that can be known to be wrong with a configuration before anything is sent."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime

from notifier.building import TEMPLATES, make_context, make_guard, make_source
from notifier.deliver.discord import is_address as is_discord_address
from notifier.deliver.slack import is_address as is_slack_address
from notifier.dispatch.templates import check as check_templates
from notifier.render import Chat, chat_of, discord, slack
from notifier.settings import Channel, ChannelKind, Notifier, Settings
from notifier.store.address import is_database
from wiltonos_service.addresses import is_http
from wiltonos_service.errors import SettingsError
from wiltonos_service.secrets import Secret
from wiltonos_service.settings import Loaded

_ADDRESSES = (
    "alertmanager_url",
    "alertmanager_api_url",
    "prometheus_url",
    "prometheus_query_url",
    "grafana_url",
    "public_url",
)
_PINGS: Mapping[Chat, tuple[Callable[[str], bool], str]] = {
    Chat.SLACK: (slack.is_ping, "<!channel>, <!here>, <!everyone>, <@U…> or <!subteam^S…>"),
    Chat.DISCORD: (discord.is_ping, "@everyone, @here, <@…> or <@&…>, with the number of an id"),
}
_NOW = datetime(2026, 1, 1, tzinfo=UTC)
# any token of the API: not only bots' can post
_BOT_TOKEN = re.compile(r"xox\S+")
_APP_TOKEN = re.compile(r"xapp-\S+")


def mistakes(loaded: Loaded[Settings]) -> list[str]:
    """One line for each, with the place and the fix; reads secrets and templates, sends nothing."""
    table = loaded.settings.notifier
    try:
        make_guard(loaded)
        found: list[str] = []
    except SettingsError as error:
        found = [str(error)]
    found += _of_addresses(table)
    found += _of_alive(table.alive_secret(loaded))
    for channel in table.channels:
        found += _of_channel(channel, loaded)
    origin = loaded.file or "defaults"
    return [line if line.startswith(str(origin)) else f"{origin}: {line}" for line in found]


def _of_addresses(table: Notifier) -> Iterator[str]:
    for key in _ADDRESSES:
        given = getattr(table, key)
        if given and not is_http(given):
            yield f"[notifier] {key}: {given!r} is no address; write one that begins with http://"
    if not is_database(table.database):
        yield "[notifier] database: must be sqlite:///path or postgresql://host/name"


def _of_alive(secret: Secret | None) -> Iterator[str]:
    if secret is None:
        return
    try:
        address = secret.read()
    except SettingsError as error:
        yield str(error)
        return
    if not is_http(address):
        yield f"{secret.name}: holds no address; put one there that begins with https://"


def _of_channel(channel: Channel, loaded: Loaded[Settings]) -> Iterator[str]:
    secret, kind = channel.secret(loaded), channel.kind
    said = {
        ChannelKind.SLACK: ("no bot token", "xoxb-…, from the app's page OAuth & Permissions"),
        ChannelKind.SLACK_WEBHOOK: (
            "no Slack webhook address",
            "https://hooks.slack.com/services/…, from the app's page Incoming Webhooks",
        ),
        ChannelKind.DISCORD_WEBHOOK: (
            "no Discord webhook address",
            "https://discord.com/api/webhooks/…, from the channel's settings, Integrations",
        ),
    }[kind]
    yield from _of_secret(secret, kind, *said)
    app = channel.app_secret(loaded)
    if app is not None:
        yield from _of_secret(app, None, "no app token", "xapp-…, with the scope connections:write")
    yield from _of_mentions(channel)
    title, text = (make_source(channel, key, loaded) for key in TEMPLATES)
    yield from check_templates(channel.name, title, text, make_context(channel, loaded, _NOW))


def _of_mentions(channel: Channel) -> Iterator[str]:
    """What would stand there as words, and wake nobody."""
    pings, forms = _PINGS[chat_of(channel.kind.value)]
    for severity, mentions in channel.mentions.items():
        for mention in mentions:
            if not pings(mention):
                where = f"channel {channel.name}: mentions.{severity}"
                yield f"{where}: {mention!r} pings nobody here; write {forms}"


def _of_secret(secret: Secret, kind: ChannelKind | None, what: str, right: str) -> Iterator[str]:
    try:
        value = secret.read()
    except SettingsError as error:
        yield str(error)
        return
    if not _looks_right(kind, value):
        yield f"{secret.name}: holds {what}; put one there: {right}"


def _looks_right(kind: ChannelKind | None, value: str) -> bool:
    match kind:
        case ChannelKind.DISCORD_WEBHOOK:
            return is_discord_address(value)
        case ChannelKind.SLACK_WEBHOOK:
            return is_slack_address(value)
        case ChannelKind.SLACK:
            return _BOT_TOKEN.fullmatch(value) is not None
        case None:
            return _APP_TOKEN.fullmatch(value) is not None
