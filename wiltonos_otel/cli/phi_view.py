"""How the terminal shows what ``/api/v1/phi`` says. Pure."""

from collections.abc import Sequence
from itertools import compress
from typing import Any, Literal

from rich.console import Group, RenderableType
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

HISTORY_MS = 600_000
COLUMNS = 78
SPARK_COLUMNS = 60
# the frame, and what stands before and behind the bars
_BESIDE_SPARK = 15
SHOWN_LOOPS = 12
LEAST_LOOPS = 3
# lines of the frame and of what stands above and below the loops, two of them in two lines
_BESIDE_LOOPS = 15
_BARS = "▁▂▃▄▅▆▇█"
_MS = 1000
_PRESSURE_COLUMNS = 10
# what is told of a loop, each with the columns of the terminal from which on there is room for it
_LOOP_COLUMNS = (
    ("loop", 0),
    ("Φ", 0),
    ("Φ★", 52),
    ("pressure", 0),
    ("", 72),
    ("collapses", 52),
    ("last", 72),
)
_LEFT = ("loop", "", "last")
_BAND_STYLE = {"in": "green", "below": "red", "above": "red"}

View = dict[str, Any]
Point = tuple[int, float | None]


def show(view: View, columns: int = COLUMNS, lines: int = 0) -> RenderableType:
    """Everything about Φ at one moment.

    Args:
        view: what the exporter says.
        columns: of the terminal.
        lines: of the terminal, where all has to fit on it; loops give way. 0 is no bound.
    """
    missing = why_not_now(view)
    head = say_in_one_line(missing) if missing else _headline(view)
    width = min(COLUMNS, columns)
    bars = max(1, min(SPARK_COLUMNS, width - _BESIDE_SPARK))
    parts: list[RenderableType] = [head, _spark_line(view, bars), Text()]
    if not missing:
        parts += [_derivatives(view), _sustained(view), Text()]
    if view["loops"]:
        fitting = max(LEAST_LOOPS, lines - _BESIDE_LOOPS) if lines else SHOWN_LOOPS
        parts += [_loops(view, min(SHOWN_LOOPS, fitting), width), Text()]
    parts.append(_source(view))
    title = "Φ (simulated)" if view.get("simulated") else "Φ"
    return Panel(Group(*parts), title=title, title_align="left", width=width)


def why_not_now(view: View) -> str:
    """One line that says why there is no Φ now; "" when there is one."""
    if view["phi"] is not None:
        return ""
    location = printable(str(view["source"]["location"]))
    if view["time_ms"] is None:
        return f"no sample of Φ yet; wt state check {location} says what is missing"
    age = _age(view["now_ms"] - view["time_ms"])
    return f"Φ is stale: its last sample is {age} old; wt state check {location} says why"


def say_in_one_line(text: str) -> Text:
    """A line that stands out."""
    return Text(text, style="bold yellow")


def sparkline(
    points: Sequence[Point], now_ms: int, low: float, high: float, width: int = SPARK_COLUMNS
) -> str:
    """The last ten minutes as bars from ``low`` to ``high``; a blank where nothing was seen.

    Args:
        points: (Unix ms, Φ or None for a gap), oldest first.
        now_ms: the right edge, Unix ms.
        low: Φ of the lowest bar; what is below is drawn there.
        high: Φ of the highest bar; what is above is drawn there.
        width: how many bars.
    """
    columns: list[float | None] = [None] * width
    start_ms = now_ms - HISTORY_MS
    for time_ms, phi in points:
        column = (time_ms - start_ms) * width // HISTORY_MS
        if phi is not None and column >= 0:
            columns[min(column, width - 1)] = phi
    return "".join(" " if phi is None else _bar(phi, low, high) for phi in columns)


def printable(text: str) -> str:
    """The text on one line, whatever a stranger put into it."""
    return text if text.isprintable() else ascii(text)[1:-1]


def _bar(phi: float, low: float, high: float) -> str:
    share = (min(high, max(low, phi)) - low) / (high - low)
    return _BARS[min(len(_BARS) - 1, int(share * len(_BARS)))]


def _headline(view: View) -> Text:
    policy = view["policy"]
    band = f"{policy['band_low']:g} to {policy['band_high']:g}"
    words = {"in": f"in band {band}", "below": f"below band {band}", "above": f"above band {band}"}
    line = Text()
    line.append(f"{view['phi']:.4f}", style=f"bold {_BAND_STYLE[view['band']]}")
    line.append(f"  {words[view['band']]}")
    age_ms = view["now_ms"] - view["time_ms"]
    if age_ms > policy["fresh_seconds"] * _MS:
        line.append(f"  held: no new sample for {_age(age_ms)}", style="yellow")
    return line


def _spark_line(view: View, bars: int) -> Text:
    policy = view["policy"]
    margin = policy["band_high"] - policy["band_low"]
    low, high = policy["band_low"] - margin, policy["band_high"] + margin
    line = Text("10 min ", style="dim")
    points = view.get("history", ())
    line.append(sparkline(points, view["now_ms"], low, high, bars), style="cyan")
    line.append(" now")
    return line


def _derivatives(view: View) -> Text:
    limit = view["policy"]["rate"]
    line = Text("dΦ/dt  ", style="dim")
    for window in view["policy"]["windows_seconds"]:
        slope = view["derivatives"].get(f"{window}s")
        line.append(f"{window}s ", style="dim")
        if slope is None:
            line.append("–  ")
        else:
            line.append(f"{slope:+z.4f}  ", style="red" if abs(slope) > limit else "green")
    line.append(f"per minute (limit {limit:g})", style="dim")
    return line


def _sustained(view: View) -> Text:
    line = Text("good   ", style="dim")
    for window, share in view["sustained_good"].items():
        line.append(f"{window} ", style="dim")
        line.append(f"{share:.1%}   ")
    if not view["sustained_good"]:
        line.append("not observed for long enough yet")
    return line


def _loops(view: View, shown: int, columns: int) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="dim")
    fitting = [columns >= least for _, least in _LOOP_COLUMNS]
    for name, _ in compress(_LOOP_COLUMNS, fitting):
        side: Literal["left", "right"] = "left" if name in _LEFT else "right"
        table.add_column(name, justify=side, no_wrap=name == "loop", max_width=20)
    limit = view["policy"]["loop_pressure"]
    for loop in view["loops"][:shown]:
        table.add_row(*compress(_loop(loop, limit, view["now_ms"]), fitting))
    left_out = view.get("loops_total", len(view["loops"])) - shown
    if left_out > 0:
        table.add_row(Text(f"and {left_out} more", style="dim"))
    return table


def _loop(loop: View, limit: float, now_ms: int) -> list[Text]:
    name = Text(printable(str(loop["name"])))
    last = loop["last_collapse_ms"]
    counts = [
        Text(str(loop["collapses"])),
        Text("" if last is None else f"{_age(now_ms - last)} ago", style="dim"),
    ]
    star = Text(f"{loop['phi_star']:.4g}", style="dim")
    pressure = loop["pressure"]
    if pressure is None:
        return [name, Text("stale", style="yellow"), star, Text("–"), Text(), *counts]
    style = "red" if pressure > limit else "green"
    filled = min(_PRESSURE_COLUMNS, round(pressure / limit * _PRESSURE_COLUMNS / 2))
    bar = Text("█" * filled, style=style)
    return [
        name,
        Text(f"{loop['phi']:.4f}"),
        star,
        Text(f"{pressure:.4f}", style=style),
        bar,
        *counts,
    ]


def _source(view: View) -> Text:
    source = view["source"]
    line = Text("source ", style="dim")
    line.append(printable(f"{source['name']}: {source['location']}"))
    if view["time_ms"] is not None:
        line.append(f", last sample {_age(view['now_ms'] - view['time_ms'])} ago")
    for problem in source["problems"]:
        line.append(f"\n       {printable(str(problem))}", style="yellow")
    push = view.get("push") or {}
    if push.get("failing"):
        line.append(f"\n       push fails: {printable(str(push['failing']))}", style="yellow")
    return line


def _age(milliseconds: int) -> str:
    seconds = max(0, milliseconds) / _MS
    if seconds < 100:
        return f"{seconds:.1f} s" if seconds < 10 else f"{seconds:.0f} s"
    minutes = seconds / 60
    if minutes < 100:
        return f"{minutes:.0f} min"
    return f"{minutes / 60:.0f} h" if minutes < 6000 else f"{minutes / 1440:.0f} d"
