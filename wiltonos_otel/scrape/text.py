"""The small pieces of the Prometheus text formats: numbers, escapes, labels.

Sources: prometheus.io/docs/instrumenting/exposition_formats, OpenMetrics 1.0 (ABNF).
"""

from collections.abc import Iterable, Mapping
from json import dumps
from math import inf
from typing import Any

from wiltonos_otel.scrape.names import label_name

# labels in the order of their names, values escaped
Labels = dict[str, str]
Attributes = Mapping[str, Any] | None

# from here on Go writes an exponent where Python does not
_EXPONENT_FROM = 1e6
_LEAST = -1e300


def number(value: float) -> str:
    """A number as Go's ``%g`` has it, which is what ``prometheus_client`` writes."""
    try:
        value = float(value)
    except OverflowError:
        # an int beyond every double
        value = inf if value > 0 else -inf
    if _LEAST < value < _EXPONENT_FROM:
        return repr(value)
    if value != value:  # noqa: PLR0124 - NaN
        return "NaN"
    if value in (inf, -inf):
        return "+Inf" if value > 0 else "-Inf"
    return _with_exponent(repr(value))


def _with_exponent(text: str) -> str:
    dot = text.find(".")
    if text.startswith("-") or dot <= 6 or "e" in text:
        return text
    mantissa = f"{text[0]}.{text[1:dot]}{text[dot + 1 :]}".rstrip("0.")
    return f"{mantissa}e+{dot - 1:02d}"


def bound(value: float) -> str:
    """The upper bound of a bucket: always a float, never with Go's early exponent."""
    value = float(value)
    return number(value) if value in (inf, -inf) else repr(value)


def escape(value: str) -> str:
    """A label value, or an OpenMetrics HELP text."""
    return value.replace("\\", r"\\").replace("\n", r"\n").replace('"', r"\"")


def escape_help(text: str) -> str:
    """The HELP text of the Prometheus formats, in which quotes stay."""
    return text.replace("\\", r"\\").replace("\n", r"\n")


def labels_of(*layers: Attributes, reserved: Iterable[str] = ()) -> Labels:
    """Attributes as labels.

    A key that a later layer repeats wins. Different keys that become the same label are joined
    with ``;`` in the order of the keys (specification, compatibility/prometheus_and_openmetrics.md,
    metric attributes). A label whose name the format needs for itself gets the prefix
    ``exported_``, as Prometheus does with its target labels.

    Args:
        layers: attribute sets, the most general first.
        reserved: names of labels that are taken.
    """
    merged = {key: value for layer in layers if layer for key, value in layer.items()}
    taken = set(reserved)
    found: dict[str, list[str]] = {}
    for key in sorted(merged, key=str):
        name = label_name(str(key))
        found.setdefault(f"exported_{name}" if name in taken else name, []).append(
            _as_text(merged[key])
        )
    return {name: escape(";".join(found[name])) for name in sorted(found)}


def pairs(labels: Labels, names: Iterable[str]) -> str:
    """``a="1",b="2"``: exactly these names in their order, absent ones empty."""
    return ",".join([f'{name}="{labels.get(name, "")}"' for name in names])


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else dumps(value, default=str)
