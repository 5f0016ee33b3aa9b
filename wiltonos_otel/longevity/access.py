"""Who may ask the diary for what, as ``[longevity]`` says."""

from typing import TYPE_CHECKING

from wiltonos_otel.settings import Settings
from wiltonos_service.listen import Listen
from wiltonos_service.secrets import Secret, optional_secret
from wiltonos_service.settings import Loaded

if TYPE_CHECKING:
    from wiltonos_service.web.guard import Guard


def make_guard(loaded: Loaded[Settings]) -> "Guard":
    """Who may do what, as ``[longevity]`` says.

    Raises:
        SettingsError: it would listen beyond loopback without a token.
    """
    # commands ask for the token only, and a web server is slow to load
    from wiltonos_service.web.guard import Guard  # noqa: PLC0415 - see above

    table = loaded.settings.longevity
    token = make_token(loaded)
    return Guard(
        "longevity",
        Listen.parse(table.listen),
        token,
        table.public_url,
        table.allowed_hosts,
    )


def make_token(loaded: Loaded[Settings]) -> Secret | None:
    """The bearer token of ``[longevity]``, or None.

    Raises:
        SettingsError: value and file are both given, or the file cannot be read.
    """
    table = loaded.settings.longevity
    file = loaded.path(table.bearer_token_file) if table.bearer_token_file else None
    token = optional_secret("[longevity] bearer_token", table.bearer_token, file)
    if token is not None:
        token.read()
    return token
