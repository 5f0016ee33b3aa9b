"""The page of metrics."""

from collections.abc import Sequence

from wiltonos_otel.reference.markdown import code, page, table
from wiltonos_service.reference import Package
from wiltonos_service.telemetry.emitted import Emitted, emitted

INTRODUCTION = """\
Every series is the same whether it comes through OTLP and the Collector, through Prometheus' own
OTLP receiver or from a `/metrics` page. Attributes become labels; `job` and `instance` are
`service.name` and `service.instance.id`. A series whose source is stale or gone is absent: read
gauges through `last_over_time(m[15s])`, because a gauge that is no longer pushed stays visible in
Prometheus for five minutes.

The same as data, in the format of OpenTelemetry Weaver: [semconv/](../../semconv/)."""


def render(packages: Sequence[Package]) -> str:
    """The page."""
    return page("Metrics", INTRODUCTION, *(_part(package) for package in packages))


def _part(package: Package) -> str:
    rows = emitted(package.emit)
    return "\n\n".join(
        filter(
            None,
            [
                f"## {package.title}",
                table(
                    ["OpenTelemetry name", "Prometheus series", "kind", "unit", "attributes", ""],
                    [_row(row) for row in rows],
                ),
                table(["attribute", "means", "values"], _attributes(package, rows)),
            ],
        )
    )


def _row(row: Emitted) -> list[str]:
    attributes = ", ".join(map(code, row.attributes))
    return [code(row.name), code(row.series), row.kind, code(row.unit), attributes, row.description]


def _attributes(package: Package, rows: Sequence[Emitted]) -> list[list[str]]:
    """One line per attribute and list of values: the same key may have two closed lists."""
    lines = []
    for key, means in package.attributes.items():
        users: dict[tuple[str, ...], list[str]] = {}
        for row in rows:
            if key in row.attributes:
                users.setdefault(row.attributes[key], []).append(row.name)
        for values, names in users.items():
            where = "" if len(users) == 1 else f" ({', '.join(map(code, names))})"
            like = "like " if len(values) < 2 else ""
            lines.append([code(key) + where, means, like + ", ".join(map(code, values))])
    return lines
