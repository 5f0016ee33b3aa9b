"""Every worker configures itself after the fork, with the number of its place as instance id.

A worker that takes over gets the place, and with it the series, of the one that is gone.
"""

import itertools
import socket
from typing import Any

import wiltonos_otel

workers = 2


def pre_fork(server: Any, worker: Any) -> None:
    """Give the worker the lowest free place."""
    taken = {getattr(other, "place", None) for other in server.WORKERS.values()}
    worker.place = next(place for place in itertools.count() if place not in taken)


def post_fork(_server: Any, worker: Any) -> None:
    """Runs in the worker."""
    wiltonos_otel.configure(
        service_name="example-gunicorn", instance_id=f"{socket.gethostname()}:{worker.place}"
    )


def worker_exit(_server: Any, _worker: Any) -> None:
    """Runs in the worker: deliver what is left."""
    wiltonos_otel.shutdown()
