"""Turns incidents into messages that fit every limit of their chat. Pure.

``render`` makes the living message of an incident, ``render_reply`` the short one that rings,
``render_digest`` the one message that stands for many while a backlog lasts.
"""

from notifier.render.chart import ChartPlan, chart_plan
from notifier.render.context import RenderContext
from notifier.render.message import Chat, chat_of, render, render_digest, render_reply
from notifier.render.preview import preview, preview_page
from notifier.render.template import Template, check_template

__all__ = [
    "ChartPlan",
    "Chat",
    "RenderContext",
    "Template",
    "chart_plan",
    "chat_of",
    "check_template",
    "preview",
    "preview_page",
    "render",
    "render_digest",
    "render_reply",
]
