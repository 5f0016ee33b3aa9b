"""The templates of a channel: files, failures, and who is told."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from structlog.testing import capture_logs

from notifier.checking import mistakes
from notifier.cli import notifier
from notifier.dispatch.templates import ChannelTemplate, Source, check
from notifier.render import RenderContext
from notifier.render.template import VARIABLES
from notifier.settings import load
from notifier.testing.webhooks import alert, encoded, webhook

START = datetime(2026, 1, 1, tzinfo=UTC)
CONTEXT = RenderContext(now=START)
NONE = Source("title_template")


def test_a_file_is_read_again_when_it_changes(tmp_path: Path) -> None:
    """The next message has the new words."""
    file = tmp_path / "text.j2"
    file.write_text("one")
    template = ChannelTemplate("ops", NONE, Source("text_template", file=file))
    assert template.current().text == "one"
    file.write_text("another")
    assert template.current().text == "another"


def test_a_failure_is_told_once_until_the_sources_change(tmp_path: Path) -> None:
    """One line, counted each time, visible until it is mended."""
    file = tmp_path / "text.j2"
    failures: list[int] = []
    file.write_text("{{ 1 / 0 }}")
    source = Source("text_template", file=file)
    template = ChannelTemplate("ops", NONE, source, lambda: failures.append(1))
    with capture_logs() as lines:
        for _ in range(3):
            template.current()
            template.used("ZeroDivisionError")
    assert [line["problem"] for line in lines] == ["ZeroDivisionError"]
    assert len(failures) == 3
    assert template.problem == "ZeroDivisionError"
    file.write_text("mended")
    template.current()
    template.used("")
    assert template.problem == ""


def test_a_file_that_vanishes_leaves_the_default_and_is_told(tmp_path: Path) -> None:
    """The message is sent all the same."""
    template = ChannelTemplate("ops", NONE, Source("text_template", file=tmp_path / "none.j2"))
    assert template.current().text is None
    template.used("")
    assert "none.j2: No such file" in template.problem


def test_mistakes_name_file_line_and_fix(tmp_path: Path) -> None:
    """As an editor can jump to them."""
    file = tmp_path / "text.j2"
    file.write_text("fine\n{{ titel }}\n")
    (line,) = check("ops", NONE, Source("text_template", file=file), CONTEXT)
    assert line == f"channel ops: {file}:2: there is no variable 'titel'; did you mean 'title'?"
    gone = Source("title_template", file=tmp_path / "gone.j2")
    (line,) = check("ops", gone, Source("text_template"), CONTEXT)
    assert line.startswith(f"channel ops: title_template_file: {tmp_path}/gone.j2: No such file")


@pytest.mark.parametrize(
    ("source", "line", "what"),
    [
        ("fine\n{{ title|uper }}", 2, "No filter named 'uper'."),
        ("{% block a %}{% endblock %}\n{% block a %}{% endblock %}", 2, "block 'a' defined twice"),
        ("{{ " + "(" * 3000 + "1" + ")" * 3000 + " }}", 1, "RecursionError: maximum recursion"),
    ],
)
def test_what_jinja_cannot_compile_is_a_mistake(source: str, line: int, what: str) -> None:
    """Not a traceback, which would end the check of everything else."""
    (found,) = check("ops", NONE, Source("text_template", source), CONTEXT)
    assert found.startswith(f"channel ops: text_template, line {line}: {what}")
    assert "introspection" not in found


def test_threads_find_no_template_half_read(tmp_path: Path) -> None:
    """Large incidents are rendered beside the event loop, which renders the others."""
    file = tmp_path / "text.j2"
    file.write_text("own words")
    seen: list[str | None] = []

    class Slow(Source):
        def read(self) -> str | None:
            if not seen:
                seen.append(None)
                seen[0] = template.current().text
            return super().read()

    template = ChannelTemplate("ops", NONE, Slow("text_template", file=file))
    assert [template.current().text, *seen] == ["own words"] * 2


def test_check_config_names_every_mistake_at_once(tmp_path: Path) -> None:
    """Secrets that are none, and templates that fail, each with the file and the fix."""
    file = tmp_path / "wiltonos.toml"
    file.write_text(
        '[[notifier.channels]]\nname = "a"\nkind = "discord_webhook"\n'
        'url = "https://example.org"\ntext_template = "{{ nope }}"\n'
        '[[notifier.channels]]\nname = "b"\nkind = "slack"\nchannel = "C1"\n'
        'token = "https://hooks.slack.com/services/1"\napp_token = "xoxb-1"\n'
    )
    found = mistakes(load(config=file, environ={}))
    assert [line.removeprefix(f"{file}: channel ") for line in found] == [
        (
            "a: url: holds no Discord webhook address; put one there: "
            "https://discord.com/api/webhooks/…, from the channel's settings, Integrations"
        ),
        "a: text_template, line 1: there is no variable 'nope'; known: " + ", ".join(VARIABLES),
        (
            "b: token: holds no bot token; put one there: "
            "xoxb-…, from the app's page OAuth & Permissions"
        ),
        "b: app_token: holds no app token; put one there: xapp-…, with the scope connections:write",
    ]


def test_render_shows_the_own_words_or_why_not(tmp_path: Path) -> None:
    """``wt notifier render`` fills the template of the channel, and says so when it fails."""
    file, body = tmp_path / "wiltonos.toml", tmp_path / "body.json"
    body.write_bytes(encoded(webhook(alert("A", starts_at=START))))
    for source, shown, said in (
        ("Φ: {{ title }}", "Φ: A is wrong", ""),
        ("{{ 1 / 0 }}", "template failed", "ops: template failed, shown is the default: text"),
    ):
        file.write_text(
            '[[notifier.channels]]\nname = "ops"\nkind = "discord_webhook"\n'
            f'url = "https://discord.example/api/webhooks/1/x"\ntext_template = "{source}"\n'
        )
        arguments = ["render", str(body), "--config", str(file), "--channel", "ops"]
        result = CliRunner().invoke(notifier, arguments)
        assert result.exit_code == 0
        assert shown in result.stdout
        assert result.stderr.startswith(said)


@pytest.mark.parametrize(("source", "shown"), [("Φ: {{ title }}", True), ("{{ 1 / 0 }}", False)])
async def test_a_channel_has_its_own_words(
    start: Callable[..., Any], texts: dict[str, str], source: str, shown: bool
) -> None:
    """The template serves; one that fails leaves the default, and every reader can see why."""
    own = f'{texts["discord"]}text_template = "{source}"\n'.replace("{{", "{{{{")
    own = own.replace("}}", "}}}}")
    run = await start(own)
    await run.post(webhook(alert("A", starts_at=START)))
    await run.delivered()
    (message,) = run.discord.shown()
    assert ("Φ: A is wrong" in message.text) is shown
    degraded = (await run.get("/-/ready"))["degraded"]
    failed = [line for line in degraded if "template" in line]
    assert bool(failed) is not shown
    async with run.http.get(f"{run.base}/metrics") as response:
        page = await response.text()
    count = 'wiltonos_notifier_template_failures_total{channel="discord"}'
    assert f"{count} {0.0 if shown else 1.0}" in page
