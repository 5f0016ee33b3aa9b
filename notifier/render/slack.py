"""The form of a message in Slack: blocks, and the text of the push notification. Pure.

Limits: docs.slack.dev, "Block Kit" reference; the total is undocumented, near 13,200.
"""

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from notifier.deliver.protocol import Rendered
from notifier.incident.model import Quiet, QuietKind
from notifier.render.budget import Budget, joined
from notifier.render.card import (
    DONE,
    ICONS,
    Card,
    CardAlert,
    digest_line,
    duration,
    footnotes,
    headed,
    icon,
)
from notifier.render.digest import Figures, note
from notifier.render.digest import title as digest_title
from notifier.render.template import DEFAULT, Filled
from notifier.render.text import fit, slack, units
from notifier.render.words import Words

TOTAL = 12_000
# begins the id of every action of ours
ACTION = "wiltonos_"
_HEADER = 150
_SECTION = 2900
_TEXT = 2000
_LINE = 320
_DESCRIPTION = 2500
# leaves room for the structure of the blocks themselves, whose keywords count too
_STRUCTURE = 400
_PING = re.compile(r"<!(?:channel|here|everyone)>|<@[UW][A-Z0-9]+>|<!subteam\^[A-Z0-9]+>")
_MENTIONS = 400


def message(card: Card, words: Words, own: Filled = DEFAULT) -> Rendered:
    """The living message of an incident.

    Args:
        card: what to say.
        words: in which language.
        own: what the channel's template says instead, and whether it failed.
    """
    budget = Budget(TOTAL - _STRUCTURE)
    pings = _pings(card.mentions)
    links = budget.whole(_links(card, words), _SECTION)
    footer = budget.take(joined(footnotes(card, words, own.problem)), 300, slack)
    header = budget.own(own.title, headed(card, words, _HEADER - 40), _HEADER - 4, slack)
    facts = budget.take(_facts(card, words, pings), _SECTION)
    values = budget.take(_values(card, words), _SECTION)
    description = budget.own(own.text, card.description, _DESCRIPTION, slack)
    alerts = _alerts(card, words, budget)
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": f"{icon(card)} {header}"}},
        *(_section(text) for text in (facts, values, description, *alerts) if text),
        *([_buttons(card, words)] if card.buttons else []),
        *([_context(links)] if links else []),
        *([_context(footer)] if footer else []),
    ]
    text = _text(card, words, pings)
    return Rendered({"text": text, "blocks": blocks}, {"text": text}, card.marker)


def reply(card: Card, words: Words, headline: str) -> Rendered:
    """A short message that rings: what is new, and how it stands now.

    Args:
        card: the incident, with the alert that is new at its head.
        words: in which language.
        headline: what happened, clean.
    """
    pings = _pings(card.mentions)
    said = joined([slack(headline), fit(card.title, 500, slack)], ": ")
    state = words.say("still_firing", count=card.firing)
    text = joined([f"{icon(card)} {said}", slack(state), " ".join(pings)])
    payload = {"text": text, "blocks": [_section(text)]}
    return Rendered(payload, {"text": text}, f"{card.marker}:reply")


def digest(
    cards: Sequence[Card], words: Words, figures: Figures, inbox: str, marker: str
) -> Rendered:
    """One message for many incidents, the worst first."""
    budget = Budget(TOTAL - _STRUCTURE)
    text = digest_title(figures, words)
    more = f"<{slack(inbox)}|{slack(words.say('link.inbox'))}>" if inbox else ""
    lines = [digest_line(card, _LINE, slack, _struck) for card in cards]
    shown, hidden = budget.lines(lines, _SECTION)
    hidden += max(figures.listed - len(cards), 0)
    rest = words.say("more_incidents", count=hidden) if hidden else ""
    head = f"*{slack(text)}*\n{slack(note(figures, words))}"
    sections = [head, shown, joined([slack(rest), more])]
    blocks = [_section(each) for each in sections if each]
    return Rendered({"text": text, "blocks": blocks}, {"text": text}, marker)


def _facts(card: Card, words: Words, pings: list[str]) -> str:
    """How bad, since when, where; whoever is pinged stands at the end."""
    severity = words.name(f"severity.{card.severity or 'none'}", card.severity)
    parts = [
        f"*{slack(fit(severity, 40))}*",
        _span(card, words),
        *(f"{slack(fit(k, 60))} `{_code(v)}`" for k, v in card.where),
    ]
    doubtful = [f"⚠️ {words.say('doubtful')}"] if card.doubtful else []
    quiet = [_quiet(card.quiet, words)] if card.quiet else []
    return "\n".join([joined(parts), *quiet, *doubtful, *([" ".join(pings)] if pings else [])])


def _quiet(quiet: Quiet, words: Words) -> str:
    """Who holds it back, until when and why."""
    if quiet.resolved_unseen:
        return f"🔕 {words.say('resolved_unseen')}"
    who = slack(quiet.by) or words.say("somebody")
    if quiet.kind is QuietKind.ACKNOWLEDGED:
        said = f"👀 {words.say('acknowledged', who=who)}"
    else:
        said = f"🔕 {words.say('silenced', who=who, time=_date(quiet.until))}"
    return joined([said, slack(quiet.comment)])


def _span(card: Card, words: Words) -> str:
    if card.ended is None:
        return words.say("since", time=_date(card.since))
    return words.say(
        "resolved_after",
        duration=duration(card.ended - card.since),
        start=_date(card.since),
        end=_date(card.ended),
    )


def _values(card: Card, words: Words) -> str:
    named = ((words.name(f"value.{k}", k), v) for k, v in card.values)
    return joined(f"{slack(fit(k, 60))} *{slack(fit(v, 200))}*" for k, v in named)


def _alerts(card: Card, words: Words, budget: Budget) -> list[str]:
    """The list, in as many sections as it needs, and what is not shown of it."""
    if card.total < 2 and not card.left_out:
        return []
    lines = [_line(alert, words) for alert in card.alerts]
    counted = words.say("firing_count", firing=card.firing, total=card.total)
    # what is left out is announced, so its words are put aside first
    budget.left -= 200
    sections: list[str] = []
    left = [f"*{slack(counted)}*", *lines]
    while left:
        text, missing = budget.lines(left, _SECTION)
        if not text:
            break
        sections.append(text)
        left = left[len(left) - missing :]
    budget.left += 200
    hidden = card.total - len(lines) + min(len(left), len(lines))
    rest = [words.say("more_alerts", count=hidden)] if hidden else []
    rest += [words.say("left_out", count=card.left_out)] if card.left_out else []
    return [*sections, budget.take(joined(rest), 200, slack)]


def _line(alert: CardAlert, words: Words) -> str:
    where = joined((f"{k}={v}" for k, v in alert.where), ", ")
    said = f"{alert.name}: {alert.summary}" if alert.summary != alert.name else alert.name
    text = fit(joined([said, where], " — "), _LINE, slack)
    if alert.ended is None:
        return f"{ICONS[alert.level]} {text} ({_date(alert.since)})"
    ended = words.say("ended_after", duration=duration(alert.ended - alert.since))
    return f"{DONE} {_struck(text)} {ended}"


def _links(card: Card, words: Words) -> str:
    return joined(
        f"<{slack(link.url)}|{slack(words.say(f'link.{link.name}'))}>" for link in card.links
    )


def _text(card: Card, words: Words, pings: list[str]) -> str:
    """What a push notification and a screen reader say; also the plain form."""
    severity = words.name(f"severity.{card.severity or 'none'}", card.severity)
    where = joined((v for _, v in card.where), ", ")
    first = words.say("resolved") if card.resolved else severity
    said = joined([joined([f"{first}: {card.title}", card.measured], ": "), where])
    room = _TEXT - units(" ".join(pings)) - 200
    text = f"{icon(card)} {fit(said, room, slack)} · {_span(card, words)}"
    return joined([text, " ".join(pings)], " ")


def _pings(mentions: tuple[str, ...]) -> list[str]:
    """What is a mention stays one; everything else is words."""
    kept: list[str] = []
    room = _MENTIONS
    for mention in mentions:
        text = mention if is_ping(mention) else slack(mention)
        room -= units(text) + 1
        if room < 0:
            break
        kept.append(text)
    return kept


def is_ping(mention: str) -> bool:
    """Whether it notifies somebody, so that it is not shown as words."""
    return _PING.fullmatch(mention) is not None


def _date(moment: datetime) -> str:
    """In the reader's own time zone; UTC where Slack cannot tell it."""
    utc = moment.astimezone(UTC)
    fallback = f"{utc:%Y-%m-%d %H:%M} UTC"
    return f"<!date^{int(utc.timestamp())}^{{date_short_pretty}} {{time}}|{fallback}>"


def _code(text: str) -> str:
    """A look-alike keeps the text from ending its code span."""
    return slack(text.replace("`", "\u02cb"))


def _struck(text: str) -> str:
    """A look-alike keeps the text from ending its strike."""
    return "~" + text.replace("~", "\u223c") + "~"


def _section(text: str) -> dict[str, Any]:
    return {"type": "section", "text": _mrkdwn(text)}


def _context(text: str) -> dict[str, Any]:
    return {"type": "context", "elements": [_mrkdwn(text)]}


def _buttons(card: Card, words: Words) -> dict[str, Any]:
    """What may be done about the incident; heard over Socket Mode."""
    elements = [
        {
            "type": "button",
            "text": {"type": "plain_text", "text": words.say(f"link.{name}")},
            "action_id": f"{ACTION}{name}",
            "value": card.incident_id,
        }
        for name in card.buttons
    ]
    return {"type": "actions", "elements": elements}


def _mrkdwn(text: str) -> Mapping[str, Any]:
    # verbatim: a bare @here in a label must not be read as a mention
    return {"type": "mrkdwn", "text": text, "verbatim": True}
