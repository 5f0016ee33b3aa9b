"""``wt rules``: the stack's configuration and rules, made from the policy and checked."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from wiltonos_service.cli import WholeGroup, config_option
from wiltonos_service.errors import OperatorError

if TYPE_CHECKING:
    from wiltonos_otel.settings import Settings
    from wiltonos_service.settings import Loaded

directory_option = click.option(
    "--directory",
    type=click.Path(path_type=Path, file_okay=False),
    help="Where the files are (default: beside the configuration, else the checkout).",
)


@click.group(cls=WholeGroup)
def rules() -> None:
    """Alert rules and stack configuration, generated from the policy."""


@rules.command()
@config_option
@directory_option
def build(config: Path | None, directory: Path | None) -> None:
    """Write collector/ and prometheus/ for docker-compose.yml."""
    from wiltonos_otel import settings
    from wiltonos_otel.stack import render

    loaded = settings.load(config=config)
    target = directory or loaded.base
    changed = render.write(target, _rendered(loaded))
    for path in changed:
        click.echo(f"wrote {path}")
    if not changed:
        click.echo(f"{target}: nothing to change")


@rules.command()
@config_option
@directory_option
@click.option("--tests/--no-tests", default=True, help="Run the unit tests of the rules.")
def check(config: Path | None, directory: Path | None, *, tests: bool) -> None:
    """Check that the files are current, and ask promtool, amtool and the Collector about them."""
    from wiltonos_otel import settings
    from wiltonos_otel.stack import rules_check
    from wiltonos_service.settings import checkout_directory

    loaded = settings.load(config=config)
    target = directory or loaded.base
    if old := rules_check.outdated(target, _rendered(loaded)):
        raise OperatorError(
            f"{target}: not what the policy makes: {', '.join(old)}; run: wt rules build"
        )
    click.echo(f"{target}: current")
    for step in rules_check.steps(target):
        if program := rules_check.find(step.program):
            rules_check.run(step, program)
            click.echo(f"{step.title}: {step.program} accepts it")
        else:
            click.echo(f"{step.title}: not asked, {step.program} is not built yet")
    checkout, promtool = checkout_directory(), rules_check.find("promtool")
    if tests and checkout and promtool:
        count = rules_check.run_unit_tests(checkout, promtool)
        click.echo(f"unit tests of the rules: {count} files, all promises kept")


def _rendered(loaded: "Loaded[Settings]") -> dict[str, str]:
    from wiltonos_otel.stack import render

    return render.compose(
        loaded.settings.policy, stale_after_seconds=loaded.settings.source.stale_after_seconds
    )
