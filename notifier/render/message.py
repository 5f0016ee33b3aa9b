"""From incidents to messages: which card, which words, which chat. Pure."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from enum import StrEnum

from notifier.deliver.protocol import Rendered
from notifier.incident.model import Incident, IncidentAlert
from notifier.incident.reason import Reason
from notifier.incident.severity import rank
from notifier.render import discord, slack
from notifier.render.card import card, order
from notifier.render.context import RenderContext
from notifier.render.digest import Figures
from notifier.render.links import incident_url, safe_url
from notifier.render.own import translated
from notifier.render.template import DEFAULT, Template, fill
from notifier.render.text import discord as escape_discord
from notifier.render.text import slack as escape_slack
from notifier.render.words import Words, words


class Chat(StrEnum):
    """The chats that we can write to."""

    SLACK = "slack"
    DISCORD = "discord"


def chat_of(kind: str) -> Chat:
    """The chat of a channel's kind: ``slack``, ``slack_webhook`` or ``discord_webhook``."""
    return Chat.DISCORD if kind.startswith("discord") else Chat.SLACK


def render(
    chat: Chat, incident: Incident, context: RenderContext, template: Template | None = None
) -> Rendered:
    """The living message of an incident, within every limit of the chat.

    A template that fails leaves the default in place; the message and its ``problem`` say so.
    """
    incident = translated(incident, context.language)
    said, spoken = card(incident, context), words(context.language)
    escape = escape_slack if chat is Chat.SLACK else escape_discord
    own = fill(template, said, incident, escape) if template else DEFAULT
    form = slack.message if chat is Chat.SLACK else discord.message
    return replace(form(said, spoken, own), problem=own.problem)


def render_reply(
    chat: Chat,
    incident: Incident,
    context: RenderContext,
    reasons: frozenset[Reason] = frozenset(),
) -> Rendered:
    """The short message that rings beside the living one, about the newest firing alert.

    Args:
        chat: where.
        incident: as it stands now.
        context: the surroundings; its mentions decide who is pinged.
        reasons: why it rings, where that is known.
    """
    newest = max(incident.firing, key=_news, default=None)
    focused = replace(incident, alerts=(newest,)) if newest else incident
    said = replace(card(focused, context), firing=len(incident.firing))
    spoken = words(context.language)
    headline = _headline(incident, reasons, spoken)
    if chat is Chat.SLACK:
        return slack.reply(said, spoken, headline)
    return discord.reply(said, spoken, headline)


def render_digest(
    chat: Chat,
    incidents: Sequence[Incident],
    context: RenderContext,
    marker: str,
    backlog: Figures | None = None,
) -> Rendered:
    """One message that stands for many incidents while a backlog lasts; it pings nobody.

    Args:
        chat: where.
        incidents: those to list; the worst and newest come first.
        context: the surroundings.
        marker: identifies the message.
        backlog: the figures; None counts the incidents, which all wait.
    """
    ordered = sorted(incidents, key=_urgency)
    cards, spoken = [card(each, context) for each in ordered], words(context.language)
    inbox = safe_url(incident_url("", context).rstrip("#"))
    figures = backlog or Figures(len(cards), 0, len(cards), 0.0)
    form = slack.digest if chat is Chat.SLACK else discord.digest
    return form(cards, spoken, figures, inbox, marker)


def _headline(incident: Incident, reasons: frozenset[Reason], spoken: Words) -> str:
    if Reason.REOPENED in reasons:
        return spoken.say("reopened", count=incident.reopened)
    return spoken.say("worse" if Reason.WORSE in reasons else "new_alert")


def _news(alert: IncidentAlert) -> tuple[datetime, int, datetime, str]:
    """What was heard of last, then what is worse: alerts of one rule often start as one."""
    heard = alert.seen_at or alert.starts_at
    return heard, rank(alert.severity), alert.starts_at, alert.fingerprint


def _urgency(incident: Incident) -> tuple[bool, int, float]:
    return min((order(alert) for alert in incident.alerts), default=(True, 0, 0.0))
