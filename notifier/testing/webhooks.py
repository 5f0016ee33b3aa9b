"""Webhook bodies as Alertmanager sends them, for driving a notifier in tests."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import orjson

ZERO_TIME = "0001-01-01T00:00:00Z"
DEFAULT_START = datetime(2026, 1, 1, tzinfo=UTC)

Body = dict[str, Any]


def alert(
    name: str = "A",
    *,
    severity: str = "warning",
    starts_at: datetime = DEFAULT_START,
    ends_at: datetime | None = None,
    labels: Mapping[str, str] | None = None,
    annotations: Mapping[str, str] | None = None,
    fingerprint: str = "",
) -> Body:
    """One alert; it is resolved if it has an end.

    The fingerprint follows from the name and the labels, as Alertmanager's does.
    """
    own = {"alertname": name, "severity": severity, **(labels or {})}
    digest = "".join(f"{key}={own[key]};" for key in sorted(own)).encode()
    return {
        "status": "resolved" if ends_at else "firing",
        "labels": own,
        "annotations": dict(annotations or {"summary": f"{name} is wrong"}),
        "startsAt": starts_at.isoformat(),
        "endsAt": ends_at.isoformat() if ends_at else ZERO_TIME,
        "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
        "fingerprint": fingerprint or f"{_fnv(digest):016x}",
    }


def webhook(
    *alerts: Body,
    group_key: str = '{}:{alertname="A"}',
    group_labels: Mapping[str, str] | None = None,
    receiver: str = "chats",
    version: str = "4",
    **more: Any,
) -> Body:
    """One body; ``more`` adds or replaces keys."""
    firing = any(each["status"] == "firing" for each in alerts)
    return {
        "receiver": receiver,
        "status": "firing" if firing else "resolved",
        "alerts": list(alerts),
        "groupLabels": dict(group_labels or {}),
        "commonLabels": {},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager:9093",
        "version": version,
        "groupKey": group_key,
        "truncatedAlerts": 0,
        **more,
    }


def encoded(body: Body | Sequence[Any] | str) -> bytes:
    """The body as it travels."""
    return orjson.dumps(body)


def _fnv(data: bytes) -> int:
    """FNV-1a, 64 bits: what Prometheus makes fingerprints with."""
    digest = 0xCBF29CE484222325
    for byte in data:
        digest = (digest ^ byte) * 0x100000001B3 & 0xFFFFFFFFFFFFFFFF
    return digest
