"""Our reader against opentelemetry-exporter-prometheus, line by line, on random registries."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.prometheus._mapping import (
    map_unit,
    sanitize_attribute,
    sanitize_full_name,
)
from opentelemetry.metrics import CallbackOptions, Meter, Observation
from prometheus_client.utils import floatToGoString

from wiltonos_otel.scrape.names import label_name, metric_name, unit_name
from wiltonos_otel.scrape.text import number

Attributes = dict[str, Any]

KINDS = (
    "counter",
    "up_down_counter",
    "gauge",
    "histogram",
    "observable_gauge",
    "observable_counter",
)
UNITS = ("", "1", "s", "ms", "By", "%", "{dose}", "1/s", "mg", "mmol/L", "{a}/min", "By/s", "ratio")
KEYS = ("zone", "a.b", "1st", "Ünï", "lf", "z-z", "Q")

# a letter in front, so that no text reads like a number or like JSON
words = st.text(max_size=6).map("t{}".format)
values = words | st.integers(-9, 9) | st.booleans() | st.lists(words, max_size=2).map(tuple)
attributes = st.dictionaries(st.sampled_from(KEYS), values, max_size=3)
amounts = (
    st.integers(0, 10**18)
    | st.floats(0, allow_infinity=False, allow_nan=False)
    | st.sampled_from([0.0, 1e6, 999999.5, 1e16, 1e22, 123456789.0, 5e-324, 0.1])
)


@dataclass(frozen=True)
class Spec:
    """An instrument and what is recorded with it."""

    kind: str
    name: str
    unit: str
    description: str
    recorded: list[tuple[float, Attributes]]

    def create(self, meter: Meter, number_: int) -> None:
        """Create it under a name of its own, and record."""
        name = f"{self.name}.i{number_}{'_total' if number_ % 3 == 0 else ''}"
        if self.kind.startswith("observable"):
            make = getattr(meter, f"create_{self.kind}")
            make(name, [self.observe], self.unit, self.description)
            return
        record: Callable[[float, Attributes], None] = getattr(
            getattr(meter, f"create_{self.kind}")(name, self.unit, self.description),
            {"gauge": "set", "histogram": "record"}.get(self.kind, "add"),
        )
        for amount, given_ in self.recorded:
            record(amount, given_)

    def observe(self, _options: CallbackOptions) -> list[Observation]:
        """What a callback yields."""
        return [Observation(amount, given_) for amount, given_ in self.recorded]


specs = st.builds(
    Spec,
    st.sampled_from(KINDS),
    st.from_regex(r"[a-zA-Z][-_./a-zA-Z0-9]{0,12}", fullmatch=True),
    st.sampled_from(UNITS),
    st.text(max_size=12),
    st.lists(st.tuples(amounts, attributes), min_size=1, max_size=4),
)


@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(registry=st.lists(specs, min_size=1, max_size=4), scope_labels=st.booleans())
def test_text_equals_the_stock_exporters(
    make: Callable[..., Any], registry: list[Spec], scope_labels: bool
) -> None:
    """Every line, in the same order, in both formats, also when everything is cached."""
    both = make(scope_labels=scope_labels)
    meter = both.provider.get_meter("scope", "1.2", "https://schema", {"team": "blue"})
    for index, spec in enumerate(registry):
        spec.create(meter, index)
    for _ in range(2):
        assert both.ours() == both.stock()
        assert both.openmetrics() == both.stock(openmetrics=True)


@given(st.text())
def test_names_equal_the_stock_exporters(text: str) -> None:
    """Whatever a view calls a metric, a label or a unit."""
    assert metric_name(text) == sanitize_full_name(text)
    assert label_name(text) == (sanitize_attribute(text) or "_")
    assert unit_name(text) == map_unit(text)


@given(st.floats() | st.integers())
def test_numbers_equal_those_of_prometheus_client(value: float) -> None:
    """Every double and every int that is one."""
    assert number(value) == floatToGoString(value)  # type: ignore[no-untyped-call]
