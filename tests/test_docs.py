"""The documents: every command parses, every link leads somewhere, every alert has a runbook."""

import os
import re
import shlex
import subprocess
import sys
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


PYTHON = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)
WITH_PYTHON = [page for page in PAGES if "```python" in page.read_text("utf-8")]


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


def test_every_picture_is_shown_somewhere() -> None:
    """One that no document shows would be made for nobody."""
    shown = {
        (page.parent / link).resolve()
        for page in PAGES
        for link in LINK.findall(page.read_text("utf-8"))
        if link.endswith(".png")
    }
    assert shown == set(ROOT.glob("docs/images/*.png"))


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


@pytest.mark.parametrize("page", WITH_PYTHON, ids=_name)
def test_python_of_the_documents_runs(page: Path, tmp_path: Path) -> None:
    """The blocks of a page are one program; tests in it pass, and nothing is pushed anywhere."""
    program = tmp_path / "test_page.py"
    blocks = PYTHON.findall(page.read_text("utf-8"))
    program.write_text("\n".join([*blocks, "def test_page_was_run():\n    pass\n"]))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", program],
        cwd=tmp_path,
        env={**os.environ, "OTEL_METRICS_EXPORTER": "none"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
