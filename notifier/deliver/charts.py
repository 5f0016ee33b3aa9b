"""Makes the chart of an incident: asks Prometheus, draws in a process of its own.

Drawing takes half a second of CPU and tens of megabytes, and what is drawn is somebody else's
text; a process that ends afterwards keeps all three away from the deliveries.
"""

import asyncio
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from notifier.deliver.outcome import ChartEnd
from notifier.errors import NotifierError
from notifier.render.chart import ChartPlan
from wiltonos_service.redaction import redact

NO_LIBRARY = 'matplotlib is not installed; run: pip install "wiltonos-otel[charts]"'
FETCH_SECONDS = 8.0
DRAW_SECONDS = 30.0
MAX_SERIES = 12
_MAX_ANSWER = 8 * 1024 * 1024
_PROCESS = "notifier.deliver.chart_process"
# nothing of our own environment goes there: it may hold secrets. One thread: each of them would
# reserve memory, of which the process may have so much
_ENVIRONMENT = {
    "MPLBACKEND": "Agg",
    "LC_ALL": "C.UTF-8",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}


class ChartError(NotifierError):
    """There is no chart; the text says why.

    Attributes:
        end: the same in one word.
    """

    def __init__(self, end: ChartEnd, text: str) -> None:
        super().__init__(text)
        self.end = end


@dataclass(frozen=True, slots=True)
class Series:
    """One line: its name and its points, Unix seconds and value."""

    name: str
    points: Sequence[tuple[float, float]]


class Charts:
    """Draws one chart at a time.

    Args:
        session: for Prometheus.
        prometheus_url: base address of its API.
        cache: a folder of ours, where the drawing library keeps its fonts.
    """

    def __init__(self, session: aiohttp.ClientSession, prometheus_url: str, cache: Path) -> None:
        self._session = session
        self._url = f"{prometheus_url.rstrip('/')}/api/v1/query_range"
        self._cache = cache
        self._one = asyncio.Semaphore(1)

    async def draw(self, plan: ChartPlan) -> bytes:
        """The chart as PNG.

        Raises:
            ChartError: Prometheus has no answer, or drawing failed or took too long.
        """
        async with self._one:
            series = await self._fetch(plan)
            return await draw(plan, series, self._cache)

    async def _fetch(self, plan: ChartPlan) -> list[Series]:
        query = {
            "query": plan.expression,
            "start": f"{plan.start.timestamp():.3f}",
            "end": f"{plan.end.timestamp():.3f}",
            "step": f"{plan.step_seconds:.3f}",
            "timeout": f"{FETCH_SECONDS:.0f}s",
        }
        timeout = aiohttp.ClientTimeout(total=FETCH_SECONDS)
        try:
            # as a form: an expression may be longer than an address. A redirect could lead it
            # anywhere; it is somebody else's text and for this Prometheus only.
            async with self._session.post(
                self._url, data=query, timeout=timeout, allow_redirects=False
            ) as response:
                content, status = await _whole(response), response.status
        except (aiohttp.ClientError, TimeoutError) as error:
            said = f"Prometheus did not answer: {type(error).__name__}"
            raise ChartError(ChartEnd.UNANSWERED, said) from None
        if status != HTTPStatus.OK:
            said = redact(content[:200].decode("utf-8", "replace"))
            raise ChartError(ChartEnd.UNANSWERED, f"Prometheus refused with {status}: {said}")
        series = read_series(content, plan)
        if not series:
            said = "Prometheus has no data for the alert's expression"
            raise ChartError(ChartEnd.EMPTY, said)
        return series


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for piece in response.content.iter_any():
        content += piece
        if len(content) > _MAX_ANSWER:
            said = f"Prometheus' answer is larger than {_MAX_ANSWER >> 20} MiB: too many series"
            raise ChartError(ChartEnd.UNANSWERED, said)
    return bytes(content)


def read_series(content: bytes, plan: ChartPlan) -> list[Series]:
    """The series of a ``query_range`` answer that agree with the labels of the alert.

    At most twelve, the worst first: those that are furthest beyond a limit, else the largest.

    Raises:
        ChartError: it is no such answer.
    """
    try:
        body = orjson.loads(content)
        results = [r for r in body["data"]["result"] if _agrees(r["metric"], plan.labels)]
        pairs = [set(each["metric"].items()) for each in results]
        common = set.intersection(*pairs) if len(pairs) > 1 else set()
        told = {**plan.labels, **dict(common), "__name__": ""}
        own = {name for each in results for name in each["metric"]} - told.keys()
        found = [_series(each, sorted(own)) for each in results]
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        reason = redact(content[:200].decode("utf-8", "replace"))
        said = f"Prometheus gave no matrix: {reason}"
        raise ChartError(ChartEnd.UNANSWERED, said) from error
    found = [series for series in found if series.points]
    return sorted(found, key=lambda each: -_excess(each, plan))[:MAX_SERIES]


def _excess(series: Series, plan: ChartPlan) -> float:
    """How far it was beyond the limits at worst; negative within."""
    values = [value for _, value in series.points]
    over = max(values) - plan.high if plan.high is not None else -math.inf
    under = plan.low - min(values) if plan.low is not None else -math.inf
    return max(values) if plan.low is plan.high is None else max(over, under)


def _agrees(metric: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(name, value) == value for name, value in metric.items())


def _series(result: Mapping[str, Any], own: Sequence[str]) -> Series:
    """Named by the labels in which it differs; by the value alone where that is one label."""
    metric = result["metric"]
    if len(own) == 1:
        name = metric.get(own[0], "")
    else:
        name = ", ".join(f"{each}={metric[each]}" for each in own if each in metric)
    points = ((float(at), float(value)) for at, value in result["values"])
    finite = [(at, value) for at, value in points if math.isfinite(value)]
    return Series(name or metric.get("__name__", ""), finite)


def can_draw() -> bool:
    """Whether the drawing library is installed; it is an extra."""
    return find_spec("matplotlib") is not None


async def draw(plan: ChartPlan, series: Sequence[Series], cache: Path) -> bytes:
    """The chart as PNG, drawn by a process that lives for nothing else.

    Raises:
        ChartError: matplotlib is missing, or drawing failed or took too long.
    """
    job = {
        "title": plan.title,
        "start": plan.start.timestamp(),
        "end": plan.end.timestamp(),
        "step": plan.step_seconds,
        "fired_at": plan.fired_at.timestamp(),
        "ended_at": plan.ended_at.timestamp() if plan.ended_at else None,
        "low": plan.low,
        "high": plan.high,
        "series": [{"name": each.name, "points": list(each.points)} for each in series],
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", _PROCESS),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=_ENVIRONMENT | {"MPLCONFIGDIR": str(cache)},
    )
    try:
        async with asyncio.timeout(DRAW_SECONDS):
            png, stderr = await process.communicate(orjson.dumps(job))
    except TimeoutError:
        said = f"drawing took longer than {DRAW_SECONDS:.0f} s"
        raise ChartError(ChartEnd.NOT_DRAWN, said) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode or not png.startswith(b"\x89PNG"):
        lines = stderr.decode("utf-8", "replace").strip().splitlines()
        said = f"drawing failed: {lines[-1] if lines else 'no picture'}"
        raise ChartError(ChartEnd.NOT_DRAWN, said)
    return png
