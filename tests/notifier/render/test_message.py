"""The form that a message takes in each chat."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from notifier.alerts import AlertStatus
from notifier.incident import Reason
from notifier.incident.model import Phase, Quiet, QuietKind
from notifier.render import Chat, RenderContext, chat_of, render, render_digest, render_reply
from notifier.testing.discord_rules import pings
from notifier.testing.slack_rules import sure_pings


def test_the_first_line_says_what_how_bad_and_how_far(
    incident: Any, context: RenderContext
) -> None:
    """The push notification of either chat is enough to decide whether to get up."""
    line = "🔴 Critical: Φ is above its band: 0.8012 (0.73–0.77) · wiltonos-exporter, ship-1"
    slack = render(Chat.SLACK, incident(), context).payload
    assert slack["text"].startswith(line)
    assert slack["blocks"][0]["text"]["text"] == "🔴 Φ is above its band: 0.8012 (0.73–0.77)"
    discord = render(Chat.DISCORD, incident(), context).payload
    assert line in discord["content"]
    assert discord["embeds"][0]["title"] == "🔴 Φ is above its band: 0.8012 (0.73–0.77)"


def test_times_are_shown_in_the_readers_zone(incident: Any, context: RenderContext) -> None:
    """Both chats format a Unix time themselves; Slack gets a fallback in UTC."""
    slack = str(render(Chat.SLACK, incident(), context).payload)
    assert "<!date^1795402830^{date_short_pretty} {time}|2026-11-23 03:00 UTC>" in slack
    assert "<t:1795402830:R>" in str(render(Chat.DISCORD, incident(), context).payload)


def test_a_resolved_message_is_green_struck_and_tells_how_long(
    incident: Any, alert: Any, context: RenderContext
) -> None:
    """The end is seen at a glance."""
    over = [
        alert(fingerprint=loop, labels={"loop": loop}, status=AlertStatus.RESOLVED)
        for loop in ("a", "b")
    ]
    ended = [replace(each, ends_at=context.now) for each in over]
    made = incident(*ended, phase=Phase.RESOLVED, resolved_at=context.now)
    slack = str(render(Chat.SLACK, made, context).payload)
    assert "✅ Resolved: Φ is above its band" in slack
    assert "Resolved after 4 min" in slack
    assert "✅ ~WiltonosPhiOutOfBand: Φ is above its band — loop=a~ ended after 4 min" in slack
    embed = render(Chat.DISCORD, made, context).payload["embeds"][0]
    assert embed["color"] == 0x2EB67D
    assert "~~WiltonosPhiOutOfBand" in str(embed["fields"])


def quiet(context: RenderContext, **changes: Any) -> Quiet:
    """Silenced by somebody with a hostile name."""
    made = Quiet(
        kind=QuietKind.SILENCED,
        by="Ana <!here>",
        until=context.now + timedelta(hours=2),
        comment="@everyone rests",
        silence_id="s1",
        ours=True,
        since=context.now,
    )
    return replace(made, **changes)


@pytest.mark.parametrize("chat", Chat)
def test_a_silenced_message_says_until_when_by_whom_and_how_to_undo(
    chat: Chat, incident: Any, context: RenderContext
) -> None:
    """In the colour of nothing to do, and pinging nobody by a name."""
    offering = replace(context, actions={"undo": "http://127.0.0.1:9099/silence/u.1"}, mentions={})
    message = render(chat, incident(quiet=quiet(context)), offering).payload
    text = str(message)
    until = str(int((context.now + timedelta(hours=2)).timestamp()))
    assert "🔕 Φ is above its band" in text
    assert "Silenced until" in text
    assert until in text
    assert "http://127.0.0.1:9099/silence/u.1" in text
    assert "Undo silence" in text
    assert not (sure_pings(message) if chat is Chat.SLACK else pings(message))
    if chat is Chat.DISCORD:
        assert message["embeds"][0]["color"] == 0x80848E


def test_an_acknowledged_message_names_who_is_on_it(incident: Any, context: RenderContext) -> None:
    """Without an end, since it is renewed while the incident fires."""
    made = incident(quiet=quiet(context, kind=QuietKind.ACKNOWLEDGED, by="Ana", comment=""))
    said = str(render(Chat.SLACK, made, replace(context, language="pt-BR")).payload)
    assert "👀 Reconhecido por Ana; retido enquanto estiver ativo" in said


def test_an_end_that_was_read_is_said_to_be_read(incident: Any, context: RenderContext) -> None:
    """Only then: an end that Alertmanager told says nothing of the silence before it."""
    over = {"phase": Phase.RESOLVED, "resolved_at": context.now}
    unseen = incident(quiet=quiet(context, resolved_unseen=True), **over)
    assert "Resolved while silenced" in str(render(Chat.SLACK, unseen, context).payload)
    told = incident(quiet=quiet(context), **over)
    assert "ilenced" not in str(render(Chat.DISCORD, told, context).payload)


@pytest.mark.parametrize("chat", Chat)
def test_what_may_be_done_is_offered_as_links(
    chat: Chat, incident: Any, context: RenderContext
) -> None:
    """Ours instead of Alertmanager's form; and nothing of the kind where nothing is offered."""
    actions = {"acknowledge": "http://n/silence/a.1", "silence": "http://n/silence/s.1"}
    text = str(render(chat, incident(), replace(context, actions=actions)).payload)
    assert all(url in text for url in actions.values())
    assert "#/silences/new" not in text
    assert "ilence" not in str(render(chat, incident(), replace(context, actions={})).payload)


def test_many_alerts_are_counted_and_the_rest_announced(
    incident: Any, alert: Any, context: RenderContext
) -> None:
    """Twenty lines at most; nothing is hidden silently."""
    many = [alert(fingerprint=str(n), labels={"loop": f"l{n}"}) for n in range(45)]
    for chat in Chat:
        shown = str(render(chat, incident(*many, truncated_alerts=9), context).payload)
        assert "45 of 45 alerts firing" in shown
        assert "+25 more alerts" in shown
        assert "Alertmanager left out 9 alerts" in shown


def test_flaps_and_doubt_are_told(alert: Any, incident: Any, context: RenderContext) -> None:
    """Flapping is one message that counts and says within what; an end in doubt is marked."""
    last = alert(starts_at=context.now)
    began = context.now - timedelta(minutes=30)
    made = incident(
        last, opened_at=began, phase=Phase.RESOLVED, resolved_at=context.now, reopened=6
    )
    for chat in Chat:
        shown = str(render(chat, made, replace(context, doubtful=True)).payload)
        assert "fired 7× in 30 min" in shown
        assert "Doubtful" in shown


def test_the_marker_names_incident_and_revision(incident: Any, context: RenderContext) -> None:
    """So that a lost post can be looked for; a reply has one of its own."""
    made = incident(revision=7)
    markers = {
        render(Chat.SLACK, made, context).marker,
        render_reply(Chat.SLACK, made, context).marker,
    }
    assert markers == {f"{made.id}:7", f"{made.id}:7:reply"}


@pytest.mark.parametrize(
    ("reasons", "words"),
    [
        (frozenset(), "New alert"),
        (frozenset({Reason.NEW_ALERT}), "New alert"),
        (frozenset({Reason.WORSE, Reason.NEW_ALERT}), "Worse"),
        (frozenset({Reason.REOPENED}), "Firing again (2×)"),
    ],
)
def test_a_reply_rings_about_the_newest_alert(
    incident: Any, alert: Any, context: RenderContext, reasons: frozenset[Reason], words: str
) -> None:
    """It says why it rings, names the newest, counts all, and pings by that alert's severity."""
    newest = alert(fingerprint="n", starts_at=context.now, annotations={"summary": "Φ jumped"})
    made = incident(alert(), newest, reopened=2)
    slack = render_reply(Chat.SLACK, made, context, reasons)
    assert (
        slack.payload["text"]
        == f"🔴 {words}: Φ jumped · 2 firing now · <!here> &lt;@&amp;123456789&gt;"
    )
    assert sure_pings(slack.payload) == {"here"}
    discord = render_reply(Chat.DISCORD, made, context, reasons)
    assert pings(discord.payload) == {"&123456789"}


def test_a_reply_names_what_was_heard_of_last(
    incident: Any, alert: Any, context: RenderContext
) -> None:
    """Alerts of one rule start at one instant, and a group tells of them one after the other."""
    heard = [context.now - timedelta(seconds=age) for age in (60, 1, 1)]
    names = [("c", "first", "critical"), ("b", "worse", "critical"), ("a", "newer", "warning")]
    alerts = [
        alert(
            fingerprint=fingerprint,
            labels={"severity": severity},
            annotations={"summary": summary},
            seen_at=at,
        )
        for (fingerprint, summary, severity), at in zip(names, heard, strict=True)
    ]
    shown = render_reply(Chat.SLACK, incident(*alerts), context).payload["text"]
    assert "New alert: worse · 3 firing now" in shown


def test_a_digest_lists_the_worst_first_and_pings_nobody(
    incident: Any, alert: Any, context: RenderContext
) -> None:
    """One message for a storm, with the way to the rest."""
    mild = incident(alert(labels={"severity": "info"}, annotations={"summary": "mild"}))
    for chat in Chat:
        message = render_digest(chat, [mild, *[incident()] * 200], context, "digest:1")
        shown = str(message.payload)
        assert "201 incidents at once" in shown
        assert "more incidents" in shown
        assert "http://127.0.0.1:9099/" in shown
        assert message.marker == "digest:1"
        assert not sure_pings(message.payload)
        assert not pings(message.payload)


def test_kinds_belong_to_chats() -> None:
    """Both kinds of Slack channel take the same form."""
    assert [chat_of(k) for k in ("slack", "slack_webhook", "discord_webhook")] == [
        Chat.SLACK,
        Chat.SLACK,
        Chat.DISCORD,
    ]


def test_fixed_words_follow_the_language(incident: Any, context: RenderContext) -> None:
    """Portuguese where the channel asks for it."""
    for chat in Chat:
        shown = str(render(chat, incident(), replace(context, language="pt-BR")).payload)
        assert "Crítico" in shown
        assert "Painel" in shown
        assert "Critical" not in shown
