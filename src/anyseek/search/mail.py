"""Mail (RFC 5322) and web archives (MHTML) as the text that a reader sees; of attachments their names."""

import email
import re
from collections.abc import Iterator
from email.errors import MessageError
from email.header import decode_header, make_header
from email.message import Message

from anyseek.search.markup import text_of_html

__all__ = ["is_mail", "text_of_mail"]

HEADER = re.compile(r"([!-9;-~]+):[^\r\n]*\r?\n(?:[ \t][^\r\n]*\r?\n)*")
TELLING = frozenset({"mime-version", "message-id"})
MOST_HEADERS = 200
SHOWN = ("Subject", "From", "To", "Cc", "Date")
MOST_PARTS = 100
"""Borders of parts above which a mail is read as it stands: looking for each of them in each line takes its time."""
DAMAGE = (MessageError, ValueError, LookupError, TypeError, AttributeError, RecursionError, AssertionError)
"""What `email` and the codecs that mails name raise."""


def is_mail(text: str) -> bool:
    """Whether a text begins as a mail does: with headers, among them who sent it, and one such as only mails have."""
    place, names = 0, set[str]()
    while len(names) < MOST_HEADERS and (header := HEADER.match(text, place)):
        names.add(header[1].lower())
        place = header.end()
    return "from" in names and not names.isdisjoint(TELLING)


def text_of_mail(text: str) -> str:
    """What a mail is about, by and for whom, and its words: of plain text and HTML that say the same, the plain text.

    What cannot be taken apart comes back as it is.
    """
    if text.count("boundary=") > MOST_PARTS:
        return text
    try:
        message = email.message_from_bytes(text.encode())
        headers = "\n".join(f"{name}: {_decoded(message[name])}" for name in SHOWN if message[name])
        return "\n\n".join(piece for piece in (headers, *_pieces(message)) if piece.strip())
    except DAMAGE:
        return text


def _pieces(message: Message) -> Iterator[str]:
    """The text of each part that is shown, and the names of the others."""
    inside = message.get_payload()
    if isinstance(inside, list):
        kind = message.get_content_type()
        parts = [part for part in inside if isinstance(part, Message)]
        for part in _best(parts) if kind == "multipart/alternative" else parts:
            yield from _pieces(part)
    elif message.get_content_disposition() == "attachment":
        yield _decoded(message.get_filename() or "")
    elif message.get_content_type() in ("text/plain", "text/html"):
        text = _text(message)
        yield text_of_html(text) if message.get_content_type() == "text/html" else text


def _best(parts: list[Message]) -> list[Message]:
    """Of parts that say the same the one in plain text, else the last, which says it best."""
    return [part for part in parts if part.get_content_type() == "text/plain"][:1] or parts[-1:]


def _text(part: Message) -> str:
    """The text of a part in its encoding; what is broken is replaced."""
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    try:
        text = data.decode(part.get_content_charset("utf-8"), "replace")
    except LookupError:
        text = data.decode("utf-8", "replace")
    return text.replace("\r\n", "\n")


def _decoded(header: str) -> str:
    """A header as it is read."""
    try:
        return " ".join(str(make_header(decode_header(header))).split())
    except DAMAGE:
        return header
