"""The sandbox of templates: what they reach, and how much work they may make. Pure.

A template is filled in the event loop, so it must neither stall nor blow up the process. Jinja's
sandbox keeps it from what is none of its business, but not from a loop that prints nothing or from
``"x".center(10 ** 9)``. Here everything that a rendering does spends one budget: each turn of a
loop, each call, and everything that it makes or looks at, by its size. What could make something
large out of something small is paid for before it is done.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sized, ValuesView
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial, wraps
from typing import Any

from jinja2 import TemplateRuntimeError, nodes
from jinja2.compiler import CodeGenerator, Frame, operators
from jinja2.sandbox import ImmutableSandboxedEnvironment, SandboxedFormatter
from jinja2.utils import Namespace

# units of work of one template; one is about a microsecond, or a turn of a loop
BUDGET = 50_000
# characters that cost one unit
PAGE = 50
_MOST_STEPS = 5_000
_MOST_BITS = 1_024
_MOST_DIGITS = 100
# what makes nothing for a chat, or costs too much for what it is
_NO_FILTERS = ("pprint", "urlize", "xmlattr")
_NO_GLOBALS = ("lipsum",)
_TEXT_METHODS = frozenset({
    "capitalize", "casefold", "center", "count", "endswith", "find", "format", "format_map",
    "index", "isalnum", "isalpha", "isascii", "isdecimal", "isdigit", "islower", "isnumeric",
    "isspace", "istitle", "isupper", "join", "ljust", "lower", "lstrip", "partition",
    "removeprefix", "removesuffix", "replace", "rfind", "rindex", "rjust", "rpartition", "rsplit",
    "rstrip", "split", "splitlines", "startswith", "strip", "swapcase", "title", "upper", "zfill",
})  # fmt: skip
# filters that make a text of whatever they are given
_TEXT_FILTERS = frozenset({
    "capitalize", "center", "e", "escape", "forceescape", "format", "indent", "int", "join",
    "lower", "replace", "safe", "string", "striptags", "title", "tojson", "trim", "truncate",
    "upper", "urlencode", "wordcount", "wordwrap",
})  # fmt: skip
# filters that take longer than the size of what they are given says
_SLOW = dict.fromkeys(("sort", "dictsort", "unique", "groupby", "min", "max"), 10)
_SLOW |= dict.fromkeys(("wordwrap", "striptags"), 40)
_GROUPS: tuple[type[Iterable[Any]], ...] = (list, tuple, range, AbstractSet, ValuesView)
_WIDTHS = frozenset({"center", "ljust", "rjust", "zfill"})
_LONG_NUMBER = re.compile(r"\d{4}")
# of printf: a width or a precision that is long, or comes from an argument
_LONG_FIELD = re.compile(r"%(\([^)]*\))?[-+ #0]*(\d*\.)?(\d{4}|\*)")


class TooMuchWorkError(TemplateRuntimeError):
    """A template works for too long, or makes too much."""

    def __init__(self) -> None:
        super().__init__("too much work: what a template loops over, calls and makes is bounded")


class Atom(dict[str, Any]):
    """A value that counts as one, whatever it holds, until it is made a text of."""


class _Budget:
    def __init__(self, left: int) -> None:
        self.left = left


_BUDGET: ContextVar[_Budget | None] = ContextVar("budget", default=None)


@contextmanager
def bounded(units: int = BUDGET) -> Iterator[None]:
    """Bound the work of every template within; TooMuchWorkError is raised beyond it."""
    token = _BUDGET.set(_Budget(units))
    try:
        yield
    finally:
        _BUDGET.reset(token)


def _spend(units: int) -> bool:
    """Pay for work; always true."""
    budget = _BUDGET.get()
    if budget is not None:
        budget.left -= units
        if budget.left < 0:
            raise TooMuchWorkError
    return True


def _look(value: Any, deep: bool = False) -> Any:
    """Pay for looking at all of a value, however often it holds the same; returns the value."""
    if isinstance(value, str):
        _spend(1 + len(value) // PAGE)
        return value
    left: list[Any] = [value]
    while left:
        _spend(1)
        each = left.pop()
        if isinstance(each, str | bytes):
            _spend(len(each) // PAGE)
        elif isinstance(each, int):
            _spend(each.bit_length() // PAGE)
        elif isinstance(each, Atom) and not deep:
            continue
        elif isinstance(each, Mapping):
            left += each.keys()
            left += each.values()
        elif isinstance(each, Namespace) and deep:
            left += object.__getattribute__(each, "_Namespace__attrs").values()
        elif isinstance(each, _GROUPS):
            left += each
    return value


def _made(value: Any) -> Any:
    """Pay for a value that was made; an iterator becomes a list."""
    if isinstance(value, Iterator):
        value = [each for each in value if _spend(1)]
    return _look(value)


def _text(value: Any) -> str:
    """Pay for a value and make a text of it."""
    return value if isinstance(_look(value, deep=True), str) else str(value)


def _width(width: Any) -> None:
    """Pay for filling up to a width, or repeating something so often."""
    if isinstance(width, int):
        _spend(max(width, 0) // PAGE)


def _grown(number: int, text: Any) -> None:
    """Pay for so many copies of a text."""
    if isinstance(text, str):
        _spend(number * len(text) // PAGE)


def _replaced(text: str, old: Any = "", new: Any = "", *_more: Any, **_names: Any) -> None:
    if isinstance(old, str):
        _grown(text.count(old), new)


def _joined(separator: Any, items: Any) -> None:
    if isinstance(items, Sized):
        _grown(len(items), separator)


def _indented(text: Any, width: Any = 4, *_more: Any, **_names: Any) -> None:
    lines = text.count("\n") + 1 if isinstance(text, str) else 1
    _grown(lines, width)
    if isinstance(width, int):
        _width(lines * max(width, 0))


def _wrapped(text: Any, *args: Any, **names: Any) -> None:
    for wrap in (*args, *names.values()):
        _grown(len(text) if isinstance(text, str) else 1, wrap)


def _formatted(text: Any, *args: Any, **names: Any) -> None:
    """Pay for what printf's fields would make at the most."""
    if _LONG_FIELD.search(str(text)):
        raise TemplateRuntimeError("% is for widths below 1000, written in the format")
    fields = str(text).count("%")
    _spend(fields * 1000 // PAGE)
    for _ in range(fields if names or any(isinstance(each, Mapping) for each in args) else 1):
        _look([args, names], deep=True)


def _few(value: Any, most: int) -> None:
    if isinstance(value, int) and abs(value) > most:
        raise TemplateRuntimeError(f"a number above {most} is too large here")


def _numbers(most: int) -> Callable[..., None]:
    """Refuses a larger number than that."""

    def check(_value: Any, number: Any = 0, *_more: Any, **names: Any) -> None:
        for each in (number, *names.values()):
            _few(each, most)

    return check


_GROWTH: Mapping[str, Callable[..., None]] = {
    "batch": _numbers(_MOST_STEPS),
    "center": lambda _text, width=80: _width(width),
    "format": _formatted,
    "indent": _indented,
    "join": lambda items, d="", attribute=None: _joined(d, items),  # noqa: ARG005
    "replace": lambda text, old="", new="", count=None: _replaced(str(text), old, new),  # noqa: ARG005
    "round": _numbers(_MOST_DIGITS),
    "slice": _numbers(_MOST_STEPS),
    "tojson": _numbers(0),
    "wordwrap": _wrapped,
}


def _paid(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter or a test that pays for what it looks at and makes."""
    deep, slow, growth = name in _TEXT_FILTERS, _SLOW.get(name, 1), _GROWTH.get(name)

    @wraps(function)
    def pay(*args: Any, **names: Any) -> Any:
        for _ in range(slow):
            for each in (*args, *names.values()):
                _look(each, deep)
        if growth is not None:
            growth(*args[hasattr(function, "jinja_pass_arg") :], **names)
        return _made(function(*args, **names))

    return pay


class _Formatter(SandboxedFormatter):
    """``str.format`` that pays for each field."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if _LONG_NUMBER.search(format_spec):
            raise TemplateRuntimeError("a width of 1000 or more is too large here")
        return str(_look(super().format_field(_look(value, deep=True), format_spec)))

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return super().convert_field(_look(value, deep=True), conversion)


def _said(body: Iterable[nodes.Node]) -> Iterator[str]:
    """What the template itself says in a body."""
    for node in body:
        for each in node.nodes if isinstance(node, nodes.Output) else ():
            if isinstance(each, nodes.TemplateData):
                yield each.data


class _Generator(CodeGenerator):
    """Writes the payments into the code of a template."""

    def blockvisit(self, nodes: Iterable[nodes.Node], frame: Frame) -> None:
        said = sum(len(text) for text in _said(nodes))
        self.writeline(f"environment.spend({1 + said // PAGE})")
        super().blockvisit(nodes, frame)

    def visit_For(self, node: nodes.For, frame: Frame) -> None:  # noqa: N802
        if node.test is not None:
            spend = nodes.EnvironmentAttribute("spend")
            turn = nodes.Call(spend, [nodes.Const(1)], [], None, None, lineno=node.lineno)
            node.test = nodes.And(turn, node.test, lineno=node.lineno)
        super().visit_For(node, frame)

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802
        self.write("environment.joined((")
        for each in node.nodes:
            self.visit(each, frame)
            self.write(", ")
        self.write("))")

    def visit_Compare(self, node: nodes.Compare, frame: Frame) -> None:  # noqa: N802
        self.write("(")
        self._looking(partial(self.visit, node.expr, frame))
        for operand in node.ops:
            self.visit(operand, frame)
        self.write(")")

    def visit_Operand(self, node: nodes.Operand, frame: Frame) -> None:  # noqa: N802
        self.write(f" {operators[node.op]} ")
        self._looking(partial(self.visit, node.expr, frame))

    def visit_Getitem(self, node: nodes.Getitem, frame: Frame) -> None:  # noqa: N802
        self._looking(partial(super().visit_Getitem, node, frame))

    def visit_List(self, node: nodes.List, frame: Frame) -> None:  # noqa: N802
        self._looking(partial(super().visit_List, node, frame))

    def visit_Dict(self, node: nodes.Dict, frame: Frame) -> None:  # noqa: N802
        self._looking(partial(super().visit_Dict, node, frame))

    def visit_Tuple(self, node: nodes.Tuple, frame: Frame) -> None:  # noqa: N802
        if node.ctx == "load":
            self._looking(partial(super().visit_Tuple, node, frame))
        else:
            super().visit_Tuple(node, frame)

    def _looking(self, write: Callable[[], None]) -> None:
        self.write("environment.look(")
        write()
        self.write(")")


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment in which no template works beyond :func:`bounded`."""

    code_generator_class = _Generator
    intercepted_binops = frozenset({"+", "-", "*", "/", "//", "%", "**"})
    spend = staticmethod(_spend)
    look = staticmethod(_look)
    text = staticmethod(_text)

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        for name in _NO_FILTERS:
            del self.filters[name]
        for name in _NO_GLOBALS:
            del self.globals[name]
        self.globals["range"] = _range
        tables: tuple[dict[str, Any], ...] = (self.filters, self.tests)
        for table in tables:
            table |= {name: _paid(name, table[name]) for name in table}

    @staticmethod
    def joined(values: Iterable[Any]) -> str:
        """``a ~ b``."""
        return "".join(_text(value) for value in values)

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """Calculate with numbers that are not too large, and add texts and lists."""
        for each in (left, right):
            if isinstance(each, int) and each.bit_length() > _MOST_BITS:
                raise TemplateRuntimeError("a number is too large to calculate with")
        if operator in ("*", "**"):
            _multiplied(operator, left, right)
        if operator == "%" and isinstance(left, str):
            _formatted(left, *(right if isinstance(right, tuple) else (right,)))
        return _look(super().call_binop(context, operator, left, right))

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """As usual; of a text only what makes no text of another size, or is paid for."""
        if isinstance(obj, str) and attr not in _TEXT_METHODS:
            return False
        return attr != "to_bytes" and super().is_safe_attribute(obj, attr, value)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """``a[b]``."""
        return super().getitem(obj, _look(argument))

    def call(self, context: Any, obj: Any, /, *args: Any, **names: Any) -> Any:
        """``a(b)``."""
        for each in (*args, *(value for name, value in names.items() if name[0] != "_")):
            _look(each)
        owner, name = getattr(obj, "__self__", None), getattr(obj, "__name__", "")
        if isinstance(owner, str | list | tuple):
            _look(owner)
        if isinstance(owner, str):
            if name in _WIDTHS:
                _width(*args[:1])
            elif name == "replace":
                _replaced(owner, *args)
            elif name == "join":
                _joined(owner, *args)
        return _made(super().call(context, obj, *args, **names))

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """``"…".format`` that pays for what it makes."""
        if super().wrap_str_format(value) is None:
            return None
        made, source = _Formatter(self), str(value.__self__)
        if value.__name__ == "format_map":
            return lambda names: made.vformat(source, (), names)
        return lambda *args, **names: made.vformat(source, args, names)


def _multiplied(operator: str, left: Any, right: Any) -> None:
    if not all(isinstance(each, int | float) and abs(each) < 1e9 for each in (left, right)):
        raise TemplateRuntimeError(f"{operator} is for numbers below 1e9")
    if operator == "**" and abs(right) > 9:
        raise TemplateRuntimeError("** is for exponents of 9 at most")


def _range(*bounds: int) -> range:
    counted = range(*bounds)
    if len(counted) > _MOST_STEPS:
        raise TemplateRuntimeError(f"range() of more than {_MOST_STEPS} steps")
    return counted
