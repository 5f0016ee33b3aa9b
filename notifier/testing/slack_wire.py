"""How Slack reads arguments and words its answers."""

import json
from typing import Any

from aiohttp import web

from notifier.testing.slack_rules import Refusal


async def read_arguments(request: web.Request) -> dict[str, Any]:
    """Slack takes arguments from the query, a form or a JSON body alike."""
    arguments: dict[str, Any] = dict(request.query)
    if request.content_type == "application/json":
        arguments.update(await json_body(request) or {})
    elif request.can_read_body:
        arguments.update({k: v for k, v in (await request.post()).items() if isinstance(v, str)})
    for key in ("blocks", "attachments", "metadata", "files"):
        if isinstance(arguments.get(key), str):
            arguments[key] = json.loads(arguments[key])
    return arguments


async def json_body(request: web.Request) -> dict[str, Any] | None:
    """The body as a JSON object; None when it is something else."""
    try:
        body = json.loads(await request.read())
    except ValueError:
        return None
    return body if isinstance(body, dict) else None


def fine(**fields: Any) -> web.Response:
    """The answer of a call that worked."""
    return web.json_response({"ok": True, **fields})


def failed(error: str, **fields: Any) -> web.Response:
    """The answer of a call that failed: still 200."""
    return web.json_response({"ok": False, "error": error, **fields})


def refused(refusal: Refusal) -> web.Response:
    """The answer to a message that breaks a limit, with a reason per place."""
    return failed(refusal.error, response_metadata={"messages": list(refusal.messages)})


def too_many(wait: float) -> web.Response:
    """429 of the Web API."""
    return web.json_response(
        {"ok": False, "error": "ratelimited"}, status=429, headers={"Retry-After": whole(wait)}
    )


def whole(seconds: float) -> str:
    """``Retry-After`` as Slack writes it: whole seconds, at least one."""
    return str(max(1, -int(-seconds // 1)))
