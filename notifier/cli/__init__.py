"""``wt notifier``: run the service, look into it, try its channels."""

from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import click

from wiltonos_service.cli import LazyGroup, config_option, offset_option, service_options
from wiltonos_service.errors import OperatorError, SettingsError
from wiltonos_service.listen import Listen

__all__ = ["notifier"]

LAZY = {
    "dead-letters": "notifier.cli.letters:dead_letters",
    "incidents": "notifier.cli.letters:incidents",
    "reload": "notifier.cli.asking:reload",
    "render": "notifier.cli.channels:render",
    "test": "notifier.cli.channels:test",
}


@click.group(cls=LazyGroup, lazy=LAZY)
def notifier() -> None:
    """Take Alertmanager's webhooks; keep one living message per incident in every chat."""


@notifier.command()
@service_options
def run(config: Path | None, port_offset: int | None, log_level: str) -> None:
    """Run the notifier in the foreground: inbox at http://127.0.0.1:9099."""
    import gc

    import structlog

    from notifier.app import NotifierService
    from notifier.settings import load
    from wiltonos_service.logs import configure_logs

    # what the libraries are made of lives for ever: no collection has to look at it again
    gc.collect()
    gc.freeze()
    # a full collection stops every thread for as long as a large webhook has objects; housekeeping
    # makes one now and then, when none is there
    gc.set_threshold(*gc.get_threshold()[:2], 1_000_000)
    configure_logs(log_level)
    log = structlog.get_logger(__name__)
    read = partial(load, config=config, offset=port_offset)
    service = NotifierService(read(), reread=read)

    def say(address: Listen) -> None:
        names = [channel.name for channel in service.table.channels]
        log.info("notifier is up", url=f"http://{address}/", channels=", ".join(names) or "none")

    _until_interrupted(service.run(say))


@notifier.command("check-config")
@config_option
@offset_option
def check_config(config: Path | None, port_offset: int | None) -> None:
    """Check the configuration, the secrets and the templates that it names; send nothing."""
    from notifier.checking import mistakes
    from notifier.deliver.charts import NO_LIBRARY, can_draw
    from notifier.settings import load

    loaded = load(config=config, offset=port_offset)
    table = loaded.settings.notifier
    found = mistakes(loaded)
    if found:
        raise SettingsError("\n".join(found))
    origin = loaded.file or "the defaults (no configuration file)"
    names = ", ".join(channel.name for channel in table.channels) or "none: inbox only"
    click.echo(f"{origin}: good; listens on {table.listen}; channels: {names}")
    if table.charted and not can_draw():
        click.echo(f"messages get no charts: {NO_LIBRARY}")


@notifier.command()
@click.option("--slack-port", type=int, default=9901, show_default=True)
@click.option("--discord-port", type=int, default=9902, show_default=True)
def fakes(slack_port: int, discord_port: int) -> None:
    """Serve a fake Slack and a fake Discord that keep the real limits and show what arrives."""
    from notifier.testing import serve_fakes

    try:
        _until_interrupted(
            serve_fakes(slack_port=slack_port, discord_port=discord_port, announce=click.echo)
        )
    except OSError as error:
        raise OperatorError(
            f"{error.strerror}; choose others with --slack-port and --discord-port"
        ) from None


def _until_interrupted(work: Coroutine[Any, Any, None]) -> None:
    import asyncio

    try:
        asyncio.run(work)
    except KeyboardInterrupt:
        # how a person ends what runs in the foreground
        return
