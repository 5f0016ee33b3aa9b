"""A new configuration while the service runs."""

import asyncio
import os
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from aiohttp import web
from structlog.testing import capture_logs

from notifier.reloading import FIXED
from notifier.settings import Notifier
from notifier.testing import answer
from notifier.testing.slack_socket import APP_TOKEN
from notifier.testing.webhooks import Body, alert, webhook
from wiltonos_service.listen import Listen

START = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)


def firing(name: str, **more: Any) -> Body:
    """A group of its own."""
    return webhook(alert(name, starts_at=START, **more), group_key=name)


def rewrite(run: Any, *changes: tuple[str, str]) -> None:
    """Change the configuration file."""
    file = run.directory / "wiltonos.toml"
    text = file.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    file.write_text(text)


async def reload(run: Any, status: int = 200) -> Any:
    """Ask for it, as people with a script do."""
    async with run.http.post(f"{run.base}/-/reload") as response:
        assert response.status == status
        return await response.json()


async def test_channels_come_and_go(start: Callable[..., Any], texts: dict[str, str]) -> None:
    """A new channel gets what happens from then on, one that is gone gets nothing more."""
    run = await start(texts["discord"])
    await run.post(firing("A"))
    await run.delivered()
    file = run.directory / "wiltonos.toml"
    both = file.read_text()
    slack = texts["slack"].format(slack=run.slack, channel="C0000000001")
    file.write_text(f"{both}\n{slack}")
    assert await reload(run) == {"status": "reloaded", "needs_restart": []}
    await run.post(firing("B"))
    await run.delivered(2)
    assert [m.text.count("B is wrong") > 0 for m in run.slack_messages()] == [True]
    file.write_text(both.partition("[[notifier.channels]]")[0] + slack)
    await reload(run)
    await run.post(firing("C"))
    await run.delivered(3)
    assert len(run.discord.shown()) == 2
    assert len(run.slack_messages()) == 2


@pytest.mark.parametrize("restarted", [False, True])
async def test_the_death_of_a_channel_that_is_removed_is_over(
    start: Callable[..., Any],
    texts: dict[str, str],
    eventually: Callable[..., Any],
    restarted: bool,
) -> None:
    """Nobody will ever reach it again, and nobody is to: that is no incident for ever."""
    run = await start(texts["slack"] + texts["discord"])
    run.discord.faults.always("gone", answer(404, '{"code": 10015}'))
    await run.post(firing("A"))

    async def told() -> bool:
        return any("cannot be reached" in each.text for each in run.slack_messages())

    await eventually(told)
    if restarted:
        await run.end()
        run = await start(texts["slack"])
    else:
        file = run.directory / "wiltonos.toml"
        text = file.read_text()
        file.write_text(text[: text.index("[[notifier.channels]]", text.index('"slack"'))])
        await reload(run)

    async def over() -> bool:
        (death,) = [m for m in run.slack_messages() if "cannot be reached" in m.text]
        return "Resolved" in death.text

    await eventually(over)


async def test_the_signal_changes_routes_language_and_words(
    start: Callable[..., Any], texts: dict[str, str], eventually: Callable[..., Any]
) -> None:
    """``SIGHUP`` takes routes, words and templates; what has arrived stays where it is."""
    run = await start(texts["discord"])
    more = 'match = { severity = "critical" }\nlanguage = "pt-BR"\ntext_template = "own words"\n'
    rewrite(run, ('kind = "discord_webhook"\n', f'kind = "discord_webhook"\n{more}'))
    with capture_logs() as lines:
        os.kill(os.getpid(), signal.SIGHUP)

        async def reloaded() -> bool:
            return any(line["event"] == "configuration reloaded" for line in lines)

        await eventually(reloaded)
    await run.post(firing("A", severity="warning"))
    await run.post(firing("B", severity="critical"))
    await run.delivered(2)
    (message,) = run.discord.shown()
    assert "Crítico" in message.text
    assert "own words" in message.text


@pytest.mark.parametrize(
    "change",
    [
        ('kind = "discord_webhook"', 'kind = "teams"'),
        ('url_file = "discord_url"', 'url_file = "nowhere"'),
        ('url_file = "discord_url"', 'url_file = "discord_url"\ntext_template = "{{ nope }}"'),
        ("[notifier]", "[notifier"),
    ],
)
async def test_a_wrong_configuration_is_refused_and_the_old_one_goes_on(
    start: Callable[..., Any], texts: dict[str, str], change: tuple[str, str]
) -> None:
    """One line in the log, in the answer and among what is degraded, until it is mended."""
    run = await start(texts["discord"])
    right = (run.directory / "wiltonos.toml").read_text()
    rewrite(run, change)
    with capture_logs() as lines:
        problem = (await reload(run, 500))["error"]
    assert "wiltonos.toml" in problem
    assert [line["log_level"] for line in lines] == ["error"]
    assert f"new configuration refused: {problem}" in (await run.get("/-/ready"))["degraded"]
    await run.post(firing("A"))
    await run.delivered()
    assert len(run.discord.shown()) == 1
    (run.directory / "wiltonos.toml").write_text(right)
    await reload(run)
    assert (await run.get("/-/ready"))["degraded"] == []


async def test_what_needs_a_restart_is_said(
    start: Callable[..., Any], texts: dict[str, str]
) -> None:
    """The rest takes effect at once."""
    run = await start(texts["discord"])
    rewrite(
        run,
        ("notifier.db", "another.db"),
        (
            "[notifier]",
            '[telemetry]\notlp_endpoint = "http://127.0.0.1:1"\ntraces = true\n[notifier]',
        ),
    )
    done = await reload(run)
    assert done["needs_restart"] == [
        "[notifier] database",
        "[telemetry] otlp_endpoint",
        "[telemetry] traces",
    ]
    await run.post(firing("A"))
    await run.delivered()


async def test_a_reload_needs_the_token(start: Callable[..., Any], texts: dict[str, str]) -> None:
    """Like everything that changes something."""
    run = await start(texts["discord"], extra='bearer_token = "let-me-in"')
    assert "token" in (await reload(run, 401))["error"]
    headers = {"Authorization": "Bearer let-me-in"}
    async with run.http.post(f"{run.base}/-/reload", headers=headers) as response:
        assert response.status == 200
    async with run.http.get(f"{run.base}/-/ready") as response:
        assert response.status == 200


async def test_what_is_under_way_is_neither_lost_nor_doubled(
    start: Callable[..., Any], texts: dict[str, str], eventually: Callable[..., Any]
) -> None:
    """A channel is made anew while its requests are under way: each incident is shown once."""
    run = await start(texts["discord"])
    gate, under_way = asyncio.Event(), []
    exchange = run.discord._exchange

    async def slowly(request: Any, operation: Any, process: Any) -> Any:
        under_way.append(operation)
        await gate.wait()
        return await exchange(request, operation, process)

    run.discord._exchange = slowly
    names = [f"N{number}" for number in range(5)]
    await asyncio.gather(*(run.post(firing(name, severity="critical")) for name in names))
    file = run.directory / "wiltonos.toml"
    text = file.read_text()
    for lanes, language in ((4, "pt-BR"), (5, "en")):

        async def busy(lanes: int = lanes) -> bool:
            return len(under_way) >= lanes

        await eventually(busy)
        file.write_text(f'{text}language = "{language}"\n')
        await reload(run)
    gate.set()
    await run.delivered(5)
    said = " ".join(message.text for message in run.discord.shown())
    assert [said.count(f" {name} is wrong") for name in names] == [1] * 5
    ended = alert(names[0], severity="critical", starts_at=START, ends_at=END)
    await run.post(webhook(ended, group_key=names[0]))
    await run.delivered(5)
    shown = run.discord.shown()
    assert len(shown) == 5
    assert sum("Resolved" in message.text for message in shown) == 1


NEW = "http://127.0.0.1:1"
# key → a new value, and where the running service has it then
TAKEN: dict[str, tuple[str, Callable[[Any], Any], Any]] = {
    "prometheus_url": (f'"{NEW}"', lambda s: s.inbox.context.prometheus_url, NEW),
    "grafana_url": (f'"{NEW}"', lambda s: s.inbox.context.grafana_url, NEW),
    "prometheus_query_url": (f'"{NEW}"', lambda s: s.table.charts_from, NEW),
    "incident_by": ('["job"]', lambda s: s.store._step.planner.incident_by, ("job",)),
    "reopen_seconds": ("7", lambda s: s.store._step.planner.reopen_seconds, 7),
    "heartbeat_timeout_seconds": ("7", lambda s: s.deadman.timeout_seconds, 7),
    "alive_url": (f'"{NEW}"', lambda s: s.alive.address().read(), NEW),
    "alive_url_file": ('"alive"', lambda s: s.alive.address().read(), NEW),
    "digest_after_seconds": ("7", lambda s: s.channels._digest_after, 7),
    "max_body_bytes": ("777", lambda s: s.receiver.max_body_bytes, 777),
    "retention_days": ("7", lambda s: s.table.retention_days, 7),
    "retention_megabytes": ("7", lambda s: s.table.retention_megabytes, 7),
    "waiting_line": ("7", lambda s: s.store._accepting.bounds.items, 7),
    "silence_hours": ("7", lambda s: s.silences._desk.silence_hours, 7),
    "ack_minutes": ("7", lambda s: s.silences.follower.ack_minutes, 7),
    "language": ('"pt-BR"', lambda s: s.inbox.context.language, "pt-BR"),
}
# these have tests of their own
SEEN = {"alertmanager_url", "alertmanager_api_url", "bearer_token", "bearer_token_file",
        "public_url", "allowed_hosts", "channels", "charts"}  # fmt: skip


def test_every_key_is_taken_or_named() -> None:
    """A key that is added must be one or the other."""
    assert TAKEN.keys() | SEEN | set(FIXED) == Notifier.model_fields.keys()


@pytest.mark.parametrize("key", TAKEN)
async def test_a_key_takes_effect(
    start: Callable[..., Any], texts: dict[str, str], key: str
) -> None:
    """The part that it is for has it when the answer arrives."""
    run = await start(texts["discord"])
    (run.directory / "alive").write_text(NEW)
    value, seen, wanted = TAKEN[key]
    assert seen(run.service) != wanted if not key.startswith("alive") else True
    rewrite(run, ("[notifier]", f"[notifier]\n{key} = {value}"))
    assert (await reload(run))["needs_restart"] == []
    assert seen(run.service) == wanted


@pytest.mark.parametrize("key", ["bearer_token", "bearer_token_file"])
async def test_a_token_comes_and_goes(
    start: Callable[..., Any], texts: dict[str, str], key: str
) -> None:
    """The next request needs it, or none."""
    run = await start(texts["discord"])
    (run.directory / "token").write_text("let-me-in")
    value = "let-me-in" if key == "bearer_token" else "token"
    without = (run.directory / "wiltonos.toml").read_text()
    rewrite(run, ("[notifier]", f'[notifier]\n{key} = "{value}"'))
    await reload(run)
    await run.post(firing("A"), 401)
    (run.directory / "wiltonos.toml").write_text(without)
    async with run.http.post(
        f"{run.base}/-/reload", headers={"Authorization": "Bearer let-me-in"}
    ) as response:
        assert response.status == 200
    await run.post(firing("A"))


async def test_the_token_stays_where_other_machines_reach_the_service(
    start: Callable[..., Any], texts: dict[str, str]
) -> None:
    """A new ``listen`` takes no effect, so it is no reason to go without a token."""
    run = await start(texts["discord"], extra='bearer_token = "let-me-in"')
    run.service.listen = Listen.parse("0.0.0.0:9099")
    rewrite(run, ('bearer_token = "let-me-in"', ""))
    headers = {"Authorization": "Bearer let-me-in"}
    async with run.http.post(f"{run.base}/-/reload", headers=headers) as response:
        assert response.status == 500
        assert "there is no token" in (await response.json())["error"]
    await run.post(firing("A"), 401)


@pytest.mark.parametrize(
    "more", ['public_url = "http://notify.example"', 'allowed_hosts = ["notify.example"]']
)
async def test_a_host_may_come_at_once(
    start: Callable[..., Any], texts: dict[str, str], more: str
) -> None:
    """Links lead to it from then on, so it must not be refused."""
    run = await start(texts["discord"])
    host = {"Host": "notify.example"}
    async with run.http.get(f"{run.base}/", headers=host) as response:
        assert response.status == 403
    rewrite(run, ("[notifier]", f"[notifier]\n{more}"))
    await reload(run)
    async with run.http.get(f"{run.base}/", headers=host) as response:
        assert response.status == 200


@pytest.mark.parametrize("key", ["alertmanager_url", "alertmanager_api_url"])
async def test_silences_are_made_at_another_alertmanager(
    start: Callable[..., Any], texts: dict[str, str], eventually: Callable[..., Any], key: str
) -> None:
    """The one before is followed no more; links appear, and go when there is none."""
    asked: dict[str, int] = {"old": 0, "new": 0}
    app = web.Application()

    async def answer(request: web.Request) -> web.Response:
        asked[request.match_info["which"]] += 1
        return web.json_response([])

    app.router.add_get("/{which}/api/v2/{rest:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    base = f"http://127.0.0.1:{runner.addresses[0][1]}"
    run = await start(texts["discord"], extra=f'{key} = "{base}/old"')
    await run.post(firing("A"))
    await run.delivered()
    rewrite(run, (f"{base}/old", f"{base}/new"))
    await reload(run)
    before = asked["old"]

    async def followed() -> bool:
        return asked["new"] > 0

    await eventually(followed)
    assert asked["old"] == before
    rewrite(run, (f'"{base}/new"', '""'))
    assert (await reload(run))["needs_restart"] == []
    assert run.service.silences.follower is None
    await run.end()
    await runner.cleanup()


async def test_another_slack_app_is_heard(
    start: Callable[..., Any], texts: dict[str, str], eventually: Callable[..., Any]
) -> None:
    """A token that was wrong is mended without a restart."""
    run = await start(f'{texts["slack"]}app_token = "xapp-wrong"\n')
    rewrite(run, ("xapp-wrong", APP_TOKEN))
    assert (await reload(run))["needs_restart"] == []

    async def connected() -> bool:
        return bool(run.slack.socket.connected)

    await eventually(connected)


async def test_charts_are_switched_on(start: Callable[..., Any], texts: dict[str, str]) -> None:
    """What fires from then on gets one."""
    run = await start(texts["discord"], extra="charts = false")
    rewrite(run, ("charts = false", "charts = true"))
    await reload(run)
    assert run.service._charted().keys() == {"discord"}
