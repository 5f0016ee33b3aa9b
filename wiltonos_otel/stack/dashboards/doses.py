"""How the dashboards read doses: queries and the marks that doses leave on every graph."""

from grafana_foundation_sdk.builders import dashboard

from wiltonos_otel.instruments import catalogue
from wiltonos_otel.stack.dashboards.model import PURPLE, annotation

DOSES = catalogue.DOSES.series
# a diary that was closed for a day goes on where it was
MEMORY = "1d"


def in_range(selector: str = "") -> str:
    """Doses recorded within the time range shown, by compound."""
    return f"sum by (compound) (increase({DOSES}{selector}[$__range]))"


def in_step(selector: str = "") -> str:
    """Doses recorded since the step before, by compound: each dose in one step, none between two.

    ``increase`` over a step misses what happens between the last sample of one step and the first
    of the next. A new series is pushed at 0 first, so its first dose counts; a withdrawal takes
    the counter to 0, which is no negative dose.
    """
    series = f"{DOSES}{selector}"
    before = (
        f"last_over_time({series}[{MEMORY}] offset $__interval) "
        f"or min_over_time({series}[$__interval])"
    )
    return f"sum by (compound) (clamp_min({series} - ({before}), 0))"


def dose_annotation() -> dashboard.AnnotationQuery:
    """A mark where a dose was recorded."""
    return annotation(
        "Doses",
        f"{in_step()} > 0",
        colour=PURPLE,
        title="{{compound}}",
        text="recorded in the diary",
        tags="compound",
    )
