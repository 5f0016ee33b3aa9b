"""Draws one chart: a job as JSON on standard input, a PNG on standard output.

Run as ``python -I -m notifier.deliver.chart_process`` by ``notifier.deliver.charts``.
"""

import json
import os
import resource
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

CPU_SECONDS = 20
MEMORY_BYTES = 2 * 1024**3
_INK, _GRID, _LINE = "#1f2933", "#d9dee4", "#2563eb"
_GOOD, _BAD, _EDGE = "#2eb67d", "#e01e5a", "#b45309"
_COLOURS = (_LINE, "#7c3aed", "#0891b2", "#c026d3", "#65a30d", "#ea580c")
_MAX_LEGEND = 6


def main() -> int:
    """Read the job, write the picture; 3 when matplotlib is missing."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    job = json.load(sys.stdin)
    try:
        import matplotlib as mpl  # noqa: PLC0415 - optional, and slow to import
    except ModuleNotFoundError:
        sys.stderr.write('matplotlib is not installed; run: pip install "wiltonos-otel[charts]"\n')
        return 3
    mpl.use("Agg")
    # labels are hostile text: a dollar sign must not start a formula
    mpl.rcParams["text.parse_math"] = False
    mpl.rcParams["font.size"] = 9
    draw(job)
    return 0


def draw(job: Mapping[str, Any]) -> None:
    """Write the picture of a job to standard output."""
    from matplotlib import dates  # noqa: PLC0415 - optional
    from matplotlib.figure import Figure  # noqa: PLC0415 - optional

    figure = Figure(figsize=(8, 3), dpi=150, facecolor="white", layout="constrained")
    # its types take numbers only, its code takes times as well
    axes, ticks = _untyped(figure.add_subplot()), _untyped(dates)
    _lines(axes, job)
    _limits(axes, job)
    axes.axvspan(
        _time(job["fired_at"]), _time(job["ended_at"] or job["end"]), color=_BAD, alpha=0.08
    )
    axes.axvline(_time(job["fired_at"]), color=_BAD, linewidth=1.2)
    if job["ended_at"]:
        axes.axvline(_time(job["ended_at"]), color=_GOOD, linewidth=1.2)
    axes.set_xlim(_time(job["start"]), _time(job["end"]))
    axes.set_title(job["title"], loc="left", color=_INK, fontsize=10, fontweight="bold")
    axes.xaxis.set_major_locator(ticks.AutoDateLocator(minticks=5, maxticks=9))
    axes.xaxis.set_major_formatter(ticks.DateFormatter("%H:%M", tz=UTC))
    axes.set_xlabel("UTC", color=_INK, fontsize=8)
    axes.grid(visible=True, color=_GRID, linewidth=0.6)
    axes.tick_params(colors=_INK, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    figure.savefig(sys.stdout.buffer, format="png")


def _untyped(thing: Any) -> Any:
    return thing


def _lines(axes: Any, job: Mapping[str, Any]) -> None:
    named = 0
    for index, series in enumerate(job["series"]):
        times = [_time(at) for at, _ in series["points"]]
        values = [value for _, value in series["points"]]
        colour = _COLOURS[index % len(_COLOURS)]
        # an underscore at its head would hide the name
        label = series["name"].lstrip("_")[:60] if index < _MAX_LEGEND else "_"
        named += bool(series["name"])
        mark = "o" if len(values) < 3 else ""
        axes.plot(times, values, color=colour, linewidth=1.6, label=label, marker=mark)
    if named > 1:
        axes.legend(loc="upper left", fontsize=7, frameon=False)


def _limits(axes: Any, job: Mapping[str, Any]) -> None:
    """The band in green; with one limit only, a line at the edge."""
    low, high = job["low"], job["high"]
    if low is not None and high is not None:
        axes.axhspan(low, high, color=_GOOD, alpha=0.15, zorder=0)
    for limit in (low, high):
        if limit is not None:
            axes.axhline(limit, color=_EDGE, linewidth=1, linestyle="--")
            place = (0.998, limit)
            axes.annotate(
                f"{limit:g}",
                place,
                xycoords=("axes fraction", "data"),
                ha="right",
                va="bottom",
                fontsize=7,
                color=_EDGE,
            )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


if __name__ == "__main__":
    raise SystemExit(main())
