"""``wt notifier``: run the service, look into it, try its channels."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import click
import structlog

from notifier.app import NotifierService
from notifier.building import make_guard
from notifier.cli.channels import render, test
from notifier.cli.letters import dead_letters, incidents
from notifier.settings import load
from notifier.testing import serve_fakes
from wiltonos_service.cli import config_option, offset_option, service_options
from wiltonos_service.errors import SettingsError
from wiltonos_service.listen import Listen
from wiltonos_service.logs import configure_logs

__all__ = ["notifier"]

log = structlog.get_logger(__name__)


@click.group()
def notifier() -> None:
    """Take Alertmanager's webhooks; keep one living message per incident in every chat."""


notifier.add_command(dead_letters)
notifier.add_command(incidents)
notifier.add_command(render)
notifier.add_command(test)


@notifier.command()
@service_options
def run(config: Path | None, port_offset: int | None, log_level: str) -> None:
    """Run the notifier in the foreground: inbox at http://127.0.0.1:9099."""
    configure_logs(log_level)
    service = NotifierService(load(config=config, offset=port_offset))

    def say(address: Listen) -> None:
        names = [channel.name for channel in service.table.channels]
        log.info("notifier is up", url=f"http://{address}/", channels=names)

    _until_interrupted(service.run(say))


@notifier.command("check-config")
@config_option
@offset_option
def check_config(config: Path | None, port_offset: int | None) -> None:
    """Check the configuration and the secrets it names; send nothing."""
    loaded = load(config=config, offset=port_offset)
    table = loaded.settings.notifier
    problems = []
    for secret in (table.token(loaded), *(each.secret(loaded) for each in table.channels)):
        try:
            if secret is not None:
                secret.read()
        except SettingsError as error:
            problems.append(str(error))
    if problems:
        raise SettingsError("\n".join(problems))
    make_guard(loaded)
    origin = loaded.file or "the defaults (no configuration file)"
    names = ", ".join(channel.name for channel in table.channels) or "none: inbox only"
    click.echo(f"{origin}: good; listens on {table.listen}; channels: {names}")


@notifier.command()
@click.option("--slack-port", type=int, default=9901, show_default=True)
@click.option("--discord-port", type=int, default=9902, show_default=True)
def fakes(slack_port: int, discord_port: int) -> None:
    """Serve a fake Slack and a fake Discord that keep the real limits, to try things with."""
    _until_interrupted(
        serve_fakes(slack_port=slack_port, discord_port=discord_port, announce=click.echo)
    )


def _until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        # how a person ends what runs in the foreground
        return
