"""One purse of characters for one message. Pure."""

from collections.abc import Iterable, Sequence

from notifier.render.text import Escape, as_it_is, fit, units


class Budget:
    """What is left of the total that a chat allows for a message.

    Args:
        total: UTF-16 units.
    """

    def __init__(self, total: int) -> None:
        self.left = total

    def take(self, text: str, most: int, escape: Escape = as_it_is) -> str:
        """The escaped text, cut to ``most`` and to what is left, and paid for."""
        fitted = fit(text, max(min(most, self.left), 0), escape)
        self.left -= units(fitted)
        return fitted

    def own(self, own: str, default: str, most: int, escape: Escape) -> str:
        """The template's text, which is escaped already, else the default."""
        return self.take(own, most) if own else self.take(default, most, escape)

    def whole(self, text: str, most: int) -> str:
        """The text as it is, paid for, or "" when it does not fit: for what must not be cut."""
        if units(text) > min(most, self.left):
            return ""
        self.left -= units(text)
        return text

    def lines(self, lines: Sequence[str], most: int) -> tuple[str, int]:
        """As many leading lines as fit, joined and paid for, and how many were left out."""
        kept: list[str] = []
        room = min(most, self.left)
        for line in lines:
            cost = units(line) + bool(kept)
            if cost > room:
                break
            room -= cost
            kept.append(line)
        text = "\n".join(kept)
        self.left -= units(text)
        return text, len(lines) - len(kept)


def joined(parts: Iterable[str], between: str = " · ") -> str:
    """The parts that are not empty, joined."""
    return between.join(part for part in parts if part)
