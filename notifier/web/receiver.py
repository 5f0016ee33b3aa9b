"""The webhook: 200 only after the commit, and nothing that makes Alertmanager give an alert up.

Alertmanager tries again after a 5xx and never after a 4xx (its notify/util.go, Retrier.Check), so
load and a broken database are 503, and what is refused for good is kept and announced.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import structlog
from aiohttp import web

from notifier import killpoints
from notifier.alerts import AlertStatus, Notification
from notifier.clock import Clock
from notifier.errors import BusyError, PayloadError, SlowError, StoreError
from notifier.incident.planner import Plan
from notifier.ingest.committing import Committing
from notifier.ingest.payload import parse
from notifier.ingest.probes import without_probes
from notifier.instruments import Instruments
from notifier.store.base import COMMIT_SECONDS, Ingest, Store
from notifier.traces import OFF, Traces, Webhook, accepted
from notifier.web.documents import answer
from wiltonos_service.redaction import redact

log = structlog.get_logger(__name__)

R = TypeVar("R")
# a larger body is read in a thread: two hundred thousand alerts take seconds
SMALL_BYTES = 256 * 1024
# of larger bodies that may wait for that; more would wait for longer than their senders do
HEAVIEST_READING = 64 * 1024 * 1024
# of a refused body
KEPT_BYTES = 64 * 1024
# how much of an oversized body is read and thrown away, so that the sender reads our answer
DRAINED = 4
LETTERS_PER_MINUTE = 30
WEBHOOK = "/api/v1/alertmanager"
HEARTBEAT = "/api/v1/heartbeat"
INTAKES = (WEBHOOK, HEARTBEAT)


@dataclass
class Receiver:
    """Takes webhooks and heartbeats.

    Attributes:
        accepted: told of every plan that was committed.
        refused: told why a body was refused for good.
        beat: commits a heartbeat.
        probed: commits the marks of probes.
        committing: told whether webhooks can be committed.
        traces: makes the spans.
    """

    store: Store
    clock: Clock
    instruments: Instruments
    max_body_bytes: int
    accepted: Callable[[Plan], None]
    refused: Callable[[str], Awaitable[None]]
    beat: Callable[[], Awaitable[None]]
    probed: Callable[[tuple[str, ...]], Awaitable[None]]
    committing: Committing
    traces: Traces = OFF

    def __post_init__(self) -> None:
        self._letters: list[float] = []
        self._reading = asyncio.Lock()
        self._to_read = 0

    def install(self, app: web.Application) -> None:
        """Add the routes."""
        app.router.add_post(WEBHOOK, self.alertmanager)
        app.router.add_post(HEARTBEAT, self.heartbeat)

    async def alertmanager(self, request: web.Request) -> web.Response:
        """``POST /api/v1/alertmanager``."""
        if not self.traces.on:
            return await self._webhook(request, request.headers.get("traceparent", ""))
        sender = request.headers.get("User-Agent", "")
        with self.traces.webhook(request.headers, Webhook(WEBHOOK, request.host, sender)) as span:
            response = await self._webhook(request, span.traceparent)
            span.answered(response.status)
        return response

    async def _webhook(self, request: web.Request, traceparent: str) -> web.Response:
        body = await self._body(request)
        if isinstance(body, web.Response):
            return body
        try:
            told, marks, probed = await self._understood(body, partial(_sorted_out, traceparent))
        except BusyError as error:
            return self._busy(error)
        except PayloadError as error:
            why = "json" if str(error).startswith("not JSON") else "payload"
            return await self._refuse(400, why, str(error), body)
        if probed and not told.alerts:
            return await self._commit(_in_time(self.probed(marks)))
        if marks:
            await self._commit(_in_time(self.probed(marks)))
        return await self._commit(self._accept(Ingest(told, body, self.clock.now())), len(body))

    async def _understood(self, body: bytes, read: Callable[[bytes], R]) -> R:
        """What a body says; a large one is read beside the event loop.

        Raises:
            BusyError: too many of these wait already.
        """
        size = len(body)
        if size <= SMALL_BYTES:
            return read(body)
        if self._to_read and self._to_read + size > HEAVIEST_READING:
            raise BusyError(f"webhooks of {self._to_read} bytes already wait to be read")
        self._to_read += size
        try:
            # one at a time: each takes many times the memory of its body
            async with self._reading:
                return await asyncio.to_thread(read, body)
        finally:
            self._to_read -= size

    async def heartbeat(self, request: web.Request) -> web.Response:
        """``POST /api/v1/heartbeat``: an empty body, or a webhook in which something fires."""
        body = await self._body(request)
        if isinstance(body, web.Response):
            return body
        try:
            alerts = (await self._understood(body, parse)).alerts if body.strip() else None
        except BusyError as error:
            return self._busy(error)
        except PayloadError as error:
            return await self._refuse(400, "payload", f"heartbeat: {error}", body)
        if alerts is not None and not any(a.status is AlertStatus.FIRING for a in alerts):
            # the Watchdog ends: that is no sign of life
            return answer({"status": "ignored"})
        return await self._commit(_in_time(self.beat()))

    async def _accept(self, ingest: Ingest) -> None:
        killpoints.reached(killpoints.BEFORE_COMMIT)
        with self.traces.accept() as span:
            plan = await self.store.accept(ingest)
            accepted(span, plan)
        killpoints.reached(killpoints.AFTER_COMMIT)
        self.instruments.accepted(plan.step.reasons)
        self.accepted(plan)

    async def _commit(self, work: Awaitable[object], size: int = 0) -> web.Response:
        try:
            await work
        except BusyError as error:
            return self._busy(error)
        except StoreError as error:
            self.committing.failed(str(error), size)
            return self._unavailable("database", str(error))
        except Exception:
            # any other answer than 503 would make the sender give up
            log.exception("webhook failed")
            return self._unavailable("database", "unexpected error; see the log")
        self.committing.worked(size)
        return answer({"status": "ok"})

    def _busy(self, error: BusyError) -> web.Response:
        # without the figures of the error, of which every webhook has others
        self.committing.refused("more come than can be committed in time")
        return self._unavailable("busy", str(error))

    def _unavailable(self, why: str, detail: str) -> web.Response:
        self.instruments.refused(why)
        return answer({"error": detail}, 503)

    async def _refuse(self, status: int, why: str, detail: str, body: bytes) -> web.Response:
        """The sender will not try again: keep what it said, and tell somebody.

        What cannot be kept is 503, and comes again.
        """
        if self._may_keep():
            payload = redact(body[:KEPT_BYTES].decode("utf-8", "replace"))
            letter = self.store.add_ingest_letter(why, detail, payload, self.clock.now())
            kept = await self._commit(_in_time(letter))
            if kept.status != 200:
                return kept
            try:
                await self.refused(detail)
            except StoreError as error:
                log.error("refusal not announced", error=str(error))  # noqa: TRY400 - one line
        self.instruments.refused(why)
        log.warning("webhook refused", status=status, reason=detail)
        return answer({"error": detail}, status)

    def _may_keep(self) -> bool:
        """Somebody who sends rubbish must not fill the database."""
        now = self.clock.monotonic()
        self._letters = [at for at in self._letters if now - at < 60.0]
        if len(self._letters) >= LETTERS_PER_MINUTE:
            return False
        self._letters.append(now)
        return True

    def _too_large(self) -> str:
        return f"the body is larger than max_body_bytes = {self.max_body_bytes} in [notifier]"

    async def _body(self, request: web.Request) -> bytes | web.Response:
        """The body, or how one was refused that is too large or cannot be read."""
        try:
            body, whole = await self._read(request)
        except ConnectionError:
            # nobody hears the answer, and the sender tries again: nothing is lost
            return answer({"error": "the sender left before the end"}, 400)
        except web.RequestPayloadError as error:
            # else aiohttp reads the rest after our answer, fails once more and logs a traceback
            request.content.feed_eof()
            detail = f"the body cannot be read: {' '.join(str(error).split())}"
            refusal = await self._refuse(400, "payload", detail, b"")
            refusal.force_close()
            return refusal
        if not whole:
            return await self._refuse(413, "too_large", self._too_large(), body)
        return body

    async def _read(self, request: web.Request) -> tuple[bytes, bool]:
        """The body; or its beginning and False when it is too large."""
        content = request.content
        if content.is_eof():
            # as good as always: a webhook comes in one piece
            body = content.read_nowait()
            whole = len(body) <= self.max_body_bytes
            return (body, True) if whole else (body[:KEPT_BYTES], False)
        parts: list[bytes] = []
        size = 0
        async for chunk in content.iter_any():
            size += len(chunk)
            if size <= self.max_body_bytes:
                parts.append(chunk)
            elif size > DRAINED * self.max_body_bytes:
                break
        if size > self.max_body_bytes:
            return b"".join(parts)[:KEPT_BYTES], False
        return b"".join(parts), True


async def _in_time(work: Awaitable[object]) -> None:
    try:
        async with asyncio.timeout(COMMIT_SECONDS):
            await work
    except TimeoutError:
        raise SlowError("the database takes too long to commit") from None


def _sorted_out(traceparent: str, body: bytes) -> tuple[Notification, tuple[str, ...], bool]:
    """What a webhook reports, the marks of its probes, and whether it had any."""
    notification = parse(body, traceparent)
    told, marks = without_probes(notification)
    return told, marks, told is not notification
