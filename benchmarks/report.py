"""Rows as a table for people, or as JSON for programs."""

import json
import os
import platform
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.rows import Row

COMPARED = (
    "wiltonos-otel",
    "opentelemetry-api",
    "opentelemetry-sdk",
    "opentelemetry-exporter-prometheus",
    "prometheus-client",
    "aiohttp",
)


def to_json(rows: Sequence[Row]) -> str:
    """The result with the machine and the versions that it was measured on."""
    result = {"machine": machine(), "versions": versions(), "rows": [r.to_json() for r in rows]}
    return json.dumps(result, indent=2, ensure_ascii=False)


def print_table(rows: Sequence[Row]) -> None:
    """The result as a table on standard output."""
    table = Table("what", "value", "unit", "goal", "holds")
    for each in rows:
        value = "–" if each.value is None else f"{each.value:.4g}"
        mark = "" if each.goal is None else ("yes" if each.holds else "[bold red]NO[/]")
        table.add_row(each.name, value, each.unit, str(each.goal or ""), mark)
    console = Console()
    console.print(table)
    about = machine()
    console.print(f"{about['processor']} × {about['cores']}, {about['system']}")
    console.print(", ".join(f"{name} {number}" for name, number in versions().items()))


def machine() -> dict[str, object]:
    """What this was measured on."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "load": round(os.getloadavg()[0], 2),
    }


def versions() -> dict[str, str]:
    """The versions of what is compared."""
    found = {"python": platform.python_version()}
    for name in COMPARED:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
