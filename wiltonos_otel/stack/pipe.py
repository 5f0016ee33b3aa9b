"""A running pipe, as the checks see it: addresses, tokens, and whose it is."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wiltonos_otel.stack.finding import Finding, broken
from wiltonos_otel.stack.ports import LOOPBACK
from wiltonos_otel.stack.probe import Answer, get, post, query
from wiltonos_otel.stack.record import Record
from wiltonos_otel.stack.scraped import Scraped

# HTTP statuses of somebody who wants another token, or any
LOCKED = (401, 403)
# how people call the services that have a log
_TITLES = {"collector": "the Collector", "prometheus": "Prometheus", "alertmanager": "Alertmanager"}


@dataclass(frozen=True, slots=True)
class Pipe:
    """A pipe that is up, ours or somebody else's.

    Attributes:
        urls: base URL by listener (the fields of ``Ports``); one that is not there is not asked.
        tokens: file of the bearer token by service.
        now: Unix time in seconds.
        record: what bootstrap wrote down; None where the addresses were named by hand.
        headers: what the OTLP endpoint wants to hear besides.
    """

    urls: Mapping[str, str]
    tokens: Mapping[str, Path]
    now: Callable[[], float]
    record: Record | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, record: Record, now: Callable[[], float]) -> "Pipe":
        """The pipe of a recorded stack."""
        urls = {name: f"http://{LOOPBACK}:{port}" for name, port in record.ports.items()}
        return cls(urls, record.tokens, now, record)

    def has(self, name: str) -> bool:
        """Whether the listener's address is known."""
        return name in self.urls

    def url(self, name: str, path: str = "") -> str:
        """Address of a listener."""
        return f"{self.urls[name].rstrip('/')}{path}"

    def ask(self, name: str, path: str) -> Answer:
        """Ask a listener, with its token where it has one."""
        return get(self.url(name, path), token=self.token(name))

    def tell(self, name: str, path: str, body: bytes) -> Answer:
        """Send JSON to a listener."""
        headers = self.headers if name == "otlp_http" else {}
        return post(self.url(name, path), body, token=self.token(name), headers=headers)

    def query(self, expression: str, at: float | None = None) -> list[dict[str, Any]]:
        """An instant query to Prometheus; [] when it cannot be had."""
        return query(self.url("prometheus"), expression, at=at)

    def counters(self, name: str) -> Scraped:
        """What a part counts about itself; empty when it does not answer."""
        answer = get(self.url(name, "/metrics")) if self.has(name) else Answer(0, "")
        return Scraped.of(answer.text if answer.ok else "")

    def token(self, name: str) -> str | None:
        """The bearer token of one of our services, or None."""
        file = self.tokens.get(name)
        try:
            return file.read_text("utf-8").strip() if file else None
        except OSError:
            return None

    def locked(self, hop: str, service: str, answer: Answer) -> Finding:
        """The finding about a service that does not let us look, for want of the right token."""
        file = self.tokens.get(service)
        mend = f"it wants the token of [{service}] bearer_token_file: --{service}-token-file"
        if file is not None:
            again = f"it is not the one that the {service} has: wt metrics down, then bootstrap"
            mend = f"{file}: {_unreadable(file) or again}"
        return broken(hop, f"up, and does not let us look: HTTP {answer.status}", mend)

    def log(self, service: str) -> str:
        """Where to read what a service says."""
        if self.record:
            return f"wt metrics logs {service}"
        return f"the log of {_TITLES.get(service, f'the {service}')}"

    def down(self, hop: str, service: str, answer: Answer) -> Finding:
        """The finding about a service that does not answer well."""
        said = answer.text.strip()[:160] if answer.status == 0 else f"HTTP {answer.status}"
        mend = f"see why: {self.log(service)}; then start it again"
        again = ": wt metrics bootstrap" if self.record else ", or give its right address"
        return broken(hop, f"does not answer: {said}", mend + again)


def _unreadable(file: Path) -> str:
    try:
        file.read_bytes()
    except OSError as error:
        return f"{error.strerror}; run this as its owner"
    return ""
