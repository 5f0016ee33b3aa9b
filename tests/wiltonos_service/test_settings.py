"""Settings: precedence, offsets, and errors that name origin, key and fix."""

from pathlib import Path

import pytest

from wiltonos_otel import settings
from wiltonos_service.errors import SettingsError, UsageError


def _write(directory: Path, text: str) -> Path:
    file = directory / "wiltonos.toml"
    file.write_text(text, "utf-8")
    return file


def test_arguments_beat_environment_beat_otel_beat_file(tmp_path: Path) -> None:
    """Each layer overrides the ones below it, key by key."""
    file = _write(
        tmp_path,
        '[telemetry]\notlp_endpoint = "http://file:1"\nexport_interval_seconds = 7\n'
        "[source]\nstale_after_seconds = 7\n[coherence]\nfresh_seconds = 7\n",
    )
    loaded = settings.load(
        config=file,
        environ={
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel:1",
            "OTEL_METRIC_EXPORT_INTERVAL": "2000",
            "WILTONOS__TELEMETRY__OTLP_ENDPOINT": "http://env:1",
            "WILTONOS__SOURCE__STALE_AFTER_SECONDS": "8",
        },
        arguments={"source": {"stale_after_seconds": 9.0}},
    ).settings
    assert loaded.telemetry.otlp_endpoint == "http://env:1"
    assert loaded.telemetry.export_interval_seconds == 2
    assert loaded.source.stale_after_seconds == 9
    assert loaded.coherence.fresh_seconds == 7


def test_offset_moves_defaults_and_leaves_stated_addresses(tmp_path: Path) -> None:
    """A port offset moves default ports only."""
    file = _write(tmp_path, '[exporter]\nlisten = "127.0.0.1:1234"\n')
    loaded = settings.load(config=file, offset=100, environ={})
    assert loaded.settings.exporter.listen == "127.0.0.1:1234"
    assert loaded.settings.longevity.listen == "127.0.0.1:8865"
    assert loaded.settings.telemetry.otlp_endpoint == "http://127.0.0.1:4418"


def test_offset_that_leaves_the_port_range_is_wrong_usage() -> None:
    """Ports end at 65535; an offset beyond that is refused with the arithmetic."""
    with pytest.raises(UsageError, match="moves port 4318 to 69318"):
        settings.load(offset=65000, environ={})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[coherence]\ntargt = 0.7\n", r"\[coherence\] targt: unknown key; did you mean 'target'"),
        ("[coherense]\ntarget = 0.7\n", "did you mean 'coherence'"),
        ('[coherence]\ntarget = "high"\n', r"\[coherence\] target: .*valid number"),
        ("coherence = 1\n", r"must be a table: \[coherence\]"),
        ("[coherence\n", "not TOML"),
        (f"a = {'[' * 5000}", "nested too deeply"),
        ("[coherence]\nmax_rate_per_minute = 2.4\n", r"2.4/60 × 30 = 1.2"),
        ('[exporter]\nlisten = "9464"\n', "is not host:port"),
        ("[source]\nstale_after_seconds = inf\n", r"\[source\] stale_after_seconds: .*less than"),
        ("[telemetry]\nexport_interval_seconds = inf\n", "export_interval_seconds: .*less than"),
    ],
)
def test_a_wrong_file_is_named_with_key_and_fix(tmp_path: Path, text: str, says: str) -> None:
    """The message names the file, the key and what to write."""
    file = _write(tmp_path, text)
    with pytest.raises(SettingsError, match=says) as caught:
        settings.load(config=file, environ={})
    assert str(file) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("WILTONOS__COHERENCE__TARGET", "high", "WILTONOS__COHERENCE__TARGET: .*valid number"),
        ("WILTONOS__COHERENCE__TARGT", "1", "WILTONOS__COHERENCE__TARGT: unknown key"),
        ("WILTONOS__TARGET", "1", "the form is WILTONOS__SECTION__KEY"),
        ("WILTONOS_CONFIG", "/nowhere.toml", "there is no file /nowhere.toml"),
        ("OTEL_METRIC_EXPORT_INTERVAL", "5s", "no number of milliseconds"),
    ],
)
def test_a_wrong_variable_is_named(name: str, value: str, says: str) -> None:
    """The message names the variable, so that a person finds it."""
    with pytest.raises(SettingsError, match=says):
        settings.load(environ={name: value})


def test_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    """Relative paths and SQLite addresses start where the configuration file is."""
    loaded = settings.load(config=_write(tmp_path, ""), environ={})
    assert loaded.path(loaded.settings.source.state_dir) == tmp_path / "state"
    database = loaded.database_url(loaded.settings.longevity.database)
    assert database == f"sqlite:///{tmp_path}/var/longevity.db"
