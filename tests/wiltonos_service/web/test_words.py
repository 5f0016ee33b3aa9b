"""The words of the pages: each in both languages."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

import notifier.web
import wiltonos_otel.web
import wiltonos_service.web

PAGES = [Path(package.__path__[0]) / "static" for package in (notifier.web, wiltonos_otel.web)]
SIGN_IN = Path(wiltonos_service.web.__path__[0]) / "static"
ENTRY = re.compile(r'^ +"([^"]+)":\s+"([^"]+)",$', re.MULTILINE)
SAID = re.compile(r'\bt\("([^"]+)"')
SLOT = re.compile(r"\{\d\}")
# names, code and single signs are alike in every language
ALIKE = re.compile(r"WiltonOS|Φ★?|dΦ/dt|[\W\d_]*|(/\w+)+")


class Words(HTMLParser):
    """Collects what a page says to a reader who has scripts."""

    def __init__(self) -> None:
        super().__init__()
        self.found: set[str] = set()
        self._inside: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the words in attributes."""
        self._inside.append(tag)
        spoken = {"aria-label", "placeholder", "title"}
        self.found |= {value for name, value in attrs if name in spoken and value}

    def handle_endtag(self, tag: str) -> None:
        """Leave an element, and what in it has no end."""
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        """Note a text."""
        if not {"head", "code", "kbd", "noscript"} & set(self._inside):
            self.found.add(data.strip())


def served(page: Path) -> set[str]:
    """What stands in a page before any script."""
    words = Words()
    words.feed(page.read_text("utf-8"))
    examples = {each for each in words.found if '="' in each}
    return {each for each in words.found - examples if not ALIKE.fullmatch(each)}


def catalogue(script: Path) -> dict[str, str]:
    """English → Portuguese."""
    return dict(ENTRY.findall(script.read_text("utf-8")))


@pytest.mark.parametrize("static", PAGES, ids=str)
def test_whatever_a_page_says_is_there_in_both_languages(static: Path) -> None:
    """Nothing is missing, nothing is left over, and each value keeps its place."""
    said = served(static / "index.html")
    for script in static.glob("*.js"):
        said |= set(SAID.findall(script.read_text("utf-8")))
    words = catalogue(static / "words.js")
    assert said == set(words)
    for english, portuguese in words.items():
        assert sorted(SLOT.findall(english)) == sorted(SLOT.findall(portuguese))


def test_the_page_to_sign_in_is_there_in_both_languages() -> None:
    """It comes before any page of a service."""
    script = SIGN_IN / "signin.js"
    said = served(SIGN_IN / "signin.html") | set(SAID.findall(script.read_text("utf-8")))
    assert said - {"Token"} == set(catalogue(script))
