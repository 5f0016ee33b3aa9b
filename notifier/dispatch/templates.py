"""The templates of a channel: read again when their files change, checked, and told about."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from notifier.render import RenderContext, Template, check_template
from notifier.render.samples import samples

log = structlog.get_logger(__name__)

# different problems of the same sources that are told; a reader learns nothing from more
_MOST_TOLD = 5


@dataclass(frozen=True, slots=True)
class Source:
    """Where one template of a channel comes from: a text, or a file that holds it.

    Attributes:
        key: of the configuration, for example ``text_template``.
    """

    key: str
    text: str | None = None
    file: Path | None = None

    @property
    def given(self) -> bool:
        """Whether there is one at all."""
        return self.text is not None or self.file is not None

    def read(self) -> str | None:
        """The Jinja source; None without one.

        Raises:
            OSError: the file cannot be read.
            UnicodeDecodeError: the file is no UTF-8 text.
        """
        return self.file.read_text("utf-8") if self.file is not None else self.text

    def place(self, line: int) -> str:
        """How to name a line of it in a message."""
        return f"{self.file}:{line}" if self.file is not None else f"{self.key}, line {line}"

    def stamp(self) -> tuple[int, int, int] | None:
        """Differs from the one before when the file has changed."""
        if self.file is None:
            return None
        try:
            status = self.file.stat()
        except OSError:
            return (0, 0, 0)
        return status.st_ino, status.st_mtime_ns, status.st_size


@dataclass
class ChannelTemplate:
    """The templates of one channel as they stand on the disk now.

    A failure is told once for each version of the sources: one line in the log and ``problem``,
    which stays until the sources change.

    Attributes:
        channel: its name.
        title: of the first line.
        text: of the paragraph below the values.
        failed: called for every message in which the default had to serve.
        problem: what failed last; "" is well.
    """

    channel: str
    title: Source
    text: Source
    failed: Callable[[], None] = lambda: None
    problem: str = ""
    _stamps: tuple[tuple[int, int, int] | None, ...] = ()
    _template: Template = field(default_factory=Template)
    _unreadable: str = ""
    _told: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return self.title.given or self.text.given

    def current(self) -> Template:
        """The sources; what cannot be read is left out, and told."""
        stamps = self.title.stamp(), self.text.stamp()
        if stamps != self._stamps:
            self._told.clear()
            self.problem = ""
            title, text = _read(self.title), _read(self.text)
            self._unreadable = title.problem or text.problem
            self._template = Template(title.source, text.source)
            # last: large incidents are rendered in threads, which must not find it half done
            self._stamps = stamps
        return self._template

    def used(self, problem: str) -> None:
        """A message was made with it; with a problem, the default served."""
        problem = self._unreadable or problem
        if not problem:
            return
        self.failed()
        self.problem = problem
        if problem not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(problem)
            log.warning("template failed", channel=self.channel, problem=problem, shown="default")


@dataclass(frozen=True, slots=True)
class _Reading:
    source: str | None
    problem: str = ""


def _read(source: Source) -> _Reading:
    try:
        return _Reading(source.read())
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "no UTF-8 text"
        return _Reading(None, f"{source.file}: {reason}")


def check(channel: str, title: Source, text: Source, context: RenderContext) -> Sequence[str]:
    """Everything that is wrong with the templates of a channel, one line each, with the fix."""
    where, sources = f"channel {channel}", {"title": title, "text": text}
    found, template = [], Template()
    for part, source in sources.items():
        reading = _read(source)
        if reading.problem:
            found.append(f"{where}: {source.key}_file: {reading.problem}; write the template there")
        template = replace(template, **{part: reading.source})
    mistakes = check_template(template, samples(context))
    return [
        *found,
        *(f"{where}: {sources[each.part].place(each.line)}: {each.what}" for each in mistakes),
    ]
