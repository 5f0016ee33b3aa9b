"""Runs an aiohttp application until SIGTERM or Ctrl-C, and ends it within a bound."""

import asyncio
import errno
import signal
from collections.abc import Callable

from aiohttp import web

from wiltonos_service.errors import OperatorError
from wiltonos_service.listen import Listen

GRACE_SECONDS = 5.0


async def serve(
    app: web.Application,
    listen: Listen,
    *,
    stop: asyncio.Event | None = None,
    started: Callable[[Listen], None] | None = None,
    grace_seconds: float = GRACE_SECONDS,
) -> None:
    """Serve until ``stop`` is set or the process is asked to end; then clean the app up.

    Args:
        app: the application; its startup, shutdown and cleanup signals run here.
        listen: where to listen; port 0 takes a free one.
        stop: ends the service when it is set.
        started: called with the real address once connections are accepted.
        grace_seconds: how long open requests may take at the end.

    Raises:
        OperatorError: the address cannot be listened on.
    """
    stop = stop or asyncio.Event()
    runner = web.AppRunner(
        app, access_log=None, shutdown_timeout=grace_seconds, handler_cancellation=False
    )
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    await runner.setup()
    try:
        address = await _listen(runner, listen)
        if started is not None:
            started(address)
        await stop.wait()
    finally:
        await runner.cleanup()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)


def run_app(
    app: web.Application, listen: Listen, *, started: Callable[[Listen], None] | None = None
) -> None:
    """Run ``serve`` in an event loop of its own."""
    asyncio.run(serve(app, listen, started=started))


async def _listen(runner: web.AppRunner, listen: Listen) -> Listen:
    site = web.TCPSite(runner, listen.host, listen.port)
    try:
        await site.start()
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise OperatorError(
                f"{listen} is in use by another program; stop that one, "
                "or move all ports with --port-offset N"
            ) from None
        raise OperatorError(f"cannot listen on {listen}: {error.strerror}") from None
    return Listen(listen.host, int(runner.addresses[0][1]))
