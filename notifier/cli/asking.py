"""What commands ask of the notifier, and ``wt notifier reload``."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wiltonos_service.cli import config_option, run_async, running_offset_option

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from notifier.operator import Operator


@click.command()
@config_option
@running_offset_option
def reload(config: Path | None, port_offset: int | None) -> None:
    """Let the running notifier take its configuration anew; a wrong one changes nothing."""
    fixed = ask(config, port_offset, lambda o: o.reload())["needs_restart"]
    click.echo("reloaded" + (f"; at the next start only: {', '.join(fixed)}" if fixed else ""))


def ask(
    config: Path | None, port_offset: int | None, question: "Callable[[Operator], Awaitable[Any]]"
) -> Any:
    """The answer of the running notifier, or of its database while none runs.

    Raises:
        NotifierError: there is neither, or the answer is a refusal.
    """
    from notifier.operator import open_operator
    from notifier.settings import load
    from wiltonos_service.running import with_running_stack

    environ = with_running_stack(config, port_offset)
    loaded = load(config=config, offset=port_offset, environ=environ)

    async def work() -> Any:
        async with open_operator(loaded) as operator:
            return await question(operator)

    return run_async(work())
