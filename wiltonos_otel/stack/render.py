"""Renders the configuration of Collector, Prometheus and Alertmanager: one source, two variants.

The compose variant is committed, the native one is written under the data directory. They differ
in addresses and file paths only.
"""

import json
import re
import string
from collections.abc import Mapping
from dataclasses import replace
from importlib.resources import files
from pathlib import Path

from wiltonos_otel.policy import Policy
from wiltonos_otel.stack import rules
from wiltonos_otel.stack.addresses import (
    COMPOSE_ADDRESSES,
    COMPOSE_FILES,
    Addresses,
    Files,
    native_addresses,
)
from wiltonos_otel.stack.ports import Ports
from wiltonos_service.listen import Listen

COLLECTOR_CONFIG = "collector/otel-config.yaml"
PROMETHEUS_CONFIG = "prometheus/prometheus.yml"
ALERTMANAGER_CONFIG = "prometheus/alertmanager.yml"
RULES = "prometheus/rules/wiltonos.rules.yml"

_TEMPLATES = {
    COLLECTOR_CONFIG: "otel-config.yaml",
    PROMETHEUS_CONFIG: "prometheus.yml",
    ALERTMANAGER_CONFIG: "alertmanager.yml",
}
_MADE_BY = "# Made by `wt rules build` from wiltonos_otel/stack/templates/{template}; edit that.\n"


# what stands in a template for one variant only, with its marks
_TRACING = re.compile(r"^#@ tracing\n(.*?)^#@ end\n", re.MULTILINE | re.DOTALL)


class _Template(string.Template):
    # "$" belongs to the Collector's own references, "{{" to Prometheus' templates
    delimiter = "@"


def render(
    addresses: Addresses,
    paths: Files,
    policy: Policy,
    *,
    stale_after_seconds: float = rules.STALE_AFTER_SECONDS,
) -> dict[str, str]:
    """All configuration files, as text by path relative to the directory they share.

    Args:
        addresses: where the parts find each other.
        paths: files that the configuration names.
        policy: the thresholds of the rules.
        stale_after_seconds: age at which a source is stale.
    """
    values = _values(addresses, paths)
    rendered = {
        target: _MADE_BY.format(template=template)
        + _template(template, tracing=bool(addresses.traces)).substitute(values)
        for target, template in _TEMPLATES.items()
    }
    rendered[RULES] = rules.to_yaml(
        policy,
        stale_after_seconds=stale_after_seconds,
        runbooks=f"{addresses.notifier_public}/runbooks",
    )
    return rendered


def compose(
    policy: Policy | None = None,
    *,
    stale_after_seconds: float = rules.STALE_AFTER_SECONDS,
    traces: str = "",
) -> dict[str, str]:
    """The variant for docker-compose.yml.

    Under the default policy and without ``traces``, a URL for the Collector, it is the committed
    one.
    """
    return render(
        replace(COMPOSE_ADDRESSES, traces=traces),
        COMPOSE_FILES,
        policy or Policy(),
        stale_after_seconds=stale_after_seconds,
    )


def native(
    policy: Policy,
    ports: Ports,
    paths: Files,
    *,
    notifier: str | None = None,
    traces: str = "",
    stale_after_seconds: float = rules.STALE_AFTER_SECONDS,
) -> dict[str, str]:
    """The variant for programs that run on this machine; ``paths`` must be absolute."""
    return render(
        native_addresses(ports, notifier=notifier, traces=traces),
        paths,
        policy,
        stale_after_seconds=stale_after_seconds,
    )


def write(directory: Path, rendered: Mapping[str, str]) -> list[Path]:
    """Write the files under ``directory``, each whole or not at all; returns those that changed."""
    changed = []
    for name, text in rendered.items():
        target = directory / name
        if target.is_file() and target.read_text("utf-8") == text:
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = target.with_name(f".{target.name}.new")
        partial.write_text(text, "utf-8")
        partial.replace(target)
        changed.append(target)
    return changed


def _template(name: str, *, tracing: bool) -> _Template:
    text = (files("wiltonos_otel.stack") / "templates" / name).read_text("utf-8")
    return _Template(_TRACING.sub(r"\1" if tracing else "", text))


def _values(addresses: Addresses, paths: Files) -> dict[str, str]:
    """What the templates refer to, each as a quoted YAML scalar or a plain part of a URL."""
    own_metrics = Listen.parse(addresses.collector_metrics_listen)
    quoted = {
        "collector_grpc_listen": addresses.collector_grpc_listen,
        "collector_http_listen": addresses.collector_http_listen,
        "collector_health_listen": addresses.collector_health_listen,
        "collector_metrics": addresses.collector_metrics,
        "collector_metrics_host": own_metrics.host,
        "collector_http": addresses.collector_http,
        "traces": addresses.traces.replace("$", "$$"),
        "prometheus": addresses.prometheus,
        "alertmanager": addresses.alertmanager,
        # the Collector expands "$" in every value
        "collector_queue": str(paths.collector_queue).replace("$", "$$"),
        "notifier_token": str(paths.notifier_token),
    }
    return {name: json.dumps(value, ensure_ascii=False) for name, value in quoted.items()} | {
        "collector_metrics_port": str(own_metrics.port),
        "prometheus_url": f"http://{addresses.prometheus}",
        "notifier_url": f"http://{addresses.notifier}",
    }
