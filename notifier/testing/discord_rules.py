"""What Discord accepts in a message: the limits of its documentation, as pure checks.

Sources: docs.discord.com, "Webhook" and "Message" resources (embed limits, allowed mentions).
Lengths are counted in UTF-16 units, the strictest of the readings.
"""

import ipaddress
import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from notifier.testing.slack_rules import units

MAX_CONTENT = 2000
MAX_EMBEDS = 10
MAX_EMBED_TOTAL = 6000
MAX_FIELDS = 25
SUPPRESS_NOTIFICATIONS = 1 << 12
_MENTION = re.compile(r"@(everyone|here)\b|<@!?(\d+)>|<@&(\d+)>")

Errors = Iterator[tuple[str, str, str]]


def form_errors(body: Mapping[str, Any]) -> dict[str, Any]:
    """The ``errors`` tree of a 50035 answer; empty when the form is acceptable."""
    tree: dict[str, Any] = {}
    for path, code, message in _errors(body):
        node = tree
        for step in path.split("."):
            node = node.setdefault(step, {})
        node.setdefault("_errors", []).append({"code": code, "message": message})
    return tree


def is_empty(body: Mapping[str, Any], *, files: int = 0) -> bool:
    """Whether nothing would be shown (error 50006)."""
    embeds = body.get("embeds") or []
    shown = bool(str(body.get("content") or "").strip()) or any(_has_content(e) for e in embeds)
    return not shown and not files and not body.get("components")


def pings(body: Mapping[str, Any]) -> frozenset[str]:
    """Who is notified by a new message: ``everyone``, ``here``, user ids, ``&role`` ids.

    Only ``content`` counts; without ``allowed_mentions`` a webhook may mention users.
    """
    if int(body.get("flags") or 0) & SUPPRESS_NOTIFICATIONS:
        return frozenset()
    allowed = body.get("allowed_mentions")
    allowed = {"parse": ["users"]} if allowed is None else allowed
    parse, found = allowed.get("parse") or [], set()
    for match in _MENTION.finditer(str(body.get("content") or "")):
        everyone, user, role = match.groups()
        if everyone and "everyone" in parse:
            found.add(everyone)
        if user and ("users" in parse or user in (allowed.get("users") or [])):
            found.add(user)
        if role and ("roles" in parse or role in (allowed.get("roles") or [])):
            found.add(f"&{role}")
    return frozenset(found)


def _errors(body: Mapping[str, Any]) -> Errors:
    yield from _text(body.get("content"), "content", MAX_CONTENT)
    yield from _text(body.get("username"), "username", 80)
    yield from _allowed_mentions(body.get("allowed_mentions"))
    embeds = body.get("embeds") or []
    if not isinstance(embeds, list):
        yield "embeds", "LIST_TYPE_CONVERT", "Only iterables may be used in a ListType"
        return
    if len(embeds) > MAX_EMBEDS:
        yield "embeds", "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_EMBEDS} or fewer in length."
    total = 0
    for index, embed in enumerate(embeds):
        yield from _embed(embed, f"embeds.{index}")
        total += _embed_total(embed)
    if total > MAX_EMBED_TOTAL:
        yield "embeds", "MAX_EMBED_SIZE_EXCEEDED", "Embed size exceeds maximum size of 6000"


def _embed(embed: Any, at: str) -> Errors:
    if not isinstance(embed, Mapping):
        yield at, "MODEL_TYPE_CONVERT", "Only dictionaries may be used in a ModelType"
        return
    yield from _text(embed.get("title"), f"{at}.title", 256)
    yield from _text(embed.get("description"), f"{at}.description", 4096)
    yield from _url(embed.get("url"), f"{at}.url")
    yield from _url((embed.get("image") or {}).get("url"), f"{at}.image.url", attachments=True)
    yield from _named(embed.get("footer"), f"{at}.footer", "text", 2048)
    yield from _named(embed.get("author"), f"{at}.author", "name", 256)
    color = embed.get("color")
    if color is not None and not (isinstance(color, int) and 0 <= color <= 0xFFFFFF):
        yield f"{at}.color", "NUMBER_TYPE_MAX", "int value should be less than or equal to 16777215"
    fields = embed.get("fields") or []
    if len(fields) > MAX_FIELDS:
        yield f"{at}.fields", "BASE_TYPE_MAX_LENGTH", f"Must be {MAX_FIELDS} or fewer in length."
    for index, each in enumerate(fields):
        yield from _required(each.get("name"), f"{at}.fields.{index}.name", 256)
        yield from _required(each.get("value"), f"{at}.fields.{index}.value", 1024)


def _named(node: Any, at: str, key: str, most: int) -> Errors:
    if node is not None:
        yield from _required(node.get(key), f"{at}.{key}", most)


def _text(value: Any, at: str, most: int) -> Errors:
    if value is not None and not isinstance(value, str):
        yield at, "STRING_TYPE_CONVERT", "Could not interpret value as string."
    elif units((value or "").strip()) > most:
        yield at, "BASE_TYPE_MAX_LENGTH", f"Must be {most} or fewer in length."


def _required(value: Any, at: str, most: int) -> Errors:
    if not isinstance(value, str) or not value.strip():
        yield at, "BASE_TYPE_REQUIRED", "This field is required"
    else:
        yield from _text(value, at, most)


def _url(value: Any, at: str, *, attachments: bool = False) -> Errors:
    """A URL needs a scheme it knows and a host that could be public: a dot, or an address."""
    if value is None or (attachments and str(value).startswith("attachment://")):
        return
    try:
        parts = urlsplit(str(value))
        host = parts.hostname or ""
    except ValueError:
        parts, host = urlsplit(""), ""
    if parts.scheme not in {"http", "https"}:
        yield at, "URL_TYPE_INVALID_SCHEME", "Scheme must be one of ('http', 'https')."
    elif not ("." in host or _is_address(host)) or units(str(value)) > 2048:
        yield at, "URL_TYPE_INVALID_URL", "Not a well formed URL."


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _allowed_mentions(allowed: Any) -> Errors:
    if not isinstance(allowed, Mapping):
        return
    parse = allowed.get("parse") or []
    for index, kind in enumerate(parse):
        if kind not in {"roles", "users", "everyone"}:
            yield f"allowed_mentions.parse.{index}", "BASE_TYPE_CHOICES", "Value must be one of"
    for kind in ("roles", "users"):
        ids = allowed.get(kind) or []
        if len(ids) > 100:
            yield f"allowed_mentions.{kind}", "BASE_TYPE_MAX_LENGTH", "Must be 100 or fewer"
        if ids and kind in parse:
            yield (
                "allowed_mentions",
                "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE",
                f'parse:["{kind}"] and {kind}: [ids...] are mutually exclusive.',
            )


def _has_content(embed: Any) -> bool:
    if not isinstance(embed, Mapping):
        return False
    keys = ("title", "description", "fields", "image", "thumbnail", "author", "footer")
    return any(embed.get(key) for key in keys)


def _embed_total(embed: Any) -> int:
    if not isinstance(embed, Mapping):
        return 0
    texts = [embed.get("title"), embed.get("description")]
    texts += [(embed.get("footer") or {}).get("text"), (embed.get("author") or {}).get("name")]
    for each in embed.get("fields") or []:
        texts += [each.get("name"), each.get("value")]
    return sum(units(str(text or "").strip()) for text in texts)
