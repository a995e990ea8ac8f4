"""HTML and Markdown as the text that a reader sees: no scripts, no styles, a blank line between blocks."""

import re
from html.parser import HTMLParser

from markdown_it import MarkdownIt

__all__ = ["is_html", "text_of_html", "text_of_markdown"]

HIDDEN = frozenset({"script", "style", "template", "noscript", "svg", "math", "iframe", "object", "head"})
"""Elements whose content nobody reads as text; of a head, only the title is kept."""
HEADINGS = frozenset(f"h{level}" for level in range(1, 7))
BLOCKS = HEADINGS | {
    *("address", "article", "aside", "blockquote", "body", "caption", "dd", "details", "div", "dl", "dt", "fieldset"),
    *("figcaption", "figure", "footer", "form", "header", "hr", "legend", "main", "nav", "ol", "p", "pre", "section"),
    *("summary", "table", "title", "ul"),
}
LINES = frozenset({"br", "li", "tr"})
CELLS = frozenset({"td", "th"})
START = re.compile(r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html)\b", re.IGNORECASE | re.DOTALL)
HEAD = 4096


def is_html(text: str) -> bool:
    """Whether a text begins as an HTML document does."""
    return START.match(text[:HEAD]) is not None


def text_of_html(html: str) -> str:
    """The text of an HTML document: a blank line between paragraphs, a row or entry a line, `alt` for pictures."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.text()


def text_of_markdown(markdown: str) -> str:
    """The text of Markdown (CommonMark and tables), as `text_of_html` gives it; HTML in it is treated as such."""
    rendered: str = MarkdownIt("commonmark").enable("table").render(markdown)
    return text_of_html(rendered)


class _Reader(HTMLParser):
    """Gathers what is shown."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._pieces: list[str] = []
        self._hidden: list[str] = []
        self._title = False
        self._written = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Borders of blocks and lines, and what stands for a picture."""
        if tag == "body":  # ends a head that nobody closed
            self._hidden = []
        if tag in HIDDEN:
            self._hidden.append(tag)
        self._title = tag == "title"
        self._written += tag == "pre"
        self._border(tag)
        if tag in LINES:
            self._pieces.append("\n")
        elif tag in CELLS:
            self._pieces.append(" | ")
        elif tag == "img":
            self.handle_data(dict(attrs).get("alt") or "")

    def handle_endtag(self, tag: str) -> None:
        """The end of a block, or of something hidden."""
        if tag in self._hidden:
            while self._hidden.pop() != tag:
                pass
        self._title = False
        self._written = max(0, self._written - (tag == "pre"))
        self._border(tag)

    def handle_data(self, data: str) -> None:
        """Text, where it is shown; outside `pre` a line end is a space."""
        if not self._hidden or (self._title and self._hidden == ["head"]):
            self._pieces.append(data if self._written else re.sub(r"\s+", " ", data))

    def text(self) -> str:
        """What was gathered."""
        blocks = re.split(r"[ \t]*\n[ \t]*\n\s*", "".join(self._pieces))
        shown = ("\n".join(_line(line) for line in block.split("\n")) for block in blocks)
        return "\n\n".join(kept for block in shown if (kept := block.strip("\n")))

    def _border(self, tag: str) -> None:
        """What a tag parts."""
        if tag in BLOCKS:
            self._pieces.append("\n\n")


def _line(line: str) -> str:
    """A line without the borders of its table and what is left of white space around it."""
    return re.sub(r" +\| ", " | ", re.sub(r"^ *\| |^ (?! )", "", line.rstrip(" |")))
