"""A channel's own words."""

from datetime import UTC, datetime
from typing import Any

import pytest

from notifier.render import Chat, RenderContext, Template, check_template, render
from notifier.render.samples import samples
from notifier.render.template import VARIABLES
from notifier.testing.slack_rules import possible_pings


def said(chat: Chat, incident: Any, context: RenderContext, **sources: str) -> str:
    """Everything that is shown, with these templates."""
    return str(render(chat, incident, context, Template(**sources)).payload)


@pytest.mark.parametrize("chat", Chat)
def test_a_template_says_title_and_text(chat: Chat, incident: Any, context: RenderContext) -> None:
    """Its own markup works, and the labels come from the incident."""
    shown = said(
        chat, incident(), context, title="Φ on {{ labels.instance }}", text="*{{ level }}*"
    )
    assert "Φ on ship-1" in shown
    assert "*critical*" in shown
    assert "Steer softly" not in shown


@pytest.mark.parametrize("chat", Chat)
@pytest.mark.parametrize(
    "source", ["{{ 1 / 0 }}", "{% if %}", "{{ title.__class__.__mro__ }}", "{{ nothing.at.all }}"]
)
def test_a_template_that_fails_leaves_the_default_and_says_so(
    chat: Chat, source: str, incident: Any, context: RenderContext
) -> None:
    """The alert is never lost to a mistake in a template, and the mistake is shown."""
    shown = said(chat, incident(), context, text=source)
    assert "Steer softly" in shown
    assert "template failed" in shown


def test_a_missing_label_is_nothing(incident: Any, context: RenderContext) -> None:
    """Labels differ between alerts, so a template that names an absent one does not fail."""
    shown = said(Chat.SLACK, incident(), context, text="[{{ labels.nothing }}]")
    assert "'[]'" in shown
    assert "template failed" not in shown


@pytest.mark.parametrize(
    "source", ["<!here> <@U1>", "{{ alerts[0].labels.evil }}", "@here @channel"]
)
def test_a_template_cannot_ping(
    source: str, incident: Any, alert: Any, context: RenderContext
) -> None:
    """Neither by its own words nor by what it prints of an alert: mentions are configured."""
    made = incident(alert(labels={"evil": "<!channel> <@U2>"}))
    bare = RenderContext(now=context.now)
    message = render(Chat.SLACK, made, bare, Template(title=source, text=source))
    assert possible_pings(message.payload) == set()


def test_what_a_template_prints_is_escaped(
    incident: Any, alert: Any, context: RenderContext
) -> None:
    """Labels stay hostile text inside a template."""
    made = incident(alert(labels={"evil": "**x** <a|b>"}))
    source = "{{ alerts[0].labels.evil }}"
    assert "&lt;a|b&gt;" in said(Chat.SLACK, made, context, text=source)
    assert "\\\\*\\\\*x" in said(Chat.DISCORD, made, context, text=source)


@pytest.mark.parametrize(
    ("source", "line", "what"),
    [
        ("ok\n{% if %}", 2, "Expected an expression"),
        ("a\nb {{ titel }}", 2, "no variable 'titel'; did you mean 'title'?"),
        ("{% for each in alerts %}\n{{ each.sumary }}{% endfor %}", 2, "an alert has no 'sumary'"),
        ("\n\n{{ ended.strftime('%H') }}", 3, "firing incident"),
        ("{{ labels.a.b }}", 1, "firing incident"),
        ("{{ 'x' * 100 }}", 1, "for numbers"),
        ("{{ 9 ** 99 }}", 1, "exponents"),
        ("{{ range(10 ** 6) | length }}", 1, "5000 steps"),
    ],
)
def test_a_mistake_is_found_before_it_is_needed(source: str, line: int, what: str) -> None:
    """What cannot be read, a wrong name and a failing expression are named with their line."""
    context = RenderContext(now=datetime(2026, 1, 1, tzinfo=UTC))
    (mistake,) = check_template(Template(text=source), samples(context))
    assert (mistake.part, mistake.line) == ("text", line)
    assert what in mistake.what


def test_every_variable_of_the_reference_is_there() -> None:
    """A template that prints each of them is right."""
    context = RenderContext(now=datetime(2026, 1, 1, tzinfo=UTC))
    source = " ".join(f"{{{{ {name} }}}}" for name in VARIABLES)
    assert check_template(Template(source, source), samples(context)) == []


def test_what_a_template_prints_is_bounded(incident: Any, context: RenderContext) -> None:
    """A loop that prints for ever is cut, and the message still fits."""
    source = "{% for a in range(5000) %}{% for b in range(5000) %}x{% endfor %}{% endfor %}"
    assert len(said(Chat.DISCORD, incident(), context, text=source)) < 7_000
