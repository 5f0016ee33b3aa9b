"""Addresses and the offset that moves them."""

import pytest

from wiltonos_service.errors import UsageError
from wiltonos_service.listen import Listen, shift_port


@pytest.mark.parametrize("text", ["127.0.0.1:1", "[::1]:65535", "localhost:0"])
def test_an_address_reads_back_as_it_was_written(text: str) -> None:
    """Parsing and printing are inverse, and loopback is recognised."""
    listen = Listen.parse(text)
    assert str(listen) == text
    assert listen.loopback


@pytest.mark.parametrize("text", ["", "9464", "127.0.0.1", "a:b", "h:70000", "http://h:1"])
def test_other_text_is_no_address(text: str) -> None:
    """Anything but host:port is refused."""
    with pytest.raises(ValueError):
        Listen.parse(text)


def test_every_interface_is_not_loopback() -> None:
    """Listening on 0.0.0.0 can be reached from elsewhere."""
    assert not Listen.parse("0.0.0.0:1").loopback


@pytest.mark.parametrize(
    ("address", "moved"),
    [
        ("127.0.0.1:9090", "127.0.0.1:9100"),
        ("[::1]:9090", "[::1]:9100"),
        ("http://u:p@h:9090/x?y=1", "http://u:p@h:9100/x?y=1"),
        ("https://example.org/x", "https://example.org/x"),
    ],
)
def test_only_the_port_moves(address: str, moved: str) -> None:
    """All other parts of an address stay; one without a port stays whole."""
    assert shift_port(address, 10) == moved


@pytest.mark.parametrize("offset", [60000, -9090])
def test_a_port_cannot_leave_its_range(offset: int) -> None:
    """A port below 1 or above 65535 is wrong usage."""
    with pytest.raises(UsageError, match="outside 1 to 65535"):
        shift_port("h:9090", offset)
