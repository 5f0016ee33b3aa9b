"""Addresses to listen on, and the offset that moves the default ones together."""

import ipaddress
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from wiltonos_service.errors import UsageError

HIGHEST_PORT = 65535
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared with, not listened on


@dataclass(frozen=True, slots=True)
class Listen:
    """A TCP address to listen on.

    Attributes:
        host: an IP address or a name, without brackets.
        port: 0 to 65535; 0 lets the system choose.
    """

    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> "Listen":
        """Read ``host:port`` or ``[v6]:port``.

        Raises:
            ValueError: the text is no such address.
        """
        parts = urlsplit(f"//{text}")
        if parts.hostname is None or parts.port is None or parts.path or parts.username:
            raise ValueError(f"{text!r} is not host:port")
        return cls(parts.hostname, parts.port)

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        return is_loopback(self.host)

    @property
    def here(self) -> "Listen":
        """Where this machine itself finds who listens on it: every address is no address."""
        return Listen(_EVERYWHERE.get(self.host, self.host), self.port)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


def is_loopback(host: str) -> bool:
    """Whether the host is ``localhost`` or a loopback address (RFC 6761, RFC 1122, RFC 4291)."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def shift_port(address: str, offset: int) -> str:
    """Move the port of ``host:port`` or of a URL by ``offset``; an address without one stays.

    Raises:
        UsageError: the port would leave 1 to 65535.
    """
    is_url = "://" in address
    parts = urlsplit(address if is_url else f"//{address}")
    if offset == 0 or parts.port is None:
        return address
    port = parts.port + offset
    if not 1 <= port <= HIGHEST_PORT:
        raise UsageError(
            f"port offset {offset} moves port {parts.port} to {port}, outside 1 to {HIGHEST_PORT}; "
            "choose a smaller offset"
        )
    userinfo = parts.netloc.rpartition("@")[0]
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else str(parts.hostname)
    netloc = f"{userinfo}@{host}:{port}" if userinfo else f"{host}:{port}"
    return urlunsplit(parts._replace(netloc=netloc)) if is_url else netloc
