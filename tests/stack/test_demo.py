"""A demo's doses: recorded once, and never in the owner's diary."""

import asyncio
from pathlib import Path

from aiohttp.test_utils import TestServer

from wiltonos_otel import settings
from wiltonos_otel.longevity.local import open_ledger
from wiltonos_otel.longevity.service import make_application
from wiltonos_otel.stack.demo import record_doses
from wiltonos_otel.stack.pipe import Pipe
from wiltonos_otel.stack.plan import Plan, make_plan
from wiltonos_otel.stack.record import describe


def _plan(base: Path, *, demo: bool) -> Plan:
    config = base / "wiltonos.toml"
    config.touch()
    return make_plan(config=config, offset=0, state=None, demo=demo)


def test_a_demo_leaves_the_diary_of_its_owner_alone(tmp_path: Path) -> None:
    """Simulated doses go to a database of their own, and only in a demo."""
    told = _plan(tmp_path, demo=True).service_environment()
    assert told["WILTONOS__LONGEVITY__DATABASE"] == f"sqlite:///{tmp_path}/var/demo-longevity.db"
    assert "WILTONOS__LONGEVITY__DATABASE" not in _plan(tmp_path, demo=False).service_environment()


async def test_doses_of_a_demo_are_recorded_once(tmp_path: Path) -> None:
    """However often a demo is started, its diary holds each dose once."""
    environ = {"WILTONOS__LONGEVITY__DATABASE": f"sqlite:///{tmp_path}/demo.db"}
    loaded = settings.load(environ=environ)
    ledger = open_ledger(loaded)
    async with TestServer(make_application(loaded, ledger)) as server:
        record = describe(_plan(tmp_path, demo=True), "native")
        pipe = Pipe.of(record.model_copy(update={"ports": {"longevity": server.port}}), lambda: 0.0)
        for _ in range(2):
            await asyncio.to_thread(record_doses, pipe)
        answer = await asyncio.to_thread(pipe.ask, "longevity", "/longevity/doses")
        compounds = [dose["compound"] for dose in answer.json()["doses"]]
    assert sorted(compounds) == ["resveratrol", "vitamin-d3"]
