"""``wt phi``: Φ in the terminal, once or for as long as somebody watches."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from wiltonos_otel.errors import WiltonosError
from wiltonos_service.cli import config_option, json_option, run_async, running_offset_option
from wiltonos_service.errors import FAILED
from wiltonos_service.listen import Listen
from wiltonos_service.secrets import optional_secret

if TYPE_CHECKING:
    from wiltonos_otel.settings import Settings
    from wiltonos_service.settings import Loaded

REFRESH_SECONDS = 1.0
TIMEOUT_SECONDS = 5.0
CONNECT_SECONDS = 2.0
_ANY_HOST = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - to ask, not to listen

View = dict[str, Any]


@click.command()
@click.option("--watch", is_flag=True, help="Go on until Ctrl-C.")
@click.option("--once", is_flag=True, help="Show it once (the default).")
@json_option
@config_option
@running_offset_option
def phi(
    *, watch: bool, once: bool, as_json: bool, config: Path | None, port_offset: int | None
) -> None:
    """Show Φ, its band, its derivatives and its loops; exit 1 when there is no Φ now."""
    from wiltonos_otel.settings import load
    from wiltonos_service.running import with_running_stack

    if watch and once:
        raise click.UsageError("--watch and --once: choose one")
    environ = with_running_stack(config, port_offset)
    reader = Reader(load(config=config, offset=port_offset, environ=environ))
    if not watch:
        view = run_async(reader.read())
        _print_once(view, as_json=as_json)
        return
    try:
        run_async(_watch_json(reader) if as_json else _watch(reader))
    except KeyboardInterrupt:
        return


class Reader:
    """Asks the running exporter.

    Args:
        loaded: the settings, which say where it listens.
    """

    def __init__(self, loaded: "Loaded[Settings]") -> None:
        table = loaded.settings.exporter
        listen = Listen.parse(table.listen)
        self._url = f"http://{Listen(_ANY_HOST.get(listen.host, listen.host), listen.port)}"
        file = loaded.path(table.bearer_token_file) if table.bearer_token_file else None
        self._token = optional_secret("[exporter] bearer_token", table.bearer_token, file)

    async def read(self) -> View:
        """What ``/api/v1/phi`` says.

        Raises:
            WiltonosError: no exporter answers there, or it does not let us in.
        """
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=TIMEOUT_SECONDS, connect=CONNECT_SECONDS)
        try:
            async with (
                aiohttp.ClientSession(timeout=timeout) as session,
                session.get(f"{self._url}/api/v1/phi", headers=self._headers()) as response,
            ):
                if response.status in (401, 403):
                    raise WiltonosError(
                        f"{self._url} wants a token; set [exporter] bearer_token_file"
                    )
                view = await response.json() if response.ok else None
        except (aiohttp.ClientConnectorError, TimeoutError):
            raise WiltonosError(
                f"no exporter answers at {self._url}; start it with wt exporter run, or give "
                "its ports with --port-offset N"
            ) from None
        except (aiohttp.ClientError, ValueError):
            view = None
        if not isinstance(view, dict) or not {"phi", "now_ms", "policy"} <= view.keys():
            raise WiltonosError(
                f"{self._url} is answered by another program; give the exporter's address as "
                "[exporter] listen, or move all ports with --port-offset N"
            )
        return view

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self._token.read()}"} if self._token else {}


def _print_once(view: View, *, as_json: bool) -> None:
    from rich.console import Console

    from wiltonos_otel.cli.phi_view import show, why_not_now

    missing = why_not_now(view)
    if as_json:
        click.echo(json.dumps(view, ensure_ascii=False))
    elif missing:
        raise WiltonosError(missing)
    else:
        console = Console()
        console.print(show(view, console.width))
    if missing:
        raise click.exceptions.Exit(FAILED)


async def _watch_json(reader: Reader) -> None:
    import asyncio

    while True:
        click.echo(json.dumps(await reader.read(), ensure_ascii=False))
        await asyncio.sleep(REFRESH_SECONDS)


async def _watch(reader: Reader) -> None:
    """Draw each second; an exporter that goes away is said and waited for."""
    import asyncio

    from rich.console import Console
    from rich.live import Live

    from wiltonos_otel.cli.phi_view import say_in_one_line, show

    view = await reader.read()
    console = Console()
    # a dumb terminal cannot take back what it shows
    if not console.is_terminal or console.is_dumb_terminal:
        await _watch_lines(reader)
        return
    shown = show(view, console.width, console.height)
    try:
        # a screen of its own: a window that is resized leaves no half frames behind
        with Live(shown, console=console, auto_refresh=False, screen=True) as live:
            while True:
                await asyncio.sleep(REFRESH_SECONDS)
                try:
                    shown = show(await reader.read(), console.width, console.height)
                except WiltonosError as error:
                    shown = say_in_one_line(str(error))
                live.update(shown, refresh=True)
    finally:
        console.print(shown)


async def _watch_lines(reader: Reader) -> None:
    import asyncio

    from wiltonos_otel.cli.phi_view import why_not_now

    while True:
        view = await reader.read()
        click.echo(why_not_now(view) or f"{view['phi']:.4f} {view['band']}")
        await asyncio.sleep(REFRESH_SECONDS)
