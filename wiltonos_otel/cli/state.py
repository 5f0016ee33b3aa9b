"""``wt state``: look at the state files, or write simulated ones."""

import json
import signal
import socket
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import click

from wiltonos_otel.cli.state_view import as_tree, lines, what_to_write
from wiltonos_otel.clock import SystemClock
from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.sources.check import check_directory
from wiltonos_otel.sources.simulate import Scenario, Step, simulate
from wiltonos_otel.sources.writer import Slip, StateWriter, is_real_signal, slips
from wiltonos_service.cli import WholeGroup, config_option, json_option
from wiltonos_service.errors import FAILED, OperatorError

MS = 1000
# a careless program slips once in so many writings
_SLIP_ONE_IN = 4


@click.group(cls=WholeGroup)
def state() -> None:
    """Check the state files, or simulate them."""


@state.command()
@click.argument(
    "directory", required=False, type=click.Path(path_type=Path, exists=True, file_okay=False)
)
@click.option("--strict", is_flag=True, help="Let a key that is ignored count as a mistake.")
@config_option
@json_option
def check(directory: Path | None, strict: bool, config: Path | None, as_json: bool) -> None:
    """Name every mistake in the state files; exit 1 when there is one.

    DIRECTORY holds quantum_state.json and loops/ (default: [source] state_dir, "state"). A key
    that is ignored is a warning, since files may be newer than the exporter.
    """
    from wiltonos_otel.settings import load

    loaded = load(config=config)
    directory = directory or loaded.path(loaded.settings.source.state_dir)
    findings = check_directory(directory, SystemClock().now_ms())
    good = all(finding.is_good(strict=strict) for finding in findings)
    if as_json:
        click.echo(json.dumps(as_tree(directory, findings, good), ensure_ascii=False, indent=2))
    elif findings:
        stale_after_ms = loaded.settings.source.stale_after_seconds * MS
        for finding in findings:
            click.echo("\n".join(lines(finding, stale_after_ms)))
    else:
        click.echo(what_to_write(directory))
    if not good:
        raise click.exceptions.Exit(FAILED)


@state.command()
@click.argument("history", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--output",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File to write, in OpenMetrics.",
)
@click.option("--since", type=click.DateTime(), help="Begin of the gap, UTC (default: all).")
@click.option("--until", type=click.DateTime(), help="End of the gap, UTC (default: all).")
@click.option("--job", default="wiltonos-exporter", show_default=True)
@click.option("--instance", default=socket.gethostname, show_default="the host name")
@config_option
def backfill(
    *,
    history: Path,
    output: Path,
    since: datetime | None,
    until: datetime | None,
    job: str,
    instance: str,
    config: Path | None,
) -> None:
    """Turn what the writer kept while the exporter was down into samples for Prometheus.

    HISTORY holds one JSON object a line, as in quantum_state.json, each with a timestamp. Give the
    begin and the end of the gap: Prometheus keeps both where samples exist twice.
    """
    from wiltonos_otel.settings import load
    from wiltonos_otel.sources.history import openmetrics, read_history
    from wiltonos_otel.sources.timestamps import format_rfc3339

    if output.exists() and output.samefile(history):
        raise click.UsageError("--output is HISTORY itself; name another file")
    policy = load(config=config).settings.policy
    with history.open("rb") as lines:
        found = read_history(lines, SystemClock().now_ms())
    for number, bad in found.refused:
        click.echo(f"{history}, line {number}: {bad.reason}: {bad.detail}", err=True)
    if not found.samples:
        raise OperatorError(f"{history} holds no sample; give one JSON object a line")
    labels = {"job": job, "instance": instance}
    begin, end = (None if at is None else _unix_ms(at) for at in (since, until))
    count = sum((begin or 0) <= at and (end is None or at < end) for at, _ in found.samples)
    if not count:
        first, last = (format_rfc3339(found.samples[i][0]) for i in (0, -1))
        raise OperatorError(
            f"{history} reaches from {first} to {last}: nothing of it is in the gap; "
            "give --since and --until in UTC"
        )
    _write_lines(output, openmetrics(found.samples, policy, labels, begin or 0, end))
    click.echo(f"{output}: {count} samples of Φ; now, with the data of Prometheus:")
    click.echo(f"  promtool tsdb create-blocks-from openmetrics {output} DATA")


def _write_lines(file: Path, lines: Iterable[str]) -> None:
    try:
        with file.open("w", encoding="utf-8") as opened:
            opened.writelines(lines)
    except OSError as error:
        raise OperatorError(
            f"{file}: {error.strerror}; name a file that can be written with --output"
        ) from None


def _unix_ms(at: datetime) -> int:
    return round(at.replace(tzinfo=UTC).timestamp() * MS)


@state.command("simulate")
@click.argument("directory", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option(
    "--scenario",
    type=click.Choice([scenario.value for scenario in Scenario]),
    default="calm",
    show_default=True,
)
@click.option(
    "--speed",
    type=click.FloatRange(min=0.001),
    default=1.0,
    show_default=True,
    help="Let the signal move so many times faster; above 1 even a calm one may alert.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="The same seed, the same signal."
)
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Stop after so long (default: when asked to).",
)
@click.option(
    "--interval",
    type=click.FloatRange(min=0.01),
    default=1.0,
    show_default=True,
    metavar="SECONDS",
    help="Time between two writings.",
)
@click.option("--force", is_flag=True, help="Overwrite a real signal.")
@config_option
def simulate_files(
    *,
    directory: Path | None,
    scenario: str,
    speed: float,
    seed: int,
    duration: float | None,
    interval: float,
    force: bool,
    config: Path | None,
) -> None:
    """Write state files as WiltonOS would, until Ctrl-C.

    DIRECTORY gets quantum_state.json and loops/ (default: [source] state_dir, "state").
    Scenarios: calm; drift, jump and oscillation of Φ; collapse of a loop under pressure; careless,
    a calm signal whose writer leaves bad files every now and then.
    """
    from wiltonos_otel.settings import load

    loaded = load(config=config)
    directory = directory or loaded.path(loaded.settings.source.state_dir)
    stale_after_ms = round(loaded.settings.source.stale_after_seconds * MS)
    if not force and is_real_signal(directory, SystemClock().now_ms(), stale_after_ms):
        raise WiltonosError(
            f"{directory} holds a real signal that is being written now; name another directory, "
            "or say --force to overwrite it"
        )
    steps = simulate(
        Scenario(scenario),
        interval_seconds=interval * speed,
        seed=seed,
        policy=loaded.settings.policy,
    )
    chance = slips(seed) if scenario == Scenario.CARELESS else None
    with _asked_to_stop() as stop:
        click.echo(f"simulating {scenario} in {directory} (Ctrl-C ends it)")
        written = _write_until(
            stop, StateWriter(directory), steps, interval=interval, duration=duration, chance=chance
        )
    click.echo(f"simulated {written} samples in {directory}")


@contextmanager
def _asked_to_stop() -> Iterator[threading.Event]:
    """An event that Ctrl-C and SIGTERM set while the context lasts."""
    stop = threading.Event()
    before = {
        number: signal.signal(number, lambda _number, _frame: stop.set())
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _write_until(
    stop: threading.Event,
    writer: StateWriter,
    steps: Iterator[Step],
    *,
    interval: float,
    duration: float | None,
    chance: Random | None,
) -> int:
    """Write step after step until asked to stop or the time is over; how many were written.

    Args:
        stop: ends the writing when it is set.
        writer: writes the files.
        steps: the signal.
        interval: seconds between two writings.
        duration: seconds after which to stop, or None.
        chance: decides when a careless program slips, or None for a careful one.
    """
    clock = SystemClock()
    start = clock.monotonic()
    for number, step in enumerate(steps):
        if chance and number and not chance.randrange(_SLIP_ONE_IN):
            writer.slip(chance.choice(list(Slip)), step, clock.now_ms())
        else:
            writer.write(step, clock.now_ms())
        due = start + (number + 1) * interval
        over = duration is not None and (number + 1) * interval >= duration
        if over or stop.wait(max(0.0, due - clock.monotonic())):
            return number + 1
    return 0
