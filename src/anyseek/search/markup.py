"""HTML and Markdown as the text that a reader sees: no scripts, no styles, a blank line between blocks.

Files come from anywhere, so that nothing here may take longer than a few passes over a text, whatever stands in it.
That is why tags are told here: `html.parser` goes through unclosed ones again and again, and raises on some.
"""

import re
from collections import Counter
from collections.abc import Iterator
from html import unescape

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock

__all__ = ["MOST_MARKDOWN", "is_html", "text_of_html", "text_of_markdown"]

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
RAW = frozenset({"script", "style"})
"""Elements in which nothing but their own end is a tag."""
BEFORE = re.compile(r"\s+|<\?xml[^>]*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
START = re.compile(r"<(!doctype\s+html|html)\b", re.IGNORECASE)
HEAD = 4096
MOST_MARKDOWN = 2 << 20
"""Characters of Markdown that are parsed, which takes some hundred bytes of memory for each; more is read as it is."""

TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
ATTRIBUTE = re.compile(r"""[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]*)))?""")
CLOSE = re.compile(r"[\s/]*>")
ENDS = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in RAW}
DELIMITER = re.compile(r"[|:-][|: \t-]*")
"""The line below the head of a table in Markdown."""
CELL = re.compile(r"(?<!\\)\|")
LONG_NUMBER = re.compile(r"&#[0-9]{20,};?")
"""A character by a number that Python may refuse to read, and that stands for none."""

Mark = tuple[str, str, str]
"""`text`, `start` or `end`; the text, or the name of the tag; the `alt` of a tag."""


def is_html(text: str) -> bool:
    """Whether a text begins as an HTML document does, behind white space and comments."""
    head, place = text[:HEAD], 0
    while before := BEFORE.match(head, place):
        place = before.end()
    return START.match(head, place) is not None


def text_of_html(html: str) -> str:
    """The text of an HTML document: a blank line between paragraphs, a row or entry a line, `alt` for pictures."""
    reader = _Reader()
    for kind, value, alt in _marks(html):
        if kind == "text":
            reader.shown(unescape(LONG_NUMBER.sub("\ufffd", value)))
        elif kind == "start":
            reader.started(value, unescape(LONG_NUMBER.sub("\ufffd", alt)))
        else:
            reader.ended(value)
    return reader.text()


def text_of_markdown(markdown: str) -> str:
    """The text of Markdown (CommonMark and tables), as `text_of_html` gives it; HTML in it is treated as such.

    Rows of tables have as many cells as are written, whatever their head has.

    Of more than `MOST_MARKDOWN` characters the text comes back as it is.
    """
    if len(markdown) > MOST_MARKDOWN:
        return markdown
    parser = MarkdownIt("commonmark").enable("table")
    parser.block.ruler.at("table", _table, {"alt": ["paragraph", "reference"]})
    rendered: str = parser.render(markdown)
    return text_of_html(rendered)


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A rule of `markdown_it` instead of its own, which fills rows up: to the square of what is written."""
    if start + 1 >= end or state.sCount[start + 1] < state.blkIndent:
        return False
    head, border = (_written(state, line) for line in (start, start + 1))
    if "|" not in head or not {"|", "-"} <= set(border) or not DELIMITER.fullmatch(border):
        return False
    if silent:
        return True
    state.push("table_open", "table", 1)
    line, ends = start, state.md.block.ruler.getRules("blockquote")
    while line < end and (row := _written(state, line)) and state.sCount[line] >= state.blkIndent:
        if line > start + 1 and any(rule(state, line, end, True) for rule in ends):
            break
        if line != start + 1:
            state.push("tr_open", "tr", 1)
            inline = state.push("inline", "", 0)
            inline.content, inline.children = " | ".join(cell.strip() for cell in CELL.split(row)), []
            state.push("tr_close", "tr", -1)
        line += 1
    state.push("table_close", "table", -1)
    state.line = line
    return True


def _written(state: StateBlock, line: int) -> str:
    """A line without what it is nested in; of code, which begins further in, nothing."""
    return "" if state.is_code_block(line) else state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _marks(html: str) -> Iterator[Mark]:
    """Tags and what stands between them, in one pass; of a tag that is not closed, all that follows is text."""
    place = 0
    while (start := html.find("<", place)) >= 0:
        yield "text", html[place:start], ""
        tag = TAG.match(html, start)
        if tag is None:
            place = _passed(html, start)
            if place == start + 1:
                yield "text", "<", ""
            continue
        end, alt = _attributes(html, tag.end())
        if end is None:
            place = start
            break
        name, place = tag[2].lower(), end
        if tag[1]:
            yield "end", name, ""
            continue
        yield "start", name, alt
        if html[end - 2] == "/":
            yield "end", name, ""
        elif name in RAW:
            close = ENDS[name].search(html, end)
            place = close.start() if close else len(html)
    yield "text", html[place:], ""


def _passed(html: str, start: int) -> int:
    """Where a comment or declaration ends that begins here, or the next character for what is none."""
    if html.startswith("<!--", start):
        end = html.find("-->", start + 4)
        return end + 3 if end >= 0 else len(html)
    if html[start + 1 : start + 2] in ("!", "?"):
        end = html.find(">", start)
        return end + 1 if end >= 0 else len(html)
    return start + 1


def _attributes(html: str, place: int) -> tuple[int | None, str]:
    """Where a tag ends, None for nowhere, and its `alt`."""
    alt = ""
    while (close := CLOSE.match(html, place)) is None:
        found = ATTRIBUTE.match(html, place)
        if found is None:
            return None, ""
        if found[1].lower() == "alt":
            alt = found[2] or found[3] or found[4] or ""
        place = found.end()
    return close.end(), alt


class _Reader:
    """Gathers what is shown."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._hidden: list[str] = []
        self._within: Counter[str] = Counter()
        self._title = False
        self._written = 0

    def started(self, tag: str, alt: str) -> None:
        """Borders of blocks and lines, and what stands for a picture."""
        if tag == "body":  # ends a head that nobody closed
            self._hidden, self._within = [], Counter()
        if tag in HIDDEN:
            self._hidden.append(tag)
            self._within[tag] += 1
        self._title = tag == "title"
        self._written += tag == "pre"
        self._border(tag)
        if tag in LINES:
            self._pieces.append("\n")
        elif tag in CELLS:
            self._pieces.append(" | ")
        elif tag == "img":
            self.shown(alt)

    def ended(self, tag: str) -> None:
        """The end of a block, or of something hidden."""
        while self._within[tag]:
            last = self._hidden.pop()
            self._within[last] -= 1
            if last == tag:
                break
        self._title = False
        self._written = max(0, self._written - (tag == "pre"))
        self._border(tag)

    def shown(self, data: str) -> None:
        """Text, where it is shown; outside `pre` a line end is a space."""
        if not self._hidden or (self._title and self._hidden == ["head"]):
            self._pieces.append(data if self._written else re.sub(r"\s+", " ", data))

    def text(self) -> str:
        """What was gathered."""
        # The look behind keeps a run of blanks from being looked through once for each blank.
        blocks = re.split(r"(?<![ \t])[ \t]*\n[ \t]*\n\s*", "".join(self._pieces))
        shown = ("\n".join(_line(line) for line in block.split("\n")) for block in blocks)
        return "\n\n".join(kept for block in shown if (kept := block.strip("\n")))

    def _border(self, tag: str) -> None:
        """What a tag parts."""
        if tag in BLOCKS:
            self._pieces.append("\n\n")


def _line(line: str) -> str:
    """A line without the borders of its table and what is left of white space around it."""
    line = re.sub(r"^ *\| |^ (?! )", "", line.rstrip(" |"))
    return re.sub(r"(?:(?<! )|(?<=\| )) +\| ", " | ", line)
