"""Text into words that the full-text leg matches, for scripts with spaces between words and without.

The same for documents and queries: compatibility forms, case and accents are folded; runs of letters and digits are
words; in scripts that write no spaces, and in Korean, whose words carry particles, each pair of neighbours is one.
Documents also keep single characters of those, so that a query of one character finds something too.
"""

import re
import unicodedata

__all__ = ["LONGEST", "words"]

LONGEST = 40
"""Characters of a word that count; what follows is cut off."""

MARKS = re.compile("[\u0300-\u036f\u0591-\u05c7\u064b-\u0652\u0670\u00ad\u200b\u200d\u2060\ufeff\ufffe]")
"""Accents, and the vowel signs of Hebrew and Arabic, which most people leave out; soft hyphens (U+FFFE is PDFium's) and
the like, which stand unseen within words."""
UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17d3"  # Thai, Lao, Burmese, Khmer
    "\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"  # Japanese
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Chinese characters
    "\uac00-\ud7af"  # Korean
)
SIGNS = "\u0900-\u0963\u0966-\u0dff\u0f18-\u0fbc"
"""Scripts of India and Tibet, whose vowel signs are not letters to Python."""
RUN = re.compile(rf"(?P<unspaced>[{UNSPACED}]+)|(?:(?![_{UNSPACED}])[\w{SIGNS}])+")


def words(text: str, *, query: bool = False) -> str:
    """The words of a text with spaces between them.

    Args:
        text: as it stands in the file, or as it was asked.
        query: leave out single characters of unspaced scripts where there are pairs.
    """
    plain = MARKS.sub("", unicodedata.normalize("NFKD", text))
    folded = unicodedata.normalize("NFKC", plain).casefold()
    found: list[str] = []
    for match in RUN.finditer(folded):
        run = match[0]
        if match["unspaced"] is None:
            found.append(run[:LONGEST])
        else:
            found += [run[place : place + 2] for place in range(len(run) - 1)]
            if not query or len(run) == 1:
                found += run
    return " ".join(found)
