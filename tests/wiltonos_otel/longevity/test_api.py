"""The API over real HTTP, on a real file."""

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import ClientSession

from wiltonos_otel.longevity.dose import DISCLAIMER
from wiltonos_service.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.wiltonos_otel.longevity.conftest import Running
    from wiltonos_otel.settings import Settings
    from wiltonos_service.settings import Loaded

DOSE = {"compound": "Resveratrol", "mg": 500, "notes": "before breakfast"}


async def post(client: ClientSession, body: object, **headers: str) -> tuple[int, dict[str, Any]]:
    """Record a dose."""
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    async with client.post("/longevity/dose", data=data, headers=names) as response:
        return response.status, await response.json()


async def get(client: ClientSession, path: str) -> tuple[int, dict[str, Any]]:
    """Ask."""
    async with client.get(path) as response:
        return response.status, await response.json()


async def metrics(client: ClientSession) -> dict[str, float]:
    """The samples of /longevity/metrics by series."""
    async with client.get("/longevity/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain; version=")
        text = await response.text()
    lines = [line for line in text.splitlines() if line.startswith("wiltonos_longevity")]
    return {series: float(value) for series, _, value in (x.rpartition(" ") for x in lines)}


async def test_a_dose_is_recorded_and_can_be_found(running: "Running") -> None:
    """POST answers with the entry; list, get and info show it, each with the disclaimer."""
    async with running() as client:
        async with client.post("/longevity/dose", json=DOSE) as response:
            assert response.status == 201
            location = response.headers["Location"]
            recorded = await response.json()
        assert recorded == {
            "id": 1,
            "compound": "resveratrol",
            "amount": 500,
            "unit": "mg",
            "converted_from": None,
            "notes": "before breakfast",
            "taken_at": "2026-11-23T19:31:37.979Z",
            "recorded_at": "2026-11-23T19:31:37.979Z",
            "corrects": None,
            "corrected_by": None,
            "withdrawn_at": None,
            "withdrawn_reason": None,
            "disclaimer": DISCLAIMER,
        }
        assert await get(client, location) == (200, recorded)
        _, page = await get(client, "/longevity/doses")
        del recorded["disclaimer"]
        assert page == {"doses": [recorded], "next_cursor": None, "disclaimer": DISCLAIMER}
        _, info = await get(client, "/longevity/info")
        assert info["doses"] == 1
        assert info["disclaimer"] == DISCLAIMER
        assert info["compounds"] == [
            {
                "compound": "resveratrol",
                "unit": "mg",
                "doses": 1,
                "amount": 500,
                "last_taken_at": "2026-11-23T19:31:37.979Z",
            }
        ]


async def test_a_conversion_is_exact_and_said(running: "Running") -> None:
    """Grams and micrograms become mg, digit by digit, and the answer says from what."""
    async with running() as client:
        _, gram = await post(client, b'{"compound":"nmn","amount":0.3,"unit":"g"}')
        _, micro = await post(client, {"compound": "b12", "amount": 2.4, "unit": "µg"})
        _, unit = await post(client, {"compound": "d3", "amount": 2000, "unit": "iu"})
    assert (gram["amount"], gram["unit"]) == (300, "mg")
    assert gram["converted_from"] == {"amount": 0.3, "unit": "g"}
    assert (micro["amount"], micro["converted_from"]["unit"]) == (0.0024, "µg")
    assert (unit["amount"], unit["unit"], unit["converted_from"]) == (2000, "IU", None)


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        (b"", 400, "body"),
        (b"{", 400, "body"),
        (b"[1]", 400, "body"),
        (b"\xff\xfe", 400, "body"),
        (b"[" * 60_000, 400, "body"),
        (b'{"compound":"x","mg":NaN}', 400, "body"),
        (b'{"compound":"x","mg":1,"mg":2}', 400, "mg"),
        (b'{"compound":"x","mg":1e400000000}', 422, "amount"),
        ({"mg": 5}, 422, "compound"),
        ({"compound": "x"}, 422, "amount"),
        ({"compound": 5, "mg": 5}, 422, "compound"),
        ({"compound": "x", "mg": "5"}, 422, "mg"),
        ({"compound": "x", "mg": True}, 422, "mg"),
        ({"compound": "x", "mg": -5}, 422, "mg"),
        ({"compound": "x", "mg": 0}, 422, "mg"),
        ({"compound": "x", "mg": 5, "unit": "mg"}, 422, "mg"),
        ({"compound": "x", "amount": 5}, 422, "unit"),
        ({"compound": "x", "amount": 5, "unit": "kg"}, 422, "unit"),
        ({"compound": "<b>", "mg": 5}, 422, "compound"),
        ({"compound": "x", "mg": 5, "notes": "\u0007"}, 422, "notes"),
        ({"compound": "x", "mg": 5, "note": "typo"}, 422, "note"),
        ({"compound": "x", "mg": 5, "taken_at": 5}, 422, "taken_at"),
        ({"compound": "x", "mg": 5, "taken_at": "2030-01-01T00:00:00Z"}, 422, "taken_at"),
        ({"compound": "x", "mg": 5, "corrects": 1}, 422, "corrects"),
        ({"compound": "x", "mg": 5, "corrects": 1.5}, 422, "corrects"),
        ({"compound": "x", "mg": 5, "corrects": 2**70}, 422, "corrects"),
    ],
)
async def test_each_mistake_is_named_with_its_field_and_fix(
    running: "Running", body: object, status: int, field: str
) -> None:
    """A bad body is 400, a bad field 422; nothing is written."""
    async with running() as client:
        answered, answer = await post(client, body)
        assert answered == status
        assert answer["errors"][0]["field"] in (field, "mg" if field == "amount" else field)
        assert answer["errors"][0]["problem"]
        assert answer["errors"][0]["fix"]
        assert "\n" not in answer["error"]
        assert (await get(client, "/longevity/info"))[1]["doses"] == 0


async def test_all_mistakes_are_named_at_once(running: "Running") -> None:
    """Somebody with three mistakes needs one try to see them."""
    body = {"compound": "", "amount": -1, "unit": "mg", "notes": "\u0000"}
    async with running() as client:
        _, answer = await post(client, body)
    assert [error["field"] for error in answer["errors"]] == ["compound", "amount", "notes"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/longevity/doses?limit=0", 400),
        ("/longevity/doses?limit=1001", 400),
        ("/longevity/doses?limit=x", 400),
        ("/longevity/doses?since=yesterday", 400),
        ("/longevity/doses?cursor=x", 400),
        ("/longevity/doses?cursor=1.99999999999999999999999", 400),
        ("/longevity/doses?compund=x", 400),
        ("/longevity/doses?withdrawn=1", 400),
        ("/longevity/doses/x", 400),
        ("/longevity/doses/99999999999999999999", 400),
        ("/longevity/doses/7", 404),
        ("/longevity/dose", 405),
        ("/nowhere", 404),
    ],
)
async def test_a_wrong_question_gets_one_line(running: "Running", path: str, status: int) -> None:
    """A wrong parameter, id or path is answered with JSON that says so."""
    async with running() as client:
        answered, answer = await get(client, path)
    assert answered == status
    assert answer["error"]


async def test_too_large_a_body_is_refused(running: "Running") -> None:
    """A body beyond the bound is 413, as JSON."""
    async with running() as client:
        status, answer = await post(client, b" " * 100_000)
    assert status == 413
    assert "notes" in answer["error"]


async def test_a_list_goes_on_where_it_ended(running: "Running") -> None:
    """next_cursor leads through all pages and ends."""
    async with running() as client:
        for minute in range(5):
            await post(client, {**DOSE, "taken_at": f"2026-11-23T10:0{minute}:00Z"})
        seen, cursor = [], ""
        while True:
            _, page = await get(client, f"/longevity/doses?limit=2{cursor}")
            seen += [dose["id"] for dose in page["doses"]]
            if page["next_cursor"] is None:
                break
            cursor = f"&cursor={page['next_cursor']}"
    assert seen == [5, 4, 3, 2, 1]


async def test_a_repeated_request_records_once(running: "Running") -> None:
    """The same key gets the same answer; with another dose it is refused."""
    async with running() as client:
        first = await post(client, DOSE, Idempotency_Key='"a-1"')
        assert await post(client, DOSE, Idempotency_Key="a-1") == first
        status, answer = await post(client, {**DOSE, "mg": 400}, Idempotency_Key="a-1")
        assert (status, answer["errors"][0]["field"]) == (422, "Idempotency-Key")
        status, answer = await post(client, DOSE, Idempotency_Key="x" * 129)
        assert (status, answer["errors"][0]["field"]) == (422, "Idempotency-Key")
        assert (await metrics(client))[
            'wiltonos_longevity_doses_total{compound="resveratrol"}'
        ] == 1


async def test_simultaneous_repeats_record_once(running: "Running") -> None:
    """Ten at the same time under one key are one dose."""
    async with running() as client:
        answers = await asyncio.gather(
            *(post(client, DOSE, Idempotency_Key="k") for _ in range(10))
        )
        assert {answer["id"] for _, answer in answers} == {1}
        assert (await get(client, "/longevity/info"))[1]["doses"] == 1


async def test_a_withdrawn_dose_stays_in_the_diary(running: "Running") -> None:
    """DELETE takes a dose out of list and sums, not out of the diary, and may be repeated."""
    async with running() as client:
        await post(client, DOSE)
        for _ in range(2):
            async with client.delete("/longevity/doses/1?reason=typo") as response:
                assert response.status == 200
                answer = await response.json()
        assert answer["withdrawn_reason"] == "typo"
        assert (await get(client, "/longevity/doses"))[1]["doses"] == []
        _, page = await get(client, "/longevity/doses?withdrawn=true")
        assert [dose["id"] for dose in page["doses"]] == [1]
        async with client.delete("/longevity/doses/2") as response:
            assert response.status == 404


async def test_metrics_follow_the_diary(running: "Running") -> None:
    """Counter and histogram show a dose as soon as it is answered, and after a restart."""
    async with running() as client:
        await post(client, DOSE)
        await post(client, {"compound": "d3", "amount": 2000, "unit": "IU"})
        before = await metrics(client)
    assert before['wiltonos_longevity_doses_total{compound="resveratrol"}'] == 1
    assert before['wiltonos_longevity_dose_amount_sum{compound="d3",unit="IU"}'] == 2000
    amounts = 'wiltonos_longevity_dose_amount_bucket{compound="resveratrol",'
    assert before[f'{amounts}le="400.0",unit="mg"}}'] == 0
    assert before[f'{amounts}le="500.0",unit="mg"}}'] == 1
    async with running() as client:
        assert await metrics(client) == before


async def test_notes_stay_in_the_diary(running: "Running") -> None:
    """What somebody writes about a dose is no metric."""
    async with running() as client:
        await post(client, {**DOSE, "notes": "very private"})
        async with client.get("/longevity/metrics") as response:
            assert "private" not in await response.text()


async def test_a_file_that_cannot_be_written_is_a_503(running: "Running", tmp_path: Path) -> None:
    """Nothing is claimed to be recorded meanwhile, and afterwards it goes on."""
    async with running() as client:
        other = sqlite3.connect(tmp_path / "var" / "longevity.db", isolation_level=None)
        other.execute("PRAGMA busy_timeout = 0")
        other.execute("BEGIN IMMEDIATE")
        async with client.post("/longevity/dose", json=DOSE) as response:
            assert response.status == 503
            assert response.headers["Retry-After"]
        assert (await get(client, "/-/ready"))[0] == 503
        assert (await get(client, "/-/healthy"))[0] == 200
        other.execute("ROLLBACK")
        other.close()
        assert (await post(client, DOSE))[0] == 201
        assert (await get(client, "/-/ready"))[0] == 200


async def test_a_token_is_needed_where_one_is_set(running: "Running") -> None:
    """Recording needs the token; reading on loopback, health and metrics do not."""
    async with running(bearer_token="s3cret") as client:
        assert (await post(client, DOSE))[0] == 401
        assert (await post(client, DOSE, Authorization="Bearer s3cret"))[0] == 201
        assert (await get(client, "/longevity/doses"))[0] == 200
        assert await metrics(client)


async def test_foreign_pages_cannot_record(running: "Running") -> None:
    """A page of another origin, or a rebound host name, is turned away."""
    async with running() as client:
        assert (await post(client, DOSE, Origin="https://evil.example"))[0] == 403
        assert (await post(client, DOSE, Host="evil.example"))[0] == 403


def test_without_a_token_only_loopback_is_served(
    settings: "Callable[..., Loaded[Settings]]", tmp_path: Path
) -> None:
    """A listener that others reach needs a token, and no file is made before that is clear."""
    from wiltonos_otel.longevity.service import serve  # noqa: PLC0415 - only here

    with pytest.raises(SettingsError, match="bearer_token_file"):
        serve(settings(listen="0.0.0.0:0"))
    assert not list(tmp_path.iterdir())
