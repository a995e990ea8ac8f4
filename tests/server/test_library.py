"""A library over HTTP: how it is, its files, its things, their pictures and content, and searching it."""

import io
import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import PIL.Image
import pytest

from anyseek.engine import Embedder
from anyseek.engine.embedder import QUERY_INSTRUCTION
from anyseek.errors import ConfigError
from anyseek.search import Library
from anyseek.server import Bounds, Engine, Metrics, Models, ServerOptions
from anyseek.server.indexing import BATCH_SECONDS, Indexing
from anyseek.server.shelf import Shelf
from tests.search.conftest import clip, pdf
from tests.server.conftest import AS_SERVED, Running, Start, png, until, uri
from tests.server.test_door import held


def fill(root: Path) -> Path:
    """Pictures, a PDF, a clip, texts, and what cannot be read."""
    (root / "sub").mkdir(parents=True)
    PIL.Image.new("RGB", (80, 60), "red").save(root / "red.png")
    (root / "noise.png").write_bytes(png(seed=1))
    (root / "sub" / "copy of noise.png").write_bytes(png(seed=1))
    (root / "report.pdf").write_bytes(pdf(2))
    (root / "sub" / "film.mp4").write_bytes(clip())
    (root / "pears.txt").write_text("A recipe for pear cake, with butter. " * 20, encoding="utf-8")
    (root / "page.html").write_text("<p>zebras<script>alert(1)</script>", encoding="utf-8")
    (root / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><text>okapi</text></svg>")
    (root / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing else")
    (root / "program.bin").write_bytes(bytes(range(256)) * 4)
    return root


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("files") / "Mine & yours")


@pytest.fixture(scope="module")
def shelved(start: Start, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A server whose library holds the folder."""
    place = tmp_path_factory.mktemp("place") / "library"
    with start(library=place, folders=(folder,)) as found:
        until(lambda: job(found)["state"] != "running")
        assert job(found)["state"] == "done", job(found)
        yield found


def job(server: Running) -> dict[str, Any]:
    return server.client.get("/v1/library").json()["job"]


def search(server: Running, query: Any = None, **more: Any) -> dict[str, Any]:
    body = ({"query": query} if query is not None else {}) | {"words": 0.3} | more
    answer = server.post("/v1/search", body)
    assert answer.status_code == 200, answer.text
    return answer.json()


def hit_of(server: Running, name: str, **more: Any) -> dict[str, Any]:
    found = search(server, name, all=True, top=200, rerank=False, filters={"path": f"**{name}"}, **more)["results"]
    return next(hit for hit in found if hit["name"] == name)


def test_how_it_is(shelved: Running, folder: Path) -> None:
    told = shelved.client.get("/v1/library").json()
    assert told["things"] == {"image": 2, "page": 2, "video": 1, "text": 3}
    assert (told["files"], told["failed"]) == (8, 2)
    assert told["recall"]["how"] == "memory"
    assert told["folders"] == [{"name": "Mine & yours", "files": 8, "failed": 2}]
    assert (told["job"]["files_done"], told["job"]["files_total"], told["job"]["things_done"]) == (10, 10, 8)
    assert str(folder.parent) not in json.dumps(told)


def test_files_that_vanish_count_nothing(shelved: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """LanceDB renames and deletes files at any moment."""
    before = shelved.client.get("/v1/library").json()["bytes"]
    place = Path(shelved.app.shelf.library.store.folder)
    (place / "gone").write_bytes(b"12345")
    real, looks = Path.stat, [0]

    def stat(self: Path, **more: Any) -> Any:
        if self.name == "gone":
            looks[0] += 1
            if looks[0] % 3 != 1:
                raise FileNotFoundError(2, "No such file or directory", str(self))
        return real(self, **more)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "stat", stat)
        found = [shelved.client.get("/v1/library").json()["bytes"] for _ in range(2)]
    (place / "gone").unlink()
    assert found == [before + 5, before]


def test_held_in_memory(start: Start, folder: Path, tmp_path: Path) -> None:
    """What is searched is what is there, and a job's changes are read before they are searched."""
    place = tmp_path / "library"
    with start(library=place, folders=(folder,)) as live:
        until(lambda: job(live)["state"] == "done")
        store = live.app.shelf.library.store
        assert store._held is not None and store._held._rows.count == 8, "nothing has been searched yet"
        assert live.client.get("/v1/library").json()["recall"]["how"] == "memory"
        assert hit_of(live, "pears.txt")
        sent = live.client.post("/v1/library/files", params={"name": "walrus.txt"}, content=b"the walrus").json()
        assert search(live, "the walrus", all=True, words=0)["results"][0]["name"] == "walrus.txt"
        assert live.client.delete(f"/v1/library/files/{sent['id']}").status_code == 204
        assert "walrus.txt" not in str(search(live, "the walrus", all=True, words=0)["results"])
    for bound in (0, 1000):
        with start(library=place, held_bytes=bound) as live:
            live.app.shelf._hold()  # as the thread does that begins with the server
            assert live.client.get("/v1/library").json()["recall"]["how"] == "exact"
            assert hit_of(live, "pears.txt")


def test_files_in_pages(shelved: Running, folder: Path) -> None:
    whole = shelved.client.get("/v1/library/files").json()
    assert not whole["has_more"]
    assert [file["path"] for file in whole["data"]] == sorted(file["path"] for file in whole["data"])
    assert len({file["id"] for file in whole["data"]}) == len(whole["data"]) == 10
    paths: list[str] = []
    more: dict[str, Any] = {"has_more": True, "last": None}
    while more["has_more"]:
        asked = {"limit": 3} | ({"after": more["last"]} if more["last"] else {})
        more = shelved.client.get("/v1/library/files", params=asked).json()
        paths += [file["path"] for file in more["data"]]
    assert paths == [file["path"] for file in whole["data"]]
    failed = shelved.client.get("/v1/library/files", params={"state": "failed"}).json()["data"]
    assert {file["path"]: file["kind"] for file in failed} == {"broken.pdf": None, "program.bin": None}
    assert all(file["reason"] for file in failed)
    assert str(folder.parent) not in json.dumps(failed)
    assert {file["path"] for file in shelved.client.get("/v1/library/files?path=sub").json()["data"]} == {
        "sub/copy of noise.png",
        "sub/film.mp4",
    }
    film = shelved.client.get("/v1/library/files?path=**.mp4").json()["data"][0]
    assert (film["kind"], film["folder"], film["state"]) == ("video", "Mine & yours", "done")
    assert film["size"] == (folder / "sub" / "film.mp4").stat().st_size
    assert shelved.client.get("/v1/library/files?after=elsewhere/a").status_code == 400


def hash_of(id: str) -> str:
    """Of which file a thing is: which of two parts that are all but equal is the better one, last digits decide."""
    return id.rpartition(".")[0]


def test_a_search_is_that_of_the_library(shelved: Running, models: Models, tmp_path: Path, folder: Path) -> None:
    """The same hits and scores as a library of its own gives, read and computed without a server."""
    with Library.open(tmp_path / "other", "tiny", "tiny") as library:
        library.index([folder])
        for query in ("pear cake", "a red picture", "zebras"):
            expected = library.search(query).hits
            found = search(shelved, query, top=10)["results"]
            assert [hash_of(hit["id"]) for hit in found] == [hash_of(hit.id) for hit in expected]
            assert [hit["score"] for hit in found] == pytest.approx([hit.score for hit in expected], abs=1e-4)
            assert [hit["similarity"] for hit in found] == pytest.approx([hit.similarity for hit in expected], abs=2e-3)


def test_a_hit(shelved: Running) -> None:
    hit = hit_of(shelved, "noise.png")
    assert (hit["kind"], hit["folder"], hit["path"], hit["page"]) == ("image", "Mine & yours", "noise.png", None)
    assert hit["copies"] == [{"id": hit["id"], "folder": "Mine & yours", "path": "sub/copy of noise.png"}]
    assert hit["probability"] is None
    alone = shelved.client.get(f"/v1/library/things/{hit['id']}").json()
    assert alone.items() <= hit.items()
    only = {"kinds": ["text"], "path": "pears.txt"}
    cake = search(shelved, "butter", filters=only, all=True)["results"][0]
    assert "butter" in cake["text"]
    assert len(cake["text"]) < 320
    whole = shelved.client.get(f"/v1/library/things/{cake['id']}").json()["text"]
    assert "butter" in whole
    assert len(whole) > 320
    assert cake["reranked"]
    assert 0 <= cake["probability"] == cake["score"] <= 1
    report = search(shelved, "report", filters={"kinds": ["page"]}, all=True)["results"]
    assert len(report) == 1
    assert {report[0]["page"], *(other["page"] for other in report[0]["others"])} == {1, 2}


def test_more_like_and_unlike(shelved: Running) -> None:
    hit = hit_of(shelved, "noise.png")
    like = search(shelved, like=hit["id"], all=True)["results"]
    assert hit["id"] not in [one["id"] for one in like]
    assert like
    assert search(shelved, "a picture", unlike=[{"id": hit["id"]}, "a red picture"], all=True, words=0)["results"]
    same = uri(shelved.client.get(hit["content"]).content)
    assert search(shelved, {"image": same}, rerank=False, words=0)["results"][0]["id"] == hit["id"]


def test_searches_that_wait_keep_no_other_waiting(shelved: Running, models: Models) -> None:
    """Twenty wait for the model, which is busy; one that needs no model has its answer meanwhile."""
    id, asking = hit_of(shelved, "noise.png")["id"], shelved.url + "/v1/search"

    def ask() -> None:
        answers.append(httpx.post(asking, json={"query": "a pear"}, timeout=100, trust_env=False).status_code)

    answers: list[int] = []
    threads = [threading.Thread(target=ask) for _ in range(20)]
    with held(models):
        for thread in threads:
            thread.start()
        until(lambda: shelved.app.door.inside == 20)
        body = {"like": id, "rerank": False}
        assert httpx.post(asking, json=body, timeout=20, trust_env=False).json()["results"]
        assert not answers
    for thread in threads:
        thread.join(100)
    assert answers == [200] * 20


def test_a_picture_that_cannot_be_decoded_is_named(shelved: Running) -> None:
    damaged, known = {"image": uri(png(seed=9)[:-40])}, search(shelved, "pears")["results"][0]["id"]
    for body, place in (
        ({"query": damaged}, "query"),
        ({"query": "pears", "unlike": [{"id": known}, "a red apple", damaged]}, "unlike[2]"),
    ):
        answer = shelved.post("/v1/search", body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (400, place), answer.text


def test_filters(shelved: Running) -> None:
    def names(**filters: Any) -> set[str]:
        return {hit["name"] for hit in search(shelved, "x", filters=filters, all=True, rerank=False)["results"]}

    assert names(kinds=["video"]) == {"film.mp4"}
    assert names(path="sub") >= {"film.mp4"}
    assert names(folders=["Mine & yours"], kinds=["page"]) == {"report.pdf"}
    assert names(after="2999-01-01") == set()
    assert names(before="1970-01-01") == set()
    assert names(after="0001-01-01", before="9999-12-31", kinds=["video"]) == {"film.mp4"}
    assert names(min_bytes=1 << 50) == set()
    assert names(pages=[2, 9]) == {"report.pdf"}
    assert names(tags=["none'"]) == set()
    for wrong in (
        {"folders": ["nowhere"]},
        {"after": "2026-02-02", "before": "2026-01-01"},
        {"after": "2026-02-30"},
        {"kinds": ["film"]},
        {"pages": [1]},
        {"path": "\ud800"},
        {"unknown": 1},
    ):
        answer = shelved.client.post(
            "/v1/search",
            content=json.dumps({"query": "x", "filters": wrong}),
            headers={"Content-Type": "application/json"},
        )
        assert answer.status_code == 400, (wrong, answer.text)


def events(server: Running, **body: Any) -> list[tuple[str, Any]]:
    with server.client.stream("POST", "/v1/search", json={"stream": True} | body) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        text = answer.read().decode()
    blocks = [block.split("\n") for block in text.strip().split("\n\n")]
    return [(name.removeprefix("event: "), json.loads(data.removeprefix("data: "))) for name, data in blocks]


def test_a_stream_of_events(shelved: Running) -> None:
    told = events(shelved, query="pear cake", all=True)
    assert [name for name, _ in told][:1] == ["first"]
    assert {name for name, _ in told[1:-1]} == {"progress"}
    first, final = told[0][1], told[-1][1]
    assert (first["stage"], final["stage"], told[-1][0]) == ("first", "final", "final")
    assert not any(hit["reranked"] for hit in first["results"])
    assert all(hit["reranked"] for hit in final["results"])
    last = told[-2][1]
    assert last["read"] == last["of"] > 0
    plain = search(shelved, "pear cake", all=True)
    assert [hash_of(hit["id"]) for hit in plain["results"]] == [hash_of(hit["id"]) for hit in final["results"]]
    assert [name for name, _ in events(shelved, query="pear cake", rerank=False)] == ["final"]
    answer = shelved.post("/v1/search", {"stream": True, "query": {"image": "data:image/png;base64,AAAA"}})
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "source_not_decodable")


def test_a_stream_that_takes_too_long_ends_with_an_error(
    start: Start, models: Models, folder: Path, tmp_path: Path
) -> None:
    """Its head was sent with the first stage; the second, which is not computed in time, is an event too."""
    with start(library=tmp_path / "library", folders=(folder,), bounds=Bounds(request_seconds=8)) as live:
        until(lambda: job(live)["state"] == "done")
        with models.computes("reranking")[0]._lock:
            told = events(live, query="pear cake", all=True)
    assert [name for name, _ in told] == ["first", "error"]
    assert told[-1][1]["error"]["code"] == "timeout"


def test_pictures_of_things(shelved: Running) -> None:
    for name in ("noise.png", "report.pdf", "film.mp4"):
        hit = hit_of(shelved, name)
        answer = shelved.client.get(hit["thumbnail"])
        assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
        assert "immutable" in answer.headers["cache-control"]
        again = shelved.client.get(hit["thumbnail"], headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")
        weak = shelved.client.get(hit["thumbnail"], headers={"If-None-Match": f"W/{answer.headers['etag']}"})
        assert weak.status_code == 304
        head = shelved.client.head(hit["thumbnail"])
        assert (head.content, same(head)) == (b"", same(answer))
    page = hit_of(shelved, "report.pdf")
    drawn = shelved.client.get(f"/v1/library/things/{page['id']}/page?width=300")
    assert PIL.Image.open(io.BytesIO(drawn.content)).height == 300
    assert shelved.client.get(f"/v1/library/things/{page['id']}/page?width=9999").status_code == 400
    picture = hit_of(shelved, "noise.png")
    drawn = shelved.client.get(f"/v1/library/things/{picture['id']}/page?width=64")
    assert max(PIL.Image.open(io.BytesIO(drawn.content)).size) == 64
    text = hit_of(shelved, "pears.txt")
    assert text["thumbnail"] is None
    for part in ("thumbnail", "page"):
        assert shelved.client.get(f"/v1/library/things/{text['id']}/{part}").status_code == 404


def content(server: Running, name: str, **headers: str) -> httpx.Response:
    return server.client.get(hit_of(server, name)["content"], headers=headers)


def test_content_and_ranges(shelved: Running, folder: Path) -> None:
    whole = (folder / "sub" / "film.mp4").read_bytes()
    answer = content(shelved, "film.mp4")
    assert (answer.status_code, answer.content, answer.headers["content-type"]) == (200, whole, "video/mp4")
    assert answer.headers["accept-ranges"] == "bytes"
    size, etag = len(whole), answer.headers["etag"]
    for asked, start, stop in (
        ("bytes=0-0", 0, 1),
        ("BYTES=0-0", 0, 1),
        ("bytes=5-", 5, size),
        ("bytes=-7", size - 7, size),
        (f"bytes=10-{10 * size}", 10, size),
        (f"bytes=-{10 * size}", 0, size),
    ):
        part = content(shelved, "film.mp4", Range=asked)
        assert (part.status_code, part.content) == (206, whole[start:stop]), asked
        assert part.headers["content-range"] == f"bytes {start}-{stop - 1}/{size}"
        assert content(shelved, "film.mp4", Range=asked, **{"If-Range": etag}).status_code == 206
        assert content(shelved, "film.mp4", Range=asked, **{"If-Range": '"other"'}).content == whole
        head = shelved.client.head(hit_of(shelved, "film.mp4")["content"], headers={"Range": asked})
        assert (head.status_code, head.content, same(head)) == (206, b"", same(part))
    head = shelved.client.head(hit_of(shelved, "film.mp4")["content"])
    assert (head.status_code, head.content, same(head)) == (200, b"", same(answer))
    for known in (etag, f"W/{etag}", f'"other", W/{etag}', f'{etag},W/"other"', "*"):
        assert content(shelved, "film.mp4", **{"If-None-Match": known}).status_code == 304, known
    for other in ('"other"', f"x{etag}", '"*"', ""):
        assert content(shelved, "film.mp4", **{"If-None-Match": other}).status_code == 200, other
    many = "bytes=" + ",".join(f"{n}-{n}" for n in range(1000))
    for odd in (many, "bytes=", "bytes=-", "bytes=9-3", "bytes=a-b", "items=0-1", "bytes=0-1,", "bytes=--1"):
        answer = content(shelved, "film.mp4", Range=odd)
        assert (answer.status_code, len(answer.content)) == (200, size), odd
    for beyond in (f"bytes={size}-", f"bytes={size}-{size + 5}", "bytes=-0", "bytes=999999999999999999-"):
        answer = content(shelved, "film.mp4", Range=beyond)
        assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}"), beyond


def same(answer: httpx.Response) -> dict[str, str]:
    """What the head of an answer says of its body."""
    names = ("content-type", "content-length", "content-range", "etag", "content-disposition")
    return {name: answer.headers[name] for name in names if name in answer.headers}


def test_a_text_says_how_it_is_written(start: Start, tmp_path: Path) -> None:
    """As it is read for the library: by its mark, else as UTF-8."""
    root, text = tmp_path / "texts", "a walrus, naïve"
    root.mkdir()
    written = {"a.txt": "utf-8", "b.txt": "utf-8-sig", "c.txt": "utf-16", "d.txt": "utf-32"}
    for name, encoding in written.items():
        (root / name).write_text(text, encoding=encoding)
    with start(library=tmp_path / "library", folders=(root,)) as live:
        until(lambda: job(live)["state"] == "done")
        for name, encoding in written.items():
            answer = content(live, name)
            assert answer.headers["content-type"] == f"text/plain; charset={encoding.removesuffix('-sig')}"
            assert answer.content == (root / name).read_bytes()
            assert answer.text.removeprefix("\ufeff") == text


def test_nothing_is_served_as_a_page_of_its_own(shelved: Running) -> None:
    for name in ("page.html", "drawing.svg"):
        answer = content(shelved, name)
        assert answer.headers["content-type"] == "application/octet-stream"
        assert answer.headers["content-disposition"].startswith("attachment; filename*=UTF-8''")
    for name, kind in (("red.png", "image/png"), ("pears.txt", "text/plain; charset=utf-8")):
        answer = content(shelved, name)
        assert answer.headers["content-type"] == kind
        assert answer.headers["content-disposition"].startswith("inline")
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert "sandbox" in answer.headers["content-security-policy"]
    answer = content(shelved, "report.pdf")
    assert answer.headers["content-type"] == "application/pdf"
    assert answer.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'"


@pytest.mark.parametrize(
    "id", ["nothing.0", "x", "..%2f..%2fetc%2fpasswd", "%00.0", "a'b.0", "%ff.0", "a" * 200 + ".0", "a.9999999999"]
)
def test_odd_ids(shelved: Running, id: str) -> None:
    for part in ("", "/thumbnail", "/page", "/content"):
        assert shelved.client.get(f"/v1/library/things/{id}{part}").status_code in (400, 404)


def test_a_query_has_an_end(shelved: Running) -> None:
    assert shelved.post("/v1/search", {"query": "a " * 16_384, "rerank": False, "top": 1}).status_code == 200
    answer = shelved.post("/v1/search", {"query": "a " * 16_384 + "a"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "query_too_long")
    assert shelved.post("/v1/search", {"query": "a", "like": "b.0"}).status_code == 400
    assert shelved.post("/v1/search", {"top": 1}).status_code == 400
    for body, place in (({"like": "b.0"}, "like"), ({"query": "a", "unlike": ["c", {"id": "b.0"}]}, "unlike[1].id")):
        answer = shelved.post("/v1/search", body)
        assert (answer.status_code, answer.json()["error"]["param"]) == (404, place)


def test_the_tokens_of_a_search_are_counted(start: Start, models: Models, folder: Path, tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    with start(library=tmp_path / "library", folders=(folder,), audit=audit) as live:
        until(lambda: job(live)["state"] == "done")
        search(live, "pear cake", rerank=False)
        search(live, "pear cake")
        assert len(events(live, query="pear cake")) > 1
        live.client.post("/v1/library/files", params={"name": "walrus.txt"}, content=b"the walrus")
        until(lambda: 'status="201"' in live.client.get("/metrics").text)
        counted = live.client.get("/metrics").text
    rows = [json.loads(line) for line in audit.read_text(encoding="utf-8").splitlines()]
    query, read, streamed = [row["tokens"] for row in rows if row["endpoint"] == "POST /v1/search"]
    assert query == models.embedder.plan("pear cake", instruction=QUERY_INSTRUCTION).tokens
    assert read == streamed > query
    assert f'anyseek_tokens_total{{endpoint="POST /v1/search"}} {float(query + read + streamed)}' in counted
    sent = [row["tokens"] for row in rows if row["endpoint"] == "POST /v1/library/files"]
    assert sent[0] > 0


def test_paths_do_not_climb(shelved: Running) -> None:
    for path in ("../../etc", "/etc/passwd", "sub/../..", "..", "a'; DROP TABLE files; --"):
        answer = shelved.client.get("/v1/library/files", params={"path": path})
        assert (answer.status_code, answer.json()["data"]) == (200, [])
    for path in ("/v1/library/things/../../etc/passwd", "/page/../../keys.json", "/page/%2e%2e/keys.py"):
        assert shelved.client.get(path).status_code in (400, 404)


def test_without_a_library(live: Running) -> None:
    for method, path in (("GET", "/v1/library"), ("GET", "/v1/library/files"), ("GET", "/v1/library/things/a.0")):
        answer = live.client.request(method, path)
        assert (answer.status_code, answer.json()["error"]["code"]) == (404, "no_library")
    answer = live.post("/v1/search", {"query": "a"})
    assert answer.status_code == 404
    assert "anyseek serve FOLDER" in answer.json()["error"]["message"]


@pytest.fixture
def alone(start: Start, tmp_path: Path) -> Iterator[tuple[Running, Path]]:
    """A server with a folder of one picture and one text, which a test may change."""
    root = tmp_path / "own"
    root.mkdir()
    (root / "noise.png").write_bytes(png(seed=3))
    (root / "note.txt").write_text("walrus", encoding="utf-8")
    with start(library=tmp_path / "library", folders=(root,)) as found:
        until(lambda: job(found)["state"] == "done")
        yield found, root


def test_what_is_not_as_it_was_indexed_is_gone(alone: tuple[Running, Path], tmp_path: Path) -> None:
    server, root = alone
    note, noise = hit_of(server, "note.txt"), hit_of(server, "noise.png")
    (root / "note.txt").write_text("another", encoding="utf-8")
    answer = server.client.get(note["content"])
    assert (answer.status_code, answer.json()["error"]["code"]) == (410, "file_changed")
    state = (root / "noise.png").stat()
    outside = tmp_path / "outside.png"
    (root / "noise.png").rename(outside)
    assert server.client.get(noise["content"]).status_code == 410
    (root / "noise.png").symlink_to(outside)
    assert (outside.stat().st_size, outside.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)
    assert server.client.get(noise["content"]).status_code == 410, "a link that leads out, to the very same bytes"
    (root / "noise.png").unlink()
    (root / "within.png").write_bytes(outside.read_bytes())
    os.utime(root / "within.png", ns=(state.st_mtime_ns, state.st_mtime_ns))
    (root / "noise.png").symlink_to(root / "within.png")
    assert server.client.get(noise["content"]).content == outside.read_bytes(), "a link inside is followed"
    (root / "noise.png").unlink()
    os.mkfifo(root / "noise.png")
    assert server.client.get(noise["content"]).status_code == 410, "a pipe does not block"


def test_a_library_of_another_model_is_refused(start: Start, models: Models, tmp_path: Path) -> None:
    place = tmp_path / "library"
    with Library.open(place, "tiny"):
        pass
    with start(library=place) as server:
        assert server.client.get("/v1/library").status_code == 200

    folder = tmp_path / "other"
    assert models.embedder is not None
    assert models.embedder.source is not None
    shutil.copytree(models.embedder.source, folder)
    weights = next(folder.glob("*.safetensors"))
    data = weights.read_bytes()
    weights.write_bytes(data[: len(data) // 2] + bytes(len(data) - len(data) // 2))
    other = Models(embedder=Embedder.load(folder, **AS_SERVED), reranker=None, names={"embedding": ("small",)})
    shelf = Shelf(Engine(lambda: other, ServerOptions(), Metrics()), place)
    with pytest.raises(ConfigError, match="weights"):
        shelf.open(other)


class Folders:
    """In place of a library: 100 batches of a second each, of a clock of its own. Somebody wants each of them over."""

    def __init__(self) -> None:
        self.now, self.looks, self.batches = 1000.0, 0, 0
        self.is_awaited: Callable[[], bool] = lambda: True

    def monotonic(self) -> float:
        return self.now

    def roots(self) -> list[Path]:
        return []

    def index(self, roots: list[Path], *, options: Any, tell: Callable[[Any], None]) -> None:
        self.looks += 1
        self.now += 3
        while self.batches < 100:
            until(self.is_awaited)
            self.now += 1
            self.batches += 1
            tell(SimpleNamespace(files=self.batches, of_files=100, things=self.batches, seconds_left=None, path="a"))


def test_uploads_one_after_another_do_not_starve_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who makes way looks through all folders again: it works for a while before, and not for long."""
    folders = Folders()
    monkeypatch.setattr("anyseek.server.indexing.time", SimpleNamespace(monotonic=folders.monotonic))
    indexing, waits = Indexing(folders), list[float]()
    folders.is_awaited = lambda: indexing._wanting == 1
    indexing.start()
    until(lambda: folders.looks == 1)
    while indexing.job.state == "running":
        asked = folders.now
        waits.append(indexing.meanwhile(lambda: folders.now) - asked)
    assert indexing.job.state == "done", indexing.job
    assert folders.batches == 100
    assert len(waits) > 5
    assert folders.looks <= 100 / BATCH_SECONDS + 1
    assert max(waits) <= 3 + 1 + BATCH_SECONDS + 2, "to look, a batch, the time of a run, and the batch under way"
