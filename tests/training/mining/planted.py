"""An embedder and a reranker whose answers are known, and which can be interrupted."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from anyseek.engine import Encoded, Scored
from anyseek.errors import InputError
from anyseek.items import Item, Text


class Angles:
    """An embedder of the plane: a text is its angle in degrees, so that cosines are known; `bad` fails,
    and after `last` items it is interrupted."""

    def __init__(self, last: int | None = None) -> None:
        self.last, self.seen = last, []

    def encode(self, items: Sequence[Item], **_: Any) -> Encoded:
        out, errors = np.zeros((len(items), 2), np.float32), {}
        for row, item in enumerate(items):
            if self.last is not None and len(self.seen) >= self.last:
                raise KeyboardInterrupt
            text = next(part.text for part in item.parts if isinstance(part, Text))
            self.seen.append(text)
            if text.startswith("bad"):
                out[row], errors[row] = np.nan, InputError("cannot be read").at(f"items[{row}]")
                continue
            angle = np.radians(float(text.split()[0]))
            out[row] = np.cos(angle), np.sin(angle)
        return Encoded(out, errors)

    encode_query = encode_document = encode


class Judge:
    """A reranker with a table of log-odds by the first word of the document; after `last` calls it is
    interrupted."""

    source = None

    def __init__(self, odds: Mapping[str, float] | None = None, last: int | None = None) -> None:
        self.odds, self.last = odds or {}, last
        self.calls: list[list[tuple[str, str]]] = []

    def predict(self, pairs: Sequence[tuple[Item, Item]], **given: Any) -> Scored:
        assert given == {"activation": "none", "on_error": "collect"}
        if self.last is not None and len(self.calls) >= self.last:
            raise KeyboardInterrupt
        named = [(query.parts[0].text, document.parts[0].text) for query, document in pairs]
        self.calls.append(named)
        errors = {
            row: InputError("too long together").at(f"pairs[{row}]")
            for row, (_, document) in enumerate(named)
            if document.startswith("long")
        }
        scores = [np.nan if row in errors else self.odds.get(one, -5.0) for row, (_, one) in enumerate(named)]
        return Scored(np.array(scores, np.float32), errors)
