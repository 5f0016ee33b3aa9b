"""The guard: who may do what, tried over HTTP."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import ClientSession, CookieJar, web
from aiohttp.test_utils import BaseTestServer, TestServer

from wiltonos_service.errors import SettingsError
from wiltonos_service.listen import Listen
from wiltonos_service.secrets import Secret
from wiltonos_service.web.access import SESSION_SECONDS, make_session, session_holds, token_matches
from wiltonos_service.web.guard import Guard

LOOPBACK = Listen("127.0.0.1", 9099)
ANYWHERE = Listen("0.0.0.0", 9099)
TOKEN = "correct-horse"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


async def _fine(_request: web.Request) -> web.Response:
    return web.Response(text="fine")


@asynccontextmanager
async def service(listen: Listen, *, token: str | None = TOKEN) -> AsyncIterator[BaseTestServer]:
    """A service with one page, one change, health and metrics, behind a guard."""
    secret = Secret("[notifier] bearer_token", value=token) if token else None
    app = web.Application()
    Guard("notifier", listen, secret, "https://inbox.example", ("alerts.lan",)).install(app)
    app.router.add_get("/", _fine)
    app.router.add_get("/metrics", _fine)
    app.router.add_get("/-/healthy", _fine)
    app.router.add_post("/api/v1/alertmanager", _fine)
    async with TestServer(app) as server:
        yield server


async def ask(
    server: BaseTestServer, method: str, path: str, headers: dict[str, str] | None = None
) -> int:
    """The status of one request."""
    async with (
        ClientSession() as client,
        client.request(method, server.make_url(path), headers=headers) as answer,
    ):
        return answer.status


def test_a_public_listener_without_token_is_refused() -> None:
    """Without a token a service listens on loopback only; the message says what to set."""
    with pytest.raises(SettingsError, match="bearer_token_file"):
        Guard("notifier", ANYWHERE)


@pytest.mark.parametrize(
    ("listen", "method", "path", "headers", "status"),
    [
        (LOOPBACK, "GET", "/", {}, 200),
        (ANYWHERE, "GET", "/", {}, 401),
        (ANYWHERE, "GET", "/", BEARER, 200),
        (LOOPBACK, "POST", "/api/v1/alertmanager", {}, 401),
        (LOOPBACK, "POST", "/api/v1/alertmanager", BEARER, 200),
        (LOOPBACK, "POST", "/api/v1/alertmanager", {"Authorization": "Bearer wrong"}, 401),
        (LOOPBACK, "POST", "/api/v1/alertmanager", {"Authorization": "Basic eDp5"}, 401),
        (ANYWHERE, "GET", "/metrics", {}, 200),
        (ANYWHERE, "GET", "/-/healthy", {}, 200),
        # DNS rebinding: a foreign name for a page, and names that are ours
        (LOOPBACK, "GET", "/", {"Host": "evil.example"}, 403),
        (LOOPBACK, "GET", "/", {"Host": "localhost:9099"}, 200),
        (LOOPBACK, "GET", "/", {"Host": "inbox.example"}, 200),
        (LOOPBACK, "GET", "/", {"Host": "alerts.lan:80"}, 200),
        (LOOPBACK, "GET", "/metrics", {"Host": "notifier:9099"}, 200),
        (LOOPBACK, "POST", "/api/v1/alertmanager", {"Host": "notifier:9099", **BEARER}, 200),
        # what is no address at all
        (LOOPBACK, "GET", "/", {"Host": "[", "Cookie": ""}, 403),
        (LOOPBACK, "POST", "/api/v1/alertmanager", {"Origin": "http://[", **BEARER}, 403),
        # what Python does not read as a number
        (ANYWHERE, "GET", "/", {"Cookie": f"wiltonos_notifier_session={'9' * 5000}.x"}, 401),
        # a change from somebody else's page
        (LOOPBACK, "POST", "/api/v1/alertmanager", {"Origin": "https://evil.example"}, 403),
        (LOOPBACK, "POST", "/api/v1/alertmanager", {"Origin": "null", **BEARER}, 403),
        (LOOPBACK, "POST", "/api/v1/alertmanager", {"Sec-Fetch-Site": "cross-site"}, 403),
        (
            LOOPBACK,
            "POST",
            "/api/v1/alertmanager",
            {"Origin": "https://inbox.example", **BEARER},
            200,
        ),
    ],
)
async def test_each_caller_gets_what_the_contract_says(
    listen: Listen, method: str, path: str, headers: dict[str, str], status: int
) -> None:
    """Reading is open on loopback, changes need the token, health and metrics never do."""
    async with service(listen) as server:
        assert await ask(server, method, path, headers) == status


def test_bytes_that_are_no_text_are_no_token_and_no_session() -> None:
    """A header holds any bytes; they are refused like every wrong word, without an error."""
    assert not token_matches("\udcff", TOKEN)
    assert not session_holds("9999999999.\udcff", TOKEN, 0)


async def test_without_token_a_foreign_page_still_cannot_change_anything() -> None:
    """On loopback without token, the Origin check alone keeps other sites' pages out."""
    async with service(LOOPBACK, token=None) as server:
        assert await ask(server, "POST", "/api/v1/alertmanager") == 200
        foreign = {"Origin": "https://evil.example"}
        assert await ask(server, "POST", "/api/v1/alertmanager", foreign) == 403


async def test_a_browser_signs_in_once() -> None:
    """The token buys a strict, script-proof cookie, which then allows reading and changes."""
    async with (
        service(ANYWHERE) as server,
        ClientSession(cookie_jar=CookieJar(unsafe=True)) as client,
    ):
        async with client.post(server.make_url("/-/session")) as answer:
            assert answer.status == 401
        async with client.post(server.make_url("/-/session"), headers=BEARER) as answer:
            assert answer.status == 204
            cookie = answer.headers["Set-Cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert "Secure" in cookie
        assert TOKEN not in cookie
        # the cookie is Secure, and this test speaks plain HTTP: hand it over
        session = {"Cookie": cookie.partition(";")[0]}
        async with client.get(server.make_url("/"), headers=session) as answer:
            assert answer.status == 200
        url = server.make_url("/api/v1/alertmanager")
        async with client.post(url, headers=session) as answer:
            assert answer.status == 401
        ours = {**session, "Origin": f"http://{url.authority}"}
        async with client.post(url, headers=ours) as answer:
            assert answer.status == 200


async def test_a_foreign_host_is_named_with_the_fix() -> None:
    """Whoever put a name of their own in front of a service learns what to set."""
    async with service(LOOPBACK) as server, ClientSession() as client:
        headers = {"Host": "alerts.example:8443"}
        async with client.get(server.make_url("/"), headers=headers) as answer:
            said = (await answer.json())["error"]
    assert "'alerts.example'" in said
    assert "allowed_hosts" in said


async def test_a_reader_without_token_gets_a_page_to_sign_in() -> None:
    """A browser sees a form, a program sees JSON; both with strict headers."""
    async with service(ANYWHERE) as server, ClientSession() as client:
        headers = {"Accept": "text/html"}
        async with client.get(server.make_url("/"), headers=headers) as answer:
            assert answer.status == 401
            assert "<form" in await answer.text()
            assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        async with client.get(server.make_url("/-/signin.js")) as answer:
            assert answer.status == 200


def test_a_session_ends() -> None:
    """A session ends after its time, with a new token, and when it is forged."""
    session = make_session(TOKEN, 1000)
    assert session_holds(session, TOKEN, 1000 + SESSION_SECONDS)
    assert not session_holds(session, TOKEN, 1001 + SESSION_SECONDS)
    assert not session_holds(session, "another", 1000)
    assert not session_holds(session.replace("2593000", "9999999999"), TOKEN, 1000)
    assert not session_holds("", TOKEN, 1000)
    assert not session_holds("²³.x", TOKEN, 1000)
