"""The form of a message in Discord: one embed, and a line of content that can ping. Pure.

Limits: docs.discord.com, "Embed Limits" (6000 over all texts) and "Message Formatting".
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
    Level,
    digest_line,
    duration,
    footnotes,
    headed,
    icon,
)
from notifier.render.digest import Figures, note
from notifier.render.digest import title as digest_title
from notifier.render.template import DEFAULT, Filled
from notifier.render.text import discord, fit, units
from notifier.render.words import Words

TOTAL = 5_900
_TITLE = 256
_DESCRIPTION = 4_000
_FIELD_NAME = 200
_FIELD_VALUE = 1_000
_CONTENT = 1_900
_LINE = 250
_SAID = 1_500
COLOURS = {Level.CRITICAL: 0xE01E5A, Level.WARNING: 0xF2A33A, Level.INFO: 0x3B82F6}
GREEN = 0x2EB67D
GREY = 0x80848E
_USER = re.compile(r"<@!?(\d+)>")
_ROLE = re.compile(r"<@&(\d+)>")
_EVERYONE = {"@everyone", "@here"}


def message(card: Card, words: Words, own: Filled = DEFAULT) -> Rendered:
    """The living message of an incident.

    Args:
        card: what to say.
        words: in which language.
        own: what the channel's template says instead, and whether it failed.
    """
    budget = Budget(TOTAL)
    links = budget.whole(_links(card, words), _DESCRIPTION - 1500)
    footer = budget.take(joined(footnotes(card, words, own.problem)), 300)
    title = budget.own(own.title, headed(card, words, 200), _TITLE - 3, discord)
    facts = budget.take(_facts(card, words), 1_000)
    fields = _values(card, words, budget)
    said = budget.own(own.text, card.description, _SAID, discord)
    alerts = _alerts(card, words, budget)
    embed: dict[str, Any] = {
        "title": f"{icon(card)} {title}",
        "description": _joined_within(_DESCRIPTION, facts, said, links),
        "color": _colour(card),
        "timestamp": (card.ended or card.since).astimezone(UTC).isoformat(),
        "fields": [*fields, *alerts],
    }
    if footer:
        embed["footer"] = {"text": footer}
    allowed, pings = _allowed(card.mentions)
    headline = _headline(card, words)
    content = joined([*pings, headline], " ") if pings else ""
    plain = joined([*pings, headline, _span(card, words)], " ")
    return Rendered(
        {"content": content, "embeds": [embed], "allowed_mentions": allowed},
        {"content": plain, "allowed_mentions": allowed},
        card.marker,
    )


def reply(card: Card, words: Words, headline: str) -> Rendered:
    """A short message that rings: what is new, and how it stands now.

    Args:
        card: the incident, with the alert that is new at its head.
        words: in which language.
        headline: what happened, clean.
    """
    allowed, pings = _allowed(card.mentions)
    said = joined([discord(headline), fit(card.title, 800, discord)], ": ")
    state = words.say("still_firing", count=card.firing)
    content = joined([*pings, f"{icon(card)} {said} · {discord(state)}"], " ")
    body = {"content": content, "allowed_mentions": allowed}
    return Rendered(body, body, f"{card.marker}:reply")


def digest(
    cards: Sequence[Card], words: Words, figures: Figures, inbox: str, marker: str
) -> Rendered:
    """One message for many incidents, the worst first."""
    budget = Budget(TOTAL)
    title = discord(digest_title(figures, words))
    more = f"[{discord(words.say('link.inbox'))}](<{inbox}>)" if inbox else ""
    shown, hidden = budget.lines(
        [digest_line(card, _LINE, discord, _struck) for card in cards], _DESCRIPTION - 600
    )
    hidden += max(figures.listed - len(cards), 0)
    rest = words.say("more_incidents", count=hidden) if hidden else ""
    head = discord(note(figures, words))
    said = _joined_within(_DESCRIPTION, head, shown, joined([discord(rest), more]))
    colour = GREEN if figures.over else COLOURS[Level.CRITICAL]
    embed = {"title": title, "description": said, "color": colour}
    body = {"content": "", "embeds": [embed], "allowed_mentions": {"parse": []}}
    plain = {"content": title, "allowed_mentions": {"parse": []}}
    return Rendered(body, plain, marker)


def _colour(card: Card) -> int:
    if card.resolved:
        return GREEN
    return GREY if card.quiet else COLOURS[card.level]


def _headline(card: Card, words: Words) -> str:
    severity = words.name(f"severity.{card.severity or 'none'}", card.severity)
    where = joined((v for _, v in card.where), ", ")
    first = words.say("resolved") if card.resolved else severity
    said = joined([joined([f"{first}: {card.title}", card.measured], ": "), where])
    return f"{icon(card)} {fit(said, 1_000, discord)}"


def _facts(card: Card, words: Words) -> str:
    """How bad, since when, where."""
    severity = words.name(f"severity.{card.severity or 'none'}", card.severity)
    where = joined(f"{discord(fit(k, 60))} **{discord(fit(v, 120))}**" for k, v in card.where[:6])
    first = joined([f"**{discord(fit(severity, 40))}**", _span(card, words)])
    doubtful = f"⚠️ {discord(words.say('doubtful'))}" if card.doubtful else ""
    quiet = _quiet(card.quiet, words) if card.quiet else ""
    return joined([first, where, quiet, doubtful], "\n")


def _quiet(quiet: Quiet, words: Words) -> str:
    """Who holds it back, until when and why."""
    if quiet.resolved_unseen:
        return f"🔕 {discord(words.say('resolved_unseen'))}"
    who = discord(quiet.by) or words.say("somebody")
    if quiet.kind is QuietKind.ACKNOWLEDGED:
        said = f"👀 {words.say('acknowledged', who=who)}"
    else:
        said = f"🔕 {words.say('silenced', who=who, time=_time(quiet.until, 'f'))}"
    return joined([said, discord(quiet.comment)])


def _span(card: Card, words: Words) -> str:
    if card.ended is None:
        return words.say("since", time=f"{_time(card.since, 'f')} ({_time(card.since, 'R')})")
    return words.say(
        "resolved_after",
        duration=duration(card.ended - card.since),
        start=_time(card.since, "t"),
        end=_time(card.ended, "t"),
    )


def _values(card: Card, words: Words, budget: Budget) -> list[dict[str, Any]]:
    fields = []
    for key, value in card.values:
        name = budget.take(words.name(f"value.{key}", key), _FIELD_NAME, discord)
        text = budget.take(value, 200, discord)
        if name and text:
            fields.append({"name": name, "value": text, "inline": True})
    return fields


def _alerts(card: Card, words: Words, budget: Budget) -> list[dict[str, Any]]:
    """The list, in as many fields as it needs, and what is not shown of it."""
    if card.total < 2 and not card.left_out:
        return []
    lines = [_line(alert, words) for alert in card.alerts]
    counted = words.say("firing_count", firing=card.firing, total=card.total)
    name = budget.take(counted, _FIELD_NAME, discord)
    budget.left -= 150
    fields: list[dict[str, Any]] = []
    left = lines
    while left:
        text, missing = budget.lines(left, _FIELD_VALUE)
        if not text:
            break
        # every field needs a name; all but the first have an invisible one
        fields.append({"name": "\u2800" if fields else name, "value": text, "inline": False})
        left = left[len(left) - missing :]
        budget.left -= 1
    budget.left += 150
    hidden = card.total - len(lines) + len(left)
    rest = [words.say("more_alerts", count=hidden)] if hidden else []
    rest += [words.say("left_out", count=card.left_out)] if card.left_out else []
    if rest:
        text = budget.take(joined(rest), 140, discord)
        fields.append({"name": "\u2800" if fields else name, "value": text, "inline": False})
    return fields


def _line(alert: CardAlert, words: Words) -> str:
    where = joined((f"{k}={v}" for k, v in alert.where), ", ")
    said = f"{alert.name}: {alert.summary}" if alert.summary != alert.name else alert.name
    text = fit(joined([said, where], " — "), _LINE, discord)
    if alert.ended is None:
        return f"{ICONS[alert.level]} {text} ({_time(alert.since, 'R')})"
    ended = words.say("ended_after", duration=duration(alert.ended - alert.since))
    return f"{DONE} {_struck(text)} {ended}"


def _struck(text: str) -> str:
    return f"~~{text}~~"


def _links(card: Card, words: Words) -> str:
    return joined(
        f"[{discord(words.say(f'link.{link.name}'))}](<{link.url}>)" for link in card.links
    )


def _joined_within(most: int, *parts: str) -> str:
    text = joined(parts, "\n\n")
    # the parts are bounded so that they fit; the links, at the end, go first if they do not
    return text if units(text) <= most else joined(parts[:-1], "\n\n")


def _allowed(mentions: tuple[str, ...]) -> tuple[Mapping[str, Any], list[str]]:
    """Who may be notified, and how that is written; what is no mention becomes words."""
    users = [m[1] for each in mentions if (m := _USER.fullmatch(each))]
    roles = [m[1] for each in mentions if (m := _ROLE.fullmatch(each))]
    everyone = [each for each in mentions if each in _EVERYONE]
    allowed: dict[str, Any] = {"parse": ["everyone"] if everyone else []}
    if users:
        allowed["users"] = users[:20]
    if roles:
        allowed["roles"] = roles[:20]
    known = _EVERYONE.union(f"<@{u}>" for u in users[:20]).union(f"<@&{r}>" for r in roles[:20])
    written = [each if each.replace("!", "") in known else discord(each) for each in mentions]
    return allowed, written[:20] if units(" ".join(written[:20])) < 600 else []


def is_ping(mention: str) -> bool:
    """Whether it notifies somebody, so that it is not shown as words."""
    return mention in _EVERYONE or bool(_USER.fullmatch(mention) or _ROLE.fullmatch(mention))


def _time(moment: datetime, style: str) -> str:
    return f"<t:{int(moment.timestamp())}:{style}>"
