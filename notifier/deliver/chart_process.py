"""Draws one chart: a job as JSON on standard input, a PNG on standard output.

Run as ``python -I -m notifier.deliver.chart_process`` by ``notifier.deliver.charts``.
"""

import json
import math
import os
import resource
import sys
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

CPU_SECONDS = 20
MEMORY_BYTES = 2 * 1024**3
# 1200 × 675: a phone shows it 360 points wide, where this text is still 9 or 10 points high
_SIZE_INCHES, _DPI = (4.8, 2.7), 250
_INK, _GRID, _LINE, _REST = "#1f2933", "#d9dee4", "#2563eb", "#9aa5b1"
_GOOD, _BAD, _EDGE = "#2eb67d", "#e01e5a", "#b45309"
_COLOURS = (_LINE, "#ea580c", "#7c3aed", "#0f766e")
_TITLE_WIDTH, _TITLE_LINES = 52, 2
_NAME_WIDTH = 24
# from here on 12.5k and not 12500
_LARGE = 10_000
_GAP_STEPS = 2.5


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
    # a small difference on a large value must not hide behind an offset
    mpl.rcParams["axes.formatter.useoffset"] = False
    draw(job)
    return 0


def draw(job: Mapping[str, Any]) -> None:
    """Write the picture of a job to standard output."""
    from matplotlib import dates, ticker  # noqa: PLC0415 - optional
    from matplotlib.figure import Figure  # noqa: PLC0415 - optional

    figure = Figure(figsize=_SIZE_INCHES, dpi=_DPI, facecolor="white", layout="constrained")
    # its types take numbers only, its code takes times as well
    axes, ticks = _untyped(figure.add_subplot()), _untyped(dates)
    axes.axvspan(
        _time(job["fired_at"]), _time(job["ended_at"] or job["end"]), color=_BAD, alpha=0.09
    )
    _limits(axes, job)
    _lines(axes, job)
    axes.axvline(_time(job["fired_at"]), color=_BAD, linewidth=1.2)
    if job["ended_at"]:
        axes.axvline(_time(job["ended_at"]), color=_GOOD, linewidth=1.2)
    axes.set_xlim(_time(job["start"]), _time(job["end"]))
    # without this a title that is too wide would make the axes narrow
    _untyped(figure).suptitle(
        _title(job["title"]), x=0.01, ha="left", color=_INK, fontsize=10, fontweight="bold"
    )
    axes.xaxis.set_major_locator(ticks.AutoDateLocator(minticks=3, maxticks=6))
    axes.xaxis.set_major_formatter(ticks.DateFormatter(_clock(job), tz=UTC))
    axes.annotate("UTC", (1.005, -0.03), xycoords="axes fraction", va="top", fontsize=8, color=_INK)
    axes.locator_params(axis="y", nbins=5)
    if max(map(abs, axes.get_ylim())) >= _LARGE:
        axes.yaxis.set_major_formatter(ticker.EngFormatter(sep=""))
    axes.grid(visible=True, color=_GRID, linewidth=0.6)
    axes.tick_params(colors=_INK, length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    figure.savefig(sys.stdout.buffer, format="png")


def _untyped(thing: Any) -> Any:
    return thing


def _drawable(text: str) -> str:
    """The text without what the font cannot draw, which would be boxes; the message has it all."""
    from matplotlib import font_manager  # noqa: PLC0415 - optional

    font = font_manager.get_font(font_manager.findfont("DejaVu Sans"))
    return " ".join("".join(c for c in text if font.get_char_index(ord(c))).split())


def _title(text: str) -> str:
    wrapped = _drawable(text)
    lines = textwrap.wrap(wrapped, _TITLE_WIDTH, max_lines=_TITLE_LINES, placeholder=" …")
    return "\n".join(lines)


def _clock(job: Mapping[str, Any]) -> str:
    days = (job["end"] - job["start"]) / 86_400
    return "%H:%M" if days <= 1 else "%d %b %H:%M" if days <= 3 else "%d %b"


def _lines(axes: Any, job: Mapping[str, Any]) -> None:
    """The first lines, the worst, have a colour and a name; the rest is there, but grey."""
    shown = job["series"]
    for index, series in reversed(list(enumerate(shown))):
        times, values = _broken(series["points"], job["step"] * _GAP_STEPS)
        named = index < len(_COLOURS)
        axes.plot(
            times,
            values,
            color=_COLOURS[index] if named else _REST,
            linewidth=1.6 if named else 0.9,
            label=_name(series["name"]) if named else "_",
            marker="o" if len(values) < 3 else "",
            markersize=4,
        )
    if len(shown) > 1 and any(series["name"] for series in shown):
        _legend(axes, len(shown) - len(_COLOURS))


def _broken(points: Any, gap: float) -> tuple[list[datetime], list[float]]:
    """Times and values; where nothing was measured the line must not go on."""
    times: list[datetime] = []
    values: list[float] = []
    last = math.inf
    for at, value in points:
        if at - last > gap:
            times.append(_time(at))
            values.append(math.nan)
        times.append(_time(at))
        values.append(value)
        last = at
    return times, values


def _name(text: str) -> str:
    # an underscore at its head would hide the name
    name = _drawable(text).lstrip("_") or "–"
    if len(name) <= _NAME_WIDTH:
        return name
    kept = (_NAME_WIDTH - 1) // 2
    return f"{name[:kept]}…{name[-kept:]}"


def _legend(axes: Any, more: int) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if more > 0:
        grey = axes.plot([], [], color=_REST, linewidth=0.9)
        handles, labels = [*reversed(handles), *grey], [*reversed(labels), f"+ {more}"]
    else:
        handles, labels = handles[::-1], labels[::-1]
    axes.figure.legend(
        handles,
        labels,
        loc="outside lower left",
        ncols=2,
        fontsize=8,
        frameon=False,
        labelcolor=_INK,
        handlelength=1.2,
        borderaxespad=0.1,
        columnspacing=1.2,
    )


def _limits(axes: Any, job: Mapping[str, Any]) -> None:
    """The band in green; with one limit only, a line at the edge."""
    low, high = job["low"], job["high"]
    if low is not None and high is not None:
        axes.axhspan(low, high, color=_GOOD, alpha=0.18, linewidth=0)
    for limit in (low, high):
        if limit is not None:
            axes.axhline(limit, color=_EDGE, linewidth=1.1, linestyle="--")
            # beside the lines, not below them
            axes.annotate(
                _figure(limit),
                (1.005, limit),
                xycoords=("axes fraction", "data"),
                ha="left",
                va="center",
                fontsize=8,
                color=_EDGE,
                fontweight="bold",
            )


def _figure(value: float) -> str:
    from matplotlib import ticker  # noqa: PLC0415 - optional

    large = abs(value) >= _LARGE
    return ticker.EngFormatter(sep="").format_eng(value) if large else f"{value:g}"


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


if __name__ == "__main__":
    raise SystemExit(main())
