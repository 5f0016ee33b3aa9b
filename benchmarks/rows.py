"""A measured value with its goal."""

from dataclasses import dataclass
from operator import ge, le


@dataclass(frozen=True, slots=True)
class Goal:
    """What a value has to reach: at most, or at least, a limit."""

    sign: str
    limit: float

    def holds(self, value: float) -> bool:
        """Whether a value reaches it."""
        return bool({"<=": le, ">=": ge}[self.sign](value, self.limit))

    def __str__(self) -> str:
        return f"{self.sign} {self.limit:g}"


# the table of the design; every name here is a row of its group, whether the goal holds or not
GOALS: dict[str, tuple[str, Goal | None]] = {
    "record.gauge_vs_prometheus_client": ("ratio", Goal("<=", 0.5)),
    "record.counter_vs_prometheus_client": ("ratio", Goal("<=", 1)),
    "record.histogram_vs_prometheus_client": ("ratio", Goal("<=", 1)),
    "record.counter_speedup_vs_sdk": ("times", Goal(">=", 15)),
    "phi.sample_us": ("us", Goal("<=", 2)),
    "scrape.per_series_vs_prometheus_client": ("ratio", Goal("<=", 0.6)),
    "scrape.loop_stall_ms": ("ms", Goal("<=", 20)),
    "push.vs_sdk": ("ratio", Goal("<=", 0.5)),
    "exit.collector_refused_s": ("s", Goal("<=", 2)),
    "exit.collector_blackhole_s": ("s", Goal("<=", 2)),
    "memory.per_series_vs_sdk_gauge": ("ratio", Goal("<=", 0.7)),
    "import.vs_opentelemetry_api": ("ratio", Goal("<=", 1.3)),
    "notifier.accept_per_second": ("1/s", None),
    "notifier.accept_vs_bare": ("ratio", Goal(">=", 0.25)),
    "notifier.accept_p99_ms": ("ms", Goal("<=", 50)),
    "e2e.file_to_prometheus_p99_s": ("s", Goal("<=", 2.5)),
    "e2e.excursion_to_chat_p95_s": ("s", Goal("<=", 3)),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result.

    Attributes:
        name: group and what is measured.
        value: the median; None where there is nothing to measure.
        unit: of the value.
        goal: what it has to reach; None for a row that only informs.
    """

    name: str
    value: float | None
    unit: str
    goal: Goal | None = None

    @property
    def holds(self) -> bool:
        """Whether the goal is reached; what has none always holds."""
        if self.goal is None:
            return True
        return self.value is not None and self.goal.holds(self.value)

    def to_json(self) -> dict[str, object]:
        """The row as ``wt bench --json`` prints it."""
        return {
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "goal": str(self.goal) if self.goal else None,
            "holds": self.holds,
        }


def row(name: str, value: float | None) -> Row:
    """A row of the table of goals."""
    unit, goal = GOALS[name]
    return Row(name, value, unit, goal)
