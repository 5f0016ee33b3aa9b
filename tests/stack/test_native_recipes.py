"""Recipes are named by what they build; the page inside Alertmanager is whole in every form."""

import gzip
import re
from dataclasses import replace
from typing import Any

import brotli  # type: ignore[import-untyped]
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from wiltonos_otel.stack.locate import committed
from wiltonos_otel.stack.native import recipes
from wiltonos_otel.stack.native.brotli import stored
from wiltonos_otel.stack.native.recipe import Command, Place, Recipe, usual_seconds

TOY = Recipe("toy", "Toy", "1.0", (Command("go", 10, ("{go}", "build")),), ("bin/toy",))


def with_step(**changes: Any) -> Recipe:
    """The toy with its step changed."""
    return replace(TOY, steps=(replace(TOY.steps[0], **changes),))


def test_digest_changes_with_what_is_done() -> None:
    """Another command, version, file or product is another build."""
    others = [
        with_step(argv=("{go}", "vet")),
        with_step(directory="sub"),
        replace(TOY, version="1.1"),
        replace(TOY, steps=(*TOY.steps, Place("x", b"y"))),
        replace(TOY, produces=("bin/other",)),
    ]
    assert len({TOY.digest, *(other.digest for other in others)}) == len(others) + 1


def test_digest_stays_with_how_it_is_told() -> None:
    """A better title or estimate must not cost anybody ten minutes."""
    assert with_step(title="compile", seconds=99).digest == TOY.digest


def test_tools_are_asked_for_only_where_needed() -> None:
    """A recipe without Go or Node steps needs neither."""
    assert TOY.needs_go
    assert not TOY.needs_node
    assert recipes.prometheus_ui().needs_node
    assert not recipes.prometheus().needs_node


def test_usual_time_shrinks_with_cores() -> None:
    """The estimate was measured on two cores."""
    assert [usual_seconds(TOY.steps[0], cores) for cores in (1, 2, 4, 64)] == [20, 10, 5, 2]


def test_versions_are_those_of_the_containers() -> None:
    """Native and compose run the same releases."""
    services = yaml.safe_load(committed("docker-compose.yml").read_text("utf-8"))["services"]
    tags = {
        name: service["image"].split("@")[0].rpartition(":")[2].lstrip("v")
        for name, service in services.items()
    }
    assert tags["collector"] == recipes.COLLECTOR_VERSION
    assert tags["prometheus"] == recipes.PROMETHEUS_VERSION
    assert tags["alertmanager"] == recipes.ALERTMANAGER_VERSION


def test_collector_sources_hold_what_the_manifest_names() -> None:
    """collector/generated is what the builder makes of builder.yaml: the same modules."""
    manifest = yaml.safe_load(committed("collector/builder.yaml").read_text("utf-8"))
    assert manifest["dist"]["version"] == recipes.COLLECTOR_VERSION
    kinds = ("receivers", "processors", "exporters", "extensions", "providers")
    named = {entry["gomod"] for kind in kinds for entry in manifest[kind]}
    generated = committed("collector/generated")
    required = set(re.findall(r"^\t(\S+ v\S+)$", (generated / "go.mod").read_text(), re.MULTILINE))
    assert named <= required
    sources = "".join((generated / file).read_text() for file in ("components.go", "main.go"))
    imported = set(re.findall(r'^\t\w+ "(\S+)"$', sources, re.MULTILINE))
    components = {path for path in imported if not path.endswith("otelconftelemetry")}
    assert components == {entry.split()[0] for entry in named}


@pytest.mark.parametrize("ui", ["app", "mantine-ui"])
def test_alertmanager_page_is_the_same_in_every_encoding(ui: str) -> None:
    """A browser that accepts br or gzip gets the page, not a 404."""
    placed = {s.path: s.content for s in recipes.alertmanager().steps if isinstance(s, Place)}
    base = f"alertmanager/ui/{ui}/dist/index.html"
    page = placed[base]
    assert b"inbox" in page
    assert gzip.decompress(placed[f"{base}.gz"]) == page
    assert brotli.decompress(placed[f"{base}.br"]) == page


@given(st.binary(min_size=1, max_size=1000))
def test_stored_brotli_is_brotli(data: bytes) -> None:
    """Any decoder gives the bytes back."""
    assert brotli.decompress(stored(data)) == data


def test_stored_brotli_at_its_edges() -> None:
    """The largest block works; what does not fit is refused."""
    assert brotli.decompress(stored(b"x" * 65536)) == b"x" * 65536
    for data in (b"", b"x" * 65537):
        with pytest.raises(ValueError, match="do not fit"):
            stored(data)
