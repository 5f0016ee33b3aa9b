"""An incident as the pipeline makes it."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from notifier.alerts import AlertStatus
from notifier.incident.model import Incident, IncidentAlert, Phase
from notifier.render import RenderContext

NOW = datetime(2026, 11, 23, 3, 4, 30, tzinfo=UTC)
SINCE = NOW - timedelta(minutes=4)
LABELS = {
    "alertname": "WiltonosPhiOutOfBand",
    "severity": "critical",
    "job": "wiltonos-exporter",
    "instance": "ship-1",
}
ANNOTATIONS = {
    "summary": "Φ is above its band",
    "description": "Φ has been outside 0.73–0.77 for a minute. Steer softly: keep dΦ/dt small.",
    "runbook_url": "https://example.org/runbooks/phi-out-of-band",
    "value": "0.8012",
    "limit": "0.73–0.77",
    "derivative_60s": "+0.012/min",
    "worst_loop": "alpha",
    "pressure": "0.06",
    "__dashboardUid__": "wiltonos-coherence",
    "__panelId__": "3",
}


def make_alert(**changes: Any) -> IncidentAlert:
    """The alert of a Φ above its band; labels and annotations are added to its own."""
    labels = {**LABELS, **changes.pop("labels", {})}
    annotations = {**ANNOTATIONS, **changes.pop("annotations", {})}
    made = IncidentAlert(
        fingerprint="3ad156f531a168ba",
        status=AlertStatus.FIRING,
        labels=labels,
        annotations=annotations,
        starts_at=SINCE,
        ends_at=None,
        group_key="{}:{}",
        generator_url="http://prometheus:9090/graph?g0.expr=wiltonos_quantum_coherence_ratio",
    )
    return replace(made, **changes)


def make_incident(*alerts: IncidentAlert, **changes: Any) -> Incident:
    """An incident that fires with these alerts, or with the one of Φ above its band."""
    made = Incident(
        id="0006446f5a4b9c001234abcd",
        receiver="wiltonos",
        key="k",
        group_keys=("{}:{}",),
        labels={"job": "wiltonos-exporter", "instance": "ship-1"},
        phase=Phase.FIRING,
        revision=1,
        opened_at=SINCE,
        resolved_at=None,
        alerts=alerts or (make_alert(),),
        external_url="http://alertmanager:9093",
    )
    return replace(made, **changes)


@pytest.fixture
def alert() -> Callable[..., IncidentAlert]:
    """See make_alert."""
    return make_alert


@pytest.fixture
def incident() -> Callable[..., Incident]:
    """See make_incident."""
    return make_incident


@pytest.fixture
def context() -> RenderContext:
    """A context with every address and pings for critical."""
    return RenderContext(
        now=NOW,
        public_url="http://127.0.0.1:9099",
        alertmanager_url="http://127.0.0.1:9093",
        prometheus_url="http://127.0.0.1:9090",
        grafana_url="http://127.0.0.1:3000",
        mentions={"critical": ("<!here>", "<@&123456789>")},
    )
