"""Doses on their real way: the Longevity API, the Collector, Prometheus, a panel's query."""

import asyncio
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession
from aiohttp.test_utils import TestServer

from tests.stack.conftest import wait_until
from wiltonos_otel.clock import SystemClock
from wiltonos_otel.longevity.ledger import Ledger
from wiltonos_otel.longevity.service import make_application
from wiltonos_otel.policy import Policy
from wiltonos_otel.settings import load
from wiltonos_otel.stack import dashboards
from wiltonos_otel.stack.dashboards.doses import DOSES
from wiltonos_otel.stack.panels import PanelId

if TYPE_CHECKING:
    from tests.stack.conftest import NativeStack

pytestmark = pytest.mark.stack


async def test_a_panel_sees_each_dose_once_through_a_withdrawal(
    native_stack: "NativeStack", tmp_path: Path
) -> None:
    """The first dose counts, a withdrawal takes nothing back and adds nothing, the next counts."""
    url = f"sqlite:///{tmp_path}/longevity.db"
    loaded = load(
        arguments={
            "longevity": {"database": url, "listen": "127.0.0.1:0"},
            "telemetry": {"otlp_endpoint": native_stack.otlp_url, "export_interval_seconds": 1},
        },
        environ={},
    )

    def raw() -> list[dict[str, Any]]:
        return native_stack.query(DOSES)

    def increase() -> int:
        (series,) = native_stack.query(f"sum(increase({DOSES}[5m]))")
        return round(float(series["value"][1]))

    async def until(condition: Callable[[], Any], what: str) -> None:
        await asyncio.to_thread(wait_until, condition, 20, what)

    ledger = Ledger(url, SystemClock())
    async with (
        TestServer(make_application(loaded, ledger)) as server,
        ClientSession(server.make_url("/")) as client,
    ):
        dose = {"compound": "Resveratrol", "mg": 500}
        await client.post("/longevity/dose", json=dose)
        await until(lambda: [x for x in raw() if x["value"][1] == "1"], "the first dose")
        assert raw()[0]["metric"]["job"] == "wiltonos-longevity"
        assert raw()[0]["metric"]["compound"] == "resveratrol"
        assert increase() == 1
        await client.delete("/longevity/doses/1")
        await until(lambda: raw()[0]["value"][1] == "0", "the withdrawal")
        assert increase() == 1
        await client.post("/longevity/dose", json=dose)
        await until(lambda: raw()[0]["value"][1] == "1", "the next dose")
        assert increase() == 2
        (series,) = native_stack.query("wiltonos_longevity_dose_amount_count")
        assert series["value"][1] == "2"
        for name, expr in health_queries().items():
            await until(partial(native_stack.query, expr), f"the figure {name!r}")


def health_queries() -> dict[str, str]:
    """What the pipeline panel asks about Collector and pushes, as Grafana would."""
    board = json.loads(next(iter(dashboards.render(Policy()).values())))
    (panel,) = (x for x in board["panels"] if x["id"] == PanelId.PIPELINE)
    return {
        x["legendFormat"]: x["expr"].replace("$__rate_interval", "20s").replace("$__range", "5m")
        for x in panel["targets"]
        if "notifier" not in x["expr"]
    }
