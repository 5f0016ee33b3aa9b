"""Whether Prometheus names series as the catalogue does. Pure."""

import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence

from wiltonos_otel.instruments.catalogue import CATALOGUE, Instrument, Kind
from wiltonos_otel.stack.finding import Finding, broken, note, ok

HOP = "names"
STRATEGY = (
    "set translation_strategy: UnderscoreEscapingWithSuffixes under otlp: in prometheus.yml, or "
    "add_metric_suffixes: true on the Collector's exporter"
)
# who is said to have sent a series
IDENTITY = ("job", "instance")
_SCOPE = "otel_scope_"
_SUFFIXES = ("_bucket", "_sum", "_count", "_total")

Labels = Mapping[str, str]


def judge_probe(seen: Sequence[Labels], names: Iterable[str], sender: Mapping[str, str]) -> Finding:
    """What Prometheus made of the probe's instruments.

    Args:
        seen: label sets of the series that the probe became, ``__name__`` included.
        names: the names that they should have.
        sender: the labels that should say who sent them.
    """
    wanted = set(names)
    found = {labels["__name__"] for labels in seen}
    if foreign := sorted(found - wanted):
        missing = ", ".join(sorted(wanted - found)) or "what rules and dashboards look for"
        return broken(HOP, f"Prometheus made {', '.join(foreign)} instead of {missing}", STRATEGY)
    for labels in seen:
        wrong = {
            name: labels.get(name, "") for name in IDENTITY if labels.get(name) != sender[name]
        }
        if wrong:
            said = ", ".join(f"{name}={value!r}" for name, value in wrong.items())
            return broken(
                HOP,
                f"{labels['__name__']} came with {said}",
                "leave service.name and service.instance.id to Prometheus' OTLP receiver: rules "
                "tell services apart by job and instance",
            )
    return _scope(seen) or ok(HOP, f"as the catalogue has them: {', '.join(sorted(found))}")


def judge_service(seen: Sequence[Labels]) -> Finding:
    """Whether a service's series have the catalogue's names and labels.

    Args:
        seen: label sets of its ``wiltonos`` series, ``__name__`` included.
    """
    known = {name: row for row in CATALOGUE for name in row.sample_names}
    names = sorted({labels["__name__"] for labels in seen})
    wrong = [(name, row) for name in names if name not in known and (row := _meant(name))]
    if wrong:
        said = "; ".join(f"{name} should be {_should(name, row)}" for name, row in wrong)
        units = ", ".join(sorted({f'{row.name}: unit "{row.unit}"' for _, row in wrong}))
        return broken(
            HOP, said, f"give the instrument the catalogue's unit ({units}), or {STRATEGY}"
        )
    bare = sorted(_bare(seen, known))
    if bare:
        return broken(
            HOP,
            "; ".join(bare),
            "every point has every attribute of its row in docs/reference/metrics.md",
        )
    ours = [name for name in names if name in known]
    return _scope(seen) or ok(HOP, f"{len(ours)} names of the catalogue")


def _scope(seen: Sequence[Labels]) -> Finding | None:
    extra = sorted({key for labels in seen for key in labels if key.startswith(_SCOPE)})
    if not extra:
        return None
    return note(
        HOP,
        f"series carry {', '.join(extra)}, so each release of a library starts new ones",
        "set promote_scope_metadata: false under otlp: in prometheus.yml",
    )


def _bare(seen: Sequence[Labels], known: Mapping[str, Instrument]) -> Iterator[str]:
    for labels in seen:
        row = known.get(labels["__name__"])
        lacking = [key for key in row.attributes if key not in labels] if row else []
        if lacking and "otel_metric_overflow" not in labels:
            yield f"{labels['__name__']} lacks {', '.join(lacking)}"


def _meant(name: str) -> Instrument | None:
    """The row of which this looks like another spelling."""
    flat = name.replace(".", "_")
    rows = sorted(CATALOGUE, key=lambda row: -len(row.name))
    for row in rows:
        base = row.name.replace(".", "_")
        if flat == base or flat.startswith(f"{base}_"):
            return row
    close = difflib.get_close_matches(flat, [row.series for row in rows], n=1, cutoff=0.9)
    return next((row for row in rows if close and row.series == close[0]), None)


def _should(name: str, row: Instrument) -> str:
    if row.kind is not Kind.HISTOGRAM:
        return row.series
    suffix = next((s for s in _SUFFIXES if name.endswith(s)), "_bucket")
    return f"{row.series}{suffix}"
