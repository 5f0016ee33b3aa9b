"""The receiver's answers: a contract with Alertmanager."""

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.alerts import Notification
from notifier.errors import BusyError, StoreError
from notifier.ingest.payload import parse
from notifier.testing.webhooks import alert, encoded, webhook
from notifier.web import receiver

GOOD = encoded(webhook(alert()))


async def test_200_means_committed(start: Callable[..., Any]) -> None:
    """The incident is in the database when the answer arrives, even with every chat down."""
    run = await start("")
    await run.post(GOOD)
    (incident,) = (await run.get("/api/v1/incidents"))["incidents"]
    assert incident["phase"] == "firing"
    assert incident["alerts"][0]["starts_at"] == "2026-01-01T00:00:00.000Z"
    assert set(incident) >= {
        "id", "receiver", "group_keys", "phase", "revision", "opened_at", "resolved_at",
        "alerts", "deliveries",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"rubbish", "json"),
        (b'{"version":"4","groupKey":"g"}', "payload"),
        (b'{"version":"4","alerts":[]}', "payload"),
        (b'{"version":"2","groupKey":"g","alerts":[]}', "payload"),
    ],
)
async def test_what_is_no_notification_is_400_kept_and_announced(
    start: Callable[..., Any], body: bytes, reason: str
) -> None:
    """The sender gives up, so we keep what it said and tell somebody."""
    run = await start()
    await run.post(body, 400)
    (letter,) = (await run.get("/api/v1/dead-letters"))["dead_letters"]
    assert (letter["kind"], letter["reason"]) == ("ingest", reason)
    whole = await run.get(f"/api/v1/dead-letters/{letter['id']}")
    assert whole["payload"] == body.decode()
    await run.delivered()
    assert "refused" in run.slack_messages()[0].text


async def test_too_large_a_body_is_413_and_its_beginning_is_kept(start: Callable[..., Any]) -> None:
    """The bound is the configured one, the sender reads our answer, and the service goes on."""
    run = await start("", "max_body_bytes = 100000")
    fitting = GOOD + b" " * (100_000 - len(GOOD))
    await run.post(fitting)
    await run.post(fitting + b" ", 413)
    (letter,) = (await run.get("/api/v1/dead-letters"))["dead_letters"]
    assert letter["reason"] == "too_large"
    await run.post(GOOD)


async def test_a_large_body_is_read_beside_the_loop(
    start: Callable[..., Any], eventually: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everybody else is answered meanwhile; a small one takes no detour."""
    run = await start("")
    may_read, readers = threading.Event(), []

    def slowly(body: bytes, traceparent: str = "") -> Notification:
        readers.append(threading.current_thread())
        if len(body) > receiver.SMALL_BYTES:
            assert may_read.wait(20)
        return parse(body, traceparent)

    monkeypatch.setattr(receiver, "parse", slowly)
    await run.post(GOOD)
    large = asyncio.create_task(run.post(GOOD + b" " * receiver.SMALL_BYTES))

    async def begun() -> bool:
        return len(readers) == 2

    await eventually(begun)
    assert (await run.get("/-/healthy"))["status"] == "ok"
    await run.post(encoded(webhook(alert("B"), group_key="other")))
    assert not large.done()
    may_read.set()
    await large
    main = threading.main_thread()
    assert [reader is main for reader in readers] == [True, False, True]


async def test_large_bodies_that_wait_to_be_read_are_bounded(
    start: Callable[..., Any], eventually: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The sender comes again later; that is load, and no reason to be unready."""
    run = await start("")
    large = GOOD + b" " * receiver.SMALL_BYTES
    monkeypatch.setattr(receiver, "HEAVIEST_READING", 2 * len(large))
    may_read, readers = threading.Event(), []

    def slowly(body: bytes, traceparent: str = "") -> Notification:
        readers.append(threading.current_thread())
        assert may_read.wait(20)
        return parse(body, traceparent)

    monkeypatch.setattr(receiver, "parse", slowly)

    async def beat() -> None:
        async with run.http.post(f"{run.base}/api/v1/heartbeat", data=large) as response:
            assert response.status == 200

    first = asyncio.create_task(beat())
    second = asyncio.create_task(run.post(large))

    async def full() -> bool:
        return bool(run.service.receiver._to_read == 2 * len(large))

    await eventually(full)
    await run.post(large, 503)
    assert (await run.get("/-/ready"))["status"] == "ready"
    may_read.set()
    await asyncio.gather(first, second)
    assert threading.main_thread() not in readers
    await run.post(large)


async def test_what_is_refused_for_good_is_kept_or_comes_again(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 400 that nobody could keep would be lost without a trace."""
    run = await start("")

    async def fail(*_: object) -> None:
        raise StoreError("away")

    with monkeypatch.context() as patch:
        patch.setattr(run.service.store, "add_ingest_letter", fail)
        await run.post(b"rubbish", 503)
    await run.post(b"rubbish", 400)
    (letter,) = (await run.get("/api/v1/dead-letters"))["dead_letters"]
    assert letter["reason"] == "json"


async def test_a_sender_that_leaves_in_the_middle_is_no_defect(
    start: Callable[..., Any], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It tries again: there is nothing to keep, to announce or to log with a traceback."""
    begun, ended, read = asyncio.Event(), asyncio.Event(), receiver.Receiver._read

    async def observed(self: Any, request: Any) -> Any:
        begun.set()
        try:
            return await read(self, request)
        finally:
            ended.set()

    monkeypatch.setattr(receiver.Receiver, "_read", observed)
    run = await start("")
    host, port = run.base.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    head = b"POST /api/v1/alertmanager HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{"
    writer.write(head)
    async with asyncio.timeout(10):
        await begun.wait()
        writer.close()
        await ended.wait()
    assert (await run.get("/api/v1/dead-letters"))["dead_letters"] == []
    assert not [record for record in caplog.records if record.exc_info]


async def test_rubbish_cannot_fill_the_database(start: Callable[..., Any]) -> None:
    """Every refusal is counted; only so many a minute are kept, and one is announced."""
    run = await start("")
    await asyncio.gather(*(run.post(b"x", 400) for _ in range(60)))
    assert len((await run.get("/api/v1/dead-letters"))["dead_letters"]) == 30
    async with run.http.get(f"{run.base}/metrics") as response:
        assert 'refused_total{reason="json"} 60.0' in await response.text()
    assert len((await run.get("/api/v1/incidents"))["incidents"]) == 1


@pytest.mark.parametrize(
    "error", [StoreError("disk full"), BusyError("full"), ZeroDivisionError("a defect")]
)
async def test_what_cannot_be_committed_is_503(
    start: Callable[..., Any], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Alertmanager tries again after 503 only, so even a defect must not be another 5xx."""
    run = await start("")

    async def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(run.service.store, "accept", fail)
        patch.setattr(run.service.store, "write_meta", fail)
        await run.post(GOOD, 503)
        async with run.http.get(f"{run.base}/-/ready") as response:
            assert response.status == 503
    await run.post(GOOD)


async def test_the_token_is_asked_for_what_changes_something(start: Callable[..., Any]) -> None:
    """401 without it on the webhook, the heartbeat and dead letters; reading stays open."""
    run = await start("", 'bearer_token = "let-me-in"')
    await run.post(GOOD, 401)
    for method, path in (
        ("POST", "/api/v1/heartbeat"),
        ("DELETE", "/api/v1/dead-letters/x"),
        ("POST", "/api/v1/dead-letters/x/replay"),
    ):
        async with run.http.request(method, run.base + path) as response:
            assert response.status == 401
    for path in ("/", "/api/v1/incidents", "/metrics", "/-/healthy", "/-/ready"):
        async with run.http.get(run.base + path) as response:
            assert response.status == 200
    right = {"Authorization": "Bearer let-me-in"}
    async with aiohttp.ClientSession(headers=right) as http:
        url = f"{run.base}/api/v1/alertmanager"
        async with http.post(url, data=GOOD) as response:
            assert response.status == 200


async def test_a_refused_body_that_is_understood_now_can_be_replayed(
    start: Callable[..., Any],
) -> None:
    """An upgrade can teach the notifier a body that it refused before."""
    run = await start("")
    await run.post(b"rubbish", 400)
    (letter,) = (await run.get("/api/v1/dead-letters"))["dead_letters"]
    url = f"{run.base}/api/v1/dead-letters/{letter['id']}/replay"
    async with run.http.post(url) as response:
        assert response.status == 409
    store = run.service.store
    await store.drop(letter["id"])
    known = await store.add_ingest_letter("payload", "x", GOOD.decode(), run.service.clock.now())
    async with run.http.post(f"{run.base}/api/v1/dead-letters/{known}/replay") as response:
        assert response.status == 200
    keys = [each["group_keys"][0] for each in (await run.get("/api/v1/incidents"))["incidents"]]
    assert '{}:{alertname="A"}' in keys


async def test_pages_of_incidents_and_wrong_questions(start: Callable[..., Any]) -> None:
    """The cursor leads through all of them; what makes no sense is 400, what is not there 404."""
    run = await start("")
    for number in range(5):
        await run.post(webhook(alert(), group_key=f"g{number}"))
    page = await run.get("/api/v1/incidents?limit=3&phase=firing")
    rest = await run.get(f"/api/v1/incidents?limit=3&cursor={page['next_cursor']}")
    keys = [each["group_keys"][0] for each in (*page["incidents"], *rest["incidents"])]
    assert keys == ["g4", "g3", "g2", "g1", "g0"]
    assert rest["next_cursor"] is None
    for path, status in (
        ("incidents?limit=0", 400), ("incidents?limit=x", 400), ("incidents?phase=odd", 400),
        ("incidents/none", 404), ("dead-letters/none", 404),
    ):  # fmt: skip
        async with run.http.get(f"{run.base}/api/v1/{path}") as response:
            assert response.status == status


async def test_any_body_is_answered_200_or_400(start: Callable[..., Any]) -> None:
    """Fuzzed bodies never make another answer, and never stop the service."""
    run = await start("")
    bodies: list[bytes] = []
    values = st.none() | st.integers() | st.text(max_size=5) | st.lists(st.text(max_size=3))
    tops = st.dictionaries(st.sampled_from(list(webhook())), values)

    @settings(max_examples=60, suppress_health_check=list(HealthCheck))
    @given(tops, st.dictionaries(st.sampled_from(list(alert())), values))
    def collect(top: dict[str, Any], inner: dict[str, Any]) -> None:
        try:
            bodies.append(encoded(webhook(alert() | inner) | top))
        except TypeError:
            # an integer that is too long for JSON libraries is sent as text
            bodies.append(str(top).encode())

    collect()
    for body in [*bodies, b"", b"\x00", b"[" * 10_000, b'{"a":' * 5_000]:
        async with run.http.post(f"{run.base}/api/v1/alertmanager", data=body) as response:
            assert response.status in {200, 400}
    for encoding in ("gzip", "deflate", "br"):
        headers = {"Content-Encoding": encoding}
        url = f"{run.base}/api/v1/alertmanager"
        async with run.http.post(url, data=b"xx", headers=headers) as response:
            assert response.status == 400, encoding
    await run.post(GOOD)
