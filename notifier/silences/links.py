"""Signed links: who has one may do one thing to one incident, once, for a while. Pure.

A chat's members see the link, and nobody else; it stands for the right to silence what the message
is about, so that no account is needed. GET only shows, since chats fetch links by themselves.
"""

import hmac
import re
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256

from notifier.silences.model import SilenceError

PATH = "/silence/"
LINK_HOURS = 72
_SIGNATURE_BYTES = 18
_TOKEN = re.compile(r"([asu])\.([0-9A-Za-z-]{1,32})\.(\d{1,9})\.(\d{1,11})\.([\w-]{24})", re.ASCII)
# what is left of a link where others than the chat's members can read
_SHOWN = re.compile(re.escape(PATH) + r"[\w.-]{20,}")


class Action(StrEnum):
    """What a link may do."""

    ACKNOWLEDGE = "acknowledge"
    SILENCE = "silence"
    UNDO = "undo"


_CODES = {Action.ACKNOWLEDGE: "a", Action.SILENCE: "s", Action.UNDO: "u"}
_ACTIONS = {code: action for action, code in _CODES.items()}


@dataclass(frozen=True, slots=True)
class SignedLink:
    """What a token says.

    Attributes:
        revision: of the incident at which it was made; each has links of its own.
        nonce: identifies the link among those that have been used.
    """

    action: Action
    incident_id: str
    revision: int
    expires_at: datetime
    nonce: str


@dataclass(frozen=True, slots=True)
class Signer:
    """Makes and reads tokens; ``key`` is secret and lives in the database."""

    key: bytes

    def token(self, action: Action, incident_id: str, revision: int, expires_at: datetime) -> str:
        """The token of a link; the same for the same values."""
        said = f"{_CODES[action]}.{incident_id}.{revision}.{int(expires_at.timestamp())}"
        return f"{said}.{self._sign(said)}"

    def read(self, token: str, now: datetime) -> SignedLink:
        """What a token says.

        Raises:
            SilenceError: it is not ours, or its time is over.
        """
        match = _TOKEN.fullmatch(token)
        said, _, signature = token.rpartition(".")
        if match is None or not hmac.compare_digest(self._sign(said), signature):
            raise SilenceError.of("sorry.foreign")
        code, incident_id, revision, expires, nonce = match.groups()
        expires_at = datetime.fromtimestamp(int(expires), UTC)
        if now >= expires_at:
            raise SilenceError.of("sorry.expired")
        return SignedLink(_ACTIONS[code], incident_id, int(revision), expires_at, nonce)

    def _sign(self, said: str) -> str:
        digest = hmac.new(self.key, f"wiltonos silence link\0{said}".encode(), sha256).digest()
        return urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).decode()


def without_links(text: str) -> str:
    """The text with every signed link made useless."""
    return _SHOWN.sub(f"{PATH}…", text)
