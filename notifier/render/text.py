"""Hostile text made harmless, and cut where a reader would cut it. Pure.

Labels and annotations come from whatever is monitored, so they are treated as written by an
attacker: nothing in them may ping, hide, reorder or break out of the place that it is shown in.
"""

from collections.abc import Callable

import regex

Escape = Callable[[str], str]
ELLIPSIS = "…"
_CLUSTER = regex.compile(r"\X")
_MARKS = regex.compile(r"(\p{M}{4})\p{M}+")
_BLANKS = regex.compile(r"[^\S\n]+")
_LINES = regex.compile(r"\n{3,}")
_BREAKS = regex.compile("\r\n|[\r\u2028\u2029\x85]")
# all but line ends and the joiners that scripts and emoji need can hide or reorder text
_UNSEEN = regex.compile(r"(?V1)[\p{Cc}\p{Cf}\p{Cs}\p{Cn}\p{Co}--[\n\u200c\u200d]]+")
_READ = 12_000
_SLACK = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})
_DISCORD = str.maketrans(
    {
        **{char: f"\\{char}" for char in "\\*_~`|>#[]<"},
        # backslashes stop the client from showing a mention, not the server from reading one
        "@": "@\u200b",
    }
)
# how much of a long text can matter, in characters per unit of the limit
_SPARE = 8


def units(text: str) -> int:
    """Length in UTF-16 units, which is what both chats count at most."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def clean(text: str) -> str:
    """The text without control, bidirectional, invisible and unassigned characters.

    Line ends become line feeds, three or more of them two; runs of other white space one space;
    more than four combining marks on one character are dropped. Of a text that is longer than
    any message only the head and the tail are read.
    """
    if len(text) > _READ:
        text = f"{text[: _READ // 2]} {ELLIPSIS} {text[-_READ // 2 :]}"
    if not text.isascii() or not text.isprintable():
        text = _MARKS.sub(r"\1", _UNSEEN.sub("", _BREAKS.sub("\n", text.replace("\t", " "))))
    return _LINES.sub("\n\n", _BLANKS.sub(" ", text)).strip()


def one_line(text: str) -> str:
    """The clean text on one line."""
    return " ".join(clean(text).split())


def slack(text: str) -> str:
    """Escaped for Slack: nothing in it is a link or a mention.

    docs.slack.dev, "Formatting text for app surfaces": exactly ``&``, ``<`` and ``>``.
    """
    return text.translate(_SLACK)


def discord(text: str) -> str:
    """Escaped for Discord: shown as it is, no markdown, no mention."""
    return text.translate(_DISCORD)


def as_it_is(text: str) -> str:
    """No escaping."""
    return text


def fit(text: str, most: int, escape: Escape = as_it_is) -> str:
    """The escaped text within so many UTF-16 units.

    When it has to be cut, the head and the tail stay (the cause often stands at the end), and
    no character that a reader sees as one is cut in two.

    Args:
        text: clean text.
        most: UTF-16 units of the result.
        escape: works character by character.
    """
    if len(text) <= most * _SPARE:
        escaped = escape(text)
        if units(escaped) <= most:
            return escaped
    if most < 1:
        return ""
    room = most - 3
    if room < 16:
        return (_head(text, most - 1, escape) + ELLIPSIS)[:most]
    tail_room = room // 3
    head = _head(text, room - tail_room, escape).rstrip()
    tail = _tail(text, tail_room, escape).lstrip()
    return f"{head} {ELLIPSIS} {tail}"


def _head(text: str, room: int, escape: Escape) -> str:
    taken: list[str] = []
    for match in _CLUSTER.finditer(text[: room * _SPARE]):
        cluster = escape(match[0])
        room -= units(cluster)
        if room < 0:
            break
        taken.append(cluster)
    return "".join(taken)


def _tail(text: str, room: int, escape: Escape) -> str:
    taken: list[str] = []
    for cluster in reversed(_CLUSTER.findall(text[-room * _SPARE :])):
        escaped = escape(cluster)
        room -= units(escaped)
        if room < 0:
            break
        taken.append(escaped)
    return "".join(reversed(taken))
