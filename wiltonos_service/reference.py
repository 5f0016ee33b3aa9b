"""What a package says about itself, for the reference pages and the registry of metrics.

Packages are found by entry point, so that what generates the pages imports no product by name.
"""

import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import TYPE_CHECKING

from pydantic import BaseModel

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

GROUP = "wiltonos.reference"


@dataclass(frozen=True, slots=True)
class Route:
    """One route of an HTTP service.

    Attributes:
        method: GET, POST or DELETE.
        path: as the router has it.
        summary: what it does, one line.
        needs: what it asks of a caller, where that is no token; "" follows the guard.
    """

    method: str
    path: str
    summary: str
    needs: str = ""


@dataclass(frozen=True, slots=True)
class Service:
    """An HTTP service of ours.

    Attributes:
        name: its ``service.name``.
        table: the table of ``wiltonos.toml`` that says where it listens.
        routes: every route, in the order of the page.
    """

    name: str
    table: str
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class OwnAlert:
    """An alert that a service raises without Prometheus.

    Attributes:
        name: its ``alertname``.
        severity: critical, warning or info.
        condition: when it is raised, one sentence.
    """

    name: str
    severity: str
    condition: str


@dataclass(frozen=True, slots=True)
class Package:
    """What one package contributes to the reference.

    Attributes:
        title: heading of its part.
        order: position of its part among the others.
        emit: makes every instrument on a provider and lets each series have a point.
        attributes: what each attribute key of its instruments means.
        settings: the model whose fields are the tables that it owns, or None.
        described_by: class whose docstring describes the keys of a table, where that is not the
            table's own.
        restart: keys that a reload does not take, as ``table.key``.
        services: its HTTP services.
        alerts: the alerts that it raises by itself.
    """

    title: str
    order: int
    emit: "Callable[[MeterProvider], object]"
    attributes: Mapping[str, str] = field(default_factory=dict)
    settings: type[BaseModel] | None = None
    described_by: Mapping[str, type] = field(default_factory=dict)
    restart: tuple[str, ...] = ()
    services: tuple[Service, ...] = ()
    alerts: tuple[OwnAlert, ...] = ()


def packages() -> list[Package]:
    """What every installed package says, in order."""
    found = [entry.load() for entry in entry_points(group=GROUP)]
    return sorted(found, key=lambda package: package.order)


def described(owner: type) -> dict[str, str]:
    """Name → text of the ``Attributes:`` sections of a class and its bases (Google style)."""
    texts: dict[str, str] = {}
    for base in reversed(owner.__mro__):
        texts.update(_attributes(inspect.cleandoc(base.__doc__ or "")))
    return texts


def _attributes(docstring: str) -> Iterator[tuple[str, str]]:
    section = docstring.partition("Attributes:\n")[2]
    name, words = "", list[str]()
    for line in section.splitlines():
        text = line.strip()
        indent = len(line) - len(line.lstrip())
        if not text or indent < 4:
            break
        if indent == 4 and ": " in text:
            if name:
                yield name, " ".join(words)
            name, _, first = text.partition(": ")
            words = [first]
        else:
            words.append(text)
    if name:
        yield name, " ".join(words)
