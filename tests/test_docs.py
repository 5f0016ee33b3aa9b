"""The documents: every command parses, every link leads somewhere, every alert has a runbook."""

import re
import shlex
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(?:#[^)\s]*)?\)")
SHELL = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`((?:\./)?wt [^`…|<>\[]+)`")


def _name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def _commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        text = page.read_text("utf-8")
        for block in SHELL.findall(text):
            for line in block.splitlines():
                if re.match(r"(\./)?wt ", line):
                    yield _name(page), line.partition(" #")[0].strip()
        for found in INLINE.findall(text):
            yield _name(page), found


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """A relative link names a file or directory of this repository."""
    links = [link for link in LINK.findall(page.read_text("utf-8")) if "://" not in link]
    assert not [link for link in links if not (page.parent / link).exists()]


@pytest.mark.parametrize(("page", "line"), sorted(set(_commands())))
def test_every_command_in_the_documents_exists(page: str, line: str) -> None:
    """A command that a page shows has those words and options."""
    words = shlex.split(line)[1:]
    (entry,) = entry_points(group="wiltonos.cli", name=words[0])
    command = entry.load()
    context = click.Context(command, info_name=words[0])
    rest = words[1:]
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        found = command.get_command(context, rest[0])
        assert found is not None, f"{page}: {line}: no command {rest[0]}"
        command, rest = found, rest[1:]
        context = click.Context(command, info_name=command.name)
    options = {o for p in command.params if isinstance(p, click.Option) for o in p.opts}
    unknown = [w for w in rest if w.startswith("--") and w != "--" and w not in options]
    assert not unknown, f"{page}: {line}: {unknown}"
