"""What can be asked over HTTP. Pure."""

from urllib.parse import urlsplit


def is_http(address: str) -> bool:
    """Whether it is an http or https URL with a host, and its port, if any, is one."""
    try:
        parts = urlsplit(address)
        # a port that is none is found when it is asked for
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname)
