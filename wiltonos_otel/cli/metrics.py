"""``wt metrics``: the whole stack, up, down and explained."""

from pathlib import Path

import click

from wiltonos_otel.stack import bootstrap as bring_up
from wiltonos_otel.stack.console import Speaker
from wiltonos_otel.stack.plan import make_plan
from wiltonos_service.cli import config_option, offset_option
from wiltonos_service.errors import UsageError


@click.group()
def metrics() -> None:
    """The whole stack: bring it up, look at it, end it."""


@metrics.command()
@config_option
@offset_option
@click.option("--native", "native", is_flag=True, help="Without Docker: build and supervise.")
@click.option("--compose", "compose", is_flag=True, help="In containers, with Docker Compose.")
@click.option("--demo", is_flag=True, help="Simulate the state files.")
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
    state: Path | None,
) -> None:
    """Start the whole stack and wait until Φ can be queried."""
    if native and compose:
        raise UsageError("--native and --compose exclude each other; give one, or neither")
    plan = make_plan(config=config, offset=port_offset, state=state, demo=demo)
    bring_up.bootstrap(plan, "native", Speaker())
