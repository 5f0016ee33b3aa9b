"""The guard of our HTTP services: token, session, Host and Origin checks, security headers."""

import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import cached_property
from importlib.resources import files

from aiohttp import web
from aiohttp.typedefs import Middleware

from wiltonos_service.errors import SettingsError
from wiltonos_service.listen import Listen
from wiltonos_service.secrets import Secret
from wiltonos_service.web.access import (
    SAFE_METHODS,
    SESSION_PATH,
    SESSION_SECONDS,
    Access,
    Hosts,
    access_of,
    bearer_of,
    make_session,
    same_origin,
    session_holds,
    token_matches,
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

# default-src 'none' and no inline code: a label that slips through escaping cannot run
SECURITY_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        "connect-src 'self'; font-src 'self'; manifest-src 'self'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    # not no-referrer: browsers would then send "Origin: null" with our own forms
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True)
class Guard:
    """Who may ask this service for what.

    Attributes:
        name: short name of the service; names its cookie, since cookies ignore ports.
        listen: where it listens.
        token: the bearer token, or None.
        public_url: the address under which people reach the pages, if it differs.
        allowed_hosts: further names that the Host check lets pass.
        signed: beginnings of paths that carry their own, signed permission instead of a token.
        refused: told the path and the status of every refusal.
        now: Unix time in seconds; a field, so that tests set it.

    Raises:
        SettingsError: it would listen beyond loopback without a token.
    """

    name: str
    listen: Listen
    token: Secret | None = None
    public_url: str | None = None
    allowed_hosts: tuple[str, ...] = ()
    signed: tuple[str, ...] = ()
    refused: Callable[[str, int], None] = lambda _path, _status: None
    now: Callable[[], float] = field(default=time.time)  # noqa: TID251 - the default clock

    def __post_init__(self) -> None:
        if self.token is None and not self.listen.loopback:
            raise SettingsError(
                f'[{self.name}] listen = "{self.listen}" can be reached from other machines, '
                f"and there is no token; set bearer_token_file in [{self.name}], "
                f'or listen on "127.0.0.1:{self.listen.port}"'
            )

    @cached_property
    def _hosts(self) -> Hosts:
        return Hosts.of(self.listen, self.public_url, self.allowed_hosts)

    @property
    def cookie(self) -> str:
        """Name of the session cookie."""
        return f"wiltonos_{self.name}_session"

    def install(self, app: web.Application, in_force: "Callable[[], Guard] | None" = None) -> None:
        """Put the checks in front of every route, the headers on every answer, and the sign-in.

        Args:
            app: gets them.
            in_force: the guard that a request meets, where it may be replaced.
        """
        current = in_force or (lambda: self)
        app.middlewares.insert(0, _middleware(current))
        app.on_response_prepare.append(_add_headers)
        app.router.add_post(SESSION_PATH, _signing_in(current))
        app.router.add_get("/-/signin.js", _static("signin.js", "text/javascript"))
        app.router.add_get("/-/words.js", _static("words.js", "text/javascript"))
        app.router.add_get("/-/signin.css", _static("signin.css", "text/css"))

    def refusal(self, request: web.Request) -> web.Response | None:
        """Why this request is turned away, as the answer to give; None lets it pass."""
        access = access_of(request.method, request.path)
        by_bearer = self._has_bearer(request)
        checked = access is not Access.OPEN and not by_bearer
        if checked and not self._hosts.allow(request.headers.get("Host", "")):
            return _refuse(403, self._stranger(request.host))
        if request.method not in SAFE_METHODS and self._foreign(request):
            return _refuse(403, "a change must come from our own page or from no page")
        if self.token is None or not self._needs_token(access):
            return None
        if request.path.startswith(self.signed):
            return None
        if by_bearer or self._has_session(request, access):
            return None
        return self._ask_for_token(request)

    def _stranger(self, host: str) -> str:
        name = host.rpartition(":")[0] or host
        return (
            f"the host {name[:100]!r} is none of this service's; if people reach it so, "
            f"add the name to allowed_hosts in [{self.name}], or set public_url"
        )

    def _needs_token(self, access: Access) -> bool:
        return access is Access.CHANGE or (access is Access.READ and not self.listen.loopback)

    def _has_bearer(self, request: web.Request) -> bool:
        given = bearer_of(request.headers.get("Authorization", ""))
        return bool(given) and self.token is not None and token_matches(given, self.token.read())

    def _has_session(self, request: web.Request, access: Access) -> bool:
        session = request.cookies.get(self.cookie, "")
        if not session or self.token is None:
            return False
        # a cookie travels by itself: a change must also prove that our page sent it
        if access is Access.CHANGE and "Origin" not in request.headers:
            return False
        return session_holds(session, self.token.read(), int(self.now()))

    def _foreign(self, request: web.Request) -> bool:
        origin = request.headers.get("Origin")
        if origin is None:
            return request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin")
        return not same_origin(origin, request.headers.get("Host", ""), self.public_url)

    def _ask_for_token(self, request: web.Request) -> web.Response:
        wants_page = "text/html" in request.headers.get("Accept", "")
        challenge = {"WWW-Authenticate": f'Bearer realm="{self.name}"'}
        if request.method == "GET" and wants_page:
            text = files("wiltonos_service.web").joinpath("static/signin.html").read_text("utf-8")
            return web.Response(status=401, text=text, content_type="text/html", headers=challenge)
        return _refuse(401, "bad or missing token", challenge)

    async def sign_in(self, request: web.Request) -> web.Response:
        """Exchange the token for a cookie that scripts cannot read."""
        if self.token is None:
            return web.Response(status=204)
        if not self._has_bearer(request):
            return _refuse(401, "bad or missing token")
        response = web.Response(status=204)
        response.set_cookie(
            self.cookie,
            make_session(self.token.read(), int(self.now())),
            max_age=SESSION_SECONDS,
            httponly=True,
            samesite="Strict",
            secure=(self.public_url or "").startswith("https://"),
        )
        return response


def _middleware(current: Callable[[], Guard]) -> Middleware:
    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        in_force = current()
        refusal = in_force.refusal(request)
        if refusal is None:
            return await handler(request)
        in_force.refused(request.path, refusal.status)
        return refusal

    return guard


def _signing_in(current: Callable[[], Guard]) -> Handler:
    async def sign_in(request: web.Request) -> web.StreamResponse:
        return await current().sign_in(request)

    return sign_in


def _refuse(status: int, message: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": message}, status=status, headers=headers)


def _static(name: str, content_type: str) -> Handler:
    async def serve(_request: web.Request) -> web.Response:
        text = files("wiltonos_service.web").joinpath(f"static/{name}").read_text("utf-8")
        return web.Response(text=text, content_type=content_type)

    return serve


async def _add_headers(_request: web.Request, response: web.StreamResponse) -> None:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
