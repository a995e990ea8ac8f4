"""A small server with a mistake planted in it, written apart from `anyseek.evaluation`: prompts are strings here,
pictures are resized with Pillow, and only the towers are those of the project."""

import base64
import io
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image as Pillow
from tokenizers import Tokenizer as Library

from anyseek.batch import Sample, pack
from anyseek.engine import Embedder, Reranker
from anyseek.processing.pixels import patchify, picture_frames
from anyseek.processing.processor import _position_ids
from anyseek.processing.rules import fit_size

DEFAULT = "Represent the user's input."
DEFAULT_PAIR = "Given a search query, retrieve relevant candidates that answer the query."
JUDGE = (
    "Judge whether the Document meets the requirements based on the Query and the Instruct provided. "
    'Note that the answer can only be "yes" or "no".'
)
SHOWN = "<|vision_start|><|image_pad|><|vision_end|>"


@dataclass(frozen=True, kw_only=True)
class Plant:
    """What is wrong; nothing by default."""

    norm: bool = True
    pool: str = "last"
    chat: bool = True
    tail: str = "<|im_start|>assistant\n"
    instruction: str = "right"
    filter: int = 3
    least_pixels: int = 4096
    address_as_text: bool = False
    swallow: bool = False
    scale: float = 1.0
    width: int | None = None
    logits: bool = False


class Refusal(Exception):
    """An input that cannot be read."""


@dataclass
class Engine:
    """The towers under a planted mistake."""

    model: Embedder | Reranker
    folder: Path
    plant: Plant = Plant()

    def __post_init__(self) -> None:
        self.library = Library.from_file(str(self.folder / "tokenizer.json"))

    def embed(self, content: list[Any], instruction: str | None) -> list[float]:
        """`content` holds strings and the bytes of pictures (or their addresses)."""
        said = (instruction or DEFAULT).strip()
        said = said if said[-1] in ".?!" else said + "."
        text, pictures = self.shown(content)
        if self.plant.instruction == "user" and instruction:
            said, text = DEFAULT, f"{instruction}\n{text}"
        if self.plant.instruction == "ignored":
            said = DEFAULT
        turns = f"<|im_start|>system\n{said}<|im_end|>\n<|im_start|>user\n{text}<|im_end|>\n{self.plant.tail}"
        state = self.state(turns if self.plant.chat else text, pictures)
        state = state.float()
        vector = state / state.norm() * self.plant.scale
        return vector[: self.plant.width].tolist()

    def score(self, query: list[Any], document: list[Any], instruction: str | None) -> float:
        asked, pictures = self.shown(query)
        answer, more = self.shown(document)
        system, head = JUDGE, f"<Instruct>: {instruction or DEFAULT_PAIR}<Query>:"
        if self.plant.instruction == "user" and instruction:  # the wrong turn for a pair is the system's
            system, head = instruction, "<Query>:"
        if self.plant.instruction == "ignored":
            head = f"<Instruct>: {DEFAULT_PAIR}<Query>:"
        user = f"{head}{asked}\n<Document>:{answer}"
        turns = f"<|im_start|>system\n{system}<|im_end|>\n<|im_start|>user\n{user}<|im_end|>\n{self.plant.tail}"
        state = self.state(turns if self.plant.chat else asked + answer, [*pictures, *more])
        logit = state.float() @ self.model.score_row
        return float(logit if self.plant.logits else torch.sigmoid(logit.double()))

    def shown(self, content: list[Any]) -> tuple[str, list[Pillow.Image]]:
        """Text with a placeholder per picture, and the pictures."""
        if self.plant.address_as_text:
            return "".join(part if isinstance(part, str) else part[0] for part in content), []
        try:
            pictures = [self.picture(part[0]) for part in content if not isinstance(part, str)]
        except Refusal:
            if not self.plant.swallow:
                raise
            return "NULL", []
        return "".join(part if isinstance(part, str) else SHOWN for part in content), pictures

    def picture(self, address: str) -> Pillow.Image:
        try:
            picture = Pillow.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))).convert("RGB")
        except OSError as error:
            raise Refusal(str(error)) from error
        size = fit_size(picture.size, self.plant.least_pixels, 1_843_200)
        return picture.resize(size, self.plant.filter)

    @torch.inference_mode()
    def state(self, prompt: str, pictures: list[Pillow.Image]) -> torch.Tensor:
        patches = [patchify(picture_frames(np.asarray(picture))) for picture in pictures]
        grids = [(1, picture.height // 16, picture.width // 16) for picture in pictures]
        for _, rows, columns in grids:
            prompt = prompt.replace("<|image_pad|>", "<|keep|>" * (rows * columns // 4), 1)
        ids = self.library.encode(prompt.replace("<|keep|>", "<|image_pad|>")).ids
        pad = self.library.token_to_id("<|image_pad|>")
        index = [at for at, token in enumerate(ids) if token == pad]
        starts = [at for at in index if ids[at - 1] != pad]
        spans = [(start, rows // 2, columns // 2) for start, (_, rows, columns) in zip(starts, grids, strict=True)]
        sample = Sample(
            token_ids=torch.tensor(ids),
            position_ids=_position_ids(len(ids), spans),
            patches=torch.cat(patches) if patches else torch.empty((0, 1536), dtype=torch.uint8),
            grids=torch.tensor(grids, dtype=torch.int64).view(-1, 3),
            visual_index=torch.tensor(index, dtype=torch.int64),
        )
        tower = self.model.backbone.language_model
        kept: list[torch.Tensor] = []
        hook = tower.norm.register_forward_pre_hook(lambda _, given: kept.append(given[0]))
        final = self.model.backbone(pack([sample]))
        hook.remove()
        states = final if self.plant.norm else kept[0]
        return states[-1] if self.plant.pool == "last" else states.mean(0)

    def answer(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        if path == "/v1/embeddings":
            content, instruction = self.asked(body)
            return {"data": [{"index": 0, "embedding": self.embed(content, instruction)}]}
        query, documents = parts(body["query"]), [parts(document) for document in body["documents"]]
        scores = [self.score(query, document, body.get("instruction")) for document in documents]
        return {"results": [{"index": at, "relevance_score": score} for at, score in enumerate(scores)]}

    @staticmethod
    def asked(body: dict[str, Any]) -> tuple[list[Any], str | None]:
        if "messages" not in body:
            (value,) = body["input"]
            return parts(value), value.get("instruction") if isinstance(value, dict) else None
        system, user = (message["content"] for message in body["messages"])
        assert body["add_generation_prompt"] and body["add_special_tokens"]
        return parts({"content": user}), system[0]["text"]


def parts(value: Any) -> list[Any]:
    """Strings, and one-tuples of addresses."""
    if isinstance(value, str):
        return [value]
    if "content" in value:
        return [part["text"] if part["type"] == "text" else (part["image_url"]["url"],) for part in value["content"]]
    images = value.get("image", [])
    images = images if isinstance(images, list) else [images]
    return [*((image,) for image in images), *([value["text"]] if "text" in value else [])]


@contextmanager
def serving(engine: Engine) -> Iterator[str]:
    """Its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.reply(200, {"data": [{"id": "planted"}]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            assert body["model"] == "planted"
            try:
                self.reply(200, engine.answer(self.path, body))
            except Refusal as error:
                self.reply(400, {"error": str(error)})

        def reply(self, status: int, value: Any) -> None:
            data = json.dumps(value).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
