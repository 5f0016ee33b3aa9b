"""``wt notifier incidents`` and ``wt notifier dead-letters``."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from notifier.cli.asking import ask
from notifier.cli.text import echo_table, harmless, json_text
from notifier.errors import NotifierError
from wiltonos_service.cli import (
    WholeGroup,
    config_option,
    json_option,
    running_offset_option,
)
from wiltonos_service.errors import UsageError

if TYPE_CHECKING:
    from notifier.operator import Document, Operator


@click.command()
@config_option
@running_offset_option
@json_option
@click.option("--phase", type=click.Choice(["firing", "resolved"]), help="Only these.")
@click.option("--limit", type=click.IntRange(1, 500), default=100, show_default=True)
@click.option("--cursor", help="The next_cursor of the page before.")
def incidents(
    config: Path | None,
    port_offset: int | None,
    *,
    as_json: bool,
    phase: str | None,
    limit: int,
    cursor: str | None,
) -> None:
    """List incidents, the newest first, and how every channel stands with them."""
    document = ask(config, port_offset, lambda o: o.incidents(phase, limit, cursor))
    if as_json:
        click.echo(json_text(document))
        return
    rows = [_incident_row(incident) for incident in document["incidents"]]
    echo_table(("ID", "PHASE", "OPENED", "ALERTS", "DELIVERIES"), rows)


def _incident_row(incident: "Document") -> tuple[str, ...]:
    names = sorted({alert["labels"].get("alertname", "") for alert in incident["alerts"]})
    rows = [f"{row['channel']}:{row['state']}" for row in incident["deliveries"]]
    return (
        incident["id"],
        incident["phase"],
        incident["opened_at"][:19],
        ",".join(names)[:60],
        " ".join(rows),
    )


@click.group("dead-letters", cls=WholeGroup)
def dead_letters() -> None:
    """Look at what could not be delivered or understood; try it again or drop it."""


@dead_letters.command("list")
@config_option
@running_offset_option
@json_option
def list_letters(config: Path | None, port_offset: int | None, as_json: bool) -> None:
    """List dead letters, the newest first."""
    document = ask(config, port_offset, lambda o: o.letters())
    if as_json:
        click.echo(json_text(document))
        return
    keys = ("id", "kind", "channel", "reason", "attempts", "created_at", "last_error")
    rows = [[letter[key] for key in keys] for letter in document["dead_letters"]]
    echo_table([key.upper() for key in keys], rows)


@dead_letters.command()
@config_option
@running_offset_option
@json_option
@click.argument("letter_id", metavar="ID")
def show(config: Path | None, port_offset: int | None, as_json: bool, letter_id: str) -> None:
    """Show one dead letter and what was to be sent, or had been received."""
    document = ask(config, port_offset, lambda o: o.letter(letter_id))
    if as_json:
        click.echo(json_text(document))
        return
    for key, value in document.items():
        if key != "payload":
            click.echo(f"{key + ':':14} {harmless(value)}")
    click.echo(harmless(document["payload"]) or "(no payload: it is made anew when it is sent)")


def _id_or_all(command: Callable[..., None]) -> Callable[..., None]:
    chosen = click.argument("letter_id", metavar="ID", required=False)
    everything = click.option("--all", "everything", is_flag=True, help="Every dead letter.")
    return config_option(running_offset_option(chosen(everything(command))))


@dead_letters.command()
@_id_or_all
def replay(
    config: Path | None, port_offset: int | None, letter_id: str | None, everything: bool
) -> None:
    """Try a dead letter again, or all of them."""
    _each(
        config,
        port_offset,
        letter_id,
        everything=everything,
        act=lambda o, i: o.replay(i),
        done="replayed",
    )


@dead_letters.command()
@_id_or_all
def drop(
    config: Path | None, port_offset: int | None, letter_id: str | None, everything: bool
) -> None:
    """Remove a dead letter, or all of them."""
    _each(
        config,
        port_offset,
        letter_id,
        everything=everything,
        act=lambda o, i: o.drop(i),
        done="dropped",
    )


def _each(
    config: Path | None,
    port_offset: int | None,
    letter_id: str | None,
    *,
    everything: bool,
    act: "Callable[[Operator, str], Awaitable[None]]",
    done: str,
) -> None:
    if (letter_id is None) == (not everything):
        raise UsageError("name one ID, or give --all")

    async def work(operator: "Operator") -> tuple[int, list[str]]:
        listed = (await operator.letters())["dead_letters"] if everything else []
        ids = [letter["id"] for letter in listed] if everything else [str(letter_id)]
        failed = []
        for each in ids:
            try:
                await act(operator, each)
            except NotifierError as error:
                failed.append(f"{each}: {error}")
        return len(ids) - len(failed), failed

    count, failed = ask(config, port_offset, work)
    click.echo(f"{count} {done}")
    if failed:
        raise NotifierError("\n".join(failed))
