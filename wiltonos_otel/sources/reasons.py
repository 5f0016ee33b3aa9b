"""Why a state file was not taken: the closed list behind ``wiltonos.source.errors``."""

from dataclasses import dataclass
from enum import StrEnum


class Reason(StrEnum):
    """Why a state file was not taken; every ``phi.Refusal`` is one of them."""

    # the file
    VANISHED = "vanished"
    DANGLING_LINK = "dangling_link"
    NOT_A_FILE = "not_a_file"
    UNREADABLE = "unreadable"
    OVERSIZED = "oversized"
    BAD_NAME = "bad_name"
    TOO_MANY_LOOPS = "too_many_loops"
    # its text
    EMPTY = "empty"
    NOT_UTF8 = "not_utf8"
    TORN = "torn"
    NOT_JSON = "not_json"
    DUPLICATE_KEY = "duplicate_key"
    # its keys
    UNKNOWN_SCHEMA = "unknown_schema"
    WRONG_TYPE = "wrong_type"
    NO_PHI = "no_phi"
    AMBIGUOUS = "ambiguous"
    BAD_TIMESTAMP = "bad_timestamp"
    # its sample
    NON_FINITE = "non_finite"
    OUT_OF_RANGE = "out_of_range"
    BACKWARDS = "backwards"
    REPEATED = "repeated"
    FUTURE = "future"
    BAD_COLLAPSES = "bad_collapses"


@dataclass(frozen=True, slots=True)
class Bad:
    """A file or a text that was not taken.

    Attributes:
        reason: why, from the closed list.
        detail: the same for people: what is wrong, and what to write instead.
        key: where in the text; "" for all of it.
    """

    reason: Reason
    detail: str
    key: str = ""
