"""The page of the configuration, from the models that check it."""

import json
from collections.abc import Iterable, Iterator, Sequence
from enum import Enum
from pathlib import Path
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from wiltonos_otel.reference.markdown import code, page, plain, table
from wiltonos_service.reference import Package, described
from wiltonos_service.settings import MovesWithOffset

INTRODUCTION = """\
`wiltonos.toml`: the file that `--config` names, else `WILTONOS_CONFIG`, else `./wiltonos.toml`,
else the defaults below. Keys that hold one value can also be set as `WILTONOS__TABLE__KEY`, for
example `WILTONOS__NOTIFIER__LANGUAGE=pt-BR`. Arguments win over `WILTONOS__*`, those over
`OTEL_*`, those over the file. Relative paths start at the directory of the file.

Addresses marked ⇄ are defaults that `--port-offset N` or `WILTONOS_PORT_OFFSET` moves; an address
that is stated is taken as it is. An unknown key or a wrong type is an error that names both.

`SIGHUP` and `POST /-/reload` let the notifier take its tables anew while it runs. Keys marked † are
taken at its next start only, as `[telemetry]` is; the answer to a reload names those that changed.
All other services read their tables when they start."""
_BOUNDS = {"gt": ">", "ge": "≥", "lt": "<", "le": "≤"}
_WORDS = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "true or false",
    Path: "path",
}


def render(packages: Sequence[Package]) -> str:
    """The page.

    Raises:
        ValueError: a key has no description, or a type that the page has no word for.
    """
    parts = [part for package in packages for part in _tables(package)]
    return page("Configuration", INTRODUCTION, *parts)


def _tables(package: Package) -> Iterator[str]:
    fields = package.settings.model_fields if package.settings else {}
    for section, info in fields.items():
        model = info.annotation
        assert isinstance(model, type)
        assert issubclass(model, BaseModel)
        # a partial view of a table that another package owns
        if model.model_config.get("extra") != "ignore":
            owner = package.described_by.get(section, model)
            yield from _table(section, model, owner, package.restart)


def _table(
    section: str,
    model: type[BaseModel],
    owner: type,
    restart: Sequence[str],
    mark: str = "[{}]",
) -> Iterator[str]:
    texts = described(owner)
    rows, nested = [], []
    for key, info in model.model_fields.items():
        if key not in texts:
            raise ValueError(f"[{section}] {key} is not described in {owner.__name__}")
        kind = _kind(info.annotation)
        if isinstance(kind, type):
            nested.append((f"{section}.{key}", kind))
        else:
            bounds = "".join(f", {bound}" for bound in _bounds(info))
            marked = code(key) + (" †" if f"{section}.{key}" in restart else "")
            rows.append([marked, kind + bounds, _default(info), plain(texts[key])])
    first = plain((owner.__doc__ or "").partition("\n")[0])
    summary = first.removeprefix(f"{code(mark.format(section))}: ")
    yield "\n\n".join(
        [
            f"## `{mark.format(section)}`",
            summary[:1].upper() + summary[1:],
            table(["key", "type", "default", ""], rows),
        ]
    )
    for name, inner in nested:
        yield from _table(name, inner, inner, restart, "[[{}]]")


def _kind(annotation: Any) -> str | type[BaseModel]:
    """A type in words; the model itself for a list of tables."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _kind(arguments[0])
    if origin in (Union, UnionType):
        return _kind(next(each for each in arguments if each is not NoneType))
    if origin is tuple:
        inner = _kind(arguments[0])
        return inner if isinstance(inner, type) else f"list: {inner}"
    if origin is Literal:
        return _one_of(arguments)
    return "table" if origin else _simple(annotation)


def _simple(annotation: Any) -> str | type[BaseModel]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return _one_of([each.value for each in annotation])
    if annotation in _WORDS:
        return _WORDS[annotation]
    raise ValueError(f"the page has no word for {annotation!r}")


def _one_of(values: Iterable[Any]) -> str:
    return " or ".join(code(str(value)) for value in values)


def _bounds(info: FieldInfo) -> Iterator[str]:
    for constraint in info.metadata:
        for name, sign in _BOUNDS.items():
            if (value := getattr(constraint, name, None)) is not None:
                yield f"{sign} {value}"


def _default(info: FieldInfo) -> str:
    value = info.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return "required"
    if value is None:
        return "–"
    moves = " ⇄" if any(isinstance(each, MovesWithOffset) for each in info.metadata) else ""
    return code(_literal(value)) + moves


def _literal(value: Any) -> str:
    """The value as TOML writes it."""
    if isinstance(value, Enum):
        return _literal(value.value)
    if isinstance(value, tuple):
        return f"[{', '.join(map(_literal, value))}]"
    if isinstance(value, dict):
        return "{}"
    if isinstance(value, Path):
        return _literal(str(value))
    return json.dumps(value, ensure_ascii=False)
