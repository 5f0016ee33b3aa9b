"""What the deliverers share: the session, the end of a failed exchange, and silence on secrets."""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import replace

import aiohttp

from notifier.deliver.classify import Answer, answer
from notifier.deliver.outcome import Outcome, OutcomeKind
from wiltonos_service.redaction import redact

TOTAL_SECONDS = 15.0
CONNECT_SECONDS = 5.0
HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[\w.-]+)(?::\d{1,5})?"
# bounds what a strange server can make us read
_MAX_ANSWER = 256 * 1024


def open_session(total_seconds: float = TOTAL_SECONDS) -> aiohttp.ClientSession:
    """The one session for all deliverers; whoever opens it closes it.

    ``trust_env`` honours HTTPS_PROXY and NO_PROXY, which slack_sdk does only by half.
    """
    timeout = aiohttp.ClientTimeout(total=total_seconds, sock_connect=CONNECT_SECONDS)
    return aiohttp.ClientSession(timeout=timeout, trust_env=True)


def quiet_logger(name: str) -> logging.Logger:
    """A logger for slack_sdk with an explicit level.

    With level NOTSET it writes whole webhook addresses at INFO.
    """
    logger = logging.getLogger(name)
    logger.setLevel(logging.WARNING)
    return logger


async def read_answer(response: aiohttp.ClientResponse) -> Answer:
    """The answer, its body cut at 256 KiB."""
    content = await response.content.read(_MAX_ANSWER)
    return answer(response.status, response.headers, content.decode("utf-8", "replace"))


def failed_exchange(error: Exception, *, repeatable: bool) -> Outcome:
    """The outcome of an exchange that ended without an answer.

    Args:
        error: what aiohttp raised.
        repeatable: doing it twice is the same as once (edits), so that nothing is unknown.
    """
    detail = _words(error)
    never_sent = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
    if never_sent or repeatable or isinstance(error, aiohttp.InvalidURL):
        return Outcome(OutcomeKind.TRANSIENT, detail=detail)
    return Outcome(OutcomeKind.UNKNOWN, detail=detail)


FAILURES = (aiohttp.ClientError, asyncio.TimeoutError, OSError)


def _words(error: Exception) -> str:
    # the text of an aiohttp error can hold the whole address
    reason = getattr(getattr(error, "os_error", error), "strerror", None) or ""
    return f"{type(error).__name__} {reason}".strip()


def scrubbed(outcome: Outcome, secrets: Iterable[str]) -> Outcome:
    """The outcome with no secret in its detail."""
    detail = redact(outcome.detail)
    for secret in secrets:
        if len(secret) >= 6:
            detail = detail.replace(secret, "[secret]")
    return outcome if detail == outcome.detail else replace(outcome, detail=detail)
