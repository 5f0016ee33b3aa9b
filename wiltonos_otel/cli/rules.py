"""``wt rules``: the stack's configuration and rules, made from the policy and checked."""

from pathlib import Path

import click

from wiltonos_otel import settings
from wiltonos_otel.stack import render
from wiltonos_service.cli import config_option
from wiltonos_service.settings import Loaded


@click.group()
def rules() -> None:
    """Alert rules and stack configuration, generated from the policy."""


@rules.command()
@config_option
@click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where to write (default: the directory of the configuration, else the checkout).",
)
def build(config: Path | None, directory: Path | None) -> None:
    """Write collector/, prometheus/ and their rules for docker-compose.yml."""
    loaded = settings.load(config=config)
    target = directory or loaded.base
    changed = render.write(target, rendered(loaded))
    for path in changed:
        click.echo(f"wrote {path}")
    if not changed:
        click.echo(f"{target}: nothing changed")


def rendered(loaded: Loaded[settings.Settings]) -> dict[str, str]:
    """The compose variant under the settings in force, by relative path."""
    return render.compose(
        loaded.settings.policy, stale_after_seconds=loaded.settings.source.stale_after_seconds
    )
