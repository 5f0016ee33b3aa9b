"""Which texts can be asked over HTTP."""

import pytest

from wiltonos_service.addresses import is_http


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9090", "https://a.example/x?y", "http://[::1]"]
)
def test_an_address_is_known(address: str) -> None:
    """With or without a port and a path."""
    assert is_http(address)


@pytest.mark.parametrize(
    "address", ["", "localhost:4318", "ftp://a", "http://", "http://[::1", "http://a:port"]
)
def test_what_nobody_can_ask_is_none(address: str) -> None:
    """No scheme, no host, no port that is one; never an exception."""
    assert not is_http(address)
