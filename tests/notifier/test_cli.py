"""``wt notifier``: what an operator can do, with the service and without."""

import asyncio
import json
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from notifier.building import make_planner
from notifier.cli import notifier
from notifier.cli.text import json_text
from notifier.settings import load
from notifier.store import open_store
from notifier.testing import slack_error
from notifier.testing.webhooks import alert, encoded, webhook
from wiltonos_service.errors import OperatorError

INBOX = '[notifier]\nlisten = "127.0.0.1:{port}"\ndatabase = "sqlite:///n.db"\n'


def call(*arguments: str | Path, text: bytes | None = None) -> Result:
    """Run a command as ``wt notifier`` would."""
    return CliRunner().invoke(notifier, [str(each) for each in arguments], input=text)


async def called(*arguments: str | Path) -> Result:
    """The same beside a service in this event loop."""
    return await asyncio.to_thread(call, *arguments)


@pytest.fixture
def inbox(tmp_path: Path, unused_tcp_port: int) -> Path:
    """A configuration without channels, its database, and no service that runs."""
    file = tmp_path / "wiltonos.toml"
    file.write_text(INBOX.format(port=unused_tcp_port))

    async def make() -> None:
        loaded = load(config=file, environ={})
        url = loaded.database_url(loaded.settings.notifier.database)
        await (await open_store(url, make_planner(loaded))).close()

    asyncio.run(make())
    return file


def test_every_command_says_what_it_is_for() -> None:
    """Each has a help text."""

    def walk(group: click.Group) -> None:
        for command in group.commands.values():
            assert command.help
            if isinstance(command, click.Group):
                walk(command)

    walk(notifier)


def test_fakes_on_a_port_in_use_end_with_one_line() -> None:
    """It names the address, and how to choose others."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = call("fakes", "--slack-port", str(port), "--discord-port", "0")
    assert isinstance(result.exception, OperatorError)
    assert str(port) in str(result.exception)
    assert "--slack-port" in str(result.exception)


@pytest.mark.parametrize(
    ("kind", "mention", "good"),
    [
        ("discord", "here", "@here"),
        ("discord", "<!channel>", "<@&123456789>"),
        ("slack", "@channel", "<!channel>"),
        ("slack", "<@&123456789>", "<!subteam^S123>"),
    ],
)
def test_check_config_finds_a_mention_that_wakes_nobody(
    tmp_path: Path, kind: str, mention: str, good: str
) -> None:
    """It would stand in the message as words, and nobody would know before the night it matters."""
    file, (chat, url) = tmp_path / "wiltonos.toml", CHATS[kind]
    channel = f'[[notifier.channels]]\nname = "c"\nkind = "{chat}"\nurl = "{url}"\n'
    file.write_text(f'{channel}mentions = {{ critical = "{mention}" }}\n')
    said = str(call("check-config", "--config", file).exception)
    assert f"channel c: mentions.critical: '{mention}' pings nobody here; write " in said
    file.write_text(f'{channel}mentions = {{ critical = "{good}" }}\n')
    assert "good" in call("check-config", "--config", file).output


CHATS = {
    "discord": ("discord_webhook", "https://discord.com/api/webhooks/1/x"),
    "slack": ("slack_webhook", "https://hooks.slack.com/services/T1/B1/x"),
}


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ('alertmanager_url = "127.0.0.1:9093"', "alertmanager_url: '127.0.0.1:9093' is no address"),
        ('public_url = "notifier.example"', "public_url: 'notifier.example' is no address"),
        ('grafana_url = "http://:3000"', "grafana_url: 'http://:3000' is no address"),
        ('database = "mysql://host/name"', "database: must be sqlite:///path or postgresql://"),
        ('database = "sqlite://"', "database: must be sqlite:///path or postgresql://"),
    ],
)
def test_check_config_finds_an_address_that_is_none(tmp_path: Path, line: str, says: str) -> None:
    """Its links would be left out of every message, and silences fail when they are wanted."""
    file = tmp_path / "wiltonos.toml"
    file.write_text(f"[notifier]\n{line}\n")
    assert says in str(call("check-config", "--config", file).exception)


def test_json_steers_no_terminal() -> None:
    """It says the same, in the form that no terminal takes for a command or turns around."""
    said = {"alertname": "\x9b31m\u202eé\U000e0001\x1b[2J", "ok": "Φ 🔴 日本"}
    text = json_text(said, 2)
    assert json.loads(text) == said
    assert all(each.isprintable() for each in text.splitlines())
    assert "Φ 🔴 日本" in text
    assert "é" in text


def test_check_config_names_every_missing_secret(tmp_path: Path) -> None:
    """All of them at once, one line each, and exit code 2."""
    file = tmp_path / "wiltonos.toml"
    file.write_text(
        '[notifier]\nbearer_token_file = "t"\n[[notifier.channels]]\nname = "d"\n'
        'kind = "discord_webhook"\nurl_file = "u"\n'
    )
    result = call("check-config", "--config", file)
    assert isinstance(result.exception, OperatorError)
    assert result.exception.exit_code == 2
    first, second = str(result.exception).splitlines()
    assert "bearer_token_file" in first
    assert "channel d: url_file" in second
    for name in "tu":
        (tmp_path / name).write_text("https://discord.com/api/webhooks/1/x")
    assert (
        "good; listens on 127.0.0.1:9099; channels: d"
        in call("check-config", "--config", file).output
    )


@pytest.mark.parametrize("command", [["incidents"], ["dead-letters", "list"]])
def test_without_a_service_and_a_database_there_is_nothing_to_answer(
    inbox: Path, command: list[str]
) -> None:
    """One line says what was looked for, and no empty database is made."""
    (inbox.parent / "n.db").unlink()
    result = call(*command, "--config", inbox)
    assert isinstance(result.exception, OperatorError)
    assert "n.db" in str(result.exception)
    assert "--config" in str(result.exception)
    assert not (inbox.parent / "n.db").exists()


def test_without_a_service_the_database_answers(inbox: Path) -> None:
    """Empty, readable and as JSON."""
    assert json.loads(call("incidents", "--json", "--config", inbox).output) == {
        "incidents": [],
        "next_cursor": None,
    }
    listed = call("dead-letters", "list", "--json", "--config", inbox)
    assert json.loads(listed.output) == {"dead_letters": []}
    assert "0 replayed" in call("dead-letters", "replay", "--all", "--config", inbox).output


async def test_a_reload_says_what_it_could_not_take(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    """What the service was built on waits for a start, a mistake changes nothing."""
    run = await start(extra='bearer_token = "let-me-in"')
    file = tmp_path / "wiltonos.toml"
    good = file.read_text().replace("127.0.0.1:0", run.base.removeprefix("http://"))
    file.write_text(good)
    result = await called("reload", "--config", file)
    assert "reloaded; at the next start only: [notifier] listen" in result.output
    # the command reads what it needs; the rest is for the service to judge
    file.write_text(
        good + '\n[[notifier.channels]]\nname = "d"\nkind = "discord_webhook"\nurl_file = "none"\n'
    )
    result = await called("reload", "--config", file)
    assert isinstance(result.exception, OperatorError)
    assert "none" in str(result.exception)


def test_without_a_service_there_is_nothing_to_reload(inbox: Path) -> None:
    """One line, and not the silence of something done."""
    result = call("reload", "--config", inbox)
    assert isinstance(result.exception, OperatorError)
    assert "no notifier runs" in str(result.exception)


def test_a_letter_that_is_not_there_is_one_line(inbox: Path) -> None:
    """Exit code 1 with the id."""
    for command in ("show", "replay", "drop"):
        result = call("dead-letters", command, "none", "--config", inbox)
        assert isinstance(result.exception, OperatorError)
        assert result.exception.exit_code == 1
        assert "none" in str(result.exception)


def test_either_one_id_or_all(inbox: Path) -> None:
    """Neither and both are wrong usage."""
    for arguments in ([], ["x", "--all"]):
        result = call("dead-letters", "drop", "--config", inbox, *arguments)
        assert isinstance(result.exception, OperatorError)
        assert result.exception.exit_code == 2


async def test_the_running_service_is_asked(start: Callable[..., Any], tmp_path: Path) -> None:
    """List, show, replay and drop through HTTP, with the token of the configuration."""
    run = await start(extra='bearer_token = "let-me-in"')
    address = run.base.removeprefix("http://")
    file = tmp_path / "wiltonos.toml"
    file.write_text(file.read_text().replace("127.0.0.1:0", address))
    hostile = encoded(webhook(alert("\x1b[31mred"), group_key="g"))
    letter = await run.service.store.add_ingest_letter(
        "payload", "because \x1b[31m", hostile.decode(), run.service.clock.now()
    )
    listed = await called("dead-letters", "list", "--config", file)
    assert letter in listed.output
    assert "\x1b" not in listed.output
    shown = await called("dead-letters", "show", letter, "--json", "--config", file)
    assert json.loads(shown.output)["payload"] == hostile.decode()
    assert "1 replayed" in (await called("dead-letters", "replay", letter, "--config", file)).output
    incidents = await called("incidents", "--config", file)
    assert "firing" in incidents.output
    assert "\x1b" not in incidents.output
    run.service.guard.token._value = "changed"
    refused = await called("dead-letters", "drop", letter, "--config", file)
    assert "refuses our token" in str(refused.exception)


async def test_test_sends_edits_and_removes(start: Callable[..., Any], tmp_path: Path) -> None:
    """A real message on every channel, and nothing left behind."""
    run = await start()
    file = tmp_path / "wiltonos.toml"
    result = await called("test", "--config", file)
    assert result.output.splitlines() == [
        f"ok   {channel}: {what}"
        for channel in ("slack", "discord")
        for what in ("posted", "edited", "removed")
    ]
    assert run.slack_messages() == run.discord.shown() == []
    run.slack.faults.add(slack_error("channel_not_found"))
    result = await called("test", "--channel", "slack", "--config", file)
    assert "FAIL slack: not posted: destination_dead" in result.output
    assert isinstance(result.exception, OperatorError)


async def test_test_shows_a_chart(start: Callable[..., Any], tmp_path: Path) -> None:
    """Drawn here, uploaded and shown; a missing scope is named, a missing library is no failure."""
    pytest.importorskip("matplotlib", reason="charts are an extra")
    run = await start(extra="charts = true")
    file = tmp_path / "wiltonos.toml"
    result = await called("test", "--keep", "--config", file)
    assert "ok   slack: shown a chart" in result.output
    assert "ok   discord: shown a chart" in result.output
    for message in (*run.slack_messages(), *run.discord.shown()):
        assert len(message.files) == 1
    run.slack.scopes.discard("files:write")
    result = await called("test", "--channel", "slack", "--config", file)
    assert "FAIL slack: not shown a chart: destination_dead missing_scope" in result.output
    assert "files:write" in result.output


async def test_without_the_library_test_says_what_to_install(
    start: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The channel works all the same, and the configuration is good."""
    await start(extra="charts = true")
    monkeypatch.setattr("notifier.cli.channels.can_draw", lambda: False)
    monkeypatch.setattr("notifier.deliver.charts.can_draw", lambda: False)
    file = tmp_path / "wiltonos.toml"
    result = await called("test", "--config", file)
    assert result.output.count('no chart: matplotlib is not installed; run: pip install "') == 2
    assert result.exit_code == 0
    assert "messages get no charts: matplotlib" in call("check-config", "--config", file).output


async def test_render_prints_what_each_chat_would_get(
    start: Callable[..., Any], tmp_path: Path
) -> None:
    """Exact JSON by channel; of both chats where none is configured; a wrong name is said."""
    await start()
    file = tmp_path / "wiltonos.toml"
    (tmp_path / "payload.json").write_bytes(encoded(webhook(alert("Disk"))))
    document = json.loads(
        (await called("render", tmp_path / "payload.json", "--config", file)).output
    )
    assert set(document) == {"slack", "discord"}
    assert document["slack"]["blocks"][0]["type"] == "header"
    assert document["discord"]["allowed_mentions"]
    wrong = await called("render", tmp_path / "payload.json", "--channel", "x", "--config", file)
    assert "configured: slack, discord" in str(wrong.exception)


def test_render_reads_stdin_and_refuses_what_is_no_payload(inbox: Path) -> None:
    """The reason is one line."""
    result = call("render", "-", "--config", inbox, text=encoded(webhook(alert())))
    assert set(json.loads(result.output)) == {"slack", "discord"}
    result = call("render", "-", "--config", inbox, text=b"{}")
    assert "version is missing" in str(result.exception)
