"""What goes wrong, in the shape that OpenAI's clients read, with the right status."""

import errno
import json
import logging
import traceback
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from anyseek import errors
from anyseek.server.descriptors import EXHAUSTED
from anyseek.server.options import MOST_ITEMS

__all__ = [
    "COMPUTED",
    "TAG",
    "ErrorAnswer",
    "Fault",
    "answer_to",
    "body_of",
    "closing",
    "documented",
    "fault_of",
    "param_of",
    "unkept",
]

log = logging.getLogger("anyseek.server")

TAG = "~"
"""What the tag of a union's branch begins with, so that it can be told from the field names of a place."""

STATUSES: dict[type[Exception], tuple[int, str]] = {
    errors.InputError: (400, "invalid_input"),
    errors.SourceError: (400, "source_not_found"),
    errors.RefusedError: (400, "source_refused"),
    errors.DecodeError: (400, "source_not_decodable"),
    errors.LimitError: (413, "input_too_large"),
    errors.ConfigError: (400, "invalid_option"),
    errors.CapacityError: (413, "input_too_large"),
}
KINDS = {
    401: "authentication_error",
    403: "permission_error",
    408: "timeout_error",
    429: "rate_limit_error",
    504: "timeout_error",
}
UNWRITABLE = (errno.EACCES, errno.EPERM, errno.EROFS)
MEANINGS = {
    400: "The request is wrong; the message names the input, the part and the remedy.",
    401: "No key, or an unknown one.",
    403: "The key's role does not allow this, or the page that asks is not allowed.",
    404: "No such model, address or thing; or no library is served here.",
    408: "The body did not arrive in time.",
    409: "The library cannot be changed so now; the message says why.",
    410: "The file has changed or gone since it was indexed.",
    413: "More bytes, items, tokens, pixels, pages or seconds than allowed.",
    416: "The file has no such bytes.",
    429: "Too many requests of this key at a time; see Retry-After.",
    500: "A fault of the server.",
    503: "Loading, full or shutting down; see Retry-After.",
    504: "Not computed in time.",
    507: "The disk is full, or takes nothing.",
}


class ErrorDetail(BaseModel):
    """What went wrong."""

    model_config = ConfigDict(extra="forbid")

    message: str
    type: str
    param: str | None
    code: str | None


class ErrorAnswer(BaseModel):
    """An error."""

    model_config = ConfigDict(extra="forbid")

    error: ErrorDetail


class Fault(Exception):
    """An answer other than 200.

    Attributes:
        status: of the answer.
        message: what was wrong and how to mend it.
        code: a word for programs.
        param: which part of the request.
        retry_after: seconds after which asking again may help.
        headers: further ones of the answer.
    """

    def __init__(
        self,
        status: int,
        message: str,
        code: str,
        *,
        param: str | None = None,
        retry_after: int | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep the parts of the answer."""
        super().__init__(message)
        self.status, self.message, self.code, self.param, self.retry_after = status, message, code, param, retry_after
        self.headers = headers or {}


def fault_of(error: Exception) -> Fault:
    """The answer to an error; what is none of ours becomes a 500 that tells nothing, and a place in the log."""
    if isinstance(error, Fault):
        return error
    if isinstance(error, RequestValidationError):
        return _invalid(error.errors(), is_json=not isinstance(error.body, bytes))
    if isinstance(error, HTTPException):
        return Fault(error.status_code, str(error.detail), _word(error.status_code))
    for kind in type(error).__mro__:
        if kind in STATUSES:
            status, code = STATUSES[kind]
            return Fault(status, str(error), code, param=getattr(error, "place", None))
    if isinstance(error, OSError) and error.errno in EXHAUSTED:
        return _crowded()
    # Frames only: the message of an exception may hold what somebody sent.
    frames = "".join(traceback.format_tb(error.__traceback__))
    log.error("a fault of the server: %s\n%s", type(error).__name__, frames)
    return Fault(500, "a fault of the server; its log says more", "internal_error")


def _word(status: int) -> str:
    """A word for an answer of the framework itself."""
    return {404: "not_found", 405: "method_not_allowed"}.get(status, "invalid_request")


def _invalid(found: Sequence[Any], *, is_json: bool) -> Fault:
    """The first place of a body that is not as documented."""
    first = found[0]
    param = param_of(first["loc"])
    if first["type"] == "too_long" and first["ctx"]["max_length"] >= MOST_ITEMS:
        text = f"{param or 'the request'} has more than {first['ctx']['max_length']:,} entries; send several requests"
        return Fault(413, text, "too_many_items", param=param)
    if param is None and not is_json:
        return Fault(400, "the body is not read as JSON; send Content-Type: application/json", "invalid_content_type")
    reason = str(first["msg"]).removeprefix("Value error, ")
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    code = "invalid_json" if first["type"] == "json_invalid" else "invalid_request"
    where = f"{param}: " if param else ""
    return Fault(400, f"{where}{reason}{more}"[:1000], code, param=param)


def param_of(place: Sequence[Any]) -> str | None:
    """A place in a body, such as `input[3].content[1]`."""
    text = ""
    for step in place[1:]:
        if isinstance(step, int):
            text += f"[{step}]"
        elif not str(step).startswith(TAG):
            text += f".{str(step)[:100]}"
    return text.removeprefix(".") or None


def body_of(error: Exception) -> dict[str, Any]:
    """What the answer to an error holds, as `ErrorAnswer`."""
    fault = fault_of(error)
    kind = KINDS.get(fault.status, "invalid_request_error" if fault.status < 500 else "server_error")
    return {"error": {"message": fault.message, "type": kind, "param": fault.param, "code": fault.code}}


def answer_to(error: Exception) -> Response:
    """The answer to an error."""
    fault = fault_of(error)
    headers = dict(fault.headers)
    if fault.retry_after is not None:
        headers["Retry-After"] = str(fault.retry_after)
    if fault.status == 401:
        headers["WWW-Authenticate"] = "Bearer"
    if isinstance(error, HTTPException) and error.headers:
        headers |= error.headers
    return Response(json.dumps(body_of(fault)), fault.status, headers, "application/json")


async def handled(_: Request, error: Exception) -> Response:
    """`answer_to` as the framework calls it."""
    return answer_to(error)


def closing() -> Fault:
    """The answer of a server that is about to end."""
    return Fault(503, "the server is shutting down", "shutting_down", retry_after=5)


def unkept(error: BaseException) -> Fault:
    """The answer where nothing can be written: for want of descriptors, of the right to, else of room."""
    reason = getattr(error, "strerror", None) or "the disk is full"
    if getattr(error, "errno", None) in EXHAUSTED:
        return _crowded()
    if getattr(error, "errno", None) in UNWRITABLE:
        return Fault(409, f"nothing can be written here ({reason}); give the server the right to", "not_writable")
    return Fault(507, f"nothing can be kept here ({reason}); make room on its disk", "disk_full", retry_after=60)


def _crowded() -> Fault:
    """The answer where no file can be opened, since too many are."""
    return Fault(503, "the server has too many files and connections open", "server_full", retry_after=2)


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """How these answers stand in the OpenAPI document."""
    return {status: {"model": ErrorAnswer, "description": MEANINGS[status]} for status in statuses}


COMPUTED = documented(400, 401, 403, 404, 408, 413, 429, 500, 503, 504)
"""Of endpoints that a model computes for."""
