"""OpenTelemetry names and units as Prometheus names, as opentelemetry-exporter-prometheus has them.

Source: ``opentelemetry/exporter/prometheus/_mapping.py`` (0.66b2) and the specification,
compatibility/prometheus_and_openmetrics.md. A property test holds both to each other.
"""

import re
from functools import lru_cache

_NOT_IN_NAME = re.compile(r"[^a-zA-Z0-9:]+")
_NOT_IN_LABEL = re.compile(r"[^a-zA-Z0-9]+")
_ANNOTATION = re.compile(r"\{.*\}")
TOTAL = "_total"

_UNITS = {
    "d": "days", "h": "hours", "min": "minutes", "s": "seconds", "ms": "milliseconds",
    "us": "microseconds", "ns": "nanoseconds",
    "By": "bytes", "KiBy": "kibibytes", "MiBy": "mebibytes", "GiBy": "gibibytes",
    "TiBy": "tibibytes", "KBy": "kilobytes", "MBy": "megabytes", "GBy": "gigabytes",
    "TBy": "terabytes",
    "m": "meters", "V": "volts", "A": "amperes", "J": "joules", "W": "watts", "g": "grams",
    "Cel": "celsius", "Hz": "hertz", "1": "", "%": "percent",
}  # fmt: skip
_PER_UNITS = {
    "s": "second", "m": "minute", "h": "hour", "d": "day", "w": "week", "mo": "month",
    "y": "year",
}  # fmt: skip


def metric_name(name: str, prefix: str = "") -> str:
    """A name with every run of characters that Prometheus refuses as one underscore."""
    return _NOT_IN_NAME.sub("_", _no_leading_digit(f"{prefix}_{name}" if prefix else name))


@lru_cache(maxsize=4096)
def label_name(key: str) -> str:
    """The label of an attribute key."""
    return _NOT_IN_LABEL.sub("_", _no_leading_digit(key)) or "_"


def unit_name(unit: str) -> str:
    """The suffix of a UCUM unit, without the leading underscore; "" where there is none."""
    unit = _ANNOTATION.sub("", unit)
    if unit in _UNITS:
        return _UNITS[unit]
    top, _, bottom = unit.partition("/")
    bottom = _NOT_IN_NAME.sub("_", bottom)
    if bottom:
        top = _NOT_IN_NAME.sub("_", top)
        top, bottom = _UNITS.get(top, top), _PER_UNITS.get(bottom, bottom)
        return f"{top}_per_{bottom}" if top else f"per_{bottom}"
    return _NOT_IN_NAME.sub("_", unit).strip("_")


def family_name(name: str, unit: str, *, counter: bool) -> str:
    """The name of a family as OpenMetrics has it: with the unit, without ``_total``.

    Args:
        name: the metric name, already translated.
        unit: the suffix of the unit, already translated.
        counter: whether ``_total`` belongs to the samples and not to the name.
    """
    if counter and name != TOTAL:
        name = name.removesuffix(TOTAL)
    return f"{name}_{unit}" if unit and not name.endswith(f"_{unit}") else name


def _no_leading_digit(name: str) -> str:
    return f"_{name[1:]}" if name[:1].isdigit() else name
