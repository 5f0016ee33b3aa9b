"""``wt docs``: the reference pages and the registry of metrics, made from the code."""

import click

from wiltonos_service.cli import WholeGroup
from wiltonos_service.errors import OperatorError


@click.group(cls=WholeGroup)
def docs() -> None:
    """Reference pages and metric registry, generated from the code."""


@docs.command()
def build() -> None:
    """Write docs/reference/ and semconv/."""
    from wiltonos_otel.cli.develop import checkout
    from wiltonos_otel.reference import build as generator

    root = checkout()
    changed = generator.write(root, generator.build(root))
    for name in changed:
        click.echo(f"wrote {name}")
    if not changed:
        click.echo("nothing to change")


@docs.command()
def check() -> None:
    """Check that docs/reference/ and semconv/ are what the code makes."""
    from wiltonos_otel.cli.develop import checkout
    from wiltonos_otel.reference import build as generator

    root = checkout()
    documents = generator.build(root)
    if old := generator.outdated(root, documents):
        raise OperatorError(f"not what the code makes: {', '.join(old)}; run: wt docs build")
    click.echo(f"{len(documents)} documents, all current")
