"""Where ``configure()`` takes its options from, and what it says when they are wrong."""

from pathlib import Path

import pytest

from wiltonos_otel.errors import OptionsError, PolicyError
from wiltonos_otel.options import resolve

FILE = """
[telemetry]
otlp_endpoint = "http://file:4318"
export_interval_seconds = 3

[coherence]
target = 0.6

[notifier]
listen = "127.0.0.1:1"
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A file that states everything."""
    file = tmp_path / "wiltonos.toml"
    file.write_text(FILE)
    return file


def test_defaults_are_the_local_collector_each_five_seconds() -> None:
    """Nothing needs to be stated."""
    options = resolve(environ={})
    assert (options.otlp_endpoint, options.export_interval_seconds) == ("http://127.0.0.1:4318", 5)


def test_file_is_read_and_its_other_tables_are_left_alone(config: Path) -> None:
    """``[telemetry]`` and ``[coherence]`` count."""
    options = resolve(config=config, environ={})
    assert options.otlp_endpoint == "http://file:4318"
    assert options.export_interval_seconds == 3
    assert options.policy.target == 0.6


def test_standard_variables_win_over_the_file(config: Path) -> None:
    """The interval of the specification is in milliseconds."""
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318",
        "OTEL_METRIC_EXPORT_INTERVAL": "7000",
    }
    options = resolve(config=config, environ=environ)
    assert (options.otlp_endpoint, options.export_interval_seconds) == ("http://otel:4318", 7)


def test_our_variables_win_over_the_standard_ones(config: Path) -> None:
    """``WILTONOS__SECTION__KEY`` is the more special one."""
    environ = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:4318",
        "WILTONOS__TELEMETRY__OTLP_ENDPOINT": "http://ours:4318",
        "WILTONOS__TELEMETRY__EXPORT_INTERVAL_SECONDS": "2",
        "WILTONOS__COHERENCE__TARGET": "0.7",
        "WILTONOS_CONFIG": str(config),
    }
    options = resolve(environ=environ)
    assert (options.otlp_endpoint, options.export_interval_seconds) == ("http://ours:4318", 2)
    assert options.policy.target == 0.7


def test_arguments_win_over_everything(config: Path) -> None:
    """Who calls knows best."""
    environ = {"WILTONOS__TELEMETRY__OTLP_ENDPOINT": "http://ours:4318"}
    options = resolve(
        otlp_endpoint="http://mine:1", export_interval_seconds=1, config=config, environ=environ
    )
    assert (options.otlp_endpoint, options.export_interval_seconds) == ("http://mine:1", 1)


@pytest.mark.parametrize(
    ("environ", "named"),
    [
        ({"OTEL_METRIC_EXPORT_INTERVAL": "soon"}, "OTEL_METRIC_EXPORT_INTERVAL = 'soon'"),
        ({"OTEL_METRIC_EXPORT_INTERVAL": "-1"}, "OTEL_METRIC_EXPORT_INTERVAL = '-1'"),
        ({"WILTONOS_CONFIG": "/nowhere/w.toml"}, "/nowhere/w.toml"),
        ({"WILTONOS__COHERENCE__TARGT": "1"}, "targt: unknown key"),
        ({"WILTONOS__COHERENCE__TARGET": "much"}, "TARGET"),
    ],
)
def test_wrong_value_is_one_line_that_names_it(environ: dict[str, str], named: str) -> None:
    """Whoever reads it knows what to correct."""
    with pytest.raises(OptionsError) as caught:
        resolve(environ=environ)
    assert named in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("table", ["telemetry", "coherence"])
def test_table_that_is_none_is_said(tmp_path: Path, table: str) -> None:
    """A key where a table belongs is a mistake of whoever wrote the file."""
    file = tmp_path / "wiltonos.toml"
    file.write_text(f"{table} = 1\n")
    with pytest.raises(OptionsError, match=rf"wiltonos\.toml: {table} is no table"):
        resolve(config=file, environ={})


def test_path_may_be_text(config: Path) -> None:
    """As with every function of Python that opens a file."""
    assert resolve(config=str(config), environ={}).policy.target == 0.6


def test_impossible_policy_is_refused() -> None:
    """With the arithmetic that the policy gives."""
    with pytest.raises(PolicyError):
        resolve(environ={"WILTONOS__COHERENCE__TOLERANCE": "0.9"})
    with pytest.raises(PolicyError, match="target = 'much' must be a positive number"):
        resolve(environ={"WILTONOS__COHERENCE__TARGET": '"much"'})


def test_grpc_has_a_default_of_its_own() -> None:
    """The local Collector takes gRPC on another port."""
    options = resolve(environ={"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})
    assert options.otlp_endpoint == "http://127.0.0.1:4317"
