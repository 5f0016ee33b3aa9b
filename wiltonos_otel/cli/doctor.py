"""``wt metrics doctor``: which hop loses data, and how to mend it."""

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wiltonos_service.cli import config_option, json_option
from wiltonos_service.errors import FAILED

if TYPE_CHECKING:
    from wiltonos_otel.stack.finding import Finding
    from wiltonos_otel.stack.pipe import Pipe

F = TypeVar("F", bound=Callable[..., Any])
_SITE = {
    "--otlp-endpoint": "OTLP/HTTP receiver, like http://127.0.0.1:4318.",
    "--collector-metrics-url": "The Collector's own metrics, like http://127.0.0.1:8888.",
    "--prometheus-url": "Prometheus, like http://127.0.0.1:9090.",
    "--alertmanager-url": "Alertmanager, like http://127.0.0.1:9093.",
    "--notifier-url": "The notifier, like http://127.0.0.1:9099.",
}


def _site_options(command: F) -> F:
    """Addresses of a pipe that bootstrap did not start."""
    for name, text in reversed(_SITE.items()):
        command = click.option(name, metavar="URL", help=text)(command)
    return command


@click.command()
@click.option("--service", metavar="NAME", help="Look at this service too: its service.name.")
@click.option("--chat", is_flag=True, help="Let every chat show a test and its end: people see it.")
@click.option("--alert", is_flag=True, help="Send the marked alert to a foreign Alertmanager too.")
@click.option("--no-probe", is_flag=True, help="Send nothing, only look.")
@click.option(
    "--seconds",
    type=click.FloatRange(min=0, min_open=True),
    default=10,
    show_default=True,
    help="How long a probe may take.",
)
@_site_options
@click.option(
    "--notifier-token-file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="File of the notifier's token.",
)
@config_option
@json_option
def doctor(
    *,
    service: str | None,
    chat: bool,
    alert: bool,
    no_probe: bool,
    seconds: float,
    config: Path | None,
    as_json: bool,
    **site: Any,
) -> None:
    """Name the hop that loses data, by sending a marked point and a marked alert through the pipe.

    It examines the stack that bootstrap started here or, when addresses are named, what is there:
    only those hops, and no record is read. Nobody is told of the marked alert. Exits 1 when a
    hop is broken, and says how to mend it.
    """
    from wiltonos_otel.stack.doctor import Wanted, examine

    wanted = Wanted(service, probes=not no_probe, alert=alert, chat=chat, seconds=seconds)
    findings = list(examine(_pipe(config, site), wanted))
    if as_json:
        _print_json(findings)
    else:
        _show(findings)
    if not all(finding.ok for finding in findings):
        raise SystemExit(FAILED)


def _pipe(config: Path | None, site: dict[str, Any]) -> "Pipe":
    from wiltonos_otel.stack.doctor import Site, pipe_at
    from wiltonos_otel.stack.plan import make_plan
    from wiltonos_otel.stack.record import NoStackError, require
    from wiltonos_otel.stack.waiting import pipe_of

    named = pipe_at(Site(**site), os.environ)
    if named is not None:
        return named
    try:
        return pipe_of(require(make_plan(config=config).places.record))
    except NoStackError as error:
        raise NoStackError(f"{error}, or name what runs elsewhere: --prometheus-url …") from None


def _print_json(findings: "Sequence[Finding]") -> None:
    from wiltonos_otel.stack.doctor import first_broken

    lost = first_broken(findings)
    body = {"broken": lost.hop if lost else None, "hops": [asdict(each) for each in findings]}
    click.echo(json.dumps(body, indent=2, ensure_ascii=False))


def _show(findings: "Sequence[Finding]") -> None:
    from wiltonos_otel.stack.console import Speaker
    from wiltonos_otel.stack.doctor import first_broken

    speaker = Speaker()
    rows = [(each.hop, str(each.verdict), each.detail) for each in findings]
    speaker.table(("hop", "", "what was seen"), rows)
    for finding in findings:
        if finding.mend:
            speaker.say(f"{finding.hop}: {finding.mend}")
    lost = first_broken(findings)
    speaker.say(f"Broken: {lost.hop}." if lost else "Every hop that was looked at lets data pass.")
