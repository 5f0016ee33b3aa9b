"""``[notifier]``: what is taken, and how mistakes are named."""

from pathlib import Path

import pytest

from notifier.settings import ChannelKind, Settings, load
from wiltonos_service.errors import SettingsError
from wiltonos_service.settings import Loaded

EXAMPLE = """
[notifier]
listen = "127.0.0.1:9099"
database = "sqlite:///var/notifier.db"
alertmanager_url = "http://127.0.0.1:9093"
incident_by = ["job", "instance"]
reopen_seconds = 600
heartbeat_timeout_seconds = 180
max_body_bytes = 16777216
retention_days = 30
language = "pt-BR"

[[notifier.channels]]
name = "ops-slack"
kind = "slack"
token_file = "secrets/slack_bot_token"
channel = "C0123456789"
api_url = "https://slack.com/api/"

[[notifier.channels]]
name = "ops-discord"
kind = "discord_webhook"
url_file = "secrets/discord_webhook_url"
match = { severity = ["warning", "critical"], team = "core" }
mentions = { critical = ["<@&123456789>"] }
language = "en"
"""


def read(tmp_path: Path, text: str) -> Loaded[Settings]:
    """The settings of a file with this text."""
    file = tmp_path / "wiltonos.toml"
    file.write_text(text)
    return load(config=file, environ={})


def test_every_documented_key_is_taken(tmp_path: Path) -> None:
    """The example of the reference is read as it stands."""
    table = read(tmp_path, EXAMPLE).settings.notifier
    assert table.incident_by == ("job", "instance")
    slack, discord = table.channels
    assert (slack.kind, slack.channel) == (ChannelKind.SLACK, "C0123456789")
    assert discord.match == {"severity": ("warning", "critical"), "team": ("core",)}
    assert discord.mentions == {"critical": ("<@&123456789>",)}


def test_without_a_file_there_is_an_inbox_and_no_channel() -> None:
    """Defaults are enough to start; the port offset moves every default address."""
    table = load(environ={}, offset=100).settings.notifier
    assert (table.listen, table.linked_to) == ("127.0.0.1:9199", "http://127.0.0.1:9199")
    assert table.channels == ()
    assert table.incident_by == ()


@pytest.mark.parametrize(
    ("listen", "linked_to"),
    [
        ("127.0.0.1:9200", "http://127.0.0.1:9200"),
        ("0.0.0.0:9200", "http://127.0.0.1:9200"),
        ("[::]:9200", "http://[::1]:9200"),
        ("192.0.2.7:9200", "http://192.0.2.7:9200"),
    ],
)
def test_messages_link_to_where_the_notifier_listens(
    tmp_path: Path, listen: str, linked_to: str
) -> None:
    """Whoever moves the notifier need not say it twice, and a stated address stays."""
    text = f'[notifier]\nlisten = "{listen}"\n'
    assert read(tmp_path, text).settings.notifier.linked_to == linked_to
    stated = text + 'public_url = "https://alerts.example.org"\n'
    assert read(tmp_path, stated).settings.notifier.linked_to == "https://alerts.example.org"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("name = ", "nam = "), "channels.0.nam: unknown key; did you mean 'name'"),
        (('kind = "slack"', 'kind = "teams"'), "slack_webhook"),
        (("token_file", "url_file"), "channel ops-slack: give token or token_file, exactly one"),
        (("channel = ", "broadcast = true\n#"), "channel ops-slack: kind slack needs channel"),
        (("url_file", "token_file"), "channel ops-discord: give url or url_file, exactly one"),
        (('url_file = "', 'url = "x"\nurl_file = "'), "give url or url_file, not both"),
        (("ops-discord", "ops-slack"), "the name 'ops-slack' is used twice"),
        (('"ops-slack"', '"a b"'), "channels.0.name: use letters, digits"),
        (('team = "core"', "team = 3"), "match.team: give a text in quotes, or a list"),
        (("reopen_seconds = 600", 'reopen_seconds = "soon"'), "[notifier] reopen_seconds"),
        (("retention_days = 30", "retention_days = 0"), "[notifier] retention_days"),
        # later than every date, which would be an error when it is first needed
        (("retention_days = 30", "retention_days = 1e6"), "[notifier] retention_days"),
        (("reopen_seconds = 600", "reopen_seconds = inf"), "[notifier] reopen_seconds"),
        (('language = "pt-BR"', 'language = "de"'), "[notifier] language"),
        (("9099", "909999"), "[notifier] listen"),
    ],
)  # fmt: skip
def test_each_mistake_is_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    """The error names the file, the key and what would be right."""
    with pytest.raises(SettingsError) as caught:
        read(tmp_path, EXAMPLE.replace(*change, 1))
    assert str(tmp_path / "wiltonos.toml") in str(caught.value)
    assert message in str(caught.value)


def test_a_missing_secret_file_is_named_with_the_fix(tmp_path: Path) -> None:
    """The channel, the file and what to do are in one line."""
    loaded = read(tmp_path, EXAMPLE)
    secret = loaded.settings.notifier.channels[0].secret(loaded)
    with pytest.raises(SettingsError, match=r"ops-slack: token_file: .*write the secret to that"):
        secret.read()
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "slack_bot_token").write_text("xoxb-1\n")
    assert secret.read() == "xoxb-1"


def test_foreign_tables_are_left_to_their_owners(tmp_path: Path) -> None:
    """Keys of [telemetry] that the notifier does not use are no error of its own."""
    loaded = read(tmp_path, '[telemetry]\notlp_endpoint = "http://c:4318"\nanything = 1\n')
    assert loaded.settings.telemetry.otlp_endpoint == "http://c:4318"


@pytest.mark.parametrize(
    ("variables", "traces", "endpoint"),
    [
        ({}, False, ""),
        ({"OTEL_TRACES_EXPORTER": "otlp"}, True, ""),
        ({"OTEL_TRACES_EXPORTER": "otlp_proto_http"}, True, ""),
        ({"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/v1/traces"}, True, "http://t/v1/traces"),
        (
            {
                "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://t/v1/traces",
                "OTEL_TRACES_EXPORTER": "none",
            },
            False,
            "http://t/v1/traces",
        ),
    ],
)
def test_the_standard_variables_switch_traces(
    variables: dict[str, str], traces: bool, endpoint: str
) -> None:
    """As the OpenTelemetry specification names them; without them nothing is traced."""
    telemetry = load(environ=variables).settings.telemetry
    assert (telemetry.traces, telemetry.traces_endpoint) == (traces, endpoint)


def test_an_exporter_of_traces_that_is_not_there_is_refused() -> None:
    """Better one line than traces that go nowhere."""
    with pytest.raises(SettingsError, match='state "otlp" or "none"'):
        load(environ={"OTEL_TRACES_EXPORTER": "zipkin"})
