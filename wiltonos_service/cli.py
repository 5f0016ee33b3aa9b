"""The frame of the ``wt`` command: groups by entry point, common options, errors as one line."""

import ast
import sys
from collections.abc import Callable, Coroutine, Mapping
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import click

from wiltonos_service.errors import FAILED, WRONG_USAGE, MissingExtraError, OperatorError

DISTRIBUTION = "wiltonos-otel"
GROUP = "wiltonos.cli"
LEVELS = ("debug", "info", "warning", "error")
# which extra brings the libraries of a command
EXTRAS = {
    "exporter": "exporter",
    "phi": "exporter",
    "state": "exporter",
    "notifier": "notifier",
    "longevity": "longevity",
    "rules": "stack",
    "dashboards": "stack",
}
OURS = ("wiltonos_otel", "wiltonos_service", "notifier")
# longer than any first sentence: a summary that breaks off says nothing, and lines wrap anyway
SUMMARY = 200

F = TypeVar("F", bound=Callable[..., Any])


class _Commands(click.Group):
    """Loads a command only when it is called: ``wt phi`` does not pay for the notifier."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return sorted(entry_points(group=GROUP).names)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        found: tuple[EntryPoint, ...] = tuple(entry_points(group=GROUP, name=cmd_name))
        if not found:
            return None
        try:
            command = found[0].load()
        except ModuleNotFoundError as error:
            raise _explained(error, cmd_name) from None
        if not isinstance(command, click.Command):
            raise OperatorError(f"{found[0].value} is no command")
        return command

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; what it imports only when it runs may be missing too."""
        try:
            return super().invoke(ctx)
        except ModuleNotFoundError as error:
            raise _explained(error, ctx.invoked_subcommand or "") from None

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        rows = [(entry.name, _summary(entry)) for entry in sorted(entry_points(group=GROUP))]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _explained(error: ModuleNotFoundError, command: str) -> Exception:
    """What to install for a command; a module of ours that is missing is our own mistake."""
    module = error.name or ""
    if module.partition(".")[0] in OURS:
        return error
    return MissingExtraError(EXTRAS.get(command, "all"), module)


class WholeGroup(click.Group):
    """A group whose help says what each command does in a whole sentence."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Their names and summaries."""
        rows = [(name, self.summary(ctx, name)) for name in self.list_commands(ctx)]
        with formatter.section("Commands"):
            formatter.write_dl(rows)

    def summary(self, ctx: click.Context, name: str) -> str:
        """First sentence of what a command says of itself."""
        command = self.get_command(ctx, name)
        return command.get_short_help_str(SUMMARY) if command else ""


class LazyGroup(WholeGroup):
    """A group of which some commands are loaded only when they are called.

    Args:
        lazy: where those commands are, as module:function, by name.
    """

    def __init__(self, *args: Any, lazy: Mapping[str, str], **options: Any) -> None:
        super().__init__(*args, **options)
        self._lazy = {name: EntryPoint(name, value, GROUP) for name, value in lazy.items()}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Every name, loaded or not."""
        return sorted([*super().list_commands(ctx), *self._lazy])

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, loaded now if it was not yet."""
        if cmd_name not in self._lazy:
            return super().get_command(ctx, cmd_name)
        command: click.Command = self._lazy[cmd_name].load()
        return command

    def summary(self, ctx: click.Context, name: str) -> str:
        """The same without loading the command."""
        lazy = self._lazy.get(name)
        return _summary(lazy) if lazy else super().summary(ctx, name)


def _summary(entry: EntryPoint) -> str:
    """First sentence of a command's docstring, read without running its module."""
    package, _, rest = entry.module.partition(".")
    spec = find_spec(package)
    for directory in (spec.submodule_search_locations or ()) if spec else ():
        module = Path(directory, *rest.split("."))
        file = module / "__init__.py" if module.is_dir() else module.with_suffix(".py")
        for node in ast.parse(file.read_text("utf-8")).body if file.is_file() else ():
            if isinstance(node, ast.FunctionDef) and node.name == entry.attr:
                command = click.Command(entry.name, help=ast.get_docstring(node))
                return command.get_short_help_str(SUMMARY)
    return ""


@click.command(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name=DISTRIBUTION, prog_name="wt")
def wt() -> None:
    """WiltonOS metrics: Φ as OpenTelemetry metrics, and alerts that arrive."""


def run(arguments: list[str] | None = None) -> NoReturn:
    """Run ``wt`` and exit: 0 done, 1 it failed, 2 wrong usage. A user's mistake is one line."""
    for stream in (sys.stdout, sys.stderr):
        # what a terminal cannot show, such as Φ in Latin-1, is a ? and no failure
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
    try:
        code = wt.main(args=arguments, prog_name="wt", standalone_mode=False)
    except click.exceptions.Abort:
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(WRONG_USAGE)
    except OperatorError as error:
        for line in str(error).splitlines():
            click.echo(f"wt: {line}", err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(FAILED)
    sys.exit(code if isinstance(code, int) else 0)


def config_option(command: F) -> F:
    """Add ``--config``."""
    option = click.option(
        "--config",
        type=click.Path(path_type=Path, dir_okay=False),
        help="Configuration file (default: $WILTONOS_CONFIG, else ./wiltonos.toml).",
    )
    return option(command)


def offset_option(command: F) -> F:
    """Add ``--port-offset``."""
    option = click.option(
        "--port-offset",
        type=int,
        metavar="N",
        help="Move all default ports by N (default: $WILTONOS_PORT_OFFSET, else 0).",
    )
    return option(command)


def running_offset_option(command: F) -> F:
    """Add ``--port-offset`` to a command that asks a running service."""
    option = click.option(
        "--port-offset",
        type=int,
        metavar="N",
        help="Move all default ports by N (default: $WILTONOS_PORT_OFFSET, else as the stack "
        "of this directory, else 0).",
    )
    return option(command)


def service_options(command: F) -> F:
    """Add the options that every service takes: config, port offset, log level."""
    level = click.option(
        "--log-level", type=click.Choice(LEVELS), default="info", show_default=True
    )
    return config_option(offset_option(level(command)))


def json_option(command: F) -> F:
    """Add ``--json``, for output that a script reads."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(command)


def run_async(work: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine to its end and return what it returns."""
    import asyncio  # noqa: PLC0415 - help needs no event loop

    return asyncio.run(work)
