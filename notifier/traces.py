"""The spans of the notifier, on ``opentelemetry-api`` alone: one trace from dispatch to chat.

A webhook is an HTTP server span below the sender's, its commit a span inside. The context goes
into the database with the incident, so that each attempt to deliver continues the same trace,
whenever and in whichever process it is made. Names and attributes: OpenTelemetry semantic
conventions, HTTP and messaging.
"""

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, Span, SpanKind, Status, StatusCode, TracerProvider
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
from opentelemetry.util.types import AttributeValue

from notifier.deliver.outcome import Outcome, OutcomeKind
from notifier.incident import KEPT_TRACES, Incident
from notifier.incident.planner import Plan
from notifier.store.base import Claim, Later, Settlement
from wiltonos_service.redaction import redact

TRACER = "notifier"
_NO_SPAN = nullcontext(trace.INVALID_SPAN)
_PROPAGATOR = TraceContextTextMapPropagator()


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as the conventions for HTTP servers see it.

    Attributes:
        route: the path that it was posted to.
        host: where we were reached: the Host header.
        sender: the User-Agent header.
    """

    route: str
    host: str
    sender: str

    def attributes(self) -> dict[str, AttributeValue]:
        """The attributes of its span. No query and no other header: they may hold a secret."""
        address, _, port = self.host.rpartition(":") if ":" in self.host else (self.host, "", "")
        known: dict[str, AttributeValue] = {
            "http.request.method": "POST",
            "http.route": self.route,
            "url.path": self.route,
            "url.scheme": "http",
            "server.address": address,
        }
        if port.isdecimal():
            known["server.port"] = int(port)
        if self.sender:
            known["user_agent.original"] = self.sender
        return known


class Traces:
    """Makes the spans; without a provider none, at the price of a comparison.

    Args:
        provider: where spans go; None records nothing.
    """

    def __init__(self, provider: TracerProvider | None = None) -> None:
        self._tracer = provider.get_tracer(TRACER) if provider else None

    @property
    def on(self) -> bool:
        """Whether spans are made."""
        return self._tracer is not None

    @contextmanager
    def webhook(self, headers: Mapping[str, str], webhook: Webhook) -> Iterator["WebhookSpan"]:
        """The span of a webhook, a child of the sender's; the sender decides on sampling."""
        assert self._tracer is not None
        with self._tracer.start_as_current_span(
            f"POST {webhook.route}",
            context=_PROPAGATOR.extract(headers, Context()),
            kind=SpanKind.SERVER,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            if span.is_recording():
                span.set_attributes(webhook.attributes())
            yield WebhookSpan(span, headers.get("traceparent", ""))

    def accept(self) -> AbstractContextManager[Span]:
        """The span of a commit, inside that of its webhook."""
        if self._tracer is None or not trace.get_current_span().is_recording():
            return _NO_SPAN
        return self._tracer.start_as_current_span(
            "accept", record_exception=False, set_status_on_exception=False
        )

    def following(self, incident: Incident) -> AbstractContextManager[object]:
        """Continue the trace of the webhook that changed the incident last."""
        if self._tracer is None or not incident.traces:
            return _NO_SPAN
        parent = _span_context(incident.traces[-1].traceparent)
        return trace.use_span(trace.NonRecordingSpan(parent), record_exception=False)

    def trail(self, claim: Claim, system: str) -> "Trail":
        """The attempts that a claim leads to.

        Args:
            claim: the row.
            system: the chat.
        """
        return Trail(self, claim, system)

    def start(
        self, name: str, links: list[Link], attributes: dict[str, AttributeValue]
    ) -> AbstractContextManager[Span]:
        """A span of a request to a chat, below the one that is current."""
        if self._tracer is None:
            return _NO_SPAN
        return self._tracer.start_as_current_span(
            name,
            kind=SpanKind.CLIENT,
            links=links,
            attributes=attributes,
            record_exception=False,
            set_status_on_exception=False,
        )


OFF = Traces()


@dataclass(frozen=True, slots=True)
class WebhookSpan:
    """The span of a webhook, and what the incident remembers of it.

    Attributes:
        span: the span itself.
        received: the sender's ``traceparent``.
    """

    span: Span
    received: str

    @property
    def traceparent(self) -> str:
        """Our own where the span is recorded; else the sender's, whose decision then holds."""
        return traceparent(self.span) if self.span.is_recording() else self.received

    def answered(self, status: int) -> None:
        """The webhook was answered."""
        self.span.set_attribute("http.response.status_code", status)
        if status >= 500:
            self.span.set_attribute("error.type", str(status))
            self.span.set_status(Status(StatusCode.ERROR))


def accepted(span: Span, plan: Plan) -> None:
    """Note on the span of a commit what it did."""
    incident = plan.step.incident
    if not span.is_recording() or incident is None:
        return
    span.set_attributes(
        {
            "messaging.message.conversation_id": incident.id,
            "wiltonos.notifier.revision": incident.revision,
            "wiltonos.notifier.reasons": sorted(reason.value for reason in plan.step.reasons),
            "wiltonos.notifier.channels": [want.channel for want in plan.wants],
        }
    )


@dataclass
class Trail:
    """The requests that one claim leads to, each a span that is linked to those before it.

    Attributes:
        tried: contexts of the attempts so far, the oldest first.
    """

    traces: Traces
    claim: Claim
    system: str
    tried: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        self.tried = self.claim.tried

    @contextmanager
    def attempt(self) -> Iterator[Span]:
        """The span of one request; give its outcome to :func:`ended`."""
        if not self.traces.on:
            yield trace.INVALID_SPAN
            return
        name = f"send {self.claim.channel}"
        with self.traces.start(name, self._links(), self._attributes()) as span:
            if span.is_recording():
                self.tried = (*self.tried, traceparent(span))[-KEPT_TRACES:]
            yield span

    def kept(self, settlement: Settlement) -> Settlement:
        """The settlement, which remembers the attempts where there will be another one."""
        if isinstance(settlement, Later) and self.tried:
            return replace(settlement, tried=self.tried)
        return settlement

    def _links(self) -> list[Link]:
        """Earlier attempts, and the webhooks that this message tells of besides its parent."""
        claim = self.claim
        shown = max(claim.delivered_revision, claim.rung_revision)
        merged = [each.traceparent for each in claim.incident.traces[:-1] if each.revision > shown]
        return [Link(_span_context(each)) for each in (*merged, *self.tried)]

    def _attributes(self) -> dict[str, AttributeValue]:
        claim = self.claim
        return {
            "messaging.system": self.system,
            "messaging.operation.type": "send",
            "messaging.operation.name": "send",
            "messaging.destination.name": claim.channel,
            "messaging.message.conversation_id": claim.incident.id,
            "wiltonos.notifier.operation": claim.operation.value,
            "wiltonos.notifier.revision": claim.incident.revision,
            "wiltonos.notifier.attempt": len(self.tried) + 1,
        }


def ended(span: Span, outcome: Outcome) -> None:
    """Note on the span of a request how it ended."""
    if not span.is_recording():
        return
    span.set_attribute("wiltonos.notifier.outcome", outcome.kind.value)
    if outcome.receipt is not None and outcome.receipt.message:
        span.set_attribute("messaging.message.id", outcome.receipt.message)
    if outcome.retry_after_seconds is not None:
        span.set_attribute("wiltonos.notifier.retry_after", outcome.retry_after_seconds)
    if outcome.kind is not OutcomeKind.DELIVERED:
        span.set_attribute("error.type", outcome.kind.value)
        span.set_status(Status(StatusCode.ERROR, redact(outcome.detail)))


def traceparent(span: Span) -> str:
    """The context of a span as it goes over the wire (W3C Trace Context, section 3.2)."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}"


def _span_context(text: str) -> trace.SpanContext:
    _, trace_id, span_id, flags = text.split("-")
    return trace.SpanContext(
        int(trace_id, 16),
        int(span_id, 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(flags, 16)),
    )
