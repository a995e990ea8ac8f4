"""Mail and web archives: what a reader sees, nothing coded, no attachments."""

import base64
from email.message import EmailMessage
from pathlib import Path

import pytest

from anyseek.media import MediaOptions
from anyseek.search.mail import is_mail, text_of_mail
from anyseek.search.pieces import Cutting, Unread, pieces_of

WEB = """From: <Saved by a browser>
Subject: =?utf-8?Q?Marmalade_f=C3=BCr_alle?=
MIME-Version: 1.0
Content-Type: multipart/related;
\ttype="text/html"; boundary="----b"

------b
Content-Type: text/html; charset=utf-8
Content-Transfer-Encoding: quoted-printable

<!DOCTYPE html><html><head><style>p{}</style></head><body><p>caf=C3=A9 marma=
lade</body></html>
------b
Content-Type: text/css
Content-Transfer-Encoding: quoted-printable

p { color: red }
------b
Content-Type: image/png
Content-Transfer-Encoding: base64

iVBORw0KGgoAAAANSUhEUgAA
------b--
"""


def letter() -> EmailMessage:
    mail = EmailMessage()
    mail["Message-ID"], mail["From"], mail["To"], mail["Subject"] = "<1@b>", "Ada <a@b.c>", "c@d.e", "Größe"
    mail.set_content("The größte pear\nof all.\n", cte="base64")
    mail.add_alternative("<p>The <b>same</b> again</p>", subtype="html")
    mail.add_attachment(bytes(range(256)) * 99, maintype="application", subtype="pdf", filename="Überblick.pdf")
    return mail


def test_a_mail_is_its_words(tmp_path: Path) -> None:
    (tmp_path / "a.eml").write_bytes(letter().as_bytes())
    (found,) = pieces_of(tmp_path / "a.eml", "hash", MediaOptions(), Cutting())
    assert not isinstance(found, Unread)
    headers = "Subject: Größe\nFrom: Ada <a@b.c>\nTo: c@d.e"
    assert found.text == f"{headers}\n\nThe größte pear\nof all.\n\n\nÜberblick.pdf"


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_a_web_archive_is_its_page(ends: str) -> None:
    web = WEB.replace("\n", ends)
    assert is_mail(web)
    assert text_of_mail(web) == "Subject: Marmalade für alle\nFrom: <Saved by a browser>\n\ncafé marmalade"


def test_what_is_no_mail() -> None:
    for text in (
        "",
        "Dear Ada:\nMIME-Version: 1.0\n",
        "From: me\nTo: you\n\nMessage-ID: none",
        "a: b\n" * 10_000,
        "a:",
        "mime-version: 1\n",
    ):
        assert not is_mail(text)


def test_broken_mails_are_read_as_far_as_it_goes() -> None:
    unknown = "MIME-Version: 1.0\nSubject: =?klingon?q?x?=\nContent-Type: text/plain; charset=klingon\n\nwords"
    assert text_of_mail(unknown).endswith("words")
    cut = letter().as_bytes().decode()[:400]
    assert "Subject: Größe" in text_of_mail(cut)
    coded = "MIME-Version: 1.0\nContent-Transfer-Encoding: base64\n\n" + base64.b64encode(b"pears").decode()[:-2]
    assert text_of_mail(coded)


def test_parts_within_parts_take_no_longer_than_others() -> None:
    nested = "MIME-Version: 1.0\n" + "".join(
        f'Content-Type: multipart/mixed; boundary="b{n}"\n\n--b{n}\n' for n in range(5000)
    )
    assert text_of_mail(nested + "x") == nested + "x"
    deep = nested[: nested.index('"b90"')]
    assert text_of_mail(deep + "x\n" * 100_000) is not None
