"""The frame of ``wt``: what a command loads before it can do its work, and the list of commands."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from wiltonos_service.cli import GROUP

# loads what a command loads, and says which of these modules were among it
PROGRAM = """
import json, sys
from wiltonos_otel.cli.entry import main
try:
    main()
finally:
    print(json.dumps(sorted(sys.modules)), file=open({report!r}, "w"))
"""
DATABASES = {"sqlalchemy", "alembic"}
SERVERS = {"opentelemetry.sdk", "opentelemetry.proto", "watchfiles", "slack_sdk", "discord_webhook"}
NEVER = DATABASES | SERVERS | {"matplotlib", "yaml", "grafana_foundation_sdk"}
HELP = NEVER | {"aiohttp", "pydantic", "structlog", "rich"}


class _Answers(BaseHTTPRequestHandler):
    """A service of ours, as far as a question needs it."""

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        body = json.dumps(DOCUMENTS[path]).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        """Say nothing."""


DOCUMENTS = {
    "/-/healthy": {"status": "healthy", "service": "wiltonos-longevity"},
    "/longevity/doses": {"doses": [], "next_cursor": None, "disclaimer": "no advice"},
    "/api/v1/incidents": {"incidents": [], "next_cursor": None},
}


@pytest.fixture
def service() -> Iterator[str]:
    """host:port of a service that answers."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Answers)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def _run(tmp_path: Path, *arguments: str) -> tuple[subprocess.CompletedProcess[str], set[str]]:
    """Run ``wt`` in a process of its own: how it ended, and the modules that it loaded."""
    report = tmp_path / "modules.json"
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(report=str(report)), *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done, set(json.loads(report.read_text("utf-8")))


@pytest.mark.parametrize("group", ["", *sorted(entry_points(group=GROUP).names)])
def test_help_loads_what_parses_and_no_more(tmp_path: Path, group: str) -> None:
    """Help needs no server, no database, no SDK, no validator."""
    done, modules = _run(tmp_path, *group.split(), "--help")
    assert done.returncode == 0, done.stderr
    assert not modules & HELP


def test_the_list_of_commands_says_what_each_is_for(tmp_path: Path) -> None:
    """The list is made without running modules, and yet no line is empty."""
    done, _ = _run(tmp_path, "--help")
    lines = done.stdout.partition("Commands:\n")[2].splitlines()
    # a summary goes on below, deeper than any name
    rows = {line.split()[0]: line.split()[1:] for line in lines if line[2:3].strip()}
    assert set(rows) == set(entry_points(group=GROUP).names)
    assert all(rows.values())


@pytest.mark.parametrize("group", ["", *sorted(entry_points(group=GROUP).names)])
def test_no_summary_of_a_command_breaks_off(tmp_path: Path, group: str) -> None:
    """Help says what each command does in a whole sentence, however long."""
    done, _ = _run(tmp_path, *group.split(), "--help")
    assert "..." not in done.stdout.partition("Commands:\n")[2]


def test_a_question_about_phi_loads_no_service(tmp_path: Path) -> None:
    """``wt phi`` asks over HTTP; whoever answers has the rest."""
    config = tmp_path / "wiltonos.toml"
    config.write_text('[exporter]\nlisten = "127.0.0.1:1"\n', "utf-8")
    done, modules = _run(tmp_path, "phi")
    assert done.returncode == 1
    assert "no exporter answers" in done.stderr
    assert not modules & (NEVER | {"structlog"})


@pytest.mark.parametrize(
    ("section", "arguments"),
    [("longevity", ["longevity", "list"]), ("notifier", ["notifier", "incidents"])],
)
def test_a_question_to_a_running_service_loads_no_database(
    tmp_path: Path, service: str, section: str, arguments: list[str]
) -> None:
    """The database library is loaded only where no service runs."""
    config = tmp_path / "wiltonos.toml"
    config.write_text(f'[{section}]\nlisten = "{service}"\n', "utf-8")
    done, modules = _run(tmp_path, *arguments)
    assert done.returncode == 0, done.stderr
    assert not modules & (NEVER | {"structlog"})
