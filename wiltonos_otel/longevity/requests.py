"""Reads what callers send, strictly; every mistake is named with its field and fix."""

import difflib
import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, NoReturn

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from wiltonos_otel.errors import WiltonosError
from wiltonos_otel.longevity.dose import (
    FieldError,
    NewDose,
    check_notes,
    check_taken,
    convert,
    normalise_compound,
    parse_time,
)
from wiltonos_otel.longevity.entries import LARGEST_ID, PAGE, Query

LARGEST_PAGE = 1000
KEY_LENGTH = 128

_FIXES = {
    "compound": 'give a name as text, for example "resveratrol"',
    "mg": "give a number of milligrams, or amount and unit",
    "amount": "give a number, and its unit",
    "unit": "give mg, g, µg or IU",
    "notes": "give text, or leave it out",
    "taken_at": 'write it as "2026-11-23T17:00:00Z", or leave it out for now',
    "corrects": "give the id of the dose that this one replaces, or leave it out",
}
# the validator's word for a mistake -> ours
_PROBLEMS = {
    "missing": "is missing",
    "string_type": "is no text",
    "is_instance_of": "is no number",
    "decimal_type": "is no number",
    "finite_number": "is no finite number",
    "int_type": "is no whole number",
    "greater_than_equal": "is no id",
    "less_than_equal": "is no id",
}
_PARAMETERS = ("compound", "since", "limit", "cursor", "withdrawn")


class InvalidRequestError(WiltonosError):
    """A request that cannot be met as it is.

    Attributes:
        errors: what is wrong, field by field; never empty.
    """

    def __init__(self, errors: list[FieldError]) -> None:
        super().__init__("; ".join(str(error) for error in errors))
        self.errors = errors


class NotJsonError(InvalidRequestError):
    """The body is no JSON object."""


def _number(value: object) -> object:
    """Whole and exact decimal numbers; JSON's true is no number."""
    return Decimal(value) if isinstance(value, int) and not isinstance(value, bool) else value


Number = Annotated[Decimal, BeforeValidator(_number)]


class _Document(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    compound: str
    mg: Number | None = None
    amount: Number | None = None
    unit: str | None = None
    notes: str = ""
    taken_at: str | None = None
    corrects: Annotated[int, Field(ge=1, le=LARGEST_ID)] | None = None


def parse_json(body: bytes) -> dict[str, Any]:
    """The JSON object in a body, numbers exact.

    Raises:
        NotJsonError: it is none, or names a field twice.
    """
    try:
        document = json.loads(
            body.decode("utf-8"),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
        )
    except FieldError as error:
        raise NotJsonError([error]) from None
    except (ValueError, RecursionError, ArithmeticError) as error:
        reason = str(error).partition(" (char")[0] if isinstance(error, ValueError) else "too deep"
        raise _not_json(f"is no JSON: {reason[:120]}") from None
    if not isinstance(document, dict):
        raise _not_json("is no JSON object")
    return document


def _not_json(problem: str) -> NotJsonError:
    return NotJsonError(
        [FieldError("body", problem, 'send {"compound": "resveratrol", "mg": 500}')]
    )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number of JSON")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise FieldError(name[:40], "is given twice", "give it once")
        found[name] = value
    return found


def parse_dose(document: Mapping[str, Any], now_ms: int) -> NewDose:
    """The dose that a document describes.

    Args:
        document: the fields by name, numbers as int or Decimal.
        now_ms: Unix milliseconds; a dose is not taken later.

    Raises:
        InvalidRequestError: a field is missing, unknown or wrong; all of them are named.
    """
    try:
        fields = _Document.model_validate(dict(document))
    except ValidationError as error:
        raise InvalidRequestError([_explain(x) for x in error.errors()]) from None
    errors: list[FieldError] = []
    parts: dict[str, Any] = {}
    for name, part in (
        ("compound", lambda: normalise_compound(fields.compound)),
        ("amount", lambda: convert(*_amount(fields))),
        ("notes", lambda: check_notes(fields.notes)),
        ("taken_ms", lambda: _taken(fields.taken_at, now_ms)),
    ):
        try:
            parts[name] = part()
        except FieldError as error:
            errors.append(error)
    if errors:
        raise InvalidRequestError(errors)
    return NewDose(corrects=fields.corrects, **parts)


def _amount(fields: _Document) -> tuple[Decimal, str, str]:
    if fields.mg is not None:
        if fields.amount is not None or fields.unit is not None:
            raise FieldError("mg", "stands beside amount or unit", "give mg, or amount and unit")
        return fields.mg, "mg", "mg"
    if fields.amount is None:
        raise FieldError("amount", "is missing", "give mg, or amount and unit")
    if fields.unit is None:
        raise FieldError("unit", "is missing", _FIXES["unit"])
    return fields.amount, fields.unit, "amount"


def _taken(text: str | None, now_ms: int) -> int | None:
    return None if text is None else check_taken(parse_time(text, "taken_at"), now_ms)


def _explain(details: ErrorDetails) -> FieldError:
    name = str(details["loc"][0]) if details["loc"] else "body"
    if details["type"] == "extra_forbidden":
        return FieldError(name[:40], "is no field of a dose", _guess(name, tuple(_FIXES)))
    problem = _PROBLEMS.get(details["type"], "does not fit")
    return FieldError(name, problem, _FIXES.get(name, _FIXES["compound"]))


def _guess(word: str, known: tuple[str, ...]) -> str:
    close = difflib.get_close_matches(word, known, n=1)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(known)}"


def parse_query(parameters: Mapping[str, str]) -> Query:
    """What to list.

    Raises:
        InvalidRequestError: a parameter is unknown or wrong; the first one is named.
    """
    try:
        for name in parameters:
            if name not in _PARAMETERS:
                raise FieldError(name[:40], "is no parameter", _guess(name, _PARAMETERS))
        compound, since = parameters.get("compound"), parameters.get("since")
        return Query(
            compound=None if compound is None else normalise_compound(compound),
            since_ms=None if since is None else parse_time(since, "since"),
            limit=_limit(parameters.get("limit")),
            before=_cursor(parameters.get("cursor")),
            withdrawn=_flag(parameters.get("withdrawn", "false")),
        )
    except FieldError as error:
        raise InvalidRequestError([error]) from None


def _limit(text: str | None) -> int:
    if text is None:
        return PAGE
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= LARGEST_PAGE):
        raise FieldError("limit", f"{text[:20]!r} does not fit", f"give 1 to {LARGEST_PAGE}")
    return int(text)


def _flag(text: str) -> bool:
    if text not in ("true", "false"):
        raise FieldError("withdrawn", f"{text[:20]!r} does not fit", "give true or false")
    return text == "true"


def make_cursor(taken_ms: int, identity: int) -> str:
    """The position after a dose, as a caller gives it back."""
    return f"{taken_ms}.{identity}"


def _cursor(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    taken, _, identity = text.partition(".")
    if not (text.isascii() and taken.removeprefix("-").isdigit() and identity.isdigit()):
        raise FieldError("cursor", f"{text[:40]!r} is none of ours", "give next_cursor as it was")
    if max(len(taken), len(identity)) > len(str(LARGEST_ID)):
        raise FieldError("cursor", f"{text[:40]!r} is none of ours", "give next_cursor as it was")
    return int(taken), int(identity)


def parse_id(text: str) -> int:
    """The id in a path.

    Raises:
        InvalidRequestError: it is no id.
    """
    if not (text.isascii() and text.isdigit() and len(text) < len(str(LARGEST_ID))):
        error = FieldError("id", f"{text[:40]!r} is no id", "give the number of a dose")
        raise InvalidRequestError([error])
    return int(text)


def parse_key(text: str | None) -> str | None:
    """The idempotency key of a header (draft-ietf-httpapi-idempotency-key-header), or None.

    Raises:
        InvalidRequestError: it is too long or no printable ASCII.
    """
    if text is None:
        return None
    quoted = len(text) > 1 and text.startswith('"') and text.endswith('"')
    key = text[1:-1] if quoted else text
    if not (0 < len(key) <= KEY_LENGTH and key.isascii() and key.isprintable()):
        error = FieldError(
            "Idempotency-Key", "does not fit", f"give 1 to {KEY_LENGTH} printable ASCII characters"
        )
        raise InvalidRequestError([error])
    return key
