"""``wt metrics``: the whole stack, up, down and explained."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wiltonos_service.cli import LazyGroup, config_option, json_option, offset_option
from wiltonos_service.errors import FAILED, OperatorError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from wiltonos_otel.stack.console import Speaker
    from wiltonos_otel.stack.parts import ServiceStatus
    from wiltonos_otel.stack.plan import Plan
    from wiltonos_otel.stack.record import Mode, Record


@click.group(cls=LazyGroup, lazy={"doctor": "wiltonos_otel.cli.doctor:doctor"})
def metrics() -> None:
    """The whole stack: bring it up, look at it, end it."""


@metrics.command()
@config_option
@offset_option
@click.option("--native", is_flag=True, help="Without Docker: build and supervise.")
@click.option("--compose", is_flag=True, help="In containers, by Docker Compose.")
@click.option("--demo", is_flag=True, help="Simulate the state files.")
@click.option("--tracing", is_flag=True, help="Trace alerts to the chats (Jaeger, in containers).")
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help='Directory of the state files (default: [source] state_dir, "state").',
)
def bootstrap(  # noqa: PLR0917 - click passes by name
    config: Path | None,
    port_offset: int | None,
    native: bool,
    compose: bool,
    demo: bool,
    tracing: bool,
    state: Path | None,
) -> None:
    """Start the whole stack and wait until Φ can be queried.

    Without --native or --compose: in containers where a Docker engine answers, else natively.
    """
    from wiltonos_otel.stack import bootstrap as bring_up
    from wiltonos_otel.stack.console import Speaker
    from wiltonos_otel.stack.plan import make_plan

    if native and compose:
        raise UsageError("--native and --compose exclude each other; give one, or neither")
    plan = make_plan(config=config, offset=port_offset, state=state, demo=demo, tracing=tracing)
    speaker = Speaker()
    asked: Mode | None = "native" if native else "compose" if compose else None
    bring_up.bootstrap(plan, bring_up.choose_mode(asked, plan, speaker), speaker)


@metrics.command()
@config_option
@json_option
def status(config: Path | None, as_json: bool) -> None:
    """Show what runs and where; exits 1 when a part of it does not."""
    from wiltonos_otel.stack.console import Speaker
    from wiltonos_otel.stack.status import status as ask_status

    record = _record(config)
    found = ask_status(record)
    well = all(service.state == "RUNNING" and service.ready is not False for service in found)
    if as_json:
        body = {
            "mode": record.mode,
            "port_offset": record.port_offset,
            "demo": record.demo,
            "state_dir": str(record.state_dir),
            "well": well,
            "services": [asdict(service) for service in found],
        }
        click.echo(json.dumps(body, indent=2))
    else:
        _show_status(record, found, Speaker())
    if not well:
        raise SystemExit(FAILED)


def _show_status(record: "Record", found: "Sequence[ServiceStatus]", speaker: "Speaker") -> None:
    from wiltonos_otel.stack.summary import show_addresses

    answers = {True: "ready", False: "not ready", None: ""}
    rows = [
        (s.name, s.state.lower(), answers[s.ready], _duration(s.up_seconds), str(s.pid or ""))
        for s in found
    ]
    demo = ", simulated data" if record.demo else ""
    speaker.say(f"{record.mode} stack, port offset {record.port_offset}{demo}")
    speaker.table(("service", "state", "answers", "up", "process"), rows)
    for why, names in _reasons(found).items():
        speaker.say(f"{', '.join(names)}: {why}")
    show_addresses(record, speaker)


def _reasons(found: "Sequence[ServiceStatus]") -> dict[str, list[str]]:
    """The services of each reason; one that is everybody's is said once."""
    reasons: dict[str, list[str]] = {}
    for service in found:
        if service.why:
            reasons.setdefault(service.why, []).append(service.name)
    return reasons


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return ""
    hours, rest = divmod(seconds, 3600)
    return (
        f"{hours}h{rest // 60:02d}m{rest % 60:02d}s" if hours else f"{rest // 60}m{rest % 60:02d}s"
    )


@metrics.command()
@config_option
@click.argument("service", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on.")
def logs(config: Path | None, service: str | None, follow: bool) -> None:
    """Show the last lines of one service, or of all."""
    from wiltonos_otel.stack import compose_stack
    from wiltonos_otel.stack.logs import follow as follow_logs
    from wiltonos_otel.stack.logs import last_lines, log_files
    from wiltonos_otel.stack.plan import Places

    record = _record(config)
    if record.mode == "compose":
        compose_stack.logs(record, service, follow=follow)
        return
    files = log_files(Places(record.base).logs, service)
    for name, file in files.items():
        for line in last_lines(file):
            click.echo(line if service else f"{name}: {line}")
    if follow:
        for name, line in follow_logs(files):
            click.echo(line if service else f"{name}: {line}")


@metrics.command()
@config_option
@click.option("--purge", is_flag=True, help="Remove the stack's data and secrets too.")
@click.option("--yes", is_flag=True, help="Do not ask before removing.")
def down(config: Path | None, purge: bool, yes: bool) -> None:
    """End every process of the stack and free its ports."""
    from wiltonos_otel.stack.console import Speaker
    from wiltonos_otel.stack.down import down as end_stack
    from wiltonos_otel.stack.down import purge as remove
    from wiltonos_otel.stack.down import purgeable
    from wiltonos_otel.stack.record import load

    places = _plan(config).places
    speaker = Speaker()
    known = load(places.record)
    paths = purgeable(places, known) if purge else []
    if paths:
        for path in paths:
            speaker.say(f"will be removed: {path}")
        _confirm(speaker, yes=yes)
    record = end_stack(places, os.environ)
    speaker.say("The stack is down." if record else "No stack was up here.")
    if purge:
        remove(places, paths)
        speaker.say("Removed. Your diary of doses and your state files are kept.")


def _confirm(speaker: "Speaker", *, yes: bool) -> None:
    if yes:
        return
    if not speaker.terminal:
        raise UsageError("--purge removes data and nobody can be asked; add --yes")
    if not click.confirm("Remove them?"):
        raise OperatorError("nothing was removed, and the stack was left as it is")


@metrics.command()
@click.option("--file", type=click.Path(path_type=Path, dir_okay=False), help="Compose file.")
def pin(file: Path | None) -> None:
    """Write the digests of the images into docker-compose.yml; needs a registry and Docker."""
    from wiltonos_otel.stack.pin import pin as write_digests

    for image in write_digests(file):
        click.echo(image)


@metrics.command()
def build() -> None:
    """Build the programs of the native stack and their tools, unless they are in the cache."""
    from wiltonos_otel.stack import native
    from wiltonos_otel.stack.console import Speaker
    from wiltonos_otel.stack.native import cache, recipes
    from wiltonos_otel.stack.native.build import build_all

    speaker = Speaker()
    with speaker.building() as watcher:
        build_all((*recipes.programs(), recipes.promtool()), os.environ, watcher)
        try:
            native.build(recipes.prometheus_ui(), os.environ, watcher)
        except native.BuildError as error:
            speaker.say(f"Prometheus will run without its web UI: {error}")
            return
    speaker.say(f"All built, in {cache.directory(os.environ)}.")


def _plan(config: Path | None) -> "Plan":
    from wiltonos_otel.stack.plan import make_plan

    return make_plan(config=config)


def _record(config: Path | None) -> "Record":
    from wiltonos_otel.stack.record import require

    return require(_plan(config).places.record)
