"""The chart that ``wt notifier test`` shows: no Prometheus is asked, the rest is real."""

import math
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from notifier.clock import Clock
from notifier.deliver.charts import Series, draw
from notifier.deliver.outcome import Outcome, OutcomeKind, Receipt
from notifier.deliver.protocol import Chart, Charting, Rendered
from notifier.dispatch.charting import SHOW_WAITS_SECONDS
from notifier.render.chart import ChartPlan

_LENGTH = timedelta(minutes=15)
_BEGAN, _ENDED = timedelta(minutes=8), timedelta(minutes=3)
_STEP_SECONDS = 4.0


async def sample_chart(now: datetime, cache: Path) -> Chart:
    """A picture of an excursion that never was.

    Raises:
        ChartError: it cannot be drawn here.
    """
    plan = ChartPlan(
        expression="",
        start=now - _LENGTH,
        end=now,
        step_seconds=_STEP_SECONDS,
        low=0.73,
        high=0.77,
        fired_at=now - _BEGAN,
        ended_at=now - _ENDED,
        title="A test of this channel",
        alt="A made-up line that leaves its band and comes back",
        labels={},
    )
    png = await draw(plan, [Series("", list(_points(plan)))], cache)
    return Chart(png, plan.alt)


def _points(plan: ChartPlan) -> Iterator[tuple[float, float]]:
    middle = (plan.fired_at + (_BEGAN - _ENDED) / 2).timestamp()
    for number in range(int(_LENGTH.total_seconds() / _STEP_SECONDS) + 1):
        at = plan.start.timestamp() + number * _STEP_SECONDS
        yield at, 0.75 + 0.003 * math.sin(at / 20) + 0.05 * math.exp(-(((at - middle) / 150) ** 4))


async def show(
    deliverer: Charting, clock: Clock, receipt: Receipt, message: Rendered, chart: Chart
) -> Outcome:
    """Upload it and show it in the message, as the service would."""
    outcome, chart = await deliverer.upload(chart)
    if outcome.kind is not OutcomeKind.DELIVERED:
        return outcome
    for wait in SHOW_WAITS_SECONDS:
        await clock.sleep(wait)
        outcome = await deliverer.attach(receipt, message, chart)
        if outcome.kind is not OutcomeKind.PAYLOAD_REFUSED:
            break
    return outcome
