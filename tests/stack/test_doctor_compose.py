"""The doctor and a stack in containers, with a docker that says what Docker Compose would."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from wiltonos_otel.stack import compose_stack
from wiltonos_otel.stack.doctor import Wanted, examine, refusals
from wiltonos_otel.stack.finding import Finding, Verdict
from wiltonos_otel.stack.pipe import Pipe
from wiltonos_otel.stack.ports import Ports
from wiltonos_otel.stack.record import Record, save
from wiltonos_otel.stack.status import status
from wiltonos_service.cli import wt

NOW = 1_800_000_000.0
# nobody listens there
PORT = 1
LOOK = Wanted(probes=False)
Docker = Callable[..., None]


@pytest.fixture
def record(tmp_path: Path) -> Record:
    """A stack that bootstrap started in containers."""
    return Record(
        mode="compose",
        base=tmp_path,
        config=None,
        port_offset=0,
        ports=dict.fromkeys(Ports().by_name(), PORT),
        state_dir=tmp_path / "state",
        demo=True,
        tokens={},
        grafana=True,
    )


@pytest.fixture
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Docker:
    """Puts a docker on PATH that prints a text, or fails with it, and notes what it was asked."""

    def install(text: str, *, code: int = 0) -> None:
        directory = tmp_path / "bin"
        directory.mkdir(exist_ok=True)
        (directory / "said").write_text(text)
        file = directory / "docker"
        stream = ">&2" if code else ""
        file.write_text(
            f'#!/bin/sh\necho "$@" >> {directory}/asked\ncat {directory}/said {stream}\n'
            f"exit {code}\n"
        )
        file.chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory}:{os.environ['PATH']}")

    return install


def ps(**states: dict[str, Any]) -> str:
    """What ``docker compose ps --format json`` prints; a container that is not named runs."""
    names = ["exporter", "longevity", "notifier", "collector", "prometheus", "alertmanager"]
    healthy = {"State": "running", "Health": "healthy", "Status": "Up 3 minutes (healthy)"}
    lines = [
        json.dumps({"Service": name, **healthy, **states.get(name, {})})
        for name in [*names, "grafana", "simulator", "collector-ready"]
    ]
    return "\n".join(lines) + "\n"


def found(record: Record) -> dict[str, Finding]:
    """What the doctor says, by hop."""
    return {each.hop: each for each in examine(Pipe.of(record, lambda: NOW), LOOK)}


def test_running_containers_are_no_finding(record: Record, docker: Docker) -> None:
    """What runs is judged by what it answers."""
    docker(ps())
    assert not [hop for hop in found(record) if hop.startswith(("process", "containers"))]


def test_container_that_was_killed_is_named_with_the_reason(record: Record, docker: Docker) -> None:
    """137 tells nothing to most people; memory does."""
    docker(ps(notifier={"State": "exited", "Health": "", "Status": "Exited (137) 2 minutes ago"}))
    finding = found(record)["process notifier"]
    assert (finding.verdict, finding.detail) == (Verdict.BROKEN, "Exited (137) 2 minutes ago")
    assert "memory" in finding.mend
    assert "wt metrics logs notifier" in finding.mend


@pytest.mark.parametrize(
    ("name", "state", "detail"),
    [
        ("exporter", {"State": "restarting", "Status": "Restarting (1) 3 seconds ago"},
         "Restarting (1) 3 seconds ago"),
        # has no port that could be asked
        ("simulator", {"Health": "unhealthy", "Status": "Up 3 minutes (unhealthy)"},
         "Up 3 minutes (unhealthy)"),
        ("grafana", {"State": "created"}, "Up 3 minutes (healthy)"),
        ("prometheus", {"State": "paused", "Status": ""}, "paused"),
    ],
)  # fmt: skip
def test_container_that_does_not_run_well_is_named(
    record: Record, docker: Docker, name: str, state: dict[str, Any], detail: str
) -> None:
    """In Docker's own words, where it has any."""
    docker(ps(**{name: state}))
    finding = found(record)[f"process {name}"]
    assert (finding.verdict, finding.detail) == (Verdict.BROKEN, detail)


def test_container_that_is_not_there_is_down(record: Record, docker: Docker) -> None:
    """Somebody removed it."""
    docker("\n".join(line for line in ps().splitlines() if "alertmanager" not in line))
    assert found(record)["process alertmanager"].detail == "down"


def test_docker_that_cannot_be_asked_makes_no_container_broken(
    record: Record, docker: Docker
) -> None:
    """Who may not ask Docker may still ask the services."""
    docker("warning\npermission denied while trying to connect to the Docker daemon\n", code=1)
    findings = found(record)
    assert not [hop for hop in findings if hop.startswith("process")]
    assert findings["containers"].verdict is Verdict.NOTE
    assert "permission denied" in findings["containers"].detail
    assert "warning" not in findings["containers"].detail
    assert "docker compose ps" in findings["containers"].mend
    assert {service.state for service in status(record)} == {"UNKNOWN"}


def test_machine_without_docker_says_so(
    record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was removed, or PATH is another."""
    monkeypatch.setenv("PATH", str(tmp_path))
    assert found(record)["containers"].detail.endswith("docker: No such file or directory")


def test_status_says_the_reason_once(
    record: Record, docker: Docker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Eight services that Docker says nothing of have one reason."""
    docker("no such file: .env\n", code=14)
    monkeypatch.setenv("WILTONOS_CONFIG", str(tmp_path / "wiltonos.toml"))
    (tmp_path / "wiltonos.toml").write_text("")
    save(record, tmp_path / "var" / "stack.json")
    result = CliRunner().invoke(wt, ["metrics", "status"], standalone_mode=False)
    assert result.output.count("no such file: .env") == 1
    assert isinstance(result.exception, SystemExit)
    asked = (tmp_path / "bin" / "asked").read_text().splitlines()
    assert len(asked) == 1


def test_refused_points_are_explained_by_the_log_of_the_container(
    record: Record, docker: Docker, tmp_path: Path
) -> None:
    """Prometheus says which temporality it does not take, in a container as well."""
    docker('level=ERROR err="invalid temporality and type combination for metric \\"x\\""\n')
    assert refusals._said(Pipe.of(record, lambda: NOW)).startswith("invalid temporality and type")
    (asked,) = (tmp_path / "bin" / "asked").read_text().splitlines()
    assert asked.endswith("logs --no-log-prefix --tail 400 prometheus")


def test_log_of_a_docker_that_fails_is_empty(record: Record, docker: Docker) -> None:
    """What is refused is then told without Prometheus' words."""
    docker("no such service: prometheus", code=1)
    assert compose_stack.last_lines(record, "prometheus", 10) == []
    assert refusals._said(Pipe.of(record, lambda: NOW)) == ""
