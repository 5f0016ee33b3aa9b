"""Brings the stack up in containers, and asks Docker Compose about it."""

import json
import shutil
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack.compose_files import jaeger, prepare, token_files
from wiltonos_otel.stack.console import Speaker
from wiltonos_otel.stack.demo import record_doses
from wiltonos_otel.stack.locate import committed
from wiltonos_otel.stack.parts import READY, RUNNING, UNKNOWN, ServiceStatus, address, ask, expected
from wiltonos_otel.stack.plan import Places, Plan
from wiltonos_otel.stack.ports import require_free
from wiltonos_otel.stack.record import Record, describe, save
from wiltonos_otel.stack.waiting import PART_SECONDS, pipe_of, wait_for_part, wait_for_samples

COMPOSE_FILE = "docker-compose.yml"
ENGINE_SECONDS = 5
ASK_SECONDS = 30
# the first time images are pulled and ours is built
UP_SECONDS = 1800
DOWN_SECONDS = 120


def engine_answers(environ: Mapping[str, str]) -> bool:
    """Whether a Docker engine answers, and the client knows Compose."""
    docker = shutil.which("docker", path=environ.get("PATH"))
    if docker is None:
        return False
    questions = ((docker, "compose", "version"), (docker, "version", "--format", "{{.Server}}"))
    return all(_succeeds(question, environ) for question in questions)


def _succeeds(argv: tuple[str, ...], environ: Mapping[str, str]) -> bool:
    try:
        done = subprocess.run(  # noqa: S603 - docker from PATH
            argv, capture_output=True, timeout=ENGINE_SECONDS, env=dict(environ), check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def command(base: Path, *words: str) -> list[str]:
    """A Docker Compose command for the stack of this base directory."""
    file = committed(COMPOSE_FILE)
    return [
        "docker",
        "compose",
        "--project-directory",
        str(file.parent),
        "--env-file",
        str(Places(base).env),
        "--file",
        str(file),
        *words,
    ]


def up(plan: Plan, running: Record | None, speaker: Speaker) -> Record:
    """Start every container and wait until Φ can be queried.

    Raises:
        WiltonosError: no engine answers, a port is taken, or a part does not come up.
    """
    if not engine_answers(plan.environ):
        raise WiltonosError(
            "no Docker engine with Compose answers; start Docker, or use bootstrap --native"
        )
    if running is None:
        ports = plan.ports.by_name()
        require_free({name: ports[name] for name in ports if name != "jaeger" or jaeger(plan)})
    record = running or describe(plan, "compose").model_copy(
        update={"grafana": True, "jaeger": jaeger(plan), "tokens": token_files(plan)}
    )
    prepare(plan)
    save(record, plan.places.record)
    if plan.demo:
        speaker.say("DEMO: all data is simulated.")
    speaker.say(f"Docker Compose starts the stack ({plan.places.env} holds its variables).")
    _run(record, plan.environ, UP_SECONDS, "up", "--detach", "--build", "--remove-orphans")
    pipe = pipe_of(record)
    for listener, path in (READY[name] for name in expected(record) if name in READY):
        wait_for_part(listener, path, pipe, PART_SECONDS, lambda: broken(record))
    if plan.demo:
        record_doses(pipe)
    wait_for_samples(pipe, lambda: broken(record))
    return record.model_copy(update={"complete": True})


def is_up(record: Record) -> bool:
    """Whether all its containers run."""
    found = {container["Service"]: container for container in containers(record)}
    return set(expected(record)) <= {
        name for name, each in found.items() if each["State"] == "running"
    }


def broken(record: Record) -> str:
    """Which container does not stay up; "" when all do."""
    for container in containers(record):
        if container["State"] in ("exited", "dead", "restarting"):
            return f"container {container['Service']} is {container.get('Status', 'down')}"
    return ""


class DockerSilentError(WiltonosError):
    """Docker cannot be asked; the text is what it says instead."""


def containers(record: Record) -> list[dict[str, Any]]:
    """What ``docker compose ps`` says, one object per container; [] when it cannot be asked."""
    try:
        return ask_containers(record)
    except DockerSilentError:
        return []


def ask_containers(record: Record) -> list[dict[str, Any]]:
    """What ``docker compose ps`` says, one object per container.

    Raises:
        DockerSilentError: it cannot be asked.
    """
    return parse_ps(_said(record, "ps", "--all", "--format", "json"))


def last_lines(record: Record, service: str, count: int) -> list[str]:
    """The last lines that a container wrote; none when Docker cannot be asked."""
    try:
        text = _said(record, "logs", "--no-log-prefix", "--tail", str(count), service)
    except DockerSilentError:
        return []
    return text.splitlines()


def _said(record: Record, *words: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command(record.base, *words),
            capture_output=True,
            text=True,
            timeout=ASK_SECONDS,
            check=False,
        )
    except OSError as error:
        raise DockerSilentError(f"docker: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        raise DockerSilentError(f"no answer within {ASK_SECONDS} s") from None
    if done.returncode:
        told = done.stderr.strip().splitlines() or [f"exit {done.returncode}"]
        raise DockerSilentError(told[-1][:160])
    return done.stdout


def parse_ps(text: str) -> list[dict[str, Any]]:
    """The containers in the output of ``ps``: a JSON array before Compose 2.21, then lines."""
    text = text.strip()
    if text.startswith("["):
        found = json.loads(text)
        return [each for each in found if isinstance(each, dict)]
    return [json.loads(line) for line in text.splitlines() if line.startswith("{")]


def status(record: Record) -> list[ServiceStatus]:
    """Every container of the recorded stack."""
    try:
        found = {container["Service"]: container for container in ask_containers(record)}
    except DockerSilentError as error:
        return [_status(record, name, UNKNOWN, str(error)) for name in expected(record)]
    return [_status(record, name, *_state(found.get(name))) for name in expected(record)]


def _state(container: Mapping[str, Any] | None) -> tuple[str, str]:
    """The state of a container, and what Docker says of one that does not run well."""
    if container is None:
        return "DOWN", ""
    state, said = str(container["State"]).upper(), str(container.get("Status", ""))
    if state == RUNNING:
        return ("UNHEALTHY", said) if container.get("Health") == "unhealthy" else (RUNNING, "")
    return state, said


def _status(record: Record, name: str, state: str, why: str) -> ServiceStatus:
    return ServiceStatus(
        name=name,
        state=state,
        ready=ask(record, name),
        pid=None,
        up_seconds=None,
        url=address(record, name),
        why=why,
    )


def down(record: Record, environ: Mapping[str, str]) -> None:
    """Stop and remove its containers.

    Raises:
        WiltonosError: Docker Compose fails.
    """
    _run(record, environ, DOWN_SECONDS, "--profile", "*", "down", "--remove-orphans")


def logs(record: Record, service: str | None, *, follow: bool) -> None:
    """Show what the containers wrote, on standard output."""
    words = ["logs", "--tail", "100", *(["--follow"] if follow else [])]
    argv = command(record.base, *words, *([service] if service else []))
    try:
        subprocess.run(argv, check=False)  # noqa: S603 - our own words
    except OSError as error:
        raise WiltonosError(f"docker cannot be started: {error.strerror}") from None


def _run(record: Record, environ: Mapping[str, str], seconds: float, *words: str) -> None:
    begun = time.monotonic()
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            command(record.base, *words), env=dict(environ), timeout=seconds, check=False
        )
    except OSError as error:
        raise WiltonosError(f"docker cannot be started: {error.strerror}") from None
    except subprocess.TimeoutExpired:
        waited = time.monotonic() - begun
        raise WiltonosError(f"docker compose {words[0]}: no end after {waited:.0f} s") from None
    if done.returncode:
        raise WiltonosError(
            f"docker compose {' '.join(words)}: failed (exit {done.returncode}), see above"
        )
