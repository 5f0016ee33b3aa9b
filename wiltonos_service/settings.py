"""Reads ``wiltonos.toml``, the environment and the arguments into frozen, validated values.

Precedence: arguments > ``WILTONOS__SECTION__KEY`` > ``OTEL_*`` > file > defaults. Each package
brings a pydantic model of its own tables; tables of the other packages are left to them.
"""

import difflib
import json
import os
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Generic, TypeVar, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError
from pydantic_core import ErrorDetails

from wiltonos_service.errors import SettingsError, UsageError
from wiltonos_service.listen import Listen, shift_port
from wiltonos_service.telemetry.protocol import NAMED, OTLP

ENV_PREFIX = "WILTONOS__"
ENV_CONFIG = "WILTONOS_CONFIG"
ENV_PORT_OFFSET = "WILTONOS_PORT_OFFSET"
DEFAULT_FILE = "wiltonos.toml"
# every table that some package of this distribution owns
SECTIONS = frozenset({"coherence", "source", "telemetry", "exporter", "longevity", "notifier"})

Tree = dict[str, Any]


class MovesWithOffset:
    """Marks a field whose default port moves with the port offset."""


def _check_listen(text: str) -> str:
    Listen.parse(text)
    return text


# host:port of a listener of ours
ListenAddress = Annotated[str, AfterValidator(_check_listen), MovesWithOffset()]
# URL of a part of the stack
StackUrl = Annotated[str, MovesWithOffset()]


class Table(BaseModel):
    """Base of every configuration table: frozen, and an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class HttpService(Table):
    """The keys that every HTTP service of ours has.

    Attributes:
        listen: host:port.
        bearer_token: the token itself; exclusive with ``bearer_token_file``.
        bearer_token_file: file that holds the token; re-read when it changes.
        public_url: the address under which people reach the pages; its host passes the Host check.
        allowed_hosts: further host names that pass the Host check.
    """

    listen: ListenAddress
    bearer_token: str | None = None
    bearer_token_file: Path | None = None
    public_url: StackUrl | None = None
    allowed_hosts: tuple[str, ...] = ()


M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class Loaded(Generic[M]):
    """Validated settings and where they came from.

    Attributes:
        settings: the frozen values.
        base: directory at which relative paths of the file start.
        file: the configuration file, or None where there is none.
        port_offset: by how much the default ports were moved.
    """

    settings: M
    base: Path
    file: Path | None
    port_offset: int

    def path(self, path: Path | str) -> Path:
        """The path, made absolute at the base directory."""
        return self.base / Path(path).expanduser()

    def database_url(self, url: str) -> str:
        """The database URL, a relative SQLite path made absolute at the base directory."""
        scheme, separator, path = url.partition(":///")
        if not separator or not scheme.startswith("sqlite") or path in ("", ":memory:"):
            return url
        return f"{scheme}:///{self.path(path)}"


@dataclass(frozen=True)
class _Layer:
    origin: str
    tree: Tree


def checkout_directory() -> Path | None:
    """The checkout that this code runs from, or None when it is installed."""
    root = Path(__file__).resolve().parent.parent
    return root if (root / "pyproject.toml").is_file() and (root / "wt").is_file() else None


def find_file(config: Path | None, environ: Mapping[str, str]) -> Path | None:
    """The configuration file in force: ``--config``, ``WILTONOS_CONFIG``, ``./wiltonos.toml``.

    Raises:
        SettingsError: a file that was named is not there.
    """
    named = config or (Path(environ[ENV_CONFIG]) if environ.get(ENV_CONFIG) else None)
    if named is not None:
        if not named.is_file():
            origin = "--config" if config else ENV_CONFIG
            raise SettingsError(f"{origin}: there is no file {named}; name an existing one")
        return named.resolve()
    here = Path(DEFAULT_FILE)
    return here.resolve() if here.is_file() else None


def port_offset(argument: int | None, environ: Mapping[str, str]) -> int:
    """The offset given by the argument, else by ``WILTONOS_PORT_OFFSET``, else 0.

    Raises:
        UsageError: the variable is no whole number.
    """
    if argument is not None:
        return argument
    text = environ.get(ENV_PORT_OFFSET, "") or "0"
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"{ENV_PORT_OFFSET}={text!r} is no whole number") from None


def load_settings(
    model: type[M],
    *,
    config: Path | None = None,
    arguments: Tree | None = None,
    otel: Tree | None = None,
    offset: int | None = None,
    environ: Mapping[str, str] | None = None,
) -> Loaded[M]:
    """Read, merge and validate the settings of one package.

    Args:
        model: a pydantic model whose fields are the tables that the package owns.
        config: the file that ``--config`` names.
        arguments: values given on the command line, as {section: {key: value}}.
        otel: values that ``OTEL_*`` variables state, in the same form.
        offset: the argument of ``--port-offset``; None reads ``WILTONOS_PORT_OFFSET``.
        environ: the environment; None takes the process's own.

    Raises:
        SettingsError: a value, a key or a file is wrong; the text names each of them.
        UsageError: the port offset leaves the range of ports.
    """
    environ = os.environ if environ is None else environ
    file = find_file(config, environ)
    layers = [
        _Layer(str(file), read_file(file) if file else {}),
        _Layer("OTEL_*", otel or {}),
        _Layer("environment", _from_environment(model, environ)),
        _Layer("command line", arguments or {}),
    ]
    _refuse_unknown_sections(layers)
    merged: Tree = {}
    for layer in layers:
        _merge(merged, {k: v for k, v in layer.tree.items() if k in model.model_fields})
    moved = port_offset(offset, environ)
    settings = _move_ports(_validate(model, merged, layers), moved)
    base = file.parent if file else (checkout_directory() or Path.cwd())
    return Loaded(settings, base, file, moved)


def read_file(file: Path) -> Tree:
    """The tables of a configuration file, not validated.

    Raises:
        SettingsError: it is no TOML, or cannot be read.
    """
    try:
        return tomllib.loads(file.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file}: not TOML: {error}") from None
    except RecursionError:
        raise SettingsError(f"{file}: not TOML that can be read: nested too deeply") from None
    except OSError as error:
        raise SettingsError(f"{file}: cannot be read: {error.strerror}") from None


def _from_environment(model: type[BaseModel], environ: Mapping[str, str]) -> Tree:
    tree: Tree = {}
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX):
            continue
        section, separator, key = name.removeprefix(ENV_PREFIX).lower().partition("__")
        if not separator or not key:
            raise SettingsError(f"{name}: the form is {ENV_PREFIX}SECTION__KEY")
        tree.setdefault(section, {})[key] = _scalar(environ[name], _takes_text(model, section, key))
    return tree


def _takes_text(model: type[BaseModel], section: str, key: str) -> bool:
    table = model.model_fields.get(section)
    annotation = table.annotation if table else None
    if not (isinstance(annotation, type) and issubclass(annotation, BaseModel)):
        return True
    field = annotation.model_fields.get(key)
    return field is None or "str" in str(field.annotation) or "Path" in str(field.annotation)


def _scalar(text: str, takes_text: bool) -> Any:
    if takes_text and not text.startswith("["):
        return text
    try:
        return json.loads(text)
    except ValueError:
        return text


def _refuse_unknown_sections(layers: Iterable[_Layer]) -> None:
    for layer in layers:
        for section, value in layer.tree.items():
            if section not in SECTIONS:
                raise SettingsError(
                    f"{layer.origin}: [{section}] is no known table{_guess(section, SECTIONS)}"
                )
            if not isinstance(value, dict):
                raise SettingsError(f"{layer.origin}: {section} must be a table: [{section}]")


def _guess(word: str, known: Iterable[str]) -> str:
    close = difflib.get_close_matches(word, sorted(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(known))}"


def _merge(into: Tree, tree: Mapping[str, Any]) -> None:
    for key, value in tree.items():
        if isinstance(value, dict) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = dict(value) if isinstance(value, dict) else value


def _validate(model: type[M], tree: Tree, layers: list[_Layer]) -> M:
    try:
        # JSON mode: strict about types, and yet an array is a tuple and a string a path
        return model.model_validate_json(json.dumps(tree, default=str), strict=True)
    except ValidationError as error:
        lines = [_describe(model, details, layers) for details in error.errors()]
        raise SettingsError("\n".join(lines)) from None


def _describe(model: type[BaseModel], details: ErrorDetails, layers: list[_Layer]) -> str:
    location = details["loc"]
    origin = next((x.origin for x in reversed(layers) if _states(x.tree, location)), "settings")
    where = _where(location, origin)
    if details["type"] == "extra_forbidden":
        return f"{where}: unknown key{_guess(str(location[-1]), _keys_beside(model, location))}"
    message = details["msg"].removeprefix("Value error, ")
    return f"{where}: {message}"


def _where(location: tuple[int | str, ...], origin: str) -> str:
    if origin == "environment" and len(location) > 1:
        return f"{ENV_PREFIX}{str(location[0]).upper()}__{str(location[1]).upper()}"
    if not location:
        return origin
    path = ".".join(str(part) for part in location[1:])
    return f"{origin}: [{location[0]}] {path}".rstrip()


def _states(tree: Any, location: tuple[int | str, ...]) -> bool:
    """Whether the tree holds the place, or (for a missing key) the table around it."""
    for depth, part in enumerate(location):
        in_table = isinstance(tree, dict) and part in tree
        in_array = isinstance(tree, list) and isinstance(part, int) and part < len(tree)
        if not (in_table or in_array):
            return depth > 1
        tree = tree[part]
    return True


def _keys_beside(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    current: Any = model
    for part in location[:-1]:
        if isinstance(part, int):
            # an element of an array of tables
            current = next(iter(get_args(current)), None)
            continue
        if not (isinstance(current, type) and issubclass(current, BaseModel)):
            return []
        field = current.model_fields.get(part)
        current = field.annotation if field else None
    if isinstance(current, type) and issubclass(current, BaseModel):
        return list(current.model_fields)
    return []


def _move_ports(settings: M, offset: int) -> M:
    return settings.model_copy(update=dict(_moved_fields(settings, offset))) if offset else settings


def _moved_fields(table: BaseModel, offset: int) -> Iterator[tuple[str, Any]]:
    for name, field in type(table).model_fields.items():
        value = getattr(table, name)
        if isinstance(value, BaseModel):
            yield name, _move_ports(value, offset)
        elif (
            isinstance(value, str)
            and name not in table.model_fields_set
            and any(isinstance(mark, MovesWithOffset) for mark in field.metadata)
        ):
            yield name, shift_port(value, offset)


def traces_of(environ: Mapping[str, str]) -> Tree:
    """What the standard variables say about ``traces`` and ``traces_endpoint`` (SDK env).

    Raises:
        SettingsError: ``OTEL_TRACES_EXPORTER`` names an exporter that we do not have.
    """
    told: Tree = {}
    if endpoint := environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"):
        told = {"traces": True, "traces_endpoint": endpoint}
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter not in ("", "none", OTLP, *NAMED):
        raise SettingsError(f'OTEL_TRACES_EXPORTER={exporter!r}: state "otlp" or "none"')
    return told | ({"traces": exporter != "none"} if exporter else {})
