"""The tables of ``wiltonos.toml`` that this package owns, as frozen values."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from wiltonos_otel.errors import PolicyError
from wiltonos_otel.policy import Policy
from wiltonos_service.errors import SettingsError
from wiltonos_service.settings import (
    HttpService,
    ListenAddress,
    Loaded,
    StackUrl,
    Table,
    Tree,
    load_settings,
)

MILLISECONDS = 1000.0
YEAR_SECONDS = 365 * 24 * 3600.0


class Coherence(Table):
    """``[coherence]``: the policy; see ``wiltonos_otel.policy.Policy`` for each key."""

    target: float = Policy().target
    tolerance: float = Policy().tolerance
    max_rate_per_minute: float = Policy().max_rate_per_minute
    rate_hold_seconds: int = Policy().rate_hold_seconds
    band_hold_seconds: int = Policy().band_hold_seconds
    max_jump: float = Policy().max_jump
    jump_hold_seconds: int = Policy().jump_hold_seconds
    windows_seconds: tuple[int, ...] = Policy().windows_seconds
    loop_pressure_limit: float = Policy().loop_pressure_limit
    fresh_seconds: int = Policy().fresh_seconds
    sustained_good_objective: float = Policy().sustained_good_objective

    @model_validator(mode="after")
    def _check(self) -> "Coherence":
        self.policy()
        return self

    def policy(self) -> Policy:
        """The policy that these keys state."""
        try:
            return Policy(**self.model_dump())
        except PolicyError as error:
            raise ValueError(str(error)) from None


class Directory(Table):
    """``[[source.directories]]``: one more directory of state files.

    Attributes:
        name: the attribute ``source`` of all its series.
        state_dir: directory that holds quantum_state.json and loops/.
        stale_after_seconds: age at which a sample stops counting; that of ``[source]`` if unset.
    """

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$")
    state_dir: Path
    stale_after_seconds: float | None = Field(default=None, gt=0, le=YEAR_SECONDS)


class Source(Table):
    """``[source]``: where the state files are.

    Attributes:
        state_dir: directory that holds quantum_state.json and loops/.
        stale_after_seconds: age at which a sample stops counting.
        directories: further directories, each with the attribute ``source`` on its series.
    """

    state_dir: Path = Path("state")
    stale_after_seconds: float = Field(default=60, gt=0, le=YEAR_SECONDS)
    directories: tuple[Directory, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> "Source":
        names = [directory.name for directory in self.directories]
        # the names that the state directory and the handles have in wiltonos.source.*
        taken = {"state", "handles", *(name for name in names if names.count(name) > 1)}
        for name in names:
            if name in taken:
                raise ValueError(f"directories: name {name!r} is taken; choose another one")
        return self


class Telemetry(Table):
    """``[telemetry]``: where the metrics are pushed.

    Attributes:
        otlp_endpoint: base URL of an OTLP/HTTP receiver; ``/v1/metrics`` is appended. ``""``
            pushes nowhere: for who scrapes ``/metrics``, or has no use for them.
        export_interval_seconds: seconds between two pushes.
        traces: whether alerts are traced on their way to the chats.
        traces_endpoint: full URL of the OTLP/HTTP receiver that keeps the traces, with its path;
            ``""`` is ``otlp_endpoint`` with ``/v1/traces``.
    """

    otlp_endpoint: StackUrl = "http://127.0.0.1:4318"
    export_interval_seconds: float = Field(default=1, gt=0, le=YEAR_SECONDS)
    traces: bool = False
    traces_endpoint: str = ""


class Exporter(HttpService):
    """``[exporter]``: the service that reads state files, and its page.

    Attributes:
        scrape_reader: what renders ``/metrics``: "fast" is our own reader, "stock" is
            opentelemetry-exporter-prometheus.
        simulated: the state files are made up, and the page says so.
    """

    listen: ListenAddress = "127.0.0.1:9464"
    scrape_reader: Literal["fast", "stock"] = "fast"
    simulated: bool = False


class Longevity(HttpService):
    """``[longevity]``: the diary of doses.

    Attributes:
        database: SQLAlchemy URL; a relative SQLite path starts at the base directory.
    """

    listen: ListenAddress = "127.0.0.1:8765"
    database: str = "sqlite:///var/longevity.db"


class Settings(Table):
    """All tables of this package; frozen."""

    coherence: Coherence = Coherence()
    source: Source = Source()
    telemetry: Telemetry = Telemetry()
    exporter: Exporter = Exporter()
    longevity: Longevity = Longevity()

    @property
    def policy(self) -> Policy:
        """The coherence policy."""
        return self.coherence.policy()


def load(
    *,
    config: Path | None = None,
    arguments: Tree | None = None,
    offset: int | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded[Settings]:
    """The settings in force; see ``wiltonos_service.settings.load_settings``.

    Raises:
        SettingsError: a value, a key or a file is wrong.
    """
    environ = os.environ if environ is None else environ
    return load_settings(
        Settings,
        config=config,
        arguments=arguments,
        otel=_from_otel(environ),
        offset=offset,
        environ=environ,
    )


def _from_otel(environ: Mapping[str, str]) -> Tree:
    """What the standard variables say about our keys (OpenTelemetry specification, SDK env)."""
    telemetry: Tree = {}
    of_metrics = environ.get("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
    if endpoint := of_metrics or environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"):
        telemetry["otlp_endpoint"] = endpoint
    if interval := environ.get("OTEL_METRIC_EXPORT_INTERVAL"):
        try:
            telemetry["export_interval_seconds"] = float(interval) / MILLISECONDS
        except ValueError:
            raise SettingsError(
                f"OTEL_METRIC_EXPORT_INTERVAL={interval!r} is no number of milliseconds"
            ) from None
    return {"telemetry": telemetry} if telemetry else {}
