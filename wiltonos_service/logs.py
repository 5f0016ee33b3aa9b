"""Structured logs: one line per event, secrets taken out, levels kept in one place."""

import logging
import re
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import structlog

# what a secret looks like, wherever it turns up: Slack tokens, hook paths, bearer headers
_PATTERNS = (
    (re.compile(r"xox[abposr]-[A-Za-z0-9-]+|xapp-[A-Za-z0-9-]+"), "[slack token]"),
    (re.compile(r"(/services/)[A-Za-z0-9_/-]+"), r"\1[secret]"),
    (re.compile(r"(/webhooks/\d+/)[A-Za-z0-9_.-]+"), r"\1[secret]"),
    (re.compile(r"(?i)(bearer\s+)[A-Za-z0-9._~+/=-]+"), r"\1[secret]"),
    (re.compile(r"(\w+://[^/\s:@]*:)[^/\s@]+@"), r"\1[secret]@"),
)
# libraries that log whole URLs at INFO
_LOUD = ("slack_sdk", "httpx", "httpcore", "urllib3", "watchfiles", "aiohttp.access", "asyncio")


def redact(text: str) -> str:
    """The text without anything that looks like a secret."""
    for pattern, replacement in _PATTERNS:
        text = pattern.sub(replacement, text)
    return text


def _redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {
        key: redact(value) if isinstance(value, str) else _plain(value)
        for key, value in event.items()
    }


def _plain(value: Any) -> Any:
    return value if isinstance(value, int | float | bool | None) else redact(str(value))


def configure_logs(level: str = "info", *, as_json: bool | None = None) -> None:
    """Send structlog and the standard library to stderr in one form.

    Args:
        level: debug, info, warning or error.
        as_json: JSON lines; None chooses them when stderr is no terminal.
    """
    number = logging.getLevelNamesMapping()[level.upper()]
    as_json = not sys.stderr.isatty() if as_json is None else as_json
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact_event,
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(number)
    quiet(_LOUD)


def quiet(names: Iterable[str]) -> None:
    """Let these loggers say warnings and worse only."""
    for name in names:
        logging.getLogger(name).setLevel(logging.WARNING)


class ChangeLog:
    """Says a state of error once: one line when it changes, none while it lasts."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}

    def changed(self, subject: str, state: str) -> bool:
        """Whether the subject's state differs from what was said last ("" is well)."""
        if self._states.get(subject, "") == state:
            return False
        if state:
            self._states[subject] = state
        else:
            self._states.pop(subject, None)
        return True
