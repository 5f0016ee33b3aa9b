"""Structured logs: one line per event, secrets taken out, levels kept in one place."""

import logging
import sys
from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

import structlog
from opentelemetry import trace

from wiltonos_service.redaction import redact

# libraries that log whole URLs at INFO
_LOUD = ("slack_sdk", "httpx", "httpcore", "urllib3", "watchfiles", "aiohttp.access", "asyncio")


def _redact_event(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    return {
        key: redact(value) if isinstance(value, str) else _plain(value)
        for key, value in event.items()
    }


def _add_trace(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
    """The names of OpenTelemetry's "Trace Context in non-OTLP Log Formats"."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return event
    ids = {
        "trace_id": trace.format_trace_id(context.trace_id),
        "span_id": trace.format_span_id(context.span_id),
        "trace_flags": f"{context.trace_flags:02x}",
    }
    return {**event, **ids}


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
        _add_trace,
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
