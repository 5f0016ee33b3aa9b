"""The page of commands, from the tree that parses them."""

from collections.abc import Iterator
from importlib.metadata import entry_points

import click

from wiltonos_otel.reference.markdown import code, page, plain, table
from wiltonos_service.cli import GROUP

INTRODUCTION = """\
`./wt …` in a checkout, `wt …` when installed. Exit codes: 0 done, 1 it failed, 2 wrong usage; a
mistake is one line that says what to do. `--json` is there wherever a script would read the
output. Every command has `--help`."""


def render() -> str:
    """The page."""
    parts: list[str] = []
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        parts += _sections(entry.load(), f"wt {entry.name}", None)
    return page("Commands", INTRODUCTION, *parts)


def _sections(
    command: click.Command, path: str, parent: click.Context | None, depth: int = 2
) -> Iterator[str]:
    context = click.Context(command, parent=parent, info_name=path.rpartition(" ")[2])
    pieces = [piece for piece in command.collect_usage_pieces(context) if piece != "[OPTIONS]"]
    yield "\n\n".join(
        filter(
            None,
            [
                f"{'#' * depth} `{path}`",
                plain(_help(command)),
                "" if isinstance(command, click.Group) else f"Usage: `{' '.join([path, *pieces])}`",
                table(["option", "default", ""], _options(command, context)),
            ],
        )
    )
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                yield from _sections(found, f"{path} {name}", context, 3)


def _help(command: click.Command) -> str:
    """Its paragraphs, each on one line, without the mark that lets click keep lines."""
    paragraphs = (command.help or "").split("\n\n")
    return "\n\n".join(" ".join(p.replace("\b", "").split()) for p in paragraphs)


def _options(command: click.Command, context: click.Context) -> Iterator[list[str]]:
    for option in command.params:
        if not isinstance(option, click.Option) or option.hidden:
            continue
        value = "" if option.is_flag or option.count else f" {option.make_metavar(context)}"
        names = ", ".join([*option.opts, *option.secondary_opts])
        yield [code(names + value), _default(option), plain(option.help or "")]


def _default(option: click.Option) -> str:
    if option.required:
        return "required"
    shown = option.show_default
    if isinstance(shown, str):
        return shown
    return code(str(option.default)) if shown else ""
