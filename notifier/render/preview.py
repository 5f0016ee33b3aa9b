"""How a rendered message looks, as HTML that needs nothing else. Pure.

An approximation of both chats, for pages, documents and eyes: whoever changes a message sees it
without a workspace. Everything is escaped first, so that hostile labels stay text here as well.
"""

import html
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from notifier.render.discord import COLOURS, GREEN
from notifier.render.message import Chat

# no "<" in an address: that is the markup of a rule before
_SLACK_RULES = (
    (re.compile(r"&lt;!date\^(\d+)\^[^|]*\|([^&]*)&gt;"), r'<time data-seconds="\1">\2</time>'),
    (re.compile(r"&lt;(https?://[^|&<]*(?:&amp;[^|&<]*)*)\|([^<]*?)&gt;"), r'<a href="\1">\2</a>'),
    (re.compile(r"&lt;!(here|channel|everyone)&gt;"), r"<mark>@\1</mark>"),
    (re.compile(r"&lt;(@[UW]\w+|!subteam\^\w+)&gt;"), r"<mark>\1</mark>"),
    (re.compile(r"`([^`\n]+)`"), r"<code>\1</code>"),
    (re.compile(r"(?<![\w*])\*([^*\n]+)\*(?!\w)"), r"<b>\1</b>"),
    (re.compile(r"(?<![\w~])~([^~\n]+)~(?!\w)"), r"<s>\1</s>"),
)
_DISCORD_RULES = (
    (re.compile(r"&lt;t:(-?\d+):R&gt;"), r'<time data-since="\1">a while ago</time>'),
    (
        re.compile(r"&lt;t:(-?\d+):\w&gt;"),
        lambda match: f'<time data-seconds="{match[1]}">{_time(match[1])}</time>',
    ),
    (re.compile(r"\[([^\]\n]+)\]\(&lt;(https?://[^)<]*?)&gt;\)"), r'<a href="\2">\1</a>'),
    (re.compile(r"&lt;@(&amp;|!)?(\d+)&gt;"), r"<mark>@\2</mark>"),
    (re.compile(r"\*\*(.+?)\*\*"), r"<b>\1</b>"),
    (re.compile(r"~~(.+?)~~"), r"<s>\1</s>"),
)
# a character that its escape has made plain, out of reach of the rules above
_ESCAPED = re.compile(r"\\([\\*_~`|>#\[\]<])")
_PLAIN_AT = 0xE000
_HEAD = (
    '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    '<link rel="icon" href="data:,">'
)
_STYLE = """
h3{margin:1.2em 0 .4em;color:#4a4b4d;font-size:13px;font-weight:400;overflow-wrap:anywhere}
body{font:15px/1.45 "Noto Sans","Helvetica Neue",sans-serif;background:#eceff3;margin:24px}
.message{background:#fff;border-radius:10px;padding:14px 18px;margin:0 0 18px;max-width:640px;
color:#1d1c1d;box-shadow:0 1px 3px #0002;overflow-wrap:anywhere}
.message h2{font-size:18px;margin:.1em 0 .4em}.message p{margin:.35em 0;white-space:pre-line}
.message small,.message .context{color:#616061;font-size:13px}
mark{background:#fcf4da;color:#1264a3;border-radius:3px;padding:0 2px}
code{background:#f4f4f5;color:#b3123f;border:1px solid #dcdcdc;border-radius:3px;padding:0 3px}
a{color:#1264a3;text-decoration:none}time{white-space:nowrap}s{color:#616061}
.discord{background:#313338;color:#dbdee1}.discord a{color:#00a8fc}.discord small{color:#b5bac1}
.discord mark{background:#3c4270;color:#c9cdfb}.discord s{color:#949ba4}
.embed{background:#2b2d31;border-left:4px solid #80848e;border-radius:4px;padding:10px 14px;
margin-top:6px}.fields{display:grid;grid-template-columns:repeat(3,1fr);gap:8px 16px}
.fields .wide{grid-column:1/-1}.fields b{display:block;font-size:13px}.image{color:#949ba4}
.chart{display:block;width:100%;max-width:480px;border-radius:4px;margin-top:10px}
"""
# as rules and not as attributes, which a page's policy may forbid
_BARS = "".join(
    f'[data-colour="{colour:06x}"]{{border-color:#{colour:06x}}}\n'
    for colour in (*COLOURS.values(), GREEN)
)


def preview_page(
    messages: Mapping[str, tuple[Chat, Mapping[str, Any]]],
    picture: str = "",
    *,
    note: str = "",
    reload_seconds: int = 0,
) -> str:
    """A page of messages.

    Args:
        messages: title → chat and payload.
        picture: address of the picture that each shows; "" for none.
        note: what is said above them.
        reload_seconds: how often a browser looks again; 0 for never.
    """
    shown = "".join(
        f"<h3>{html.escape(title)}</h3>{preview(chat, payload, picture)}"
        for title, (chat, payload) in messages.items()
    )
    said = f"<p>{html.escape(note)}</p>" if note else ""
    again = f'<meta http-equiv="refresh" content="{reload_seconds}">' if reload_seconds else ""
    head = f"{_HEAD}{again}<title>Messages</title><style>{_STYLE}{_BARS}</style>"
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{said}{shown}</body></html>'


def preview(chat: Chat, payload: Mapping[str, Any], picture: str = "") -> str:
    """One message as an HTML fragment without inline styles; :func:`preview_page` has the rules.

    A ``time`` carries its Unix time as ``data-seconds``, or ``data-since`` where the chat counts
    from it.
    """
    image = f'<img class="chart" src="{html.escape(picture)}" alt="">' if picture else ""
    if chat is Chat.SLACK:
        body = _slack_message(payload) + image
    else:
        body = _discord_message(payload, image)
    return f'<div class="message {chat}">{body}</div>'


def _slack_message(payload: Mapping[str, Any]) -> str:
    blocks = payload.get("blocks")
    if not blocks:
        return f"<p>{_slack(payload.get('text', ''))}</p>"
    return "".join(_block(block) for block in blocks)


def _block(block: Mapping[str, Any]) -> str:
    match block.get("type"):
        case "header":
            return f"<h2>{_slack(block['text']['text'])}</h2>"
        case "section":
            return f"<p>{_slack(block['text']['text'])}</p>"
        case "context":
            texts = (_slack(element["text"]) for element in block["elements"])
            return f'<p class="context">{" ".join(texts)}</p>'
        case "actions":
            labels = (html.escape(str(each["text"]["text"])) for each in block["elements"])
            return f'<p class="context">{" ".join(f"[{label}]" for label in labels)}</p>'
        case "image":
            return f'<p class="image">🖼 {html.escape(str(block.get("alt_text", "")))}</p>'
        case _:
            return ""


def _discord_message(payload: Mapping[str, Any], image: str) -> str:
    content = str(payload.get("content") or "")
    said = f"<p>{_discord(content)}</p>" if content else ""
    embeds = payload.get("embeds") or []
    return said + "".join(_embed(embed, "" if n else image) for n, embed in enumerate(embeds))


def _embed(embed: Mapping[str, Any], image: str) -> str:
    fields = "".join(
        f"<div{'' if each.get('inline') else ' class=wide'}><b>{_discord(each['name'])}</b>"
        f"<p>{_discord(each['value'])}</p></div>"
        for each in embed.get("fields", ())
    )
    footer = html.escape(str((embed.get("footer") or {}).get("text", "")))
    return (
        f'<div class="embed" data-colour="{int(embed.get("color") or 0):06x}">'
        f"<h2>{_discord(str(embed.get('title', '')))}</h2>"
        f"<p>{_discord(str(embed.get('description', '')))}</p>"
        f'<div class="fields">{fields}</div>{image}<small>{footer}</small></div>'
    )


def _slack(text: str) -> str:
    # Slack's own escapes stand for plain characters and must not become markup here
    plain = text.replace("&lt;", "\ue001").replace("&gt;", "\ue002").replace("&amp;", "&")
    shown = html.escape(plain, quote=True)
    for pattern, replacement in _SLACK_RULES:
        shown = pattern.sub(replacement, shown)
    return shown.replace("\ue001", "&lt;").replace("\ue002", "&gt;")


def _discord(text: str) -> str:
    hidden = _ESCAPED.sub(lambda match: chr(_PLAIN_AT + ord(match[1])), text)
    shown = html.escape(hidden, quote=True)
    for pattern, replacement in _DISCORD_RULES:
        shown = pattern.sub(replacement, shown)
    return "".join(
        html.escape(chr(ord(char) - _PLAIN_AT))
        if _PLAIN_AT <= ord(char) < _PLAIN_AT + 128
        else char
        for char in shown
    )


def _time(seconds: str) -> str:
    try:
        return f"{datetime.fromtimestamp(int(seconds), UTC):%H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return "?"
