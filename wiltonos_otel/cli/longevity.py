"""``wt longevity``: the diary of doses."""

import json
import uuid
from collections.abc import Awaitable, Callable
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from wiltonos_otel.clock import SystemClock
from wiltonos_otel.longevity.entries import LARGEST_ID
from wiltonos_service.cli import (
    WholeGroup,
    config_option,
    json_option,
    run_async,
    running_offset_option,
    service_options,
)
from wiltonos_service.errors import UsageError

if TYPE_CHECKING:
    from wiltonos_otel.longevity.client import DiaryClient

Json = dict[str, Any]
T = TypeVar("T")

# marks that would let a note rewrite the line it stands in
_BIDI = dict.fromkeys([0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A)])


@click.group(cls=WholeGroup)
def longevity() -> None:
    """Record doses, and see them as metrics beside Φ."""


@longevity.command()
@service_options
def serve(config: Path | None, port_offset: int | None, log_level: str) -> None:
    """Run the Longevity API."""
    from wiltonos_otel.longevity import service
    from wiltonos_otel.settings import load
    from wiltonos_service.logs import configure_logs

    configure_logs(log_level)
    service.serve(load(config=config, offset=port_offset))


@longevity.command()
@click.argument("compound")
@click.argument("amount")
@click.argument("unit")
@click.option("--notes", default="", help="Free text; it never leaves the diary.")
@click.option("--at", metavar="TIME", help='When it was taken, like "2026-11-23T17:00:00Z".')
@click.option("--corrects", type=int, metavar="ID", help="Replace this dose.")
@config_option
@running_offset_option
@json_option
def dose(
    *,
    compound: str,
    amount: str,
    unit: str,
    notes: str,
    at: str | None,
    corrects: int | None,
    config: Path | None,
    port_offset: int | None,
    as_json: bool,
) -> None:
    """Record a dose: wt longevity dose resveratrol 500 mg."""
    from wiltonos_otel.longevity.requests import parse_dose

    document: Json = {
        "compound": compound,
        "amount": _decimal(amount),
        "unit": unit,
        "notes": notes,
        "taken_at": at,
        "corrects": corrects,
    }
    new = _words(lambda: parse_dose(document, SystemClock().now_ms()))
    # one key for this call: a repeated request cannot record twice
    key = str(uuid.uuid4())
    answer = _ask(config, port_offset, lambda diary: diary.record(new, key))
    _show(answer, f"recorded dose {_line(answer)}", as_json)


@longevity.command("list")
@click.option("--compound", help="Only this one.")
@click.option("--since", metavar="TIME", help="Taken at or after.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--cursor", help="Go on where the last list ended.")
@click.option("--withdrawn", is_flag=True, help="Also what no longer stands.")
@config_option
@running_offset_option
@json_option
def list_doses(
    *,
    compound: str | None,
    since: str | None,
    limit: int,
    cursor: str | None,
    withdrawn: bool,
    config: Path | None,
    port_offset: int | None,
    as_json: bool,
) -> None:
    """List doses, newest first."""
    from wiltonos_otel.longevity.requests import parse_query

    given = {"compound": compound, "since": since, "cursor": cursor}
    parameters = {name: value for name, value in given.items() if value is not None}
    parameters["limit"] = str(limit)
    if withdrawn:
        parameters["withdrawn"] = "true"
    _words(lambda: parse_query(parameters))
    answer = _ask(config, port_offset, lambda diary: diary.find(parameters))
    lines = [_line(entry) for entry in answer["doses"]] or ["no dose is recorded"]
    if answer["next_cursor"]:
        lines.append(f"more: --cursor {answer['next_cursor']}")
    _show(answer, "\n".join(lines), as_json)


@longevity.command()
@click.argument("identity", metavar="ID", type=click.IntRange(1, LARGEST_ID))
@config_option
@running_offset_option
@json_option
def get(identity: int, config: Path | None, port_offset: int | None, as_json: bool) -> None:
    """Show one dose."""
    answer = _ask(config, port_offset, lambda diary: diary.get(identity))
    _show(answer, _line(answer), as_json)


@longevity.command()
@click.argument("identity", metavar="ID", type=click.IntRange(1, LARGEST_ID))
@click.option("--reason", default="", help="Why; it stays in the diary.")
@config_option
@running_offset_option
@json_option
def withdraw(
    identity: int, reason: str, config: Path | None, port_offset: int | None, as_json: bool
) -> None:
    """Take a dose back. The entry stays, and says so."""
    answer = _ask(config, port_offset, lambda diary: diary.withdraw(identity, reason))
    _show(answer, _line(answer), as_json)


@longevity.command()
@config_option
@running_offset_option
@json_option
def info(config: Path | None, port_offset: int | None, as_json: bool) -> None:
    """Show the sums by compound."""
    answer = _ask(config, port_offset, lambda diary: diary.info())
    rows = [
        f"{row['compound']}: {_plural(row['doses'])}, {row['amount']} {row['unit']} in all, "
        f"last {row['last_taken_at']}"
        for row in answer["compounds"]
    ]
    lines = [_plural(answer["doses"]), *rows]
    _show(answer, "\n".join(lines), as_json)


def _words(parse: Callable[[], T]) -> T:
    """What the words of the command line mean; a mistake in them is wrong usage."""
    from wiltonos_otel.longevity.requests import InvalidRequestError

    try:
        return parse()
    except InvalidRequestError as error:
        raise UsageError("\n".join(str(x) for x in error.errors)) from None


def _ask(
    config: Path | None,
    port_offset: int | None,
    question: "Callable[[DiaryClient], Awaitable[Json]]",
) -> Json:
    from wiltonos_otel.longevity.client import find_diary
    from wiltonos_otel.settings import load
    from wiltonos_service.running import with_running_stack

    environ = with_running_stack(config, port_offset)
    loaded = load(config=config, offset=port_offset, environ=environ)

    async def ask() -> Json:
        async with await find_diary(loaded) as diary:
            return await question(diary)

    answer: Json = run_async(ask())
    return answer


def _show(answer: Json, text: str, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(answer, ensure_ascii=False))
        return
    click.echo(text)
    click.secho(answer["disclaimer"], dim=True)


def _line(entry: Json) -> str:
    """One dose on one line."""
    origin = entry["converted_from"]
    given = f" (given as {origin['amount']} {origin['unit']})" if origin else ""
    notes = f": {' '.join(entry['notes'].split())}" if entry["notes"] else ""
    gone = f" [withdrawn {entry['withdrawn_at']}]" if entry["withdrawn_at"] else ""
    text = (
        f"{entry['id']}  {entry['taken_at']}  {entry['compound']} "
        f"{entry['amount']} {entry['unit']}{given}{gone}{notes}"
    )
    return text.translate(_BIDI)


def _plural(doses: int) -> str:
    return f"{doses} dose" if doses == 1 else f"{doses} doses"


def _decimal(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise UsageError(f"{text[:40]!r} is no number; write it like 500 or 0.5") from None
