"""Any incident fits every limit of both chats, and nothing in it pings on its own."""

import unicodedata
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from notifier.alerts import AlertStatus
from notifier.deliver.discord import payload as discord_body
from notifier.deliver.protocol import Rendered
from notifier.incident.model import Incident, IncidentAlert, Phase, Quiet, QuietKind
from notifier.render import Chat, RenderContext, Template, render, render_digest, render_reply
from notifier.testing.discord_rules import form_errors, is_empty, pings
from notifier.testing.slack_rules import check_message, possible_pings, sure_pings

NOW = datetime(2026, 11, 23, 3, 4, 30, tzinfo=UTC)
HOSTILE = [
    "<!channel> <!here> <!everyone>",
    "<!subteam^S0123456|ops> <@U0123456> <@W0123456|me>",
    "@everyone @here @channel",
    "<@123456789012345678> <@!123> <@&987654321>",
    "`<@123>` ```@everyone```",
    "\\<@123> \\@everyone \\\\@here",
    "<https://evil.example|click> [click](https://evil.example)",
    "\u202e\u2066@everyone\u2069 \u200b@\u200bhere",
    "a\x00b\x1b[31mred\x07\r\n@here\u2028@everyone",
    "&lt;!channel&gt; &amp;lt;!here&amp;gt;",
    "<t:0:R> <:x:1> <#1> </cmd:1> <id:customize>",
    "~~x~~ ||spoiler|| __u__ **b** *i* _i_ > q # h - l",
    "Z" + "\u0301" * 500,
    "👩‍👩‍👧‍👦" * 400,
    "\uff20everyone \ufe6bhere",
    "x" * 9000,
    "\n" * 3000,
    "<" * 5000,
    "&" * 5000,
    "\ud800 lone \udfff",
]
TEXT = st.one_of(
    st.sampled_from(HOSTILE), st.text(max_size=300), st.text("<&@`~*_[]()\\|", max_size=600)
)
KEYS = st.one_of(
    st.sampled_from(["severity", "instance", "job", "loop", "alertname", *HOSTILE[:4]]),
    st.text(max_size=30),
)
NOTES = st.one_of(
    st.sampled_from(
        [
            "summary",
            "description",
            "value",
            "limit",
            "runbook_url",
            "__dashboardUid__",
            "__panelId__",
        ]
    ),
    st.text(max_size=30),
)
ALERT = st.builds(
    IncidentAlert,
    fingerprint=st.uuids().map(str),
    status=st.sampled_from(AlertStatus),
    labels=st.dictionaries(KEYS, TEXT, max_size=6),
    annotations=st.dictionaries(NOTES, TEXT, max_size=8),
    starts_at=st.datetimes(datetime(1, 1, 2), datetime(9998, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 - the strategy takes naive bounds
    ends_at=st.one_of(st.none(), st.just(NOW)),
    group_key=st.just("{}"),
    generator_url=st.one_of(TEXT, st.just("http://p:9090/graph?g0.expr=up")),
)
QUIET = st.builds(
    Quiet,
    kind=st.sampled_from(QuietKind),
    by=TEXT,
    until=st.just(NOW + timedelta(hours=2)),
    comment=TEXT,
    silence_id=st.just("s1"),
    ours=st.booleans(),
    since=st.just(NOW),
    resolved_unseen=st.booleans(),
)
INCIDENT = st.builds(
    Incident,
    id=st.just("0006446f5a4b9c001234abcd"),
    receiver=TEXT,
    key=st.just("k"),
    group_keys=st.just(("{}",)),
    labels=st.dictionaries(KEYS, TEXT, max_size=6),
    phase=st.sampled_from(Phase),
    revision=st.integers(1, 10**6),
    opened_at=st.just(NOW - timedelta(minutes=4)),
    resolved_at=st.one_of(st.none(), st.just(NOW)),
    alerts=st.lists(ALERT, max_size=5).map(tuple),
    truncated_alerts=st.integers(0, 10**9),
    external_url=st.one_of(TEXT, st.just("http://a:9093")),
    reopened=st.integers(0, 10**9),
    quiet=st.none() | QUIET,
)
CONTEXT = st.builds(
    RenderContext,
    now=st.just(NOW),
    public_url=st.sampled_from(["", "http://127.0.0.1:9099"]),
    alertmanager_url=st.sampled_from(["", "http://127.0.0.1:9093"]),
    prometheus_url=st.sampled_from(["", "http://127.0.0.1:9090"]),
    grafana_url=st.sampled_from(["", "http://127.0.0.1:3000"]),
    language=st.sampled_from(["en", "pt-BR", "xx"]),
    doubtful=st.booleans(),
    buttons=st.booleans(),
    actions=st.sampled_from(
        [
            None,
            {},
            {"undo": "http://127.0.0.1:9099/silence/u.x"},
            {
                "acknowledge": f"http://127.0.0.1:9099/silence/a.{'x' * 60}",
                "silence": f"http://127.0.0.1:9099/silence/s.{'x' * 60}",
            },
        ]
    ),
)
TEMPLATE = st.one_of(
    st.none(),
    st.builds(
        Template,
        title=st.sampled_from(
            [None, "{{ labels }} {{ title }}", "{{ 1 / 0 }}", "<!here> @everyone"]
        ),
        text=st.sampled_from(
            [None, "{% for a in alerts %}{{ a.labels }}{% endfor %}", "{{ x.y.z }}"]
        ),
    ),
)


def slack_problem(message: Rendered) -> Any:
    """What Slack would refuse about it, as a post or as an edit that also shows a chart."""
    image = {
        "type": "image",
        "slack_file": {"id": "F1"},
        "alt_text": message.payload["text"][:2000],
    }
    charted = {**message.payload, "blocks": [*message.payload["blocks"], image]}
    return check_message(charted, update=True) or check_message(message.plain, update=True)


def discord_problem(message: Rendered) -> Any:
    """What Discord would refuse about it."""
    bodies = [discord_body(message.payload), discord_body(message.plain)]
    return [each for each in map(form_errors, bodies) if each] or any(map(is_empty, bodies))


def every(chat: Chat, incident: Incident, context: RenderContext, template: Any) -> list[Rendered]:
    """All that can be said of an incident."""
    return [
        render(chat, incident, context, template),
        render_reply(chat, incident, context),
        render_digest(chat, [incident] * 8, context, "digest"),
    ]


@settings(max_examples=100, deadline=None)
@given(INCIDENT, CONTEXT, TEMPLATE)
def test_slack_takes_any_incident(
    incident: Incident, context: RenderContext, template: Template | None
) -> None:
    """No block, no field and no total is ever over a limit, and nobody is notified."""
    for message in every(Chat.SLACK, incident, context, template):
        assert slack_problem(message) is None
        assert possible_pings(message.payload) == frozenset()
        assert possible_pings(message.plain) == frozenset()


@settings(max_examples=100, deadline=None)
@given(INCIDENT, CONTEXT, TEMPLATE)
def test_discord_takes_any_incident(
    incident: Incident, context: RenderContext, template: Template | None
) -> None:
    """No text, no field and no total is ever over a limit, and nobody is notified."""
    for message in every(Chat.DISCORD, incident, context, template):
        assert not discord_problem(message)
        for body in (message.payload, message.plain):
            # even if everybody might be mentioned, nothing reads as a mention
            assert (
                pings({**body, "allowed_mentions": {"parse": ["everyone", "users", "roles"]}})
                == set()
            )


def big(make: Any, alert: Any, text: str, count: int) -> Incident:
    """An incident with many alerts whose every text is this one."""
    labels = {"instance": text, "job": text, "loop": text}
    notes = {"summary": text, "description": text, "value": text, "limit": text}
    alerts = [
        alert(fingerprint=str(i), labels={**labels, "n": str(i)}, annotations=notes)
        for i in range(count)
    ]
    return make(*alerts, labels=labels, truncated_alerts=7, reopened=3)  # type: ignore[no-any-return]


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("count", [1, 2, 100])
def test_hostile_text_in_every_place_never_pings_beyond_the_configuration(
    incident: Any, alert: Any, context: RenderContext, text: str, count: int
) -> None:
    """Only those are notified whom the configuration names, whatever the labels say."""
    found = big(incident, alert, text, count)
    slack = every(Chat.SLACK, found, context, None)
    assert [slack_problem(m) for m in slack] == [None] * 3
    assert [possible_pings(m.payload) for m in slack] == [{"here"}, {"here"}, set()]
    assert sure_pings(slack[0].payload) == {"here"}
    discord = every(Chat.DISCORD, found, context, None)
    assert not any(discord_problem(m) for m in discord)
    assert [pings(discord_body(m.payload)) for m in discord] == [
        {"&123456789"},
        {"&123456789"},
        set(),
    ]


@pytest.mark.parametrize("text", HOSTILE)
def test_no_control_or_bidirectional_character_reaches_a_chat(
    incident: Any, alert: Any, context: RenderContext, text: str
) -> None:
    """What a reader cannot see cannot mislead: only line ends and our own joiners are left."""
    allowed = {"\n", "\u200b", "\u200c", "\u200d"}
    for chat in Chat:
        for message in every(chat, big(incident, alert, text, 2), context, None):
            said = str(message.payload) + str(message.plain)
            bad = {
                c
                for c in said
                if unicodedata.category(c) in {"Cc", "Cf", "Cs"} and c not in allowed
            }
            assert bad == set()


def test_a_resolved_incident_pings_nobody(incident: Any, context: RenderContext) -> None:
    """The end of an incident wakes nobody up."""
    over = replace(incident(), phase=Phase.RESOLVED, resolved_at=NOW)
    assert possible_pings(render(Chat.SLACK, over, context).payload) == set()
    assert pings(render(Chat.DISCORD, over, context).payload) == set()
