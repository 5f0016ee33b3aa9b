"""Silences from the message to Alertmanager and back, with the real Alertmanager."""

import re
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from notifier.clock import SystemClock
from notifier.silences import store
from notifier.testing.webhooks import alert, webhook

pytestmark = pytest.mark.stack

LINK = re.compile(r"/silence/[\w.-]+")


class Ahead(SystemClock):
    """A clock that is so many seconds ahead."""

    def __init__(self, seconds: float) -> None:
        self._ahead = timedelta(seconds=seconds)

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        return super().now() + self._ahead


async def test_a_link_shows_on_get_and_acts_once_on_post(scene: Any) -> None:
    """Chats fetch links by themselves: only a sent form silences, and only the first time."""
    await scene.fires("A")
    link = scene.links()["s"]
    async with scene.run.http.get(link) as answer:
        assert answer.status == 200
        assert "A is wrong" in await answer.text()
    assert await scene.am.silences() == []

    status, page = await scene.submit(link, by=" ")
    assert status == 409
    assert "Say your name" in page
    status, page = await scene.submit(link, by="Ana", hours="1,5", comment="being mended")
    assert status == 200, page
    (silence,) = await scene.am.silences()
    assert silence["createdBy"] == "Ana"
    assert silence["comment"] == "being mended"
    assert {(m["name"], m["value"], m["isRegex"]) for m in silence["matchers"]} == {
        ("alertname", "A", False),
        ("job", "j", False),
        ("severity", "warning", False),
    }
    lasts = datetime.fromisoformat(silence["endsAt"]) - datetime.fromisoformat(silence["startsAt"])
    assert abs(lasts - timedelta(hours=1.5)) < timedelta(seconds=5)
    await scene.says("by Ana · being mended")
    assert (await scene.submit(link, by="Eve"))[0] == 410
    assert len(await scene.am.silences()) == 1


async def test_the_pages_of_the_links_speak_the_notifiers_language(scene: Any) -> None:
    """Whoever follows a link from a chat in Portuguese reads Portuguese."""
    await scene.fires("A")
    silences = scene.run.service.silences
    spoken = replace(silences.wanted.context, language="pt-BR")
    await silences.adopt(replace(silences.wanted, context=spoken))
    links = scene.links()
    for letter, words in (("a", "Todos veem que você"), ("s", "Alertas novos e piores")):
        async with scene.run.http.get(links[letter]) as answer:
            page = await answer.text()
        assert '<html lang="pt-BR">' in page
        assert words in page
    status, page = await scene.submit(links["s"], by=" ")
    assert status == 409
    assert "Diga seu nome" in page
    status, page = await scene.submit(links["s"], by="Ana")
    assert status == 200
    assert "Silenciado por Ana até" in page
    page = (await scene.submit(links["s"], by="Ana"))[1]
    assert "Não é possível" in page
    assert 'lang="pt-BR">Este link já foi usado; a mensagem tem links novos.' in page


async def test_the_message_offers_to_undo_and_then_to_silence_again(scene: Any) -> None:
    """Undoing ends the real silence, and the message forgets it."""
    await scene.fires("A")
    await scene.submit(scene.links()["s"], by="Ana")
    await scene.says("Undo silence")
    assert set(scene.links()) == {"u"}
    await scene.follower.look()
    revision = (await scene.incident())["revision"]
    assert revision == 2, "what Alertmanager says of our own silence is no news"
    assert (await scene.submit(scene.links()["u"], by="Bo"))[0] == 200
    assert await scene.am.silences() == []
    await scene.says("Acknowledge")
    assert "Silenced" not in scene.message()
    assert (await scene.incident())["history"][0]["reasons"] == ["silence_ended"]


async def test_an_end_under_a_silence_is_read_and_said_to_be_read(scene: Any) -> None:
    """Alertmanager does not tell; the message is edited all the same, and the silence let go."""
    await scene.fires("A")
    await scene.submit(scene.links()["a"], by="Ana")
    await scene.says("Acknowledged by Ana")
    await scene.am.say(over=("A",))
    scene.follower.absent_seconds = scene.follower.started_seconds = 0.0

    async def resolved() -> bool:
        await scene.follower.look()
        return bool((await scene.incident())["phase"] == "resolved")

    await scene.eventually(resolved)
    await scene.says("Resolved while silenced")
    assert (await scene.incident())["quiet"]["resolved_unseen"]
    await scene.follower.look()
    assert await scene.am.silences() == []


async def reported(scene: Any, name: str, severity: str = "warning", seconds: float = 300) -> None:
    """Let an alert begin now and last so long."""
    now = SystemClock().now()
    body = {
        "labels": {"alertname": name, "job": "j", "severity": severity},
        "startsAt": now.isoformat(),
        "endsAt": (now + timedelta(seconds=seconds)).isoformat(),
    }
    await scene.am.ask("POST", "alerts", [body])


async def followed(scene: Any, phase: str) -> None:
    """Look at Alertmanager's lists until the incident is in this phase, and its message too."""

    async def it_is() -> bool:
        await scene.follower.look()
        return bool((await scene.incident())["phase"] == phase)

    await scene.eventually(it_is)
    await scene.run.delivered()
    assert ("Resolved" in scene.message()) is (phase == "resolved")


async def test_what_fires_again_after_an_end_under_a_silence_is_told(scene: Any) -> None:
    """Alertmanager takes it for what it has told already, and is silent for repeat_interval."""
    await scene.fires("A")
    await scene.submit(scene.links()["a"], by="Ana")
    await scene.says("Acknowledged by Ana")
    await scene.am.say(over=("A",))
    scene.follower.absent_seconds = scene.follower.started_seconds = 0.0
    await followed(scene, "resolved")
    await scene.follower.look()
    assert await scene.am.silences() == []
    await reported(scene, "A")
    await followed(scene, "firing")
    assert len(scene.run.slack_replies()) == 1, "it rings"
    await scene.follower.look()
    assert await scene.follower.store.read_ends() == ()


async def test_an_end_under_an_inhibition_is_read(scene: Any) -> None:
    """A warning that ends while a critical holds it back is never told as resolved."""
    await scene.fires("A")
    await scene.follower.look()
    await reported(scene, "B", "critical")

    async def both() -> bool:
        return bool((await scene.run.get("/api/v1/inbox"))["incidents"][0]["firing"] == 2)

    await scene.eventually(both)
    await scene.am.say(over=("A",))
    scene.follower.untold_seconds = scene.follower.started_seconds = 0.0
    await followed_down_to(scene, 1)
    await reported(scene, "B", "critical", 0)
    await followed(scene, "resolved")


async def followed_down_to(scene: Any, firing: int) -> None:
    """Look until so many alerts fire."""

    async def so_many() -> bool:
        await scene.follower.look()
        return bool((await scene.run.get("/api/v1/inbox"))["incidents"][0]["firing"] == firing)

    await scene.eventually(so_many)


async def test_what_alertmanager_has_never_listed_is_not_its_to_end(scene: Any) -> None:
    """Grafana and other Alertmanagers post to the same notifier."""
    await scene.run.post(webhook(alert("Foreign")))
    scene.follower.untold_seconds = scene.follower.started_seconds = 0.0
    for _ in range(3):
        await scene.follower.look()
    assert (await scene.incident())["phase"] == "firing"


async def test_an_alertmanager_that_has_just_started_proves_nothing(scene: Any) -> None:
    """It lists no alert until Prometheus has sent them again."""
    await scene.fires("A")
    await scene.submit(scene.links()["a"], by="Ana")
    await scene.am.stop()
    await scene.am.start(scene.run.base)
    scene.follower.absent_seconds = 0.0
    await scene.follower.look()
    await scene.follower.look()
    assert (await scene.incident())["phase"] == "firing"


async def test_an_acknowledgement_is_renewed_while_it_fires(scene: Any) -> None:
    """Before half of its minute is left it is given another, and the message stays as it is."""
    await scene.fires("A")
    await scene.submit(scene.links()["a"], by="Ana")
    (before,) = await scene.am.silences()
    scene.follower.clock = Ahead(40)
    await scene.follower.look()
    (after,) = await scene.am.silences()
    assert after["id"] == before["id"]
    assert datetime.fromisoformat(after["endsAt"]) > datetime.fromisoformat(before["endsAt"])
    assert (await scene.incident())["revision"] == 2


async def test_an_acknowledgement_outlives_a_storm_of_newer_incidents(
    scene: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What fires is followed in parts then, and what is not among them still fires."""
    monkeypatch.setattr(store, "MOST_FOLLOWED", 1)
    await scene.fires("A")
    await scene.submit(scene.links()["a"], by="Ana")
    await scene.run.post(webhook(alert("Newer")))
    await scene.follower.look()
    assert len(await scene.am.silences()) == 1


async def test_a_silence_made_elsewhere_is_shown_until_it_ends(scene: Any) -> None:
    """Whoever silences with amtool need not tell the chat; only its maker undoes it."""
    await scene.fires("A", "B")
    now = SystemClock().now()
    made = await scene.am.ask(
        "POST",
        "silences",
        {
            "matchers": [{"name": "job", "value": "j", "isRegex": False, "isEqual": True}],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=2)).isoformat(),
            "createdBy": "ops <!channel>",
            "comment": "planned",
        },
    )
    await scene.follower.look()
    await scene.says("by ops &lt;!channel&gt; · planned")
    assert scene.links() == {}
    await scene.am.ask("DELETE", f"silence/{made['silenceID']}")
    await scene.follower.look()
    await scene.says("Acknowledge")


async def test_what_joins_a_silenced_incident_rings(scene: Any) -> None:
    """The silence holds back exactly what fired when it was made."""
    await scene.fires("A")
    await scene.submit(scene.links()["s"], by="Ana")
    await scene.fires("A", "B")
    await scene.follower.look()
    assert (await scene.incident())["quiet"] is None
    await scene.says("B is wrong")
    assert len(scene.run.slack_replies()) == 1


async def test_the_page_silences_lists_and_ends(scene: Any) -> None:
    """The same over JSON: by incident, by matchers, and the end of any of them."""
    await scene.fires("A")
    incident = await scene.incident()
    base = f"{scene.run.base}/api/v1"
    body = {"by": "Ana", "hours": 1, "comment": ""}
    async with scene.run.http.post(
        f"{base}/incidents/{incident['id']}/silence", json=body
    ) as answer:
        assert answer.status == 200
    matchers = 'job="j", alertname=~"A|B"'
    async with scene.run.http.post(
        f"{base}/silences", json={**body, "matchers": matchers}
    ) as answer:
        assert answer.status == 200
    listed = (await scene.run.get("/api/v1/silences"))["silences"]
    assert {each["matchers"] for each in listed} == {
        'alertname="A", job="j", severity="warning"',
        'job="j", alertname=~"A|B"',
    }
    assert {each["incident_id"] for each in listed} == {incident["id"], None}
    for each in listed:
        async with scene.run.http.delete(f"{base}/silences/{each['id']}") as answer:
            assert answer.status == 200
    assert await scene.am.silences() == []


@pytest.mark.parametrize(
    "body",
    [
        {"by": "", "matchers": 'a="b"'},
        {"by": "Ana", "matchers": "nonsense"},
        {"by": "Ana", "matchers": 'a=~".*"', "hours": 0},
        {"by": "Ana", "matchers": 'a="b"', "hours": "NaN"},
        {"by": "Ana", "matchers": 'a!="b"'},
        {"by": "Ana", "matchers": 'a="b"', "surprise": 1},
        [],
    ],
)
async def test_what_cannot_be_silenced_gets_one_line(scene: Any, body: Any) -> None:
    """A mistake is said in a sentence, and nothing is silenced."""
    async with scene.run.http.post(f"{scene.run.base}/api/v1/silences", json=body) as answer:
        assert answer.status in (400, 409)
        assert len((await answer.json())["error"]) < 200
    assert await scene.am.silences() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": "multipart/form-data"},
        {"Content-Type": "multipart/form-data; boundary=x"},
        {"Content-Type": "application/x-www-form-urlencoded; charset=none-such"},
        {"Content-Type": "application/x-www-form-urlencoded", "Content-Encoding": "gzip"},
    ],
)
async def test_a_form_that_cannot_be_read_is_400(
    start: Any, texts: dict[str, str], caplog: pytest.LogCaptureFixture, headers: dict[str, str]
) -> None:
    """Whoever can reach the port needs no token for these pages, and may send anything."""
    run = await start(texts["slack"], 'alertmanager_url = "http://127.0.0.1:1"')
    await run.post(webhook(alert("A")))
    await run.delivered()
    link = run.base + str(LINK.findall(str(run.slack_messages()[0].payload))[0])
    incident = (await run.get("/api/v1/inbox"))["incidents"][0]["id"]
    for url in (link, f"{run.base}/api/v1/incidents/{incident}/silence"):
        async with run.http.post(url, data=b"--x\r\nrubbish\xff", headers=headers) as answer:
            assert answer.status == 400, await answer.text()
    assert not [record for record in caplog.records if record.exc_info]


async def test_alerts_with_nothing_in_common_get_one_line_instead_of_a_form(
    start: Any, texts: dict[str, str]
) -> None:
    """A group of everything: no label is left that a silence could name."""
    run = await start(texts["slack"], 'alertmanager_url = "http://127.0.0.1:1"')
    body = webhook(*(alert(f"A{number}") for number in range(60)))
    for number, each in enumerate(body["alerts"]):
        each["labels"] = {"alertname": f"A{number}", f"only{number}": "x"}
    await run.post(body)
    await run.delivered()
    link = run.base + str(LINK.findall(str(run.slack_messages()[0].payload))[0])
    async with run.http.get(link) as answer:
        assert answer.status == 410
        assert "no label in common" in await answer.text()


async def test_no_alertmanager_is_said_and_leaves_the_link_usable(scene: Any) -> None:
    """A link is used up by what it did, not by an attempt that failed."""
    await scene.fires("A")
    link = scene.links()["s"]
    await scene.am.stop()
    status, page = await scene.submit(link, by="Ana")
    assert status == 409
    assert "cannot be reached" in page
    assert "cannot be reached" in (await scene.run.get("/api/v1/silences"))["error"]
    await scene.am.start(scene.run.base)
    assert (await scene.submit(link, by="Ana"))[0] == 200


async def test_a_signed_link_needs_no_token_and_everything_else_does(
    start: Any, texts: dict[str, str], alertmanager: Any, eventually: Any, tmp_path: Any
) -> None:
    """The link is the permission; it says so to nobody but the chat."""
    (tmp_path / "token").write_text("secret-token")
    extra = f'alertmanager_url = "{alertmanager.url}"\nbearer_token_file = "token"'
    run = await start(texts["slack"], extra)
    for method, path in (
        ("POST", "/api/v1/silences"),
        ("DELETE", "/api/v1/silences/x"),
        ("POST", "/api/v1/incidents/x/silence"),
        ("POST", "/api/v1/incidents/x/acknowledge"),
        ("POST", "/api/v1/incidents/x/undo"),
    ):
        async with run.http.request(method, run.base + path, json={}) as answer:
            assert answer.status == 401, path
    async with run.http.post(f"{run.base}/silence/a.b.1.2.c", data={"by": "x"}) as answer:
        assert answer.status == 410
        assert "not one of ours" in await answer.text()
    foreign = {"Origin": "https://evil.example"}
    async with run.http.post(f"{run.base}/silence/x", headers=foreign) as answer:
        assert answer.status == 403
