"""Reads webhook bodies: Alertmanager's version "4" and Grafana's version "1".

Tolerant of fields that we do not know, strict about those on which an incident stands
(Alertmanager documentation, ``webhook_config``; Grafana documentation, webhook notifier).
"""

import hashlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from notifier import grafana
from notifier.alerts import Alert, AlertStatus, Notification
from notifier.errors import PayloadError

GRAFANA = "1"
VERSIONS = ("4", GRAFANA)
# Alertmanager writes Go's zero time for "not known"
UNKNOWN_TIME = datetime(1, 1, 1, tzinfo=UTC)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
# the last one leaves no room to say "later than that"
_YEARS = range(1970, 9999)


def _text(value: Any) -> Any:
    """PostgreSQL stores no NUL; a number is as good as its text."""
    if isinstance(value, str):
        return value.replace("\0", "\N{REPLACEMENT CHARACTER}") if "\0" in value else value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return value


def _optional_text(value: Any) -> Any:
    return "" if value is None else _text(value)


def _labels(value: Any) -> Any:
    if value is None:
        return {}
    if not isinstance(value, dict):
        return value
    return {_text(k): "" if v is None else _text(v) for k, v in value.items()}


def _number(value: Any) -> int:
    usable = isinstance(value, int) and not isinstance(value, bool)
    return min(max(value, 0), 2**31 - 1) if usable else 0


def _time(value: Any) -> datetime:
    if not isinstance(value, str):
        return UNKNOWN_TIME
    try:
        read = datetime.fromisoformat(value)
        read = read if read.tzinfo else read.replace(tzinfo=UTC)
        return read.astimezone(UTC) if read.year in _YEARS else UNKNOWN_TIME
    except (ValueError, OverflowError):
        return UNKNOWN_TIME


_Text = Annotated[str, BeforeValidator(_text)]
_OptionalText = Annotated[str, BeforeValidator(_optional_text)]
_Labels = Annotated[dict[str, str], BeforeValidator(_labels)]
_Time = Annotated[datetime, BeforeValidator(_time)]
_Number = Annotated[int, BeforeValidator(_number)]


class _WireAlert(BaseModel):
    model_config = ConfigDict(extra="ignore")

    status: AlertStatus
    labels: _Labels = Field(default_factory=dict)
    annotations: _Labels = Field(default_factory=dict)
    starts_at: _Time = Field(UNKNOWN_TIME, alias="startsAt")
    ends_at: _Time = Field(UNKNOWN_TIME, alias="endsAt")
    generator_url: _OptionalText = Field("", alias="generatorURL")
    fingerprint: _OptionalText = ""
    dashboard_url: Any = Field(None, alias="dashboardURL")
    panel_url: Any = Field(None, alias="panelURL")
    silence_url: Any = Field(None, alias="silenceURL")
    values: Any = None
    value_string: Any = Field(None, alias="valueString")


class _WireBody(BaseModel):
    model_config = ConfigDict(extra="ignore")

    version: _Text
    group_key: Annotated[str, BeforeValidator(_text), Field(min_length=1)] = Field(alias="groupKey")
    alerts: list[_WireAlert]
    receiver: _OptionalText = ""
    group_labels: _Labels = Field(default_factory=dict, alias="groupLabels")
    external_url: _OptionalText = Field("", alias="externalURL")
    truncated_alerts: _Number = Field(0, alias="truncatedAlerts")
    reason: _OptionalText = Field("", alias="notification_reason")
    route_labels: _Labels = Field(default_factory=dict, alias="routeLabels")


def parse(body: bytes, traceparent: str = "") -> Notification:
    """The notification in a webhook body.

    A time that is missing or unreadable becomes ``UNKNOWN_TIME``; a fingerprint that is missing is
    made from the labels. A malformed ``traceparent`` (W3C Trace Context, section 3.2) is dropped.

    Raises:
        PayloadError: not JSON, no ``alerts`` or ``groupKey``, another version, or a broken alert.
    """
    try:
        wire = _WireBody.model_validate_json(body)
    except ValidationError as error:
        raise PayloadError(_reason(error)) from None
    if wire.version not in VERSIONS:
        known = " and ".join(f'"{version}"' for version in VERSIONS)
        raise PayloadError(f"version {wire.version[:20]!r} is none that we understand: {known}")
    return Notification(
        receiver=wire.receiver,
        group_key=wire.group_key,
        group_labels=wire.group_labels,
        alerts=tuple(_alert(alert, wire.version) for alert in wire.alerts),
        external_url=wire.external_url,
        truncated_alerts=wire.truncated_alerts,
        reason=wire.reason,
        traceparent=traceparent if _TRACEPARENT.fullmatch(traceparent) else "",
        route_labels=wire.route_labels,
    )


def _alert(wire: _WireAlert, version: str) -> Alert:
    more = grafana.annotations(wire.model_dump(by_alias=True)) if version == GRAFANA else {}
    ended = wire.ends_at if wire.status is AlertStatus.RESOLVED else None
    return Alert(
        fingerprint=wire.fingerprint or _fingerprint(wire.labels),
        status=wire.status,
        labels=wire.labels,
        annotations={**more, **wire.annotations} if more else wire.annotations,
        starts_at=wire.starts_at,
        ends_at=ended,
        generator_url=wire.generator_url,
    )


def _fingerprint(labels: Mapping[str, str]) -> str:
    text = "\xff".join(f"{name}\xfe{labels[name]}" for name in sorted(labels))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _reason(error: ValidationError) -> str:
    details = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in details["loc"])
    if details["type"] == "json_invalid":
        return f"not JSON: {details['msg'].removeprefix('Invalid JSON: ')}"
    if details["type"] == "missing":
        return f"{where} is missing"
    return f"{where}: {details['msg']}" if where else details["msg"]
