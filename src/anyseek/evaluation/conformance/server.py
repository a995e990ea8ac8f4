"""A running server as a target: OpenAI's /v1/embeddings, and /v1/rerank as Jina and Cohere have it.

Two forms of request are in use. `input`: a string, or an object of text, image (data URI) and instruction (SGLang,
Jina, Infinity). `messages`: chat messages with content parts (vLLM). Nothing is read from the environment, and no other
address than the given one is asked.
"""

from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import torch

from anyseek.errors import ConfigError, SourceError
from anyseek.evaluation.conformance.pack import Case, data_uri
from anyseek.evaluation.conformance.trace import Trace
from anyseek.items import Image, Item, Text
from anyseek.model.hub import Kind
from anyseek.processing.template import embedding_instruction

__all__ = ["Form", "Server"]

Form = Literal["input", "messages"]

ENDPOINTS = {"embedding": "/v1/embeddings", "reranking": "/v1/rerank"}


class Server:
    """A server that embeds or reranks."""

    def __init__(
        self, url: str, kind: Kind, *, form: Form = "input", model: str | None = None, timeout_seconds: float = 120
    ) -> None:
        """Ask the server at `url` (with or without `/v1` and the endpoint) in this form, for this model.

        Args:
            url: http or https.
            kind: which endpoint.
            form: of requests.
            model: name in requests; None asks the server for its first.
            timeout_seconds: for each request.

        Raises:
            ConfigError: not an http address.
            SourceError: nobody answers there.
        """
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ConfigError(f"{url!r} is no address of a server; write http://host:port")
        base = url.rstrip("/").removesuffix(ENDPOINTS[kind].removeprefix("/v1")).removesuffix("/v1")
        self.name = base
        self._url, self._kind, self._form = base + ENDPOINTS[kind], kind, form
        self._client = httpx.Client(timeout=timeout_seconds, trust_env=False)
        self._model = model or self._first_model(base)

    def trace(self, case: Case) -> Trace:
        """The vector or score of a case; the server's own refusal stands as the record's error.

        Raises:
            SourceError: nobody answers.
        """
        body = _embedding_body(case, self._form) if self._kind == "embedding" else _reranking_body(case, self._form)
        answer = self._send("POST", self._url, {"model": self._model, **body})
        if answer.status_code != 200:
            return Trace(error=f"HTTP {answer.status_code}: {answer.text[:200]}")
        try:
            return _read(answer.json(), self._kind)
        except (ValueError, LookupError, TypeError) as error:
            raise SourceError(f"{self._url} answers in an unknown form ({error!r}): {answer.text[:200]}") from error

    def _send(self, method: str, url: str, body: dict[str, Any] | None = None) -> httpx.Response:
        """One request."""
        try:
            return self._client.request(method, url, json=body)
        except httpx.HTTPError as error:
            raise SourceError(f"cannot reach {url}: {error or type(error).__name__}; is the server running?") from error

    def _first_model(self, base: str) -> str:
        """The first model that the server lists; some list none and take any name."""
        answer = self._send("GET", f"{base}/v1/models")
        try:
            return str(answer.json()["data"][0]["id"])
        except (ValueError, LookupError, TypeError):
            return "default"


def _embedding_body(case: Case, form: Form) -> dict[str, Any]:
    """A request for one vector."""
    (item,) = case.items
    if form == "input":
        return {"input": [_as_input(item)], "encoding_format": "float"}
    instruction = embedding_instruction(item.instruction)  # the public code ends it before it makes messages
    messages = [
        {"role": "system", "content": [{"type": "text", "text": instruction}]},
        {"role": "user", "content": _as_parts(item)},
    ]
    # vLLM opens no answer and appends no end token unless it is asked to.
    asked = {"add_generation_prompt": True, "add_special_tokens": True}
    return {"messages": messages, "encoding_format": "float", **asked}


def _reranking_body(case: Case, form: Form) -> dict[str, Any]:
    """A request for one score."""
    query, document = case.items
    told = {"instruction": query.instruction} if query.instruction else {}
    one, other = (_as_document(item, form) for item in (query, document))
    return {"query": one, "documents": [other], **told}


def _as_input(item: Item) -> Any:
    """A string when that is all, else an object."""
    texts = [part.text for part in item.parts if isinstance(part, Text)]
    images = [_uri(part) for part in item.parts if isinstance(part, Image)]
    if not images and not item.instruction:
        return "".join(texts)
    found: dict[str, Any] = {"text": "".join(texts)} if texts else {}
    if images:
        found["image"] = images[0] if len(images) == 1 else images
    return found | ({"instruction": item.instruction} if item.instruction else {})


def _as_document(item: Item, form: Form) -> Any:
    """A query or document of a rerank request."""
    bare = Item(item.parts)
    if all(isinstance(part, Text) for part in item.parts):
        return _as_input(bare)
    return _as_input(bare) if form == "input" else {"content": _as_parts(bare)}


def _as_parts(item: Item) -> list[dict[str, Any]]:
    """Content parts of a chat message."""
    return [
        {"type": "text", "text": part.text}
        if isinstance(part, Text)
        else {"type": "image_url", "image_url": {"url": _uri(part)}}
        for part in item.parts
    ]


def _uri(part: Any) -> str:
    """The address of a picture of the pack."""
    assert isinstance(part, Image) and isinstance(part.source, bytes)
    return data_uri(part.source)


def _read(answer: Any, kind: Kind) -> Trace:
    """The vector or score in an answer; a row that holds an error is one."""
    (row,) = answer["data" if kind == "embedding" else "results"]
    if "error" in row:
        return Trace(error=str(row["error"]))
    if kind == "embedding":
        return Trace(vector=torch.tensor(row["embedding"], dtype=torch.float32))
    return Trace(score=float(row["relevance_score"] if "relevance_score" in row else row["score"]))
