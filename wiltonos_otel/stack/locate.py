"""Where the committed files of the stack are: in the checkout, or in the installed package."""

from pathlib import Path

from wiltonos_otel.errors import WiltonosError
from wiltonos_service.settings import checkout_directory

# where the wheel carries the files that lie beside the packages in a checkout
INSTALLED = Path(__file__).resolve().parent / "files"


def root() -> Path:
    """The directory under which ``collector/``, ``prometheus/`` and ``grafana/`` are."""
    return checkout_directory() or INSTALLED


def committed(path: str) -> Path:
    """A committed file or directory of the stack.

    Args:
        path: relative to the root of the checkout, for example ``collector/builder.yaml``.

    Raises:
        WiltonosError: it is not there.
    """
    found = root() / path
    if not found.exists():
        raise WiltonosError(f"{found} is missing; install the distribution again, or check it out")
    return found
