"""The fixed words of every message, one catalogue per language. Pure.

A catalogue is a module with ``WORDS``; a test holds all to the same keys and placeholders.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from notifier.render.words import en, pt_BR

CATALOGUES: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {"en": en.WORDS, "pt-BR": pt_BR.WORDS}
)
# ends the key of a singular
ONE = ".one"


@dataclass(frozen=True, slots=True)
class Words:
    """One language."""

    catalogue: Mapping[str, str]

    def say(self, word: str, **values: object) -> str:
        """The word or sentence of this key, its placeholders filled.

        A ``count`` of 1 takes the key's singular, where there is one.

        Raises:
            KeyError: there is no such key; keys are ours, so a test finds it first.
        """
        one = f"{word}{ONE}"
        key = one if values.get("count") == 1 and one in self.catalogue else word
        return self.catalogue[key].format(**values)

    def name(self, key: str, default: str) -> str:
        """The word of this key, or the default for keys that are not ours."""
        return self.catalogue.get(key, default)


def words(language: str) -> Words:
    """The words of a language; English for one that has no catalogue."""
    wanted = language.replace("_", "-")
    return Words(CATALOGUES.get(wanted, en.WORDS))
