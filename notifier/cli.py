"""``wt notifier``: run the service, look into it, try its channels."""

import asyncio
from pathlib import Path

import click
import structlog

from notifier.app import NotifierService
from notifier.settings import load
from wiltonos_service.cli import service_options
from wiltonos_service.listen import Listen
from wiltonos_service.logs import configure_logs

log = structlog.get_logger(__name__)


@click.group()
def notifier() -> None:
    """Take Alertmanager's webhooks; keep one living message per incident in every chat."""


@notifier.command()
@service_options
def run(config: Path | None, port_offset: int | None, log_level: str) -> None:
    """Run the notifier in the foreground: inbox at http://127.0.0.1:9099."""
    configure_logs(log_level)
    loaded = load(config=config, offset=port_offset)
    service = NotifierService(loaded)

    def say(address: Listen) -> None:
        names = [channel.name for channel in service.table.channels]
        log.info("notifier is up", url=f"http://{address}/", channels=names)

    asyncio.run(service.run(say))
