"""The catalogues of words."""

import re
from pathlib import Path
from string import Formatter

import pytest

from notifier.render import words as package
from notifier.render.words import CATALOGUES, ONE, words


def placeholders(text: str) -> set[str]:
    """The names between braces."""
    return {name for _, name, _, _ in Formatter().parse(text) if name}


@pytest.mark.parametrize("language", sorted(CATALOGUES))
def test_every_catalogue_has_the_same_words_and_placeholders(language: str) -> None:
    """Nothing is left untranslated, and no translation drops a value."""
    english, other = CATALOGUES["en"], CATALOGUES[language]
    assert set(other) == set(english)
    assert {k: placeholders(v) for k, v in other.items()} == {
        k: placeholders(v) for k, v in english.items()
    }
    assert all(text.strip() for text in other.values())


def test_every_word_that_is_said_exists() -> None:
    """Each key written in the code is in the catalogue, and each of the catalogue is written."""
    folder = Path(package.__file__).parents[1]
    files = [
        *folder.glob("*.py"),
        *folder.parent.glob("web/**/*.html"),
        *folder.parent.glob("web/*.py"),
        *folder.parent.glob("silences/*.py"),
    ]
    code = "".join(path.read_text("utf-8") for path in files)
    said = set(re.findall(r'\bsay\(\s*[\'"]([\w.]+)[\'"]\s*[,)]', code))
    families = {"severity", "value", "link", "page", "own"}
    assert said <= set(CATALOGUES["en"])
    rest = {key for key in CATALOGUES["en"] if key.removesuffix(ONE) not in said}
    written = {key for key in rest if f'"{key}"' in code}
    assert {key.partition(".")[0] for key in rest - written} <= families


def test_languages_are_found_by_either_spelling() -> None:
    """``pt-BR`` and ``pt_BR`` are one; an unknown language is English."""
    assert words("pt-BR").say("resolved") == words("pt_BR").say("resolved") == "Resolvido"
    assert words("xx").say("resolved") == "Resolved"


@pytest.mark.parametrize("language", sorted(CATALOGUES))
@pytest.mark.parametrize("word", ["more_alerts", "more_incidents", "left_out", "digest_ended"])
def test_one_is_not_said_as_many(language: str, word: str) -> None:
    """A count of one has words of its own."""
    spoken = words(language)
    one, two = spoken.say(word, count=1), spoken.say(word, count=2)
    assert "1" in one
    assert one != two.replace("2", "1")
