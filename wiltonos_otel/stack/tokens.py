"""Tokens that bootstrap makes: once, random, readable by their owner only."""

import os
import secrets
from pathlib import Path

from wiltonos_otel.errors import WiltonosError

BITS_256 = 32


def ensure_token(file: Path) -> bool:
    """Make the file with a random token unless it is there; returns whether it was made.

    Raises:
        WiltonosError: the file cannot be made, or others may read it.
    """
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        _require_private(file)
        return False
    except OSError as error:
        raise WiltonosError(f"{file}: {error.strerror}; bootstrap keeps a token there") from None
    with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
        opened.write(secrets.token_urlsafe(BITS_256) + "\n")
    return True


def _require_private(file: Path) -> None:
    mode = file.stat().st_mode & 0o777
    if mode & 0o077:
        raise WiltonosError(
            f"{file} can be read by others (mode {mode:04o}); run: chmod 600 {file}"
        )
