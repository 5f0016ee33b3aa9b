"""Callbacks that fail do not hurt the SDK."""

import asyncio
from collections.abc import Iterator

import pytest
from opentelemetry.metrics import Observation
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from wiltonos_otel.instruments.catalogue import COHERENCE_RATIO, COLLAPSES, DOSE_AMOUNT
from wiltonos_otel.instruments.observe import observe
from wiltonos_otel.testing import read_points


@pytest.mark.parametrize("error", [ValueError("no"), asyncio.CancelledError(), SystemExit(3)])
def test_failing_callback_yields_nothing_and_is_said_once(
    error: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    """Even what is no ``Exception`` reaches neither the reader nor the other instruments."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("test")

    def fail() -> Iterator[Observation]:
        yield Observation(1)
        raise error

    observe(meter, COHERENCE_RATIO, fail)
    observe(meter, COLLAPSES, lambda: [Observation(2)])
    for _ in range(3):
        assert read_points(reader) == {(COLLAPSES.name, ()): 2}
    assert len(caplog.messages) == 1
    assert COHERENCE_RATIO.name in caplog.messages[0]


def test_ctrl_c_is_not_swallowed() -> None:
    """It belongs to the user."""
    reader = InMemoryMetricReader()
    meter = MeterProvider([reader], shutdown_on_exit=False).get_meter("test")

    def interrupted() -> list[Observation]:
        raise KeyboardInterrupt

    observe(meter, COHERENCE_RATIO, interrupted)
    with pytest.raises(KeyboardInterrupt):
        reader.get_metrics_data()


def test_row_that_cannot_be_observed_is_refused() -> None:
    """A distribution is recorded, not read."""
    meter = MeterProvider(shutdown_on_exit=False).get_meter("test")
    with pytest.raises(ValueError, match=r"wiltonos\.longevity\.dose\.amount"):
        observe(meter, DOSE_AMOUNT, list)
