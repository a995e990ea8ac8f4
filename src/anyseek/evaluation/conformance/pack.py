"""The built-in pack: a handful of small inputs on which engines are known to disagree, made in code.

Pictures are flat shapes, so that their PNG is small enough to be sent as a data URI and to be read as text by an
engine that takes the address for text. Their sides are no multiples of 32, so that every resize shows.
"""

import base64
import zlib
from dataclasses import dataclass, replace

import numpy as np

from anyseek.items import Image, Item, Text
from anyseek.model.hub import Kind

__all__ = ["Case", "data_uri", "draw", "pack", "png"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One input of the pack.

    Attributes:
        name: short, for tables.
        items: the one to embed, or query and document; the first carries the instruction.
        unreadable: it shows a corrupt picture, so that the right answer is an error.
    """

    name: str
    items: tuple[Item, ...]
    unreadable: bool = False

    @property
    def has_pictures(self) -> bool:
        """Whether anything is shown."""
        return any(isinstance(part, Image) for item in self.items for part in item.parts)


def pack(kind: Kind) -> tuple[Case, ...]:
    """The cases for one kind of model."""
    return _embedding() if kind == "embedding" else _reranking()


def data_uri(source: bytes) -> str:
    """A PNG as an address."""
    return "data:image/png;base64," + base64.b64encode(source).decode("ascii")


TASK = "Find the picture that shows what is described"


def _embedding() -> tuple[Case, ...]:
    """Inputs to embed."""
    first, second = Image(png(draw(233, 151))), Image(png(draw(90, 140, turned=True)))
    return (
        Case(name="text", items=(Item((Text("A red kite flies over a green hill."),)),)),
        Case(name="spaces and scripts", items=(Item((Text("  zwei Wörter,\n\n 凧は空を飛ぶ\t "),)),)),
        Case(name="instruction", items=(Item((Text("a kite above a hill"),), TASK),)),
        Case(name="picture", items=(Item((first,)),)),
        Case(name="small picture", items=(Item((Image(png(draw(45, 38))),)),)),
        Case(name="two pictures, text", items=(Item((first, second, Text("before and after"))),)),
        Case(name="corrupt picture", items=(Item((Image(_corrupt()),)),), unreadable=True),
    )


def _reranking() -> tuple[Case, ...]:
    """Pairs to score."""
    query = Item((Text("Which picture shows a kite?"),))
    told = replace(query, instruction="Retrieve pictures of toys in the open air.")
    shown = Image(png(draw(233, 151)))
    text, other = Text("The kite rises above the hill."), Text("Bread needs flour, water and salt.")
    pairs = {
        "text": (query, Item((text,))),
        "other text": (query, Item((other,))),
        "instruction": (told, Item((text,))),
        "instruction, other": (told, Item((other,))),
        "picture": (query, Item((shown,))),
        "small picture, text": (query, Item((Image(png(draw(45, 38))), Text("a kite")))),
        "picture asks": (Item((shown,)), Item((text,))),
    }
    good = tuple(Case(name=name, items=items) for name, items in pairs.items())
    return (*good, Case(name="corrupt picture", items=(query, Item((Image(_corrupt()),))), unreadable=True))


def draw(width: int, height: int, turned: bool = False) -> np.ndarray:
    """`(height, width, 3)` uint8: a hill, a slanted kite and thin lines, whose edges every resize treats otherwise."""
    y, x = np.mgrid[0:height, 0:width]
    across, down = x / width, y / height
    picture = np.full((height, width, 3), (150, 200, 250), dtype=np.uint8)
    picture[down > 0.75 - 0.3 * across * (1 - across)] = (40, 140, 60)
    picture[np.abs(across - 0.55) + 1.3 * np.abs(down - 0.35) < 0.22] = (220, 40, 40)
    picture[(x + 2 * y) % 23 == 0] = (20, 20, 20)
    return picture[::-1].copy() if turned else picture


def png(picture: np.ndarray) -> bytes:
    """`(height, width, 3)` uint8 as a PNG file (ISO 15948): no filter, one block."""
    height, width, _ = picture.shape
    rows = b"".join(b"\0" + row.tobytes() for row in picture)
    return _file(width, height, zlib.compress(rows, 9))


def _corrupt() -> bytes:
    """A PNG whose header is whole and whose pixels are not."""
    return _file(64, 64, b"no pixels at all")


def _file(width: int, height: int, data: bytes) -> bytes:
    """A PNG file around compressed rows."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 2, 0, 0, 0))  # 8 bits, RGB
    chunks = ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(name, body) for name, body in chunks)


def _chunk(name: bytes, body: bytes) -> bytes:
    """Length, name, body, checksum."""
    return len(body).to_bytes(4, "big") + name + body + zlib.crc32(name + body).to_bytes(4, "big")
