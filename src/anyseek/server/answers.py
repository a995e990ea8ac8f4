"""Answers as JSON: long lists of numbers are written row by row, outside the loop that serves everybody."""

import asyncio
import base64
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response

__all__ = ["Raw", "coded", "has_tag", "numbers", "unless_known", "written"]

INLINE = 1 << 14
"""Numbers that are written at once; more are left to another thread."""


class Raw(str):
    """JSON that is already written."""

    __slots__ = ()


def coded(vectors: np.ndarray) -> list[Raw]:
    """Each row as base64 of little-endian float32, the way of OpenAI's clients."""
    return [Raw(f'"{base64.b64encode(row.tobytes()).decode()}"') for row in vectors.astype("<f4")]


def numbers(vectors: np.ndarray) -> list[Raw]:
    """Each row as a list of numbers."""
    return [Raw(json.dumps(row.tolist())) for row in vectors]


async def written(make: Callable[[], Any], size: int) -> Response:
    """The answer that `make()` gives, which is written in another thread when it holds many numbers.

    Args:
        make: gives the answer, with `Raw` in it.
        size: numbers in it.
    """
    text = _dumped(make()) if size <= INLINE else await asyncio.to_thread(lambda: _dumped(make()))
    return Response(text, media_type="application/json")


def unless_known(request: Request, data: bytes, kind: str, headers: Mapping[str, str]) -> Response:
    """Bytes with a tag of their content; the tag alone for who has them already.

    Args:
        request: says what its sender has.
        data: the bytes.
        kind: media type.
        headers: further ones of the answer.
    """
    tag = f'"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'
    told = {**headers, "ETag": tag}
    if has_tag(request.headers, tag):
        return Response(status_code=304, headers=told)
    return Response(data, headers=told, media_type=kind)


def has_tag(headers: Mapping[str, str], tag: str) -> bool:
    """Whether who asks has what a tag stands for (If-None-Match: a list, compared weakly, or whatever there is)."""
    known = [one.strip().removeprefix("W/") for one in headers.get("if-none-match", "").split(",")]
    return tag in known or known == ["*"]


def _dumped(value: Any) -> bytes:
    """JSON."""
    pieces: list[str] = []
    _write(value, pieces)
    return "".join(pieces).encode()


def _write(value: Any, pieces: list[str]) -> None:
    """JSON, piece by piece."""
    if isinstance(value, Raw):
        pieces.append(str(value))
    elif isinstance(value, dict):
        _join("{", "}", [(json.dumps(key) + ":", entry) for key, entry in value.items()], pieces)
    elif isinstance(value, list | tuple):
        _join("[", "]", [("", entry) for entry in value], pieces)
    else:
        pieces.append(json.dumps(value))


def _join(opening: str, closing: str, entries: Sequence[tuple[str, Any]], pieces: list[str]) -> None:
    """A list or object."""
    pieces.append(opening)
    for number, (lead, entry) in enumerate(entries):
        pieces.append(("," if number else "") + lead)
        _write(entry, pieces)
    pieces.append(closing)
