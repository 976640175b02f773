"""The words of an HTML page, without what surrounds them."""

import re
from contextlib import suppress
from html.parser import HTMLParser

SKIPPED = {"script", "style", "template", "noscript", "svg", "nav", "iframe", "object", "title"}
BLOCKS = {"p", "div", "br", "li", "ul", "ol", "tr", "table", "section", "article", "header", "footer", "main", "blockquote", "pre", "hr"}
BLOCKS |= {"h1", "h2", "h3", "h4", "h5", "h6", "dt", "dd"}


class _Words(HTMLParser):
    """Collects the title, and the text that is shown, with a new line where a block begins or ends."""

    def __init__(self) -> None:
        super().__init__()
        self.title: list[str] = []
        self.text: list[str] = []
        # The outermost element that is not shown, and how often it is nested in itself.
        self._inside, self._depth = "", 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """What is not shown begins, or a block."""
        del attrs
        if tag == "body":
            self._inside = ""
        elif self._inside:
            self._depth += tag == self._inside
        elif tag in SKIPPED:
            self._inside, self._depth = tag, 1
        elif tag in BLOCKS:
            self.text.append("\n")

    def handle_endtag(self, tag: str) -> None:
        """An end without a beginning ends nothing."""
        if tag == self._inside:
            self._depth -= 1
            self._inside = tag if self._depth else ""
        elif tag in BLOCKS:
            self.text.append("\n")

    def handle_data(self, data: str) -> None:
        """Text goes to the title, to the page, or nowhere."""
        if self._inside == "title":
            self.title.append(data)
        elif not self._inside:
            self.text.append(data)


def page_text(html: str) -> tuple[str, str]:
    """The title and the readable text of a page, one line per block. It never fails; markup that cannot be read ends the text."""
    words = _Words()
    # The parser asserts that declarations are whole. It isn't closed: that would read an unfinished end again and again.
    with suppress(AssertionError):
        words.feed(html)
    return " ".join("".join(words.title).split()), tidied("".join(words.text))


def tidied(text: str) -> str:
    """The text without needless spaces and empty lines."""
    found = (" ".join(line.split()) for line in re.split(r"[\r\n]+", text))
    return "\n".join(line for line in found if line)
