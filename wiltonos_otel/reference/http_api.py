"""The page of HTTP routes, and of ports."""

from collections.abc import Sequence
from dataclasses import fields

from wiltonos_otel.reference.markdown import code, page, plain, table
from wiltonos_otel.stack.ports import LOOPBACK, Ports
from wiltonos_service.reference import Package, Service, described
from wiltonos_service.web.access import Access, access_of

HTTP = """\
Everything listens on loopback. Without a token a service refuses to listen anywhere else. With
one, "token" below needs `Authorization: Bearer …` always, "beyond loopback" only when the service
listens there, and "open" never. Bodies and errors are JSON, `{"error": "…"}`; times are RFC 3339
UTC. A request whose `Host` is unknown, or a change that another origin sends, is answered 403."""
PORTS = f"""\
All on {LOOPBACK}. `--port-offset N` or `WILTONOS_PORT_OFFSET` moves them together; an address that
the configuration states stays as it is."""
_ACCESS = {Access.OPEN: "open", Access.READ: "beyond loopback", Access.CHANGE: "token"}


def render_http(packages: Sequence[Package]) -> str:
    """The page of routes."""
    services = [service for package in packages for service in package.services]
    return page("HTTP", HTTP, *(_service(service) for service in services))


def render_ports() -> str:
    """The page of ports."""
    texts = described(Ports)
    rows = [
        [str(field.default), code(field.name), plain(texts[field.name])] for field in fields(Ports)
    ]
    return page("Ports", PORTS, table(["port", "name", ""], rows))


def _service(service: Service) -> str:
    rows = [
        [code(f"{r.method} {r.path}"), r.needs or _ACCESS[access_of(r.method, r.path)], r.summary]
        for r in service.routes
    ]
    return (
        f"## {service.name}\n\nListens on `[{service.table}] listen` "
        f"([configuration](configuration.md)).\n\n{table(['route', 'asks for', ''], rows)}"
    )
