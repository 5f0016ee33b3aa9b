"""The processes of a native stack: how each is started and where it can be asked."""

import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wiltonos_otel.stack import flags, render
from wiltonos_otel.stack.addresses import Addresses, native_addresses
from wiltonos_otel.stack.grafana import Grafana
from wiltonos_otel.stack.native import Programs
from wiltonos_otel.stack.plan import Plan

# the order of docker-compose.yml, of status and of the start
OURS = ("exporter", "longevity", "notifier")
STACK = ("collector", "prometheus", "alertmanager")
SIMULATOR = "simulator"
GRAFANA = "grafana"


@dataclass(frozen=True, slots=True)
class Service:
    """One supervised process.

    Attributes:
        name: ours, in commands and as name of its log.
        argv: the command.
        directory: working directory.
        env: added to the environment.
        port: listener by which it is known, a field of ``Ports``; "" when it has none.
        ready: path that answers 200 when it can do its work.
    """

    name: str
    argv: tuple[str, ...]
    directory: Path
    env: Mapping[str, str] = field(default_factory=dict)
    port: str = ""
    ready: str = ""


def our_services(plan: Plan) -> list[Service]:
    """The services that need no build, and the simulator in a demo."""
    wt = our_command()
    base = plan.places.base
    commands = {
        "exporter": ("exporter", "run"),
        "longevity": ("longevity", "serve"),
        "notifier": ("notifier", "run"),
    }
    services = [
        Service(name, (*wt, *commands[name]), base, port=name, ready="/-/ready") for name in OURS
    ]
    if plan.demo:
        simulate = (*wt, "state", "simulate", str(plan.state_dir), "--scenario", "calm")
        services.append(Service(SIMULATOR, simulate, base))
    return services


def stack_services(plan: Plan, programs: Programs, grafana: Grafana | None) -> list[Service]:
    """Collector, Prometheus, Alertmanager, and Grafana where there is one."""
    addresses = native_addresses(plan.ports)
    services = [
        _collector(plan, programs),
        _prometheus(plan, programs, addresses),
        _alertmanager(plan, programs, addresses),
    ]
    if grafana is not None:
        services.append(_grafana(plan, grafana))
    return services


def our_command() -> tuple[str, ...]:
    """How to call ``wt`` of this very installation."""
    beside = Path(sys.executable).with_name("wt")
    if beside.is_file():
        return (str(beside),)
    found = shutil.which("wt")
    if found:
        return (found,)
    return sys.executable, "-c", "from wiltonos_otel.cli.entry import main; main()"


def _collector(plan: Plan, programs: Programs) -> Service:
    argv = (str(programs.otelcol), *flags.collector(plan.places.stack / render.COLLECTOR_CONFIG))
    return Service("collector", argv, plan.places.base, port="collector_health", ready="/")


def _prometheus(plan: Plan, programs: Programs, addresses: Addresses) -> Service:
    config = plan.places.stack / render.PROMETHEUS_CONFIG
    words = flags.prometheus(config, plan.places.data / "prometheus", addresses)
    argv = (str(programs.prometheus), *words)
    home = plan.places.prometheus_home
    return Service("prometheus", argv, home, port="prometheus", ready="/-/ready")


def _alertmanager(plan: Plan, programs: Programs, addresses: Addresses) -> Service:
    config = plan.places.stack / render.ALERTMANAGER_CONFIG
    words = flags.alertmanager(config, plan.places.data / "alertmanager", addresses)
    argv = (str(programs.alertmanager), *words)
    return Service("alertmanager", argv, plan.places.base, port="alertmanager", ready="/-/ready")


def _grafana(plan: Plan, grafana: Grafana) -> Service:
    argv = (str(grafana.program), *grafana.words, "--homepath", str(grafana.home))
    env = {
        "GF_ANALYTICS_CHECK_FOR_UPDATES": "false",
        "GF_ANALYTICS_REPORTING_ENABLED": "false",
        "GF_PATHS_DATA": str(plan.places.data / "grafana"),
        "GF_PATHS_LOGS": str(plan.places.data / "grafana" / "log"),
        "GF_PATHS_PLUGINS": str(plan.places.data / "grafana" / "plugins"),
        "GF_PATHS_PROVISIONING": str(plan.places.stack / "grafana" / "provisioning"),
        "GF_SERVER_HTTP_ADDR": "127.0.0.1",
        "GF_SERVER_HTTP_PORT": str(plan.ports.grafana),
    }
    return Service(GRAFANA, argv, grafana.home, env, port="grafana", ready="/api/health")
