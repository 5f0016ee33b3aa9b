"""The Collector's configuration: built for it, bounded, and accepted by the real programs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from wiltonos_otel.policy import Policy
from wiltonos_otel.stack import render, rules_check
from wiltonos_otel.stack.addresses import Files
from wiltonos_otel.stack.ports import Ports

ROOT = Path(__file__).parent.parent.parent
Config = dict[str, Any]


@pytest.fixture(scope="module")
def config() -> Config:
    """The committed configuration."""
    read: Config = yaml.safe_load((ROOT / render.COLLECTOR_CONFIG).read_text("utf-8"))
    return read


def _module(kind: str, component: str) -> str:
    """The end of the Go module path of a component, after the Collector's naming custom."""
    name = component.partition("/")[0].replace("_", "")
    return {"healthcheck": "healthcheckextension", "filestorage": "storage/filestorage"}.get(
        name, f"{kind}/{name}{kind}"
    )


@pytest.mark.parametrize("kind", ["receiver", "processor", "exporter", "extension"])
def test_the_native_build_holds_every_component_that_is_used(config: Config, kind: str) -> None:
    """The manifest of the builder and the configuration do not drift apart."""
    manifest = yaml.safe_load((ROOT / "collector/builder.yaml").read_text("utf-8"))
    modules = [each["gomod"].split()[0] for each in manifest[f"{kind}s"]]
    for component in config[f"{kind}s"]:
        assert [each for each in modules if each.endswith(_module(kind, component))], component


def test_everything_that_is_configured_is_used(config: Config) -> None:
    """No extension or component lies about unused."""
    (pipeline,) = config["service"]["pipelines"].values()
    for kind in ("receivers", "processors", "exporters"):
        assert list(config[kind]) == pipeline[kind]
    assert set(config["extensions"]) == set(config["service"]["extensions"])


def test_memory_is_limited_before_anything_else(config: Config) -> None:
    """Beyond the limit a sender is told to come again, before work is spent on it."""
    assert config["service"]["pipelines"]["metrics"]["processors"][0] == "memory_limiter"


def test_the_queue_covers_an_hour_on_disk_in_order_and_within_bounds(config: Config) -> None:
    """An hour of 444 points a second fits, 45 bytes each stay far below the bound on disk."""
    exporter = config["exporters"]["otlp_http/prometheus"]
    queue, hour = exporter["sending_queue"], 444 * 3600
    assert queue["storage"] in config["extensions"]
    assert queue["sizer"] == "items"
    assert queue["queue_size"] >= hour
    assert queue["queue_size"] * 45 < config["extensions"]["file_storage"]["max_size"] / 2
    assert queue["num_consumers"] == 1
    assert "batch" not in queue
    assert exporter["retry_on_failure"]["max_elapsed_time"] == "0s"


@pytest.mark.stack
@pytest.mark.parametrize(
    "variant", ["committed", "native", "native with an odd path", "native with tracing"]
)
def test_the_real_programs_accept_every_variant(
    binaries: Mapping[str, Path], tmp_path: Path, variant: str
) -> None:
    """promtool, amtool and the Collector find no fault."""
    directory = ROOT
    if variant != "committed":
        base = tmp_path / ("a $HOME: 'with' \"all\"" if "odd" in variant else "plain")
        directory = base / "stack"
        files = Files(base / "queue", base / "token")
        policy = Policy(tolerance=0.01, fresh_seconds=7)
        traces = "http://tempo.example:4318/v1/traces" if "tracing" in variant else ""
        render.write(directory, render.native(policy, Ports.at(20000), files, traces=traces))
    for step in rules_check.steps(directory):
        rules_check.run(step, binaries[step.program])
