"""The tables of ``wiltonos.toml`` that the notifier owns, as frozen values."""

import os
import re
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from wiltonos_service.listen import Listen
from wiltonos_service.secrets import Secret, optional_secret
from wiltonos_service.settings import (
    HttpService,
    ListenAddress,
    Loaded,
    StackUrl,
    Table,
    Tree,
    load_settings,
    traces_of,
)

# far beyond every use, and before the end of the calendar, where adding to a date is an error
YEAR_SECONDS = 365 * 24 * 3600.0


class ChannelKind(StrEnum):
    """How a channel is reached."""

    SLACK = "slack"
    SLACK_WEBHOOK = "slack_webhook"
    DISCORD_WEBHOOK = "discord_webhook"


class Language(StrEnum):
    """The languages of the fixed words."""

    ENGLISH = "en"
    PORTUGUESE = "pt-BR"


def _several(value: Any) -> Any:
    if isinstance(value, str):
        return (value,)
    if not isinstance(value, list | tuple):
        # pydantic words a ValueError for a person, and passes a TypeError on
        raise ValueError("give a text in quotes, or a list of them")  # noqa: TRY004
    # what a validator hands on is no JSON any more, and strictly a list is no tuple
    return tuple(value) if isinstance(value, list) else value


# one text, or a list of them
Texts = Annotated[tuple[str, ...], BeforeValidator(_several)]
# the keys that only kind slack has
_OF_BOTS = ("token", "token_file", "channel", "app_token", "app_token_file")
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}"


def _named(name: str) -> str:
    if re.fullmatch(_NAME, name) is None:
        raise ValueError("use letters, digits, '.', '_' and '-', 64 of them at most")
    return name


class Channel(Table):
    """``[[notifier.channels]]``: one place in one chat.

    Attributes:
        name: ours, unique; appears in the API, on the metrics and in logs.
        kind: slack (bot token), slack_webhook or discord_webhook.
        token: bot token; exclusive with ``token_file`` (slack).
        token_file: file that holds the bot token; re-read when it changes (slack).
        app_token: app token, for buttons over Socket Mode; exclusive with ``app_token_file``
            (slack).
        app_token_file: file that holds the app token (slack).
        channel: Slack channel id, for example C0123456789 (slack).
        api_url: base URL of Slack's Web API (slack).
        url: the webhook's URL; exclusive with ``url_file`` (slack_webhook, discord_webhook).
        url_file: file that holds the URL; re-read when it changes (slack_webhook,
            discord_webhook).
        match: label → values; an incident goes here if any of its alerts has such a label each.
        mentions: severity → what to mention; the only source of pings.
        language: of the fixed words; None takes the notifier's.
        title_template: Jinja source of the first line; exclusive with ``title_template_file``.
        title_template_file: file that holds it; read again when it changes.
        text_template: Jinja source of the paragraph below the values; exclusive with
            ``text_template_file``.
        text_template_file: file that holds it; read again when it changes.
        charts: whether messages get a chart of their alert; None takes the notifier's
            (slack_webhook shows none).
        broadcast: show replies in the channel too, not only in the thread (slack).
        thread_id: post into this thread (discord_webhook).
    """

    name: Annotated[str, AfterValidator(_named)]
    kind: ChannelKind
    token: str | None = None
    token_file: Path | None = None
    app_token: str | None = None
    app_token_file: Path | None = None
    channel: str | None = None
    api_url: str = "https://slack.com/api/"
    url: str | None = None
    url_file: Path | None = None
    match: Mapping[str, Texts] = Field(default_factory=dict)
    mentions: Mapping[str, Texts] = Field(default_factory=dict)
    language: Language | None = None
    title_template: str | None = None
    title_template_file: Path | None = None
    text_template: str | None = None
    text_template_file: Path | None = None
    charts: bool | None = None
    broadcast: bool = False
    thread_id: str | None = None

    @model_validator(mode="after")
    def _check(self) -> "Channel":
        bot = self.kind is ChannelKind.SLACK
        _needs_one(self, "token" if bot else "url")
        _refuse(self, ("url", "url_file") if bot else _OF_BOTS)
        for key in ("app_token", "title_template", "text_template"):
            _one_at_most(self.name, key, getattr(self, key), getattr(self, f"{key}_file"))
        if self.charts and self.kind is ChannelKind.SLACK_WEBHOOK:
            raise ValueError(f"channel {self.name}: an incoming webhook cannot show charts")
        if bot and not self.channel:
            raise ValueError(f"channel {self.name}: kind slack needs channel, the channel's id")
        return self

    @property
    def buttons(self) -> bool:
        """Whether its messages have buttons."""
        return self.app_token is not None or self.app_token_file is not None

    def app_secret(self, loaded: Loaded[Any]) -> Secret | None:
        """The app token; None without one."""
        file = loaded.path(self.app_token_file) if self.app_token_file else None
        return optional_secret(f"channel {self.name}: app_token", self.app_token, file)

    def secret(self, loaded: Loaded[Any]) -> Secret:
        """The token of the bot, or the URL of the webhook."""
        key = "token" if self.kind is ChannelKind.SLACK else "url"
        value, file = getattr(self, key), getattr(self, f"{key}_file")
        where = f"channel {self.name}: {key}"
        return Secret(where, value=value, file=loaded.path(file) if file else None)


def _needs_one(channel: Channel, key: str) -> None:
    given = [k for k in (key, f"{key}_file") if getattr(channel, k) is not None]
    if len(given) != 1:
        both = "not both" if given else "exactly one"
        raise ValueError(f"channel {channel.name}: give {key} or {key}_file, {both}")


def _one_at_most(channel: str, key: str, value: str | None, file: Path | None) -> None:
    if value is not None and file is not None:
        raise ValueError(f"channel {channel}: give {key} or {key}_file, not both")


def _refuse(channel: Channel, keys: tuple[str, ...]) -> None:
    for key in keys:
        if getattr(channel, key) is not None:
            raise ValueError(f"channel {channel.name}: kind {channel.kind} has no {key}; remove it")


class Notifier(HttpService):
    """``[notifier]``: the receiver, its database and its channels.

    Attributes:
        public_url: the address under which people reach the pages, and where messages link to;
            that of ``listen`` if unset. Its host passes the Host check.
        database: SQLAlchemy URL; a relative SQLite path starts at the base directory.
        alertmanager_url: where messages link to for Alertmanager's pages, and where silences are
            made and followed; "" switches them off.
        alertmanager_api_url: where silences are made and followed, if not there.
        prometheus_url: where messages link to for graphs.
        prometheus_query_url: where charts are read from, if not there: readers' browsers and this
            service may know Prometheus by different names.
        grafana_url: where messages link to for dashboards.
        incident_by: labels that fold groups into one incident; () makes each group its own.
        reopen_seconds: an alert that fires again within this time re-opens its incident.
        heartbeat_timeout_seconds: silence of the Watchdog that means "alerting is down"; 0 = off.
        alive_url: address outside that is asked each minute while all is well, so that its silence
            says that the notifier died; exclusive with ``alive_url_file``.
        alive_url_file: file that holds it: whoever knows the address can pretend that we live.
        digest_after_seconds: a backlog of incidents without a message that the limits of a chat
            would hold back for longer gets one digest; 0 = never.
        max_body_bytes: larger webhook bodies are answered 413.
        retention_days: resolved incidents and dead letters older than this are removed.
        retention_megabytes: bound on the stored size; the oldest resolved incidents go first.
        waiting_line: webhooks that may wait for a commit; beyond it the answer is 503.
        silence_hours: length of a silence that is asked for without one.
        ack_minutes: an acknowledgement is a silence of this length, renewed while it fires.
        language: of the fixed words; a channel may differ.
        charts: whether messages get a chart of their alert, which needs the extra ``charts``; a
            channel may differ.
        channels: where messages go.
    """

    listen: ListenAddress = "127.0.0.1:9099"
    database: str = "sqlite:///var/notifier.db"
    alertmanager_url: StackUrl = "http://127.0.0.1:9093"
    alertmanager_api_url: str | None = None
    prometheus_url: StackUrl = "http://127.0.0.1:9090"
    prometheus_query_url: str | None = None
    grafana_url: StackUrl = "http://127.0.0.1:3000"
    incident_by: tuple[str, ...] = ()
    reopen_seconds: float = Field(default=600, ge=0, le=YEAR_SECONDS)
    heartbeat_timeout_seconds: float = Field(default=180, ge=0, le=YEAR_SECONDS)
    alive_url: str | None = None
    alive_url_file: Path | None = None
    digest_after_seconds: float = Field(default=60, ge=0, le=YEAR_SECONDS)
    max_body_bytes: int = Field(default=16 * 1024 * 1024, gt=0)
    retention_days: float = Field(default=30, gt=0, le=36_500)
    retention_megabytes: float = Field(default=512, gt=0, le=1e9)
    waiting_line: int = Field(default=1024, gt=0)
    silence_hours: float = Field(default=2, gt=0, le=8760)
    ack_minutes: float = Field(default=15, ge=1, le=1440)
    language: Language = Language.ENGLISH
    charts: bool = True
    channels: tuple[Channel, ...] = ()

    @model_validator(mode="after")
    def _check_names(self) -> "Notifier":
        names = [channel.name for channel in self.channels]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"channels: the name {twice[0]!r} is used twice; choose another")
        if self.alive_url is not None and self.alive_url_file is not None:
            raise ValueError("give alive_url or alive_url_file, not both")
        return self

    @property
    def linked_to(self) -> str:
        """Where messages link to."""
        return self.public_url or f"http://{Listen.parse(self.listen).here}"

    @property
    def charted(self) -> tuple[str, ...]:
        """The names of the channels whose messages are to get charts."""
        able = (each for each in self.channels if each.kind is not ChannelKind.SLACK_WEBHOOK)
        wanted = (c.name for c in able if (self.charts if c.charts is None else c.charts))
        return tuple(wanted) if self.charts_from else ()

    @property
    def silences_at(self) -> str:
        """The address of the Alertmanager that silences are made at; "" without one."""
        asked = self.alertmanager_api_url
        return self.alertmanager_url if asked is None else asked

    @property
    def charts_from(self) -> str:
        """The address of the Prometheus that charts are read from; "" without one."""
        queried = self.prometheus_query_url
        return self.prometheus_url if queried is None else queried

    def alive_secret(self, loaded: Loaded[Any]) -> Secret | None:
        """The address that hears that we live, or None without one."""
        path = loaded.path(self.alive_url_file) if self.alive_url_file else None
        return optional_secret("[notifier] alive_url", self.alive_url, path)

    def token(self, loaded: Loaded[Any]) -> Secret | None:
        """The bearer token of the receiver, or None without one."""
        file = self.bearer_token_file
        path = loaded.path(file) if file else None
        return optional_secret("[notifier] bearer_token", self.bearer_token, path)


class Telemetry(BaseModel):
    """What the notifier takes from ``[telemetry]``, which another package owns.

    Attributes:
        otlp_endpoint: base URL of an OTLP/HTTP receiver; ``/v1/metrics`` is appended. ``""``
            pushes nowhere: for who scrapes ``/metrics``, or has no use for them.
        traces: whether the notifier makes spans, and pushes them to ``otlp_endpoint``.
        traces_endpoint: full URL to push spans to instead, with its path; ``""`` is
            ``otlp_endpoint`` with ``/v1/traces``.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    otlp_endpoint: StackUrl = "http://127.0.0.1:4318"
    traces: bool = False
    traces_endpoint: str = ""


class Settings(Table):
    """All tables of this package; frozen."""

    notifier: Notifier = Notifier()
    telemetry: Telemetry = Telemetry()


def load(
    *,
    config: Path | None = None,
    arguments: Tree | None = None,
    offset: int | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded[Settings]:
    """The settings in force; see ``wiltonos_service.settings.load_settings``.

    Raises:
        SettingsError: a value, a key or a file is wrong.
    """
    environ = os.environ if environ is None else environ
    return load_settings(
        Settings,
        config=config,
        arguments=arguments,
        otel=_otel(environ),
        offset=offset,
        environ=environ,
    )


def _otel(environ: Mapping[str, str]) -> Tree | None:
    """What the standard variables say about our keys (OpenTelemetry specification, SDK env)."""
    told: Tree = {}
    if endpoint := environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        told["otlp_endpoint"] = endpoint
    told |= traces_of(environ)
    return {"telemetry": told} if told else None
