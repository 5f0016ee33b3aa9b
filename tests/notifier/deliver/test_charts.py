"""Charts from the answer of a Prometheus to a picture."""

import struct
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web

from notifier.deliver import charts as module
from notifier.deliver.charts import MAX_SERIES, ChartError, Charts, read_series
from notifier.render.chart import ChartPlan

END = datetime(2026, 11, 23, 3, 4, tzinfo=UTC)
PLAN = ChartPlan(
    expression="wiltonos_quantum_coherence_ratio",
    start=END - timedelta(minutes=14),
    end=END,
    step_seconds=4.0,
    low=0.73,
    high=0.77,
    fired_at=END - timedelta(minutes=4),
    ended_at=None,
    title=r"Φ $\frac{1}{0}$ is above its band",
    alt="",
    labels={"instance": "ship-1"},
)


def matrix(*metrics: dict[str, str], values: Any = None) -> dict[str, Any]:
    """An answer of query_range."""
    points = values or [[END.timestamp() - n * 4, str(0.75 + n / 5000)] for n in range(200)]
    results = [{"metric": metric, "values": points} for metric in metrics]
    return {"status": "success", "data": {"resultType": "matrix", "result": results}}


Answers = Callable[[Any], None]


@pytest.fixture
async def prometheus() -> AsyncIterator[tuple[str, Answers]]:
    """The address of a server that answers query_range with what it is told."""
    box: list[Any] = []

    async def answer(request: web.Request) -> web.Response:
        form = await request.post()
        assert form["query"] == PLAN.expression
        return web.Response(text=box[0]) if isinstance(box[0], str) else web.json_response(box[0])

    app = web.Application()
    app.router.add_post("/api/v1/query_range", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]

    def say(what: Any) -> None:
        box[:] = [what]

    yield f"http://127.0.0.1:{port}", say
    await runner.cleanup()


async def test_a_chart_is_a_picture_of_the_size_that_chats_show(
    prometheus: tuple[str, Answers], tmp_path: Path
) -> None:
    """Drawn by the real process; formulas in titles and odd numbers are no accident."""
    pytest.importorskip("matplotlib", reason="charts are an extra")
    url, say = prometheus
    odd = [[END.timestamp() - n, v] for n, v in enumerate(["NaN", "+Inf", "0.8", "-Inf", "0.7"])]
    say(
        matrix(
            {"instance": "ship-1", "loop": "$x$"}, {"instance": "ship-1", "loop": "_b"}, values=odd
        )
    )
    async with aiohttp.ClientSession() as session:
        png = await Charts(session, url, tmp_path).draw(PLAN)
    assert png.startswith(b"\x89PNG")
    assert struct.unpack(">II", png[16:24]) == (1200, 675)
    assert len(png) < 300_000


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (matrix(), "no data"),
        (matrix({"instance": "ship-2"}), "no data"),
        ({"status": "error", "error": "parse error"}, "no matrix"),
        ("<html>", "no matrix"),
        ({"data": {"result": [{"metric": {}, "values": [["x", "y"]]}]}}, "no matrix"),
        ({"data": {"result": 5}}, "no matrix"),
        ({"data": {"result": [{"metric": [], "values": []}]}}, "no matrix"),
    ],
)
async def test_an_answer_without_data_is_a_reason(
    prometheus: tuple[str, Answers], tmp_path: Path, said: Any, reason: str
) -> None:
    """The message goes without a picture, and the log says why."""
    url, say = prometheus
    say(said)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ChartError, match=reason):
            await Charts(session, url, tmp_path).draw(PLAN)


async def test_without_a_prometheus_there_is_a_reason(tmp_path: Path) -> None:
    """Nobody listens there."""
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ChartError, match="did not answer"):
            await Charts(session, "http://127.0.0.1:9", tmp_path).draw(PLAN)


async def test_drawing_that_takes_too_long_is_ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The process is killed, and nothing of it stays."""
    monkeypatch.setattr(module, "DRAW_SECONDS", 0.01)
    with pytest.raises(ChartError, match="longer than"):
        await module.draw(PLAN, [], tmp_path)


async def test_a_process_that_fails_says_why(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """One line, without a traceback."""
    monkeypatch.setattr(module, "_PROCESS", "notifier.no_such_module")
    with pytest.raises(ChartError, match="no_such_module"):
        await module.draw(PLAN, [], tmp_path)


def answered(*series: tuple[dict[str, str], float]) -> bytes:
    """An answer in which each series has one point."""
    results = [{"metric": metric, "values": [[1, str(value)]]} for metric, value in series]
    return orjson.dumps({"data": {"result": results}})


def test_the_worst_series_are_drawn_first() -> None:
    """A query that matches a thousand does not fill the picture, nor hide what is wrong."""
    many = [({"n": str(n), "job": "same", "__name__": "m"}, 0.75 + n / 1000) for n in range(100)]
    low = [({"n": "low", "job": "same", "__name__": "m"}, 0.5)]
    found = read_series(answered(*many, *low), replace(PLAN, labels={}))
    assert len(found) == MAX_SERIES
    assert [each.name for each in found[:3]] == ["low", "99", "98"]
    assert found[0].points == [(1.0, 0.5)]


def test_without_limits_the_largest_are_first() -> None:
    """There is nothing to be beyond of."""
    content = answered(({"n": "a"}, 1.0), ({"n": "b"}, 3.0))
    found = read_series(content, replace(PLAN, low=None, high=None))
    assert [each.name for each in found] == ["b", "a"]


def test_a_name_tells_the_difference() -> None:
    """One label by its value, several by name and value, a single series by its metric."""
    two = answered(({"n": "a", "m": "x", "job": "j"}, 1.0), ({"n": "b", "job": "j"}, 2.0))
    assert [each.name for each in read_series(two, PLAN)] == ["n=b", "m=x, n=a"]
    one = answered(({"__name__": "up", "instance": "ship-1"}, 1.0))
    assert [each.name for each in read_series(one, PLAN)] == ["up"]


async def test_an_answer_in_many_pieces_is_read_whole(
    prometheus: tuple[str, Answers], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a megabyte comes in pieces; eight of them would be too many series."""
    pytest.importorskip("matplotlib", reason="charts are an extra")
    url, say = prometheus
    metrics = ({"instance": "ship-1", "loop": f"{n:060d}"} for n in range(100))
    say(matrix(*metrics))
    async with aiohttp.ClientSession() as session:
        assert (await Charts(session, url, tmp_path).draw(PLAN)).startswith(b"\x89PNG")
        monkeypatch.setattr(module, "_MAX_ANSWER", 1 << 19)
        with pytest.raises(ChartError, match="too many series"):
            await Charts(session, url, tmp_path).draw(PLAN)


async def test_the_expression_goes_nowhere_else(prometheus: tuple[str, Answers]) -> None:
    """It is somebody else's text: a redirect does not carry it away."""
    seen: list[str] = []

    async def lead_away(request: web.Request) -> web.Response:
        seen.append(request.path)
        raise web.HTTPTemporaryRedirect(f"{prometheus[0]}/api/v1/query_range")

    app = web.Application()
    app.router.add_post("/api/v1/query_range", lead_away)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    prometheus[1](matrix({"instance": "ship-1"}))
    url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    async with aiohttp.ClientSession() as session:
        with pytest.raises(ChartError, match="refused with 307"):
            await Charts(session, url, Path()).draw(PLAN)
    await runner.cleanup()
    assert seen == ["/api/v1/query_range"]
