"""What the notifier says about itself, for the reference pages and the registry of metrics."""

from datetime import UTC, datetime

from opentelemetry.metrics import MeterProvider

from notifier.instruments import METER, Instruments
from notifier.reloading import FIXED
from notifier.settings import Settings
from notifier.store import Backlog
from notifier.watch.own import OwnAlert
from wiltonos_service.reference import OwnAlert as OwnAlertRow
from wiltonos_service.reference import Package, Route, Service

_CHANNEL = "ops-slack"
_SIGNED = "a signed link"
_SERVICE = Service(
    "wiltonos-notifier",
    "notifier",
    (
        Route("GET", "/", "the inbox page"),
        Route("GET", "/silence/{token}", "what a link of a message would do; shows only", _SIGNED),
        Route("POST", "/silence/{token}", "does it, once", _SIGNED),
        Route("GET", "/runbooks", "the runbooks"),
        Route("GET", "/runbooks/{name}", "one runbook: where `runbook_url` leads"),
        Route(
            "POST",
            "/api/v1/alertmanager",
            "Alertmanager's webhook: 200 once committed, 503 to be tried again, 400 and 413 never",
        ),
        Route("POST", "/api/v1/heartbeat", "a sign of life: an empty body, or the Watchdog firing"),
        Route("GET", "/api/v1/probes", "the marked probes of `wt metrics doctor` that came last"),
        Route("GET", "/api/v1/incidents", "a page of incidents: `phase`, `limit`, `cursor`"),
        Route("GET", "/api/v1/incidents/{id}", "one incident"),
        Route("GET", "/api/v1/dead-letters", "what could not be delivered or understood"),
        Route("GET", "/api/v1/dead-letters/{id}", "one dead letter with its payload"),
        Route("DELETE", "/api/v1/dead-letters/{id}", "drop a dead letter"),
        Route("POST", "/api/v1/dead-letters/{id}/replay", "try a dead letter again"),
        Route(
            "POST", "/api/v1/incidents/{id}/silence", "silence what fires: `by`, `hours`, `comment`"
        ),
        Route("POST", "/api/v1/incidents/{id}/acknowledge", "the same, short and renewed"),
        Route("POST", "/api/v1/incidents/{id}/undo", "end the silence that was asked for here"),
        Route("GET", "/api/v1/silences", "Alertmanager's silences"),
        Route("POST", "/api/v1/silences", "a new one: `matchers`, `by`, `hours`, `comment`"),
        Route("DELETE", "/api/v1/silences/{id}", "end a silence"),
        Route("GET", "/api/v1/events", "that something changed, as server-sent events"),
        Route("GET", "/metrics", "Prometheus text or OpenMetrics; `name[]` chooses families"),
        Route("GET", "/-/healthy", "the process is up"),
        Route("GET", "/-/ready", "a webhook can be committed; dead chats are `degraded`"),
        Route("POST", "/-/reload", "read the configuration anew; 500 says why it was refused"),
        Route("POST", "/-/session", "the token for a cookie, so that a browser can read"),
    ),
)


def emit(provider: MeterProvider) -> Instruments:
    """Every instrument, with a point for each series."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    instruments = Instruments(provider.get_meter(METER), [_CHANNEL])
    letters = {"delivery": 0, "ingest": 0}
    instruments.watch(lambda: Backlog({_CHANNEL: 0}, now, letters), lambda: now)
    instruments.delivered(_CHANNEL, 0.0, [0.0])
    return instruments


PACKAGE = Package(
    title="The notifier",
    order=2,
    emit=emit,
    attributes={
        "by": "Whose limit a message waited for: our own budget's, or the chat's.",
        "channel": "Name of a channel of the configuration.",
        "kind": "What a dead letter is: a delivery that failed, or a webhook that was refused.",
        "outcome": "How a request ended, from a closed list.",
        "reason": "Why something was counted, from a closed list.",
    },
    settings=Settings,
    restart=tuple(f"notifier.{key}" for key in FIXED),
    services=(_SERVICE,),
    alerts=(
        OwnAlertRow(
            OwnAlert.ALERTING_DOWN.value,
            "critical",
            "the Watchdog has been silent for `heartbeat_timeout_seconds`",
        ),
        OwnAlertRow(
            OwnAlert.CHANNEL_DEAD.value,
            "critical",
            "a chat says that the destination of a channel is gone or forbidden",
        ),
        OwnAlertRow(
            OwnAlert.NOTIFICATION_REFUSED.value,
            "warning",
            "a webhook was answered 400 or 413, so that its sender gave it up",
        ),
    ),
)
