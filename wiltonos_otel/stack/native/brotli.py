"""Brotli without compression: for the one small page that Alertmanager must hold ready."""

LARGEST = 1 << 16
# ISLAST and ISLASTEMPTY
_END = b"\x03"


def stored(data: bytes) -> bytes:
    """The data as a Brotli stream of one uncompressed meta-block (RFC 7932, section 9.2).

    Raises:
        ValueError: there are no bytes, or more than 65,536.
    """
    if not 1 <= len(data) <= LARGEST:
        raise ValueError(f"{len(data)} bytes do not fit into one block of 1 to {LARGEST}")
    # from the lowest bit: WBITS=0 (a 16-bit window), ISLAST=0, MNIBBLES=00 (four nibbles),
    # MLEN-1 in 16 bits, ISUNCOMPRESSED=1
    header = ((len(data) - 1) << 4) | (1 << 20)
    return header.to_bytes(3, "little") + data + _END
