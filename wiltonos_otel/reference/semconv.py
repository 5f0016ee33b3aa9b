"""The registry of metrics in the format of OpenTelemetry Weaver (its schemas/semconv-syntax.md)."""

from collections.abc import Sequence
from importlib.metadata import version
from typing import Any

import yaml

from wiltonos_service.reference import Package
from wiltonos_service.telemetry.emitted import Emitted, emitted

MADE_BY = "# Made by `wt docs build` from the instruments; edit those.\n"
STABILITY = "development"
# identifies the registry; nothing is fetched from there
SCHEMA_BASE = "https://wiltonos.example/schemas"
_MANIFEST = {
    "name": "wiltonos",
    "description": "Metrics of WiltonOS: the signal Φ, the diary of doses, and the notifier.",
    "schema_url": f"{SCHEMA_BASE}/{version('wiltonos-otel')}",
}


def render(packages: Sequence[Package]) -> dict[str, str]:
    """The files of the registry by name."""
    rows = [row for package in packages for row in emitted(package.emit)]
    meanings: dict[str, str] = {}
    for package in reversed(packages):
        meanings |= package.attributes
    attributes = {
        "id": "registry.wiltonos",
        "type": "attribute_group",
        "display_name": "WiltonOS attributes",
        "brief": "Attributes of the metrics of WiltonOS.",
        "attributes": [_attribute(key, meanings[key], rows) for key in sorted(meanings)],
    }
    return {
        "manifest.yaml": _yaml(_MANIFEST),
        "attributes.yaml": _yaml({"groups": [attributes]}),
        "metrics.yaml": _yaml({"groups": [_metric(row) for row in rows]}),
    }


def _attribute(key: str, brief: str, rows: Sequence[Emitted]) -> dict[str, Any]:
    examples = dict.fromkeys(value for row in rows for value in row.attributes.get(key, ()))
    return {
        "id": key,
        "type": "string",
        "stability": STABILITY,
        "brief": brief,
        "examples": list(examples),
    }


def _metric(row: Emitted) -> dict[str, Any]:
    group: dict[str, Any] = {
        "id": f"metric.{row.name}",
        "type": "metric",
        "metric_name": row.name,
        "stability": STABILITY,
        "brief": row.description,
        "instrument": row.kind,
        "unit": row.unit,
    }
    if row.attributes:
        group["attributes"] = [
            {"ref": key, "requirement_level": "required", "examples": list(values)}
            for key, values in row.attributes.items()
        ]
    return group


def _yaml(content: dict[str, Any]) -> str:
    return MADE_BY + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)
