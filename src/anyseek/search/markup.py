"""HTML and Markdown as the text that a reader sees: no scripts, no styles, a blank line between blocks.

Files come from anywhere, so that nothing here may take longer than a few passes over a text, whatever stands in it.
That is why tags are told here: `html.parser` goes through unclosed ones again and again, and raises on some.
"""

import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock

__all__ = ["HEAD", "MOST_MARKDOWN", "is_html", "text_of_html", "text_of_markdown"]

HIDDEN = frozenset(
    {
        "audio",
        "canvas",
        "datalist",
        "iframe",
        "math",
        "noscript",
        "object",
        "script",
        "style",
        "svg",
        "template",
        "video",
    }
)
"""Elements whose content nobody reads as text; what stands in a head is of these, or its title, or ends the head."""
HEADINGS = frozenset(f"h{level}" for level in range(1, 7))
BLOCKS = HEADINGS | {
    *(
        "address",
        "article",
        "aside",
        "blockquote",
        "body",
        "caption",
        "center",
        "dd",
        "details",
        "dialog",
        "dir",
        "div",
    ),
    *("dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup", "hr", "legend", "main"),
    *("menu", "nav", "ol", "p", "pre", "search", "section", "summary", "table", "title", "ul"),
}
LINES = frozenset({"br", "li", "option", "tr"})
APART = frozenset({"button", "select", "textarea"})
"""What stands in a line, but apart from the words around it."""
CELLS = frozenset({"td", "th"})
UNSEEN = frozenset({"script", "style"})
EMPTY = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
)
"""Elements without content, which nothing ends."""
WHOLE = frozenset({"html", "body"})
"""What a page hides only until a script shows it."""
OUTSIDE_PARAGRAPHS = BLOCKS | CELLS | {"li", "tr"}
"""What cannot stand in a paragraph: it ends one that is not closed."""
RAW = UNSEEN | {"textarea", "title"}
"""Elements in which nothing but their own end is a tag."""
BEFORE = re.compile(r"\s+|<\?xml[^>]*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
START = re.compile(r"<(!doctype\s+html|html)\b", re.IGNORECASE)
HEAD = 4096
"""Characters that tell whether a text is HTML."""
MOST_MARKDOWN = 2 << 20
"""Characters of Markdown that are parsed, which takes some hundred bytes of memory for each; more is read as it is."""

TAG = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
ATTRIBUTE = re.compile(r"""[\s/]*([^\s/>][^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]*)))?""")
CLOSE = re.compile(r"[\s/]*>")
COMMENT_END = re.compile("--!?>")
ENDS = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in RAW}
DELIMITER = re.compile(r"[|:-][|: \t-]*")
"""The line below the head of a table in Markdown."""
CELL = re.compile(r"(?<!\\)\|")
LONG_NUMBER = re.compile(r"&#[0-9]{20,};?")
"""A character by a number that Python may refuse to read, and that stands for none."""

Mark = tuple[str, str, str]
"""`text`, `start`, `hidden` (a start with this attribute) or `end`; the text, or the tag's name; the `alt` of a tag."""


def is_html(text: str) -> bool:
    """Whether a text begins as an HTML document does, behind white space and comments."""
    head, place = text[:HEAD], 0
    while before := BEFORE.match(head, place):
        place = before.end()
    return START.match(head, place) is not None


def text_of_html(html: str, *, prose: bool = False) -> str:
    """The text of an HTML document: a blank line between paragraphs, a row or entry a line, `alt` for pictures.

    What has the attribute `hidden` is left out, but for `hidden="until-found"`. What is never closed hides nothing:
    most often somebody writes about a tag. Scripts and styles do, as in browsers.

    Args:
        html: the document, or a part of one.
        prose: scripts and styles that are never closed hide nothing either.
    """
    reader = _Reader()
    for kind, value, alt in _marks(html, prose):
        if kind == "text":
            reader.shown(unescape(LONG_NUMBER.sub("\ufffd", value)))
        elif kind == "end":
            reader.ended(value)
        else:
            reader.started(value, unescape(LONG_NUMBER.sub("\ufffd", alt)), kind == "hidden")
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
    return text_of_html(rendered, prose=True)


def _table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """A rule of `markdown_it` instead of its own, which fills rows up: to the square of what is written."""
    if not _begins_table(state, start, end):
        return False
    if silent:
        return True
    state.push("table_open", "table", 1)
    lines = list(_lines_of_table(state, start, end))
    for row in (lines[0], *lines[2:]):
        state.push("tr_open", "tr", 1)
        inline = state.push("inline", "", 0)
        inline.content, inline.children = " | ".join(cell.strip() for cell in CELL.split(row)), []
        state.push("tr_close", "tr", -1)
    state.push("table_close", "table", -1)
    state.line = start + len(lines)
    return True


def _begins_table(state: StateBlock, start: int, end: int) -> bool:
    """Whether a line is the head of a table, with its delimiter below."""
    if start + 1 >= end or state.sCount[start + 1] < state.blkIndent:
        return False
    head, border = (_written(state, line) for line in (start, start + 1))
    return "|" in head and {"|", "-"} <= set(border) and DELIMITER.fullmatch(border) is not None


def _lines_of_table(state: StateBlock, start: int, end: int) -> Iterator[str]:
    """What stands in the lines of a table, its delimiter among them, up to where something else begins."""
    rules = state.md.block.ruler.getRules("blockquote")
    for line in range(start, end):
        row = _written(state, line)
        if not row or state.sCount[line] < state.blkIndent:
            return
        if line > start + 1 and any(rule(state, line, end, True) for rule in rules):
            return
        yield row


def _written(state: StateBlock, line: int) -> str:
    """A line without what it is nested in; of code, which begins further in, nothing."""
    return "" if state.is_code_block(line) else state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]]


def _marks(html: str, prose: bool) -> Iterator[Mark]:
    """Tags and what stands between them, in one pass; of a tag that is not closed, all that follows is text."""
    place, open_ended = 0, set[str]()  # the names are of RAW, and have no end any more
    while (start := html.find("<", place)) >= 0:
        yield "text", html[place:start], ""
        tag = TAG.match(html, start)
        if tag is None:
            place = _passed(html, start)
            if place == start + 1:
                yield "text", "<", ""
            continue
        end, alt, hidden = _attributes(html, tag.end())
        if end is None:
            place = start
            break
        name, place = tag[2].lower(), end
        if tag[1]:
            yield "end", name, ""
            continue
        yield "hidden" if hidden else "start", name, alt
        if html[end - 2] == "/":
            yield "end", name, ""
        elif name in RAW and name not in open_ended:
            close = ENDS[name].search(html, end)
            if close:
                yield "text", html[end : close.start()], ""
                place = close.start()
            elif name in UNSEEN and not prose:
                return
            open_ended |= set() if close else {name}
    yield "text", html[place:], ""


def _passed(html: str, start: int) -> int:
    """Where a comment or declaration ends that begins here, or the next character for what is none."""
    if html.startswith("<!--", start):
        comment = COMMENT_END.search(html, start + 2)  # `<!-->` is one too
        return comment.end() if comment else len(html)
    if html[start + 1 : start + 2] in ("!", "?"):
        end = html.find(">", start)
        return end + 1 if end >= 0 else len(html)
    return start + 1


def _attributes(html: str, place: int) -> tuple[int | None, str, bool]:
    """Where a tag ends, None for nowhere; its `alt`; whether it is `hidden`."""
    alt, hidden = "", False
    while (close := CLOSE.match(html, place)) is None:
        found = ATTRIBUTE.match(html, place)
        if found is None:
            return None, "", False
        name, value = found[1].lower(), found[2] or found[3] or found[4] or ""
        if name == "alt":
            alt = value
        elif name == "hidden":
            hidden = value.lower() != "until-found"
        place = found.end()
    return close.end(), alt, hidden


class _Hidden(NamedTuple):
    """An element that hides its content, or one of the same name in it.

    Attributes:
        tag: its name.
        hides: whether it does so itself.
        pieces: how much had been gathered where it began.
        written: likewise how many `pre` were open.
    """

    tag: str
    hides: bool
    pieces: int
    written: int


class _Reader:
    """Gathers what is shown, and what something hides until it is closed: of what never is, nothing is lost."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._hidden: list[_Hidden] = []
        self._within: Counter[str] = Counter()
        self._written = 0

    def started(self, tag: str, alt: str, hidden: bool) -> None:
        """Borders of blocks and lines, and what stands for a picture."""
        self._end_paragraph(tag)
        if hidden and tag in EMPTY:
            return
        hides = tag in HIDDEN or (hidden and tag not in WHOLE)
        if hides or self._within[tag]:
            self._hidden.append(_Hidden(tag, hides, len(self._pieces), self._written))
            self._within[tag] += 1
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
        if tag != "p":
            self._end_paragraph(tag)
        written = max(0, self._written - (tag == "pre"))
        while self._within[tag]:
            last = self._hidden.pop()
            self._within[last.tag] -= 1
            if last.tag == tag:
                if last.hides:
                    del self._pieces[last.pieces :]
                    written = last.written
                break
        self._written = written
        self._border(tag)

    def shown(self, data: str) -> None:
        """Text; outside `pre` white space is a space, and none where a line or another space ends before it."""
        if not self._written:
            data = re.sub(r"\s+", " ", data)
            if self._pieces and self._pieces[-1][-1:] in (" ", "\n"):
                data = data.lstrip(" ")
        if data:
            self._pieces.append(data)

    def text(self) -> str:
        """What was gathered."""
        # The look behind keeps a run of blanks from being looked through once for each blank.
        blocks = re.split(r"(?<![ \t])[ \t]*\n[ \t]*\n\s*", "".join(self._pieces))
        shown = ("\n".join(_line(line) for line in block.split("\n")) for block in blocks)
        return "\n\n".join(kept for block in shown if (kept := block.strip("\n")))

    def _end_paragraph(self, tag: str) -> None:
        """End a hidden paragraph that a tag cannot stand in."""
        if tag in OUTSIDE_PARAGRAPHS and self._hidden and self._hidden[-1].tag == "p":
            self.ended("p")

    def _border(self, tag: str) -> None:
        """What a tag parts."""
        if tag in BLOCKS:
            self._pieces.append("\n\n")
        elif tag in APART:
            self.shown(" ")


def _line(line: str) -> str:
    """A line without the borders of its table and what is left of white space around it."""
    line = re.sub(r"^ *\| |^ (?! )", "", line.rstrip(" |"))
    return re.sub(r"(?:(?<! )|(?<=\| )) +\| ", " | ", line)
