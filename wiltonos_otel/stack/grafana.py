"""Finds a Grafana on this machine, and points our provisioning at this stack."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack.locate import committed

ENV_HOME = "WILTONOS_GRAFANA_HOME"
# where the Debian and RPM packages put its files
PACKAGED_HOME = Path("/usr/share/grafana")
# one binary with subcommands since 9.4, a server of its own before
_PROGRAMS = {"grafana": ("server",), "grafana-server": ()}


@dataclass(frozen=True, slots=True)
class Grafana:
    """A Grafana server.

    Attributes:
        program: the binary.
        words: what makes it a server.
        home: its own files.
    """

    program: Path
    words: tuple[str, ...]
    home: Path


def find_grafana(environ: Mapping[str, str]) -> Grafana | None:
    """The Grafana in ``WILTONOS_GRAFANA_HOME`` or on PATH, or None.

    Raises:
        WiltonosError: the variable names a directory without Grafana.
    """
    if stated := environ.get(ENV_HOME):
        home = Path(stated).absolute()
        for name, words in _PROGRAMS.items():
            if (home / "bin" / name).is_file():
                return Grafana(home / "bin" / name, words, home)
        raise WiltonosError(f"{ENV_HOME}: there is no bin/grafana in {home}; correct or unset it")
    for name, words in _PROGRAMS.items():
        found = shutil.which(name, path=environ.get("PATH"))
        if found and (files := _home_of(Path(found).resolve())):
            return Grafana(Path(found), words, files)
    return None


def _home_of(program: Path) -> Path | None:
    for home in (program.parent.parent, PACKAGED_HOME):
        if (home / "public").is_dir():
            return home
    return None


def render_provisioning(prometheus: str, alertmanager: str) -> dict[str, str]:
    """Our provisioning for programs that run on this machine, by path under the stack directory.

    Args:
        prometheus: URL of Prometheus.
        alertmanager: URL of Alertmanager.
    """
    source = committed("grafana/provisioning")
    dashboards = committed("grafana/dashboards")
    rendered = {}
    for file in sorted(source.rglob("*.yaml")) + sorted(source.rglob("*.yml")):
        text = file.read_text("utf-8")
        text = text.replace("http://prometheus:9090", prometheus)
        text = text.replace("http://alertmanager:9093", alertmanager)
        text = text.replace("/etc/grafana/dashboards", str(dashboards))
        rendered[f"grafana/provisioning/{file.relative_to(source)}"] = text
    return rendered
