"""Makes the chart of an incident: asks Prometheus, draws in a process of its own.

Drawing takes half a second of CPU and tens of megabytes, and what is drawn is somebody else's
text; a process that ends afterwards keeps all three away from the deliveries.
"""

import asyncio
import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from notifier.errors import NotifierError
from notifier.render.chart import ChartPlan
from wiltonos_service.redaction import redact

FETCH_SECONDS = 8.0
DRAW_SECONDS = 30.0
MAX_SERIES = 12
_MAX_ANSWER = 8 * 1024 * 1024
_PROCESS = "notifier.deliver.chart_process"


class ChartError(NotifierError):
    """There is no chart; the text says why."""


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
            # as a form: an expression may be longer than an address
            async with self._session.post(self._url, data=query, timeout=timeout) as response:
                content = await response.content.read(_MAX_ANSWER)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ChartError(f"Prometheus did not answer: {type(error).__name__}") from None
        series = read_series(content, plan.labels)
        if not series:
            raise ChartError("Prometheus has no data for the alert's expression")
        return series


def read_series(content: bytes, labels: Mapping[str, str]) -> list[Series]:
    """The series of a ``query_range`` answer that agree with the labels, at most twelve.

    Raises:
        ChartError: it is no such answer.
    """
    try:
        body = orjson.loads(content)
        results = body["data"]["result"]
        kept = [each for each in results if _agrees(each["metric"], labels)][:MAX_SERIES]
        pairs = [set(each["metric"].items()) for each in kept]
        common = set.intersection(*pairs) if len(pairs) > 1 else set()
        return [_series(each, {**labels, **dict(common)}) for each in kept]
    except (AttributeError, ValueError, KeyError, TypeError) as error:
        reason = redact(content[:200].decode("utf-8", "replace"))
        raise ChartError(f"Prometheus gave no matrix: {reason}") from error


def _agrees(metric: Mapping[str, str], labels: Mapping[str, str]) -> bool:
    return all(labels.get(name, value) == value for name, value in metric.items())


def _series(result: Mapping[str, Any], told: Mapping[str, str]) -> Series:
    metric = result["metric"]
    own = [f"{k}={v}" for k, v in sorted(metric.items()) if k not in told and k != "__name__"]
    points = ((float(at), float(value)) for at, value in result["values"])
    finite = [(at, value) for at, value in points if math.isfinite(value)]
    return Series(", ".join(own) or metric.get("__name__", ""), finite)


async def draw(plan: ChartPlan, series: Sequence[Series], cache: Path) -> bytes:
    """The chart as PNG, drawn by a process that lives for nothing else.

    Raises:
        ChartError: matplotlib is missing, or drawing failed or took too long.
    """
    job = {
        "title": plan.title,
        "start": plan.start.timestamp(),
        "end": plan.end.timestamp(),
        "fired_at": plan.fired_at.timestamp(),
        "ended_at": plan.ended_at.timestamp() if plan.ended_at else None,
        "low": plan.low,
        "high": plan.high,
        "series": [{"name": each.name, "points": list(each.points)} for each in series],
    }
    # nothing of our environment goes there: it may hold secrets
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-I", "-m", _PROCESS),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={"MPLBACKEND": "Agg", "MPLCONFIGDIR": str(cache), "LC_ALL": "C.UTF-8"},
    )
    try:
        async with asyncio.timeout(DRAW_SECONDS):
            png, said = await process.communicate(orjson.dumps(job))
    except TimeoutError:
        raise ChartError(f"drawing took longer than {DRAW_SECONDS:.0f} s") from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode or not png.startswith(b"\x89PNG"):
        lines = said.decode("utf-8", "replace").strip().splitlines()
        raise ChartError(f"drawing failed: {lines[-1] if lines else 'no picture'}")
    return png
