"""The reference pages and the registry of metrics: what they say is what the code does."""

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web

from notifier import settings as notifier_settings
from notifier.app import NotifierService
from notifier.building import make_planner
from notifier.store import SqlStore, open_store
from wiltonos_otel import settings
from wiltonos_otel.exporter import Exporter
from wiltonos_otel.instruments.catalogue import CATALOGUE, Kind
from wiltonos_otel.longevity.local import open_ledger
from wiltonos_otel.longevity.service import make_application
from wiltonos_otel.reference import build as generator
from wiltonos_otel.reference.package import PACKAGE
from wiltonos_service.reference import Route, packages
from wiltonos_service.telemetry.emitted import Emitted, emitted

ROOT = Path(__file__).parent.parent
REGISTRY = ROOT / "semconv"
KINDS = {
    Kind.OBSERVABLE_GAUGE: "gauge",
    Kind.OBSERVABLE_COUNTER: "counter",
    Kind.COUNTER: "counter",
    Kind.HISTOGRAM: "histogram",
}
# made for our own pages, without a promise to others
UNDOCUMENTED = ("/static", "/-/signin.", "/-/words.", "/api/v1/inbox")


@pytest.fixture(scope="module")
def documents() -> dict[str, str]:
    """Everything that is generated, by path."""
    return generator.build(ROOT)


@pytest.fixture(scope="module")
def rows() -> list[Emitted]:
    """Every instrument of every package, as the SDK's reader sees it."""
    return [row for package in packages() for row in emitted(package.emit)]


def test_committed_documents_are_what_the_code_makes(documents: dict[str, str]) -> None:
    """A page or registry that differs from the code has to be built again."""
    assert generator.outdated(ROOT, documents) == [], "run: wt docs build"


def test_the_same_code_makes_the_same_documents(documents: dict[str, str]) -> None:
    """Nothing in them depends on time, order or machine."""
    assert generator.build(ROOT) == documents


def test_every_document_says_first_what_made_it(documents: dict[str, str]) -> None:
    """The first line names the command, so that nobody edits the result."""
    assert all("wt docs build" in text.partition("\n")[0] for text in documents.values())


def test_a_changed_document_is_named_and_written_again(
    tmp_path: Path, documents: dict[str, str]
) -> None:
    """What differs is found, and only that is written."""
    generator.write(tmp_path, documents)
    changed = tmp_path / "docs/reference/ports.md"
    changed.write_text("by hand", "utf-8")
    assert generator.outdated(tmp_path, documents) == ["docs/reference/ports.md"]
    assert generator.write(tmp_path, documents) == ["docs/reference/ports.md"]
    assert generator.outdated(tmp_path, documents) == []


def test_the_catalogue_is_what_is_emitted() -> None:
    """Real instruments through the real SDK: names, kinds, units, texts and keys agree."""
    declared = {
        (row.name, KINDS[row.kind], row.unit, row.description, frozenset(row.attributes))
        for row in CATALOGUE
    }
    seen = {
        (row.name, row.kind, row.unit, row.description, frozenset(row.attributes))
        for row in emitted(PACKAGE.emit)
    }
    assert seen == declared
    series = {row.name: row.series for row in CATALOGUE}
    assert {row.name: row.series for row in emitted(PACKAGE.emit)} == series


def test_the_registry_agrees_with_what_is_emitted(rows: list[Emitted]) -> None:
    """It names every metric with its kind, unit and attribute keys, and no other."""
    groups = _groups("metrics.yaml")
    registered = {
        (
            group["metric_name"],
            group["instrument"],
            group["unit"],
            group["brief"],
            frozenset(attribute["ref"] for attribute in group.get("attributes", ())),
        )
        for group in groups
    }
    assert len(groups) == len(rows)
    assert registered == {
        (row.name, row.kind, row.unit, row.description, frozenset(row.attributes)) for row in rows
    }


def test_every_attribute_of_the_registry_is_defined_once_and_used() -> None:
    """References resolve, and nothing is defined that nobody emits."""
    (registry,) = _groups("attributes.yaml")
    defined = [attribute["id"] for attribute in registry["attributes"]]
    used = {
        attribute["ref"]
        for group in _groups("metrics.yaml")
        for attribute in group.get("attributes", ())
    }
    assert sorted(defined) == sorted(used)
    assert all(attribute["brief"] and attribute["examples"] for attribute in registry["attributes"])


def test_the_page_of_metrics_names_every_series(
    documents: dict[str, str], rows: list[Emitted]
) -> None:
    """A series that a dashboard can show is on the page."""
    page = documents["docs/reference/metrics.md"]
    assert not [row.series for row in rows if f"`{row.series}`" not in page]


async def test_the_exporter_answers_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The routes of the real application are those of the page."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    loaded = settings.load(arguments={"source": {"state_dir": str(tmp_path)}}, environ={})
    exporter = Exporter(loaded)
    try:
        assert _routes(exporter.application()) == _stated("wiltonos-exporter")
    finally:
        exporter.telemetry.shutdown()


async def test_the_diary_answers_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The routes of the real application are those of the page."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    database = {"longevity": {"database": f"sqlite:///{tmp_path}/diary.db"}}
    loaded = settings.load(arguments=database, environ={})
    ledger = open_ledger(loaded)
    app = make_application(loaded, ledger)
    routes = _routes(app)
    runner = web.AppRunner(app)
    await runner.setup()
    await runner.cleanup()
    assert routes == _stated("wiltonos-longevity")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    """An empty store of the notifier."""
    planner = make_planner(notifier_settings.load(environ={}))
    store = await open_store(f"sqlite:///{tmp_path}/notifier.db", planner, waiting_line=1)
    yield store
    await store.close()


async def test_the_notifier_answers_what_the_page_says(
    store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The routes of the real application are those of the page."""
    monkeypatch.setenv("OTEL_SDK_DISABLED", "true")
    service = NotifierService(notifier_settings.load(environ={}))
    try:
        assert _routes(service.application(store)) == _stated("wiltonos-notifier")
    finally:
        service.telemetry.shutdown()


def _groups(name: str) -> list[dict[str, Any]]:
    groups: list[dict[str, Any]] = yaml.safe_load((REGISTRY / name).read_text("utf-8"))["groups"]
    return groups


def _routes(app: web.Application) -> set[tuple[str, str]]:
    found = {
        (route.method, route.resource.canonical.rstrip("/") or "/")
        for route in app.router.routes()
        if route.resource is not None and route.method != "HEAD"
    }
    return {each for each in found if not each[1].startswith(UNDOCUMENTED)}


def _stated(service: str) -> set[tuple[str, str]]:
    routes: Iterable[Route] = next(
        each.routes for package in packages() for each in package.services if each.name == service
    )
    return {(route.method, route.path) for route in routes}
