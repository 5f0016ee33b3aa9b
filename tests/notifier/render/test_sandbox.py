"""No template stalls the process or fills its memory."""

from time import process_time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from notifier.render import Chat, RenderContext, Template, render
from notifier.render.samples import samples
from notifier.render.sandbox import Sandbox
from notifier.render.template import fill
from notifier.render.text import as_it_is
from notifier.testing import ManualClock

CONTEXT = RenderContext(now=ManualClock().now())
# of the processor, on a machine that is busy with other things
MOST_SECONDS = 0.5
LOOP = "{% for a in range(5000) %}"
END = "{% endfor %}"


def doubling(start: str, again: str, shown: str = "") -> str:
    """Something that would be doubled forty times."""
    return f"{{% set x = {start} %}}" + again * 40 + shown


def twice(expression: str, start: str = "'xx'", shown: str = "") -> str:
    """An expression of ``x`` that is twice as large, forty times."""
    return doubling(start, f"{{% set x = {expression} %}}", shown)


def repeated(expression: str, prelude: str = "") -> str:
    """An expression that would be worked out 25 million times."""
    return f"{prelude}{LOOP}{LOOP}{{% set z = {expression} %}}{END}{END}"


LIST = "{% set n = range(3000)|list %}{% set m = range(3000)|list %}"
LONG = "{% set x = '<!-- (9)-->'.center(900) %}" + "{% set x = x ~ x %}" * 3
HUGE = "{% set b = '1'.ljust(30000, 'f')|int(base=16) %}"
NAMES = "".join(f"{{% set n{n} = namespace() %}}" for n in range(40)) + "".join(
    f"{{% set n{n + 1}.a = n{n} %}}{{% set n{n + 1}.b = n{n} %}}" for n in range(39)
)
BRANCHING = "{% macro f(n) %}{% if n %}{{ f(n-1) }}{{ f(n-1) }}{% endif %}{% endmacro %}{{ f(40) }}"
CALLS = "{% macro f() %}{{ caller() }}{{ caller() }}{% endmacro %}"
BOMBS = [
    "{% for a in range(10**9) %}{% endfor %}",
    LOOP * 2 + END * 2,
    f"{LOOP}{{% for b in range(5000) if false %}}{{% endfor %}}{END}",
    "{% for a in 'x'.ljust(5000) %}{% for b in 'x'.ljust(5000) %}{% endfor %}{% endfor %}",
    f"{{% set q %}}{LOOP}{'x' * 20_000}{END}{{% endset %}}",
    *("{% for a in [1, 2, 3] %}" * n + END * n for n in (18, 500)),
    "{% for a in [1] recursive %}{{ loop([1, 2]) }}{% endfor %}",
    BRANCHING,
    "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}",
    CALLS + "{% call f() %}" * 30 + "{% endcall %}" * 30,
    "{% block a %}{{ self.a() }}{{ self.a() }}{% endblock %}",
    *("{{ " + each + " }}" for each in (
        "'x' * 10**9", "[0] * 10**9", "10**9 * 10**9 * 10**9", "9**9**9**9",
        "'x'.center(300000000)", "'x'.ljust(10**9)", "'x'.rjust(10**9)", "'x'.zfill(10**9)",
        "'x'|center(300000000)", "'x'.expandtabs(10**9)", "(1).to_bytes(10**9, 'big')",
        "'%1000000000d' % 1", "'%.1000000000f' % 1", "'%*d' % (10**9, 1)", "'%(a)1000000d' % {}",
        "'%1000000000d'|format(1)", "'{:1000000000}'.format(1)", "'{:{}}'.format(1, 10**9)",
        "'{0:{1}}'.format(1, 10**9)", "lipsum(n=10**6)", "[1]|batch(10**9, 0)|list",
        "[1]|slice(10**9)|list", "5|round(-10**9)", "1.5|round(10**9, 'ceil')",
        "[1]|tojson(indent=10**9)", "'x'|indent(10**9, true)",
        "'x'|indent('x'.ljust(9999), true)|indent('x'.ljust(9999), true)",
        "'x'|wordwrap(1, wrapstring='x'.ljust(9999))", "'('.ljust(30000, '(')|urlize",
        "range(5000)|select('in', range(5000)|list)|list|length",
        "range(5000)|map('string')|map('center', 5000)|list|length",
        "'\\n'.join(range(5000)|map('string'))", "since.strftime('%1000000d')",
        "(" * 2000 + "1" + ")" * 2000, "1 + " * 5000 + "1", "1 ~ " * 5000 + "1",
        "1" + "|center(900)" * 1500,
    )),
    twice("x ~ x"), twice("x + x"), twice("x + x", "[1]"), twice("x|replace('x', 'xx')"),
    twice("x.replace('x', 'xx')"), twice("x.join(x)"), twice("x|join(x)"), twice("[x, x]|join"),
    twice("'%s%s' % (x, x)"), twice("'{0}{0}'.format(x)"), twice("'{x}{x}'.format_map({'x': x})"),
    twice("'%(a)s%(a)s'|format(a=x)"), twice("[x, x]", shown="{{ x }}"),
    twice("[x, x]", shown="{{ x|tojson }}"), twice("(x, x)", shown="{{ {x: 1} }}"),
    twice("dict(a=x, b=x)", "{}", "{{ x }}"),
    doubling("(1,)", "{% set x = (x, x) %}{% set y = (y, y) %}", "{{ x == y }}"),
    doubling("'xx'", "{% set x %}{{ x }}{{ x }}{% endset %}"),
    doubling("'x'", "{% set x %}{% filter replace('x', 'xx') %}{{ x }}{% endfilter %}{% endset %}"),
    NAMES + "{{ n39 }}", "{% set n = namespace() %}{% set n.a = [n, n] %}{{ n.a }}",
    repeated("1 + 1"), repeated("b // (b - a)", HUGE), repeated("b == b - 1", HUGE),
    repeated("5000 in n", LIST), repeated("n == m", LIST), repeated("n[:]", LIST),
    repeated("n.count(7)", LIST), repeated("n|map('abs')|list", LIST), repeated("n|sum", LIST),
    repeated("{(n, n)|string: 1}", LIST), repeated("c.next()", "{% set c = cycler(1, 2) %}"),
    f"{LIST}{{% for a in n %}}{{% for b in n %}}{{{{ loop.changed(n) and '' }}}}{END}{END}",
    "{{ a }}" * 4500, "{% set a = 1 %}" * 2000, "x" * 100_000,
]  # fmt: skip
ARGUMENTS = {
    "attr": "('x')", "batch": "(2)", "center": "(900)", "format": "(1)", "groupby": "('0')",
    "indent": "(9)", "map": "('upper')", "reject": "('string')", "rejectattr": "('0')",
    "replace": "('a', 'b')", "select": "('string')", "selectattr": "('0')", "slice": "(2)",
    "wordwrap": "(1)",
}  # fmt: skip
METHODS = (
    "capitalize()", "count('x')", "find('xy')", "split()", "splitlines()", "title()", "strip()",
    "rpartition('y')", "replace('a', 'b')", "center(9000)", "join(x)", "format()",
)  # fmt: skip


def seconds(source: str) -> tuple[float, str]:
    """What filling it costs of the processor, and what its problem is."""
    card, incident = next(iter(samples(CONTEXT)))
    began = process_time()
    filled = fill(Template(text=source), card, incident, as_it_is)
    assert len(filled.text) <= 8_000
    return process_time() - began, filled.problem


@pytest.mark.parametrize("source", BOMBS, ids=lambda source: source[:60])
def test_no_template_works_for_long(source: str) -> None:
    """Loops, calls, doublings, widths, nested values, and sources that are long themselves."""
    assert seconds(source)[0] < MOST_SECONDS


@pytest.mark.parametrize("name", [*sorted(Sandbox().filters), *METHODS])
def test_no_filter_or_method_is_cheaper_than_its_work(name: str) -> None:
    """Each of them, again and again on a long text and on a long list."""
    for subject, prelude in (("x", LONG), ("n", LIST), ("x", LIST + "{% set x = n|join %}")):
        use = f".{name}" if name in METHODS else f"|{name}{ARGUMENTS.get(name, '')}"
        assert seconds(repeated(subject + use, prelude))[0] < MOST_SECONDS


@pytest.mark.parametrize("chat", Chat)
def test_a_bomb_leaves_the_default_and_says_so(chat: Chat, incident: Any) -> None:
    """As any template that fails."""
    shown = str(render(chat, incident(), CONTEXT, Template(text=LOOP * 2 + END * 2)).payload)
    assert "Steer softly" in shown
    assert "template failed" in shown
    assert "too much work" in seconds(LOOP * 2 + END * 2)[1]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% for a in alerts if a.status == 'firing' %}{{ a.name }} {% endfor %}", "Sample"),
        ("{{ '%.2f'|format('0.7512'|float) }} {{ '[{:>1}]'.format('x') }}", "0.75 [x]"),
        ("{{ alerts|map(attribute='name')|unique|join(', ')|upper }}", "SAMPLE"),
        ("{{ [1, 2, 3]|map('string')|list|join('+') ~ '=' ~ (1 + 2) * 2 }}", "1+2+3=6"),
        ("{{ 'http://h:90909/%s' % 'x' }} {{ range(3000)|sum }}", "http://h:90909/x 4498500"),
        ("{{ alerts|selectattr('status', 'equalto', 'firing')|length }}", "1"),
        ("{% set n = namespace(k=1) %}{% set n.k = n.k + 2 %}{{ n.k }}", "3"),
        ("{% macro m(x) %}<{{ x }}>{% endmacro %}{{ m('y') }}", "<y>"),
        ("{{ since.strftime('%Y') }} {{ labels.items()|list|length > 0 }}", "True"),
        ("{{ 'a b'.split()|reverse|list }} {{ 'a'.center(3) ~ 1 }}", "['b', 'a'] a 1"),
    ],
)  # fmt: skip
def test_what_templates_are_made_of_works(source: str, said: str) -> None:
    """The bounds are far beyond what a message needs."""
    card, incident = next(iter(samples(CONTEXT)))
    filled = fill(Template(text=source), card, incident, as_it_is)
    assert filled.problem == ""
    assert said.lower() in filled.text.lower()


_VALUES = st.sampled_from(["x", "y", "'ab'", "[x, y]", "(y, x)", "{x|string: y}", "7", "n", "a"])
_WAYS = st.sampled_from([
    "({0} ~ {1})", "({0} + {1})", "({0} * {1})", "({0} % {1})", "({0}|replace({1}, {0}))",
    "({0}|join({1}))", "[{0}, {1}]", "({0} in {1})", "({0} == {1})", "({0}|list)", "({0}|string)",
    "({0}|sort|list)", "({0}|map('string')|list)", "({0}|center(999))", "({0}.join({1}))",
    "({0}|tojson)", "({0}|indent(9))", "({0}|batch(3)|list)", "dict(a={0}, b={1})", "m({0})",
    "({0}|format({1}, {0}))", "({0}|wordwrap(1))", "({0}.format({1}))", "({0}|groupby({1})|list)",
])  # fmt: skip
_EXPRESSIONS = st.recursive(
    _VALUES, lambda inner: st.builds(str.format, _WAYS, inner, inner), max_leaves=6
)
_STATEMENTS = st.recursive(
    st.builds("{{% set n.x = {} %}}{{% set x = n.x %}}".format, _EXPRESSIONS)
    | st.builds("{{% set y = {} %}}".format, _EXPRESSIONS)
    | st.builds("{{{{ {} }}}}".format, _EXPRESSIONS),
    lambda inner: st.lists(inner, min_size=1, max_size=3).map("".join).flatmap(
        lambda body: st.sampled_from([
            f"{{% for a in range(40) %}}{body}{{% endfor %}}",
            f"{{% for a in x %}}{body}{{% endfor %}}",
            f"{{% set y %}}{body}{{% endset %}}",
            body * 8,
        ])
    ),
    max_leaves=5,
)  # fmt: skip


@given(body=_STATEMENTS)
@settings(deadline=None, max_examples=150, suppress_health_check=list(HealthCheck))
def test_no_combination_works_for_long(body: str) -> None:
    """Whatever is made of what in whatever loop."""
    prelude = "{% set n = namespace(x='ab') %}{% set x = 'ab' %}{% set y = [1, 2] %}"
    macro = "{% macro m(x) %}{{ x }}{% if x|length < 99 %}{{ m([x, x]) }}{% endif %}{% endmacro %}"
    assert seconds(prelude + macro + body * 3)[0] < MOST_SECONDS
