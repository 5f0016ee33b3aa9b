"""What is to be started, and where: settled once, before anything runs."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from wiltonos_otel.settings import Settings
from wiltonos_otel.stack.ports import Ports
from wiltonos_service.settings import (
    ListenAddress,
    Loaded,
    StackUrl,
    load_settings,
    traces_of,
)

ENV_STACK = "WILTONOS_STACK"
STATE_FILE = "quantum_state.json"


class NotifierPart(BaseModel):
    """What the stack must know of ``[notifier]``; its package checks the whole table."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    listen: ListenAddress = "127.0.0.1:9099"
    bearer_token: str | None = None
    bearer_token_file: Path | None = None
    alertmanager_url: StackUrl = "http://127.0.0.1:9093"
    prometheus_url: StackUrl = "http://127.0.0.1:9090"
    grafana_url: StackUrl = "http://127.0.0.1:3000"
    channels: tuple[dict[str, Any], ...] = ()


class StackSettings(Settings):
    """The tables of this package, and what it must know of the notifier's."""

    notifier: NotifierPart = NotifierPart()


@dataclass(frozen=True, slots=True)
class Places:
    """Directories and files of one stack, all absolute.

    Attributes:
        base: base directory of the configuration.
    """

    base: Path

    @property
    def var(self) -> Path:
        """Everything that is written while running."""
        return self.base / "var"

    @property
    def record(self) -> Path:
        """What is running; read by status, logs, down and doctor."""
        return self.var / "stack.json"

    @property
    def lock(self) -> Path:
        """Held while a stack is brought up or down."""
        return self.var / "stack.lock"

    @property
    def stack(self) -> Path:
        """Rendered configuration, data and logs."""
        return self.var / "stack"

    @property
    def data(self) -> Path:
        """Data of Collector, Prometheus, Alertmanager and Grafana."""
        return self.stack / "data"

    @property
    def logs(self) -> Path:
        """One log file per service."""
        return self.stack / "logs"

    @property
    def prometheus_home(self) -> Path:
        """Where Prometheus runs: it finds its pages in a directory of just this name only."""
        return self.stack / "home" / "prometheus"

    @property
    def demo_state(self) -> Path:
        """State files of the simulator."""
        return self.var / "demo-state"

    @property
    def demo_diary(self) -> Path:
        """Database of the simulated doses: a demo leaves the diary of its owner alone."""
        return self.var / "demo-longevity.db"

    @property
    def compose(self) -> Path:
        """Rendered configuration and data of containers."""
        return self.var / "compose"

    @property
    def env(self) -> Path:
        """The file from which Docker Compose reads its variables."""
        return self.base / ".env"

    @property
    def secrets(self) -> Path:
        """Tokens that bootstrap makes."""
        return self.base / "secrets"


@dataclass(frozen=True, slots=True)
class Plan:
    """A stack to be.

    Attributes:
        settings: the settings in force.
        config: the configuration file, or None.
        places: its directories.
        port_offset: by how much the default ports are moved.
        ports: where everything listens on loopback.
        state_dir: directory of the state files.
        demo: whether a simulator writes them.
        tracing: whether alerts are traced on their way to the chats.
        environ: the environment that bootstrap was called with.
    """

    settings: StackSettings
    config: Path | None
    places: Places
    port_offset: int
    ports: Ports
    state_dir: Path
    demo: bool
    tracing: bool
    environ: Mapping[str, str]

    @property
    def token_file(self) -> Path | None:
        """The file of the notifier's token; None when the configuration holds the token itself."""
        notifier = self.settings.notifier
        if notifier.bearer_token is not None:
            return None
        return self.places.base / (notifier.bearer_token_file or "secrets/notifier_token")

    def service_environment(self) -> dict[str, str]:
        """What our services are told on top of the environment: the same settings that we use."""
        told = {
            "PYTHONUNBUFFERED": "1",
            "WILTONOS_PORT_OFFSET": str(self.port_offset),
            "WILTONOS__SOURCE__STATE_DIR": str(self.state_dir),
            "WILTONOS__TELEMETRY__OTLP_ENDPOINT": self.settings.telemetry.otlp_endpoint,
            "WILTONOS__TELEMETRY__TRACES": "true" if self.tracing else "false",
        }
        if self.config is not None:
            told["WILTONOS_CONFIG"] = str(self.config)
        if self.token_file is not None:
            told["WILTONOS__NOTIFIER__BEARER_TOKEN_FILE"] = str(self.token_file)
        if self.demo:
            told["WILTONOS__EXPORTER__SIMULATED"] = "true"
            told["WILTONOS__LONGEVITY__DATABASE"] = f"sqlite:///{self.places.demo_diary}"
        return told


def make_plan(
    *,
    config: Path | None = None,
    offset: int | None = None,
    state: Path | None = None,
    demo: bool = False,
    tracing: bool = False,
    environ: Mapping[str, str] | None = None,
) -> Plan:
    """Settle a stack from the command line, the environment and the configuration.

    Args:
        config: the file that ``--config`` names.
        offset: the argument of ``--port-offset``.
        state: the argument of ``--state``, relative to the current directory.
        demo: whether a simulator writes the state files.
        tracing: the argument of ``--tracing``; without it the settings decide.
        environ: the environment; None takes the process's own.

    Raises:
        SettingsError: the configuration is wrong.
        UsageError: the port offset leaves the range of ports.
    """
    environ = os.environ if environ is None else environ
    loaded = load_settings(
        StackSettings,
        config=config,
        otel={"telemetry": traces_of(environ)},
        offset=offset,
        environ=environ,
    )
    places = Places(loaded.base)
    return Plan(
        settings=loaded.settings,
        config=loaded.file,
        places=places,
        port_offset=loaded.port_offset,
        ports=ports_of(loaded),
        state_dir=_state_dir(loaded, places, state, demo=demo),
        demo=demo,
        tracing=tracing or loaded.settings.telemetry.traces,
        environ=environ,
    )


def ports_of(loaded: Loaded[StackSettings]) -> Ports:
    """Where the stack listens: the defaults with the offset, unless an address is stated."""
    settings = loaded.settings
    stated = {
        "exporter": settings.exporter.listen,
        "longevity": settings.longevity.listen,
        "notifier": settings.notifier.listen,
        "otlp_http": settings.telemetry.otlp_endpoint,
        "prometheus": settings.notifier.prometheus_url,
        "alertmanager": settings.notifier.alertmanager_url,
        "grafana": settings.notifier.grafana_url,
    }
    return Ports.at(loaded.port_offset, stated)


def has_state(directory: Path) -> bool:
    """Whether something has written state files there."""
    return (directory / STATE_FILE).exists() or any((directory / "loops").glob("*.json"))


def _state_dir(
    loaded: Loaded[StackSettings], places: Places, state: Path | None, *, demo: bool
) -> Path:
    if state is not None:
        return state.absolute()
    return places.demo_state if demo else loaded.path(loaded.settings.source.state_dir)
