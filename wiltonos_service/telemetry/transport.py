"""A batch on its way: packed once, sent as often as it takes, and what came of it."""

import zlib
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeVar

# a collection that waits is one among many that differ in little: the fastest level takes
# nine tenths of it away
_LEVEL = 1


# what a signal collects: metrics or spans
Data_contra = TypeVar("Data_contra", contravariant=True)


class Outcome(Enum):
    """What an attempt to deliver means for the batch."""

    DELIVERED = "delivered"
    RETRY = "retry"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one attempt ended.

    Attributes:
        outcome: whether the batch is delivered, may be tried again, or never will be taken.
        reason: why it failed, short and free of addresses; "" when it did not.
    """

    outcome: Outcome
    reason: str = ""


class CannotPackError(Exception):
    """A batch cannot be encoded, and never will be."""


class Packed:
    """A batch as it goes over the wire.

    Args:
        body: the encoded batch.
        envelope: what else the transport needs to send it.
        dense: the body is compressed already.
    """

    __slots__ = ("_body", "_squeezed", "dense", "envelope")

    def __init__(self, body: bytes, envelope: Any = None, *, dense: bool = False) -> None:
        self._body = body
        self._squeezed = False
        self.dense = dense
        self.envelope = envelope

    @property
    def body(self) -> bytes:
        """The encoded batch."""
        return zlib.decompress(self._body) if self._squeezed else self._body

    @property
    def size(self) -> int:
        """The bytes that it holds in memory."""
        return len(self._body)

    def squeeze(self) -> int:
        """Take less memory from now on; the bytes that this saved."""
        if self.dense or self._squeezed:
            return 0
        before = len(self._body)
        self._body, self._squeezed = zlib.compress(self._body, _LEVEL), True
        return before - len(self._body)


class Sender(Protocol[Data_contra]):
    """Delivers batches of one signal.

    Attributes:
        target: where to, for people.
    """

    target: str

    def pack(self, data: Data_contra) -> Packed:
        """Encode for the wire, without input or output.

        Raises:
            CannotPackError: it cannot be encoded.
        """
        ...

    def send(self, packed: Packed) -> Attempt:
        """Try once, within a bound; never raises what belongs to the network."""
        ...

    def reopen(self) -> None:
        """Leave all connections to the parent process: this is a child that was forked."""
        ...

    def close(self) -> None:
        """Let go of connections; may be called while a ``send`` hangs."""
        ...
