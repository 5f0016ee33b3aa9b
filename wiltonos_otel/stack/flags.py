"""Command-line arguments of the three foreign programs, the same natively and in containers."""

from pathlib import PurePath

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack.addresses import Addresses

RETENTION = "30d"
# rule_files is a pattern, and its directory becomes part of it
_GLOB = frozenset("*?[\\")


def collector(config: PurePath) -> list[str]:
    """Arguments of the Collector."""
    # with its scheme, since a colon in the path would be taken for one
    return [f"--config=file:{config}"]


def prometheus(config: PurePath, data: PurePath, addresses: Addresses) -> list[str]:
    """Arguments of Prometheus; ``data`` is the directory of its database.

    Raises:
        WiltonosError: Prometheus would not find its rules in that directory.
    """
    if odd := _GLOB.intersection(str(config)):
        raise WiltonosError(
            f"{config.parent}: Prometheus reads {' '.join(sorted(odd))} in a path as a pattern and "
            "would run without rules; choose a directory without them"
        )
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
