"""Who may do what, as pure decisions: access by route, hosts, origins, session cookies."""

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from hashlib import sha256
from urllib.parse import urlsplit

from wiltonos_service.listen import Listen, is_loopback

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
SESSION_PATH = "/-/session"
SESSION_SECONDS = 30 * 24 * 3600
# more digits are no time, and Python refuses to read very many
_SECONDS = re.compile(r"[0-9]{1,12}")


class Access(Enum):
    """What a route asks of a caller where a token is set."""

    OPEN = "open"  # health and metrics: never a token
    READ = "read"  # a token, unless the listener is on loopback
    CHANGE = "change"  # always the token


def access_of(method: str, path: str) -> Access:
    """The access that a request needs. GET never changes state, so the method decides."""
    safe = method in SAFE_METHODS
    if path == SESSION_PATH or (path.startswith("/-/") and safe):
        return Access.OPEN
    if path.rpartition("/")[2] == "metrics":
        return Access.OPEN
    return Access.READ if safe else Access.CHANGE


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names under which pages may be asked for (a defence against DNS rebinding).

    Attributes:
        names: host names in lower case, without ports; loopback names always count.
    """

    names: frozenset[str]

    @classmethod
    def of(cls, listen: Listen, public_url: str | None, allowed: Iterable[str]) -> "Hosts":
        """The hosts of a service: its address, that of ``public_url``, ``allowed_hosts``."""
        public = urlsplit(public_url).hostname if public_url else None
        names = {listen.host, public or "", *allowed}
        return cls(frozenset(name.lower() for name in names if name))

    def allow(self, host_header: str) -> bool:
        """Whether a ``Host`` header names one of them."""
        return _allows(self.names, host_header)


# a client sends the same header with every request
@lru_cache(maxsize=256)
def _allows(names: frozenset[str], host_header: str) -> bool:
    try:
        name = urlsplit(f"//{host_header}").hostname or ""
    except ValueError:
        # a bracket without its fellow
        return False
    return is_loopback(name) or name in names


def same_origin(origin: str, host_header: str, public_url: str | None) -> bool:
    """Whether an ``Origin`` header is the page's own (RFC 6454)."""
    try:
        parts = urlsplit(origin)
    except ValueError:
        return False
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return False
    if parts.netloc.lower() == host_header.lower():
        return True
    public = urlsplit(public_url or "")
    return (parts.scheme, parts.netloc) == (public.scheme, public.netloc)


def bearer_of(authorization: str) -> str:
    """The credentials of a ``Bearer`` header (RFC 6750), or ""."""
    scheme, _, credentials = authorization.partition(" ")
    return credentials.strip() if scheme.lower() == "bearer" else ""


def token_matches(given: str, token: str) -> bool:
    """Compare in constant time."""
    return bool(token) and _equal(given, token)


def make_session(token: str, now_seconds: int) -> str:
    """A session that ends by itself, and at once when the token changes."""
    expires = now_seconds + SESSION_SECONDS
    return f"{expires}.{_sign(token, expires)}"


def session_holds(session: str, token: str, now_seconds: int) -> bool:
    """Whether a cookie is a session that we made and that has not ended."""
    expires, _, signature = session.partition(".")
    if not _SECONDS.fullmatch(expires) or int(expires) < now_seconds:
        return False
    return _equal(signature, _sign(token, int(expires)))


def _equal(given: str, known: str) -> bool:
    """In constant time; a header may hold bytes that are no text, which arrive as surrogates."""
    return hmac.compare_digest(given.encode("utf-8", "surrogateescape"), known.encode())


def _sign(token: str, expires: int) -> str:
    return hmac.new(token.encode(), f"wiltonos session {expires}".encode(), sha256).hexdigest()
