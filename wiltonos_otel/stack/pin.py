"""Writes the digests of images into the compose file, where a registry can be reached."""

import re
import shutil
import subprocess
from pathlib import Path

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.stack.locate import committed

COMPOSE_FILE = "docker-compose.yml"
ASK_SECONDS = 60
# image: name:tag, with or without a digest; ours is built here and has none
_IMAGE = re.compile(r"^(\s+image: )([\w./-]+:[\w.-]+)(?:@sha256:[0-9a-f]{64})?$", re.MULTILINE)
_DIGEST = re.compile(r"^Digest:\s+(sha256:[0-9a-f]{64})$", re.MULTILINE)
OURS = "wiltonos-metrics"


def pin(file: Path | None = None) -> list[str]:
    """Write the digest behind the tag of every foreign image; returns the pinned images.

    Args:
        file: the compose file; None takes the committed one.

    Raises:
        WiltonosError: there is no Docker client, or the registry does not answer; the file is
            left as it was.
    """
    file = file or committed(COMPOSE_FILE)
    text = file.read_text("utf-8")
    images = sorted({match.group(2) for match in _IMAGE.finditer(text)})
    digests = {image: _digest(image) for image in images if not image.startswith(OURS)}
    pinned = {image: f"{image}@{digest}" for image, digest in digests.items()}
    file.write_text(_IMAGE.sub(lambda m: m.group(1) + pinned.get(m.group(2), m.group(2)), text))
    return sorted(pinned.values())


def _digest(image: str) -> str:
    docker = shutil.which("docker")
    if docker is None:
        raise WiltonosError("no digest was written: there is no docker client on PATH; install one")
    # asks the registry itself: needs no engine
    argv = (docker, "buildx", "imagetools", "inspect", image)
    try:
        done = subprocess.run(  # noqa: S603 - our own words
            argv, capture_output=True, text=True, timeout=ASK_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise WiltonosError(f"no digest was written: {image}: the registry is silent") from None
    if found := _DIGEST.search(done.stdout):
        return found.group(1)
    lines = (done.stderr or done.stdout).strip().splitlines()
    reason = lines[-1][:200] if lines else f"exit {done.returncode}"
    raise WiltonosError(
        f"no digest was written: the registry cannot be asked for {image} ({reason}); "
        "run it again where it can be reached"
    )
