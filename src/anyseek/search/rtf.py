"""Rich text (RTF) as the text that a reader sees: no settings, no pictures in digits."""

import re

__all__ = ["is_rtf", "text_of_rtf"]

MARK = re.compile(r"[^{}\\]+|\\([a-zA-Z]+)(-?\d{1,9})? ?|\\'([0-9a-fA-F]{2})|\\(.)|([{}])", re.DOTALL)
"""Text, a word with its number, a byte, a sign, a border of a group."""
UNSEEN = frozenset(
    {
        *(
            "fonttbl",
            "colortbl",
            "stylesheet",
            "listtable",
            "listoverridetable",
            "revtbl",
            "rsidtbl",
            "info",
            "generator",
        ),
        *("pict", "objdata", "themedata", "colorschememapping", "datastore", "latentstyles", "xmlnstbl", "filetbl"),
        *("fldinst", "bkmkstart", "bkmkend", "template", "nonshppict", "pgptbl", "listpicture", "mmathPr"),
        *("bin", "atnid", "atnauthor", "annotation"),
    }
)
"""Groups that hold no text, or comments."""
WORDS = {
    **{"par": "\n\n", "sect": "\n\n", "page": "\n\n", "line": "\n", "row": "\n", "cell": " | ", "tab": "\t"},
    **{"emdash": "\u2014", "endash": "\u2013", "bullet": "\u2022", "lquote": "\u2018", "rquote": "\u2019"},
    **{"ldblquote": "\u201c", "rdblquote": "\u201d"},
}
SIGNS = {"~": "\xa0", "_": "-", "-": "", "\n": "\n\n", "\r": "\n\n"}
CODES = re.compile(r"\\ansicpg(\d{1,5})")


def is_rtf(text: str) -> bool:
    """Whether a text begins as rich text does."""
    return text.startswith("{\\rtf")


def text_of_rtf(rtf: str) -> str:
    """The text of a document, a blank line between paragraphs, a row of a table a line; one pass over it."""
    reader = _Reader(CODES.search(rtf, 0, 4096))
    for mark in MARK.finditer(rtf):
        word, number, byte, sign, border = mark.groups()
        if border:
            reader.border(border)
        elif byte:
            reader.byte(int(byte, 16))
        elif word:
            reader.word(word, int(number) if number else None)
        elif sign:
            reader.sign(sign)
        else:
            reader.shown(mark[0].replace("\r", "").replace("\n", ""))
    text = re.sub(r" \|[ ]*(?=\n|\Z)", "", reader.text())  # behind the last cell of a row
    return re.sub(r"\n\s*\n\s*", "\n\n", text).strip()


class _Reader:
    """Gathers what is shown."""

    def __init__(self, codes: re.Match[str] | None) -> None:
        self._codes = f"cp{codes[1]}" if codes else "cp1252"
        self._pieces: list[str] = []
        self._bytes = bytearray()
        self._groups: list[tuple[bool, int]] = []
        self._hidden = False
        self._instead, self._skipped = 1, 0

    def border(self, border: str) -> None:
        """A group begins, with what holds around it, or ends."""
        self._flush()
        self._skipped = 0
        if border == "{":
            self._groups.append((self._hidden, self._instead))
        elif self._groups:
            self._hidden, self._instead = self._groups.pop()

    def word(self, word: str, number: int | None) -> None:
        """A word that stands for text, hides its group, or says how a character is written."""
        if word == "u" and number is not None:
            self.shown(chr(number % 65536))
            self._skipped = self._instead
        elif word == "uc":
            self._instead = max(0, number or 0)
        elif word == "shptxt":
            self._hidden = False  # the text of a box, in a group that may be passed over
        elif word in UNSEEN:
            self._hidden = True
        else:
            self.shown(WORDS.get(word, ""))

    def sign(self, sign: str) -> None:
        """A character by a sign; of a star, that its group may be passed over."""
        if sign == "*":
            self._hidden = True
        else:
            self.shown(SIGNS.get(sign, sign if sign in "{}\\" else ""))

    def byte(self, value: int) -> None:
        """A byte in the document's encoding; of two that are one character, one half."""
        if self._skipped:
            self._skipped -= 1
        elif not self._hidden:
            self._bytes.append(value)

    def shown(self, text: str) -> None:
        """Text, but what stands there instead of a character that old programs do not know."""
        if not text:
            return
        self._flush()
        passed = min(self._skipped, len(text))
        self._skipped -= passed
        if not self._hidden:
            self._pieces.append(text[passed:])

    def text(self) -> str:
        """What was gathered; two halves of a character are one."""
        self._flush()
        whole = "".join(self._pieces)
        return whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace")

    def _flush(self) -> None:
        """Bytes become text."""
        if self._bytes:
            try:
                self._pieces.append(self._bytes.decode(self._codes, "replace"))
            except LookupError:
                self._pieces.append(self._bytes.decode("cp1252", "replace"))
            self._bytes.clear()
