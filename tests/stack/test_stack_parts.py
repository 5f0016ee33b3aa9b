"""The small parts of the stack: record, tokens, logs, sockets, provisioning, plan."""

import os
import stat
import threading
from pathlib import Path

import pytest

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack import record as records
from wiltonos_otel.stack import render
from wiltonos_otel.stack.down import purge, purgeable
from wiltonos_otel.stack.grafana import find_grafana, render_provisioning
from wiltonos_otel.stack.logs import follow, last_lines, log_files
from wiltonos_otel.stack.native_stack import NativeStack, held
from wiltonos_otel.stack.plan import Places, Plan, make_plan
from wiltonos_otel.stack.service import our_services
from wiltonos_otel.stack.supervise import socket_path
from wiltonos_otel.stack.tokens import ensure_token
from wiltonos_service.errors import UsageError


def plan_in(base: Path, text: str = "", **arguments: object) -> Plan:
    """A plan for a directory with this configuration."""
    file = base / "wiltonos.toml"
    file.write_text(text)
    return make_plan(config=file, environ={}, **arguments)  # type: ignore[arg-type]


def test_record_comes_back_as_it_was_written(tmp_path: Path) -> None:
    """status, logs, down and doctor see what bootstrap saw."""
    plan = plan_in(tmp_path, offset=100, demo=True)
    record = records.describe(plan, "native", tmp_path / "socket")
    records.save(record, plan.places.record)
    assert records.load(plan.places.record) == record
    assert record.differs_from(plan, "native") == ""


def test_another_wish_is_told_apart(tmp_path: Path) -> None:
    """A second bootstrap that wants something else says what differs."""
    record = records.describe(plan_in(tmp_path, offset=100), "native")
    other = plan_in(tmp_path, offset=200, demo=True)
    difference = record.differs_from(other, "native")
    assert "port offset is 100" in difference
    assert "no demo" in difference
    plain = record.model_copy(update={"config": None})
    assert f"started without {other.config}" in plain.differs_from(other, "native")


def test_no_record_names_bootstrap(tmp_path: Path) -> None:
    """Whoever asks for the status of nothing learns how to start."""
    with pytest.raises(records.NoStackError, match="wt metrics bootstrap"):
        records.require(Places(tmp_path).record)


def test_damaged_record_is_one_line(tmp_path: Path) -> None:
    """The error names the file and the way out."""
    file = tmp_path / "stack.json"
    file.write_text("{")
    with pytest.raises(WiltonosError, match="remove it"):
        records.load(file)


def test_token_is_made_once_and_private(tmp_path: Path) -> None:
    """Nobody but its owner can read it, and a second bootstrap keeps it."""
    file = tmp_path / "secrets" / "token"
    assert ensure_token(file)
    text = file.read_text()
    assert not ensure_token(file)
    assert file.read_text() == text
    assert len(text.strip()) >= 43
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700


def test_open_token_is_refused(tmp_path: Path) -> None:
    """A token that others can read is no secret."""
    file = tmp_path / "token"
    file.touch(mode=0o644)
    with pytest.raises(WiltonosError, match="chmod 600"):
        ensure_token(file)


def test_two_commands_at_once_are_told(tmp_path: Path) -> None:
    """Bootstrap and down of one directory exclude each other."""
    with held(Places(tmp_path)), pytest.raises(WiltonosError, match="wait for it"):
        _hold_again(Places(tmp_path))


def _hold_again(places: Places) -> None:
    with held(places):
        pytest.fail("the lock did not hold")


def test_long_base_gets_a_short_socket(tmp_path: Path) -> None:
    """A Unix socket's path has at most 107 bytes; a deep directory must work too."""
    deep = tmp_path / ("d" * 120)
    assert len(os.fsencode(socket_path(Places(deep)))) < 95
    assert socket_path(Places(deep)) != socket_path(Places(tmp_path / ("e" * 120)))


def test_services_are_told_the_settings_of_bootstrap(tmp_path: Path) -> None:
    """Offset, state directory, token and demo reach the services; addresses in the file stay."""
    plan = plan_in(
        tmp_path, '[telemetry]\notlp_endpoint = "http://127.0.0.1:9999"\n', offset=10, demo=True
    )
    told = plan.service_environment()
    assert told["WILTONOS_PORT_OFFSET"] == "10"
    assert told["WILTONOS__TELEMETRY__OTLP_ENDPOINT"] == "http://127.0.0.1:9999"
    assert told["WILTONOS__EXPORTER__SIMULATED"] == "true"
    token = str(tmp_path / "secrets/notifier_token")
    assert told["WILTONOS__NOTIFIER__BEARER_TOKEN_FILE"] == token
    assert plan.ports.otlp_http == 9999
    assert [service.name for service in our_services(plan)][-1] == "simulator"


def test_stated_state_directory_starts_at_the_current_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Paths on the command line are relative to where it is typed."""
    (tmp_path / "base").mkdir()
    monkeypatch.chdir(tmp_path)
    plan = plan_in(tmp_path / "base", state=Path("mine"))
    assert plan.state_dir == tmp_path / "mine"
    assert plan_in(tmp_path / "base").state_dir == tmp_path / "base" / "state"


def test_log_of_nobody_names_the_known_ones(tmp_path: Path) -> None:
    """A mistyped service is one line with the right names."""
    (tmp_path / "exporter.log").touch()
    with pytest.raises(WiltonosError, match="there are: exporter"):
        log_files(tmp_path, "exportr")


def test_log_lines_cannot_command_the_terminal(tmp_path: Path) -> None:
    """Logs hold what strangers sent."""
    file = tmp_path / "x.log"
    file.write_bytes(b"one\ntwo \x1b[31mred\n")
    assert last_lines(file, 1) == ["two �[31mred"]


def test_followed_log_survives_rotation(tmp_path: Path) -> None:
    """After supervisor renames the file, the new one is followed from its start."""
    file = tmp_path / "x.log"
    file.write_text("old\n")
    lines = follow({"x": file}, pause=0.01)
    got: list[str] = []
    enough = threading.Event()

    def read() -> None:
        for _, line in lines:
            got.append(line)
            if len(got) == 1:
                file.rename(tmp_path / "x.log.1")
                file.write_text("after\n")
            if len(got) == 2:
                break
        lines.close()
        enough.set()

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    while not got:
        with file.open("a") as opened:
            opened.write("before\n")
        enough.wait(0.05)
    assert enough.wait(10)
    assert got[0] == "before"
    assert got[1] in ("before", "after")


def test_purge_names_data_and_secrets_and_keeps_the_diary(tmp_path: Path) -> None:
    """The diary of doses, real state files and the tokens of the chats belong to their owner."""
    plan = plan_in(tmp_path)
    record = records.describe(plan, "native")
    ensure_token(tmp_path / "secrets/notifier_token")
    mine = ("var/longevity.db", "state/a.json", "secrets/slack_bot_token")
    for name in ("var/stack/data/x", "var/notifier.db", *mine):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    purge(plan.places, purgeable(plan.places, record))
    purge(plan.places, purgeable(plan.places, None))
    left = sorted(str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file())
    assert left == sorted([*mine, "wiltonos.toml"])


def test_grafana_is_found_in_its_home(tmp_path: Path) -> None:
    """WILTONOS_GRAFANA_HOME wins; a wrong one is said."""
    with pytest.raises(WiltonosError, match="WILTONOS_GRAFANA_HOME"):
        find_grafana({"WILTONOS_GRAFANA_HOME": str(tmp_path)})
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/grafana").touch(mode=0o755)
    found = find_grafana({"WILTONOS_GRAFANA_HOME": str(tmp_path)})
    assert found is not None
    assert (found.program, found.words) == (tmp_path / "bin/grafana", ("server",))
    assert find_grafana({"PATH": str(tmp_path / "none")}) is None


def test_native_provisioning_points_at_this_machine() -> None:
    """No container name and no container path is left."""
    rendered = render_provisioning("http://127.0.0.1:1", "http://127.0.0.1:2")
    text = "\n".join(rendered.values())
    assert "http://127.0.0.1:1" in text
    assert "http://127.0.0.1:2" in text
    assert "http://prometheus" not in text
    assert "/etc/grafana" not in text


def test_a_native_stack_that_is_to_trace_needs_a_place_for_traces(tmp_path: Path) -> None:
    """One line says which key to set; with it the Collector sends them there."""
    (tmp_path / "wiltonos.toml").touch()
    plan = make_plan(config=tmp_path / "wiltonos.toml", tracing=True, environ={})
    with pytest.raises(UsageError, match="set traces_endpoint in"):
        NativeStack.new(plan)
    environ = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:1/v1/traces"}
    plan = make_plan(config=tmp_path / "wiltonos.toml", environ=environ)
    stack = NativeStack.new(plan)
    stack.write_files()
    text = (plan.places.stack / render.COLLECTOR_CONFIG).read_text("utf-8")
    assert 'traces_endpoint: "http://127.0.0.1:1/v1/traces"' in text
    assert stack.record.tracing
    assert not stack.record.jaeger
