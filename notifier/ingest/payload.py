"""Reads webhook bodies: Alertmanager's version "4" and Grafana's version "1".

Tolerant of fields that we do not know, strict about those on which an incident stands
(Alertmanager documentation, ``webhook_config``; Grafana documentation, webhook notifier). Every
webhook comes through here before its answer: one as Alertmanager writes it is read by its types at
once, and only what is odd in any way is looked at field by field. What both take they read alike,
and a test holds them to it; a field that nobody reads is looked at by the long way only.
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec
from pydantic_core import from_json

from notifier import grafana
from notifier.alerts import Alert, AlertStatus, Notification
from notifier.errors import PayloadError

ALERTMANAGER = "4"
GRAFANA = "1"
VERSIONS = (ALERTMANAGER, GRAFANA)
# Alertmanager writes Go's zero time for "not known"
UNKNOWN_TIME = datetime(1, 1, 1, tzinfo=UTC)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
# the last one leaves no room to say "later than that"
_YEARS = range(1970, 9999)
_RESOLVED = AlertStatus.RESOLVED
_STATUSES: Mapping[Any, AlertStatus] = {status.value: status for status in AlertStatus}
# the only way in which JSON can hold a NUL, which PostgreSQL does not store
_NUL = b"\\u0000"

_Object = Mapping[str, Any]


def parse(body: bytes, traceparent: str = "") -> Notification:
    """The notification in a webhook body.

    A time that is missing or unreadable becomes ``UNKNOWN_TIME``; a fingerprint that is missing is
    made from the labels; a number is as good as its text, null as nothing. A malformed
    ``traceparent`` (W3C Trace Context, section 3.2) is dropped.

    Raises:
        PayloadError: not JSON, no ``alerts`` or ``groupKey``, another version, or a broken alert.
    """
    trace = traceparent if _TRACEPARENT.fullmatch(traceparent) else ""
    return _read(body, trace) or _read_closely(body, trace)


class _WireAlert(msgspec.Struct, rename="camel"):
    status: AlertStatus
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    starts_at: str = ""
    ends_at: str = ""
    generator_url: str = msgspec.field(default="", name="generatorURL")
    fingerprint: str = ""


class _WireBody(msgspec.Struct, rename="camel"):
    version: str
    group_key: str
    alerts: list[_WireAlert]
    receiver: str = ""
    group_labels: dict[str, str] = {}
    external_url: str = msgspec.field(default="", name="externalURL")
    truncated_alerts: Any = 0
    reason: str = msgspec.field(default="", name="notification_reason")
    route_labels: dict[str, str] = {}


_DECODER = msgspec.json.Decoder(_WireBody)


def _read(body: bytes, trace: str) -> Notification | None:
    """The notification in a body as Alertmanager writes it; None where anything is odd."""
    try:
        wire = _DECODER.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    if wire.version != ALERTMANAGER or not wire.group_key or _NUL in body:
        return None
    return Notification(
        receiver=wire.receiver,
        group_key=wire.group_key,
        group_labels=wire.group_labels,
        alerts=tuple(
            [
                Alert(
                    fingerprint=alert.fingerprint or _fingerprint(alert.labels),
                    status=alert.status,
                    labels=alert.labels,
                    annotations=alert.annotations,
                    starts_at=_time(alert.starts_at),
                    ends_at=_time(alert.ends_at) if alert.status is _RESOLVED else None,
                    generator_url=alert.generator_url,
                )
                for alert in wire.alerts
            ]
        ),
        external_url=wire.external_url,
        truncated_alerts=_number(wire.truncated_alerts),
        reason=wire.reason,
        traceparent=trace,
        route_labels=wire.route_labels,
    )


def _read_closely(body: bytes, trace: str) -> Notification:
    """The notification in any body, or what is wrong with it."""
    wire = _object(body)
    version = _required(wire, "version")
    group_key = _required(wire, "groupKey")
    alerts = wire.get("alerts")
    if not isinstance(alerts, list):
        raise PayloadError(_wrong(wire, "alerts", "a list"))
    if version not in VERSIONS:
        known = " and ".join(f'"{version}"' for version in VERSIONS)
        raise PayloadError(f"version {version[:20]!r} is none that we understand: {known}")
    return Notification(
        receiver=_text(wire, "receiver"),
        group_key=group_key,
        group_labels=_labels(wire, "groupLabels"),
        alerts=tuple([_alert(alert, index, version) for index, alert in enumerate(alerts)]),
        external_url=_text(wire, "externalURL"),
        truncated_alerts=_number(wire.get("truncatedAlerts")),
        reason=_text(wire, "notification_reason"),
        traceparent=trace,
        route_labels=_labels(wire, "routeLabels"),
    )


def _object(body: bytes) -> _Object:
    try:
        # takes numbers beyond every measure too
        wire = from_json(body)
    except ValueError as error:
        raise PayloadError(f"not JSON: {error}") from None
    if not isinstance(wire, dict):
        raise PayloadError("the body must be a JSON object")
    if _NUL in body:
        replaced: _Object = _without_nul(wire)
        return replaced
    return wire


def _without_nul(value: Any) -> Any:
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}")
    if isinstance(value, list):
        return [_without_nul(each) for each in value]
    if isinstance(value, dict):
        return {_without_nul(name): _without_nul(each) for name, each in value.items()}
    return value


def _alert(wire: Any, index: int, version: str) -> Alert:
    where = f"alerts.{index}."
    if not isinstance(wire, dict):
        raise PayloadError(f"alerts.{index} must be an object")
    labels = _labels(wire, "labels", where)
    annotations = _labels(wire, "annotations", where)
    if version == GRAFANA:
        annotations = {**grafana.annotations(wire), **annotations}
    status = _status(wire, where)
    return Alert(
        fingerprint=_text(wire, "fingerprint", where) or _fingerprint(labels),
        status=status,
        labels=labels,
        annotations=annotations,
        starts_at=_time(wire.get("startsAt")),
        ends_at=_time(wire.get("endsAt")) if status is _RESOLVED else None,
        generator_url=_text(wire, "generatorURL", where),
    )


def _status(wire: _Object, where: str) -> AlertStatus:
    given = wire.get("status")
    known = _STATUSES.get(given) if isinstance(given, str) else None
    if known is None:
        raise PayloadError(_wrong(wire, "status", " or ".join(map(repr, _STATUSES)), where))
    return known


def _required(wire: _Object, name: str) -> str:
    text = _text(wire, name)
    if not text:
        raise PayloadError(_wrong(wire, name, "a text that is not empty"))
    return text


def _text(wire: _Object, name: str, where: str = "") -> str:
    value = wire.get(name, "")
    return value if isinstance(value, str) else _as_text(value, f"{where}{name}")


def _as_text(value: Any, where: str) -> str:
    if value is None:
        return ""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise PayloadError(f"{where} must be a text")


def _labels(wire: _Object, name: str, where: str = "") -> Mapping[str, str]:
    value = wire.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise PayloadError(f"{where}{name} must be an object")
    for each in value.values():
        if not isinstance(each, str):
            return {label: _text(value, label, f"{where}{name}.") for label in value}
    return value


def _number(value: Any) -> int:
    usable = isinstance(value, int) and not isinstance(value, bool)
    return min(max(value, 0), 2**31 - 1) if usable else 0


def _time(value: Any) -> datetime:
    if not isinstance(value, str):
        return UNKNOWN_TIME
    try:
        read = datetime.fromisoformat(value)
        if read.tzinfo is not UTC:
            read = read.astimezone(UTC) if read.tzinfo else read.replace(tzinfo=UTC)
    except (ValueError, OverflowError):
        return UNKNOWN_TIME
    return read if read.year in _YEARS else UNKNOWN_TIME


def _fingerprint(labels: Mapping[str, str]) -> str:
    text = "\xff".join(f"{name}\xfe{labels[name]}" for name in sorted(labels))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _wrong(wire: _Object, name: str, wanted: str, where: str = "") -> str:
    return f"{where}{name} must be {wanted}" if name in wire else f"{where}{name} is missing"
