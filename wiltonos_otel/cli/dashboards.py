"""``wt dashboards``: the Grafana dashboards, made from the policy and checked."""

import json
from pathlib import Path

import click

from wiltonos_otel.errors import WiltonosError
from wiltonos_service.cli import WholeGroup, config_option

_DIRECTORY = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where grafana/ is (default: the directory of the configuration, else the checkout).",
)


@click.group(cls=WholeGroup)
def dashboards() -> None:
    """Grafana dashboards, generated from the catalogue and the policy."""


@dashboards.command()
@config_option
@_DIRECTORY
def build(config: Path | None, directory: Path | None) -> None:
    """Write grafana/dashboards/*.json."""
    from wiltonos_otel import settings
    from wiltonos_otel.stack import dashboards as generator
    from wiltonos_otel.stack import render

    loaded = settings.load(config=config)
    target = directory or loaded.base
    changed = render.write(target, generator.render(loaded.settings.policy))
    for path in changed:
        click.echo(f"wrote {path}")
    if not changed:
        click.echo(f"{target}: nothing changed")


@dashboards.command()
@config_option
@_DIRECTORY
def check(config: Path | None, directory: Path | None) -> None:
    """Check that the files are what build would write, and that nothing is wrong with them."""
    from wiltonos_otel import settings
    from wiltonos_otel.stack import dashboards as generator
    from wiltonos_otel.stack.dashboards.check import check as find_faults

    loaded = settings.load(config=config)
    target = directory or loaded.base
    faults = []
    documents = []
    for name, text in generator.render(loaded.settings.policy).items():
        file = target / name
        if not file.is_file() or file.read_text("utf-8") != text:
            faults.append(f"{file} is not what wt dashboards build writes; run it")
        documents.append(json.loads(text))
    faults += map(str, find_faults(documents))
    if faults:
        raise WiltonosError("\n".join(faults))
    click.echo(f"{len(documents)} dashboards, nothing to mend")
