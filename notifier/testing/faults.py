"""What a fake does instead of answering properly; scripted or by chance."""

import random
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

from notifier.deliver.protocol import Operation


class FaultKind(StrEnum):
    """The ways in which an exchange can go wrong."""

    NONE = "none"
    ANSWER = "answer"
    CUT_BEFORE = "cut_before"
    CUT_AFTER = "cut_after"
    HANG_BEFORE = "hang_before"
    HANG_AFTER = "hang_after"
    ANSWER_AFTER = "answer_after"


@dataclass(frozen=True, slots=True)
class Fault:
    """One wrong answer; build it with one of the functions below.

    Attributes:
        kind: whether the request is processed before things go wrong (``*_after``).
        status: HTTP status of the answer.
        body: body of the answer; text, or JSON as text.
        headers: headers of the answer; its ``Content-Type`` defaults to JSON or plain text.
        operation: only requests of this kind meet the fault; None means the next of any kind.
    """

    kind: FaultKind
    status: int = 200
    body: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    operation: Operation | None = None

    def on(self, operation: Operation) -> "Fault":
        """The same fault, met only by requests of this kind."""
        return replace(self, operation=operation)


def properly() -> Fault:
    """Answer as it should be: lets a script reach the second or third request."""
    return Fault(FaultKind.NONE)


def answer(status: int, body: str = "", **headers: str) -> Fault:
    """Answer this, without processing the request (``_`` in a header's name means ``-``)."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Fault(FaultKind.ANSWER, status, body, named)


def answer_after(status: int, body: str = "") -> Fault:
    """Process the request, then answer this all the same."""
    return Fault(FaultKind.ANSWER_AFTER, status, body)


def slack_error(error: str) -> Fault:
    """Slack's ``200 {"ok": false, "error": ...}``."""
    return answer(200, f'{{"ok":false,"error":"{error}"}}')


def discord_error(status: int, code: int, message: str = "scripted") -> Fault:
    """Discord's JSON error."""
    return answer(status, f'{{"message":"{message}","code":{code}}}')


def rate_limited(retry_after: str, body: str = "") -> Fault:
    """429 with this ``Retry-After``, which may be anything: ``1``, ``0.4``, a date, garbage."""
    return answer(429, body, Retry_After=retry_after)


def cut_before() -> Fault:
    """Close the connection without processing the request."""
    return Fault(FaultKind.CUT_BEFORE)


def cut_after() -> Fault:
    """Process the request, then close the connection without an answer."""
    return Fault(FaultKind.CUT_AFTER)


def hang_before() -> Fault:
    """Neither process nor answer; the connection stays open."""
    return Fault(FaultKind.HANG_BEFORE)


def hang_after() -> Fault:
    """Process, but never answer; the connection stays open."""
    return Fault(FaultKind.HANG_AFTER)


class Faults:
    """The faults that a fake will meet: first the scripted ones, in order, then by chance.

    Attributes:
        met: how often requests met each kind of fault, by kind and operation.
    """

    def __init__(self) -> None:
        self.met: Counter[tuple[FaultKind, Operation]] = Counter()
        self._scripted: deque[Fault] = deque()
        self._standing: dict[str, Fault] = {}
        self._chances: list[tuple[float, Fault]] = []
        self._rng = random.Random(0)

    def add(self, *faults: Fault, times: int = 1) -> None:
        """Meet these once each, in order (the whole sequence ``times`` times)."""
        for _ in range(times):
            self._scripted.extend(faults)

    def always(self, name: str, fault: Fault | None) -> None:
        """Meet this on every request until the same name is set to None: an outage."""
        if fault is None:
            self._standing.pop(name, None)
        else:
            self._standing[name] = fault

    def chance(self, probability: float, fault: Fault, *, seed: int | None = None) -> None:
        """Meet this with such a probability on every request.

        Args:
            probability: in [0, 1]; the probabilities of all chances add up to at most 1.
            fault: what is met.
            seed: seeds the choices, for a repeatable run.
        """
        if seed is not None:
            self._rng = random.Random(seed)
        self._chances.append((probability, fault))

    def clear(self) -> None:
        """Answer properly from now on."""
        self._scripted.clear()
        self._standing.clear()
        self._chances.clear()

    @property
    def left(self) -> int:
        """How many scripted faults nobody has met yet."""
        return len(self._scripted)

    def take(self, operation: Operation) -> Fault | None:
        """The fault that this request meets, or None."""
        fault = self._next(operation)
        if fault is not None:
            self.met[fault.kind, operation] += 1
        return fault

    def _next(self, operation: Operation) -> Fault | None:
        for fault in self._scripted:
            if fault.operation in {None, operation}:
                self._scripted.remove(fault)
                return fault
        for fault in self._standing.values():
            if fault.operation in {None, operation}:
                return fault
        return self._by_chance(operation)

    def _by_chance(self, operation: Operation) -> Fault | None:
        if not self._chances:
            return None
        draw = self._rng.random()
        for probability, fault in self._chances:
            draw -= probability
            if draw < 0:
                return fault if fault.operation in {None, operation} else None
        return None
