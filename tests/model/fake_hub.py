"""Both hubs on 127.0.0.1, with the faults that real ones have: cut connections, corrupt bytes, no `Range`."""

import hashlib
import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class FakeHub:
    """What is served, what goes wrong, and what was asked for."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.cut: dict[str, list[int]] = {}  # name -> after how many bytes each next connection breaks
        self.corrupt: Counter[str] = Counter()  # name -> how many answers are wrong
        self.unlisted: set[str] = set()  # listed, but 404 when asked for
        self.ignores_range = False
        self.extra_size = 0  # claimed on top of the true size of weights
        self.requests: list[tuple[str, str | None]] = []  # file, Range
        self.endpoint = ""

    def listing(self, style: str) -> dict[str, Any]:
        """The file list of one hub."""
        if style == "huggingface":
            siblings = []
            for name, data in self.files.items():
                lfs = {"sha256": digest(data), "size": self.size(name), "pointerSize": 130}
                large = {"lfs": lfs} if name.endswith((".safetensors", "tokenizer.json")) else {}
                siblings.append({"rfilename": name, "size": self.size(name), "blobId": "0" * 40, **large})
            return {"id": "some/model", "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
        entries: list[dict[str, Any]] = [{"Path": "assets", "Name": "assets", "Type": "tree", "Size": 0}]
        for name, data in self.files.items():
            entries.append({"Path": name, "Type": "blob", "Size": self.size(name), "Sha256": digest(data)})
        return {"Code": 200, "Success": True, "Data": {"Files": entries}}

    def size(self, name: str) -> int:
        return len(self.files[name]) + (self.extra_size if name.endswith(".safetensors") else 0)


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Both APIs."""

    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def do_HEAD(self) -> None:
        self.answer(body=False)

    def do_GET(self) -> None:
        self.answer(body=True)

    def answer(self, body: bool) -> None:
        url = urlparse(self.path)
        if url.path == "/api/models/some/model":
            self.send(json.dumps(self.hub.listing("huggingface")).encode(), body)
        elif url.path == "/api/v1/models/some/model/repo/files":
            self.send(json.dumps(self.hub.listing("modelscope")).encode(), body)
        elif url.path == "/api/v1/models/some/model/repo":
            self.file(parse_qs(url.query)["FilePath"][0], body)
        elif url.path.startswith("/some/model/resolve/"):
            self.file(url.path.split("/", 5)[5], body)
        else:
            self.send(b"{}", body, status=404)

    def file(self, name: str, body: bool) -> None:
        if name not in self.hub.files or name in self.hub.unlisted:
            self.send(b"{}", body, status=404)
            return
        data, asked = self.hub.files[name], self.headers.get("Range")
        headers = {"ETag": f'"{digest(data)}"', "X-Repo-Commit": COMMIT}
        if body:
            self.hub.requests.append((name, asked))
            if self.hub.corrupt[name]:
                self.hub.corrupt[name] -= 1
                data = bytes(byte ^ 1 for byte in data)
        start = int(asked.removeprefix("bytes=").split("-")[0]) if asked and not self.hub.ignores_range else 0
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        cuts = self.hub.cut.get(name) or []
        cut = cuts.pop(0) if body and cuts else None
        self.send(data[start:], body, headers, 206 if start else 200, cut)

    def send(
        self,
        data: bytes,
        body: bool,
        headers: dict[str, str] | None = None,
        status: int = 200,
        cut: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(data)), **(headers or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        if body:
            self.wfile.write(data if cut is None else data[:cut])
        if cut is not None:
            self.close_connection = True


@contextmanager
def serve(files: dict[str, bytes]) -> Iterator[FakeHub]:
    """A hub for as long as the block runs."""
    hub = FakeHub(files)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Bound", (Handler,), {"hub": hub}))
    hub.endpoint = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
