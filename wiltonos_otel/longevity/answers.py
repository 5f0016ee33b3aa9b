"""The diary as JSON: what the API answers and what ``--json`` prints."""

from collections.abc import Sequence
from decimal import Decimal
from importlib.metadata import version
from typing import Any

from wiltonos_otel.longevity.dose import DISCLAIMER, NewDose, Unit, format_time
from wiltonos_otel.longevity.entries import Dose, Query, Total
from wiltonos_otel.longevity.requests import InvalidRequestError, make_cursor

SERVICE = "wiltonos-longevity"
PROGRAM = version("wiltonos-otel")

Json = dict[str, Any]


def dose_json(dose: Dose) -> Json:
    """One dose."""
    converted = dose.given_unit != dose.unit.value
    return {
        "id": dose.id,
        "compound": dose.compound,
        "amount": _number(dose.amount),
        "unit": dose.unit.value,
        "converted_from": (
            {"amount": _number(dose.given_amount), "unit": dose.given_unit} if converted else None
        ),
        "notes": dose.notes,
        "taken_at": format_time(dose.taken_ms),
        "recorded_at": format_time(dose.recorded_ms),
        "corrects": dose.corrects,
        "corrected_by": dose.corrected_by,
        "withdrawn_at": _time(dose.withdrawn_ms),
        "withdrawn_reason": dose.withdrawn_reason or None,
    }


def single_json(dose: Dose) -> Json:
    """One dose as an answer of its own."""
    return {**dose_json(dose), "disclaimer": DISCLAIMER}


def request_json(new: NewDose) -> Json:
    """A dose as ``POST /longevity/dose`` takes it."""
    document: Json = {
        "compound": new.compound,
        "amount": _number(new.amount.given_value),
        "unit": new.amount.given_unit,
        "notes": new.notes,
    }
    if new.taken_ms is not None:
        document["taken_at"] = format_time(new.taken_ms)
    if new.corrects is not None:
        document["corrects"] = new.corrects
    return document


def page_json(doses: Sequence[Dose], query: Query) -> Json:
    """A page of doses; there may be more where it is full."""
    last = doses[-1] if len(doses) == query.limit else None
    return {
        "doses": [dose_json(dose) for dose in doses],
        "next_cursor": make_cursor(last.taken_ms, last.id) if last else None,
        "disclaimer": DISCLAIMER,
    }


def info_json(totals: Sequence[Total], version: str) -> Json:
    """What stands in the diary, summed."""
    return {
        "service": SERVICE,
        "version": version,
        "disclaimer": DISCLAIMER,
        "doses": sum(total.doses for total in totals),
        "compounds": [
            {
                "compound": total.compound,
                "unit": total.unit.value,
                "doses": total.doses,
                "amount": _number(total.amount),
                "last_taken_at": format_time(total.last_taken_ms),
            }
            for total in totals
        ],
        "units": [unit.value for unit in Unit],
    }


def refusal_json(error: InvalidRequestError) -> Json:
    """What is wrong with a request, field by field."""
    fields = [{"field": x.field, "problem": x.problem, "fix": x.fix} for x in error.errors]
    return {"error": str(error), "errors": fields}


def _number(value: Decimal) -> int | float:
    """A JSON number that reads back as the same decimal (it has at most 15 digits)."""
    return int(value) if value == value.to_integral_value() else float(value)


def _time(ms: int | None) -> str | None:
    return None if ms is None else format_time(ms)
