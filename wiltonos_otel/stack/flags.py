"""Command-line arguments of the three foreign programs, the same natively and in containers."""

from pathlib import PurePath

from wiltonos_otel.stack.addresses import Addresses

RETENTION = "30d"


def collector(config: PurePath) -> list[str]:
    """Arguments of the Collector."""
    return [f"--config={config}"]


def prometheus(config: PurePath, data: PurePath, addresses: Addresses) -> list[str]:
    """Arguments of Prometheus; ``data`` is the directory of its database."""
    return [
        f"--config.file={config}",
        f"--storage.tsdb.path={data}",
        f"--storage.tsdb.retention.time={RETENTION}",
        f"--web.listen-address={addresses.prometheus_listen}",
        f"--web.external-url={addresses.prometheus_public}",
        "--web.enable-otlp-receiver",
        # exemplars of the dose histogram and of collapses
        "--enable-feature=exemplar-storage",
    ]


def alertmanager(config: PurePath, data: PurePath, addresses: Addresses) -> list[str]:
    """Arguments of Alertmanager; ``data`` is the directory of its silences and log."""
    return [
        f"--config.file={config}",
        f"--storage.path={data}",
        f"--web.listen-address={addresses.alertmanager_listen}",
        f"--web.external-url={addresses.alertmanager_public}",
        # alone, it would wait ten seconds for peers before the first notification
        "--cluster.listen-address=",
    ]
