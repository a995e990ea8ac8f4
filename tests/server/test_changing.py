"""Jobs and uploads: what is sent is indexed and found, cleaned of its path, never over another, and never too large."""

import errno
import io
import multiprocessing
import os
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from anyseek.index import Store
from anyseek.index.lock import unwritable
from anyseek.index.writer import Writer
from anyseek.server import Bounds, Models, add_key
from anyseek.server.changing import clean_name
from anyseek.server.faults import Fault
from tests.server.conftest import Running, Start, png, until
from tests.server.test_door import Asking, held
from tests.server.test_library import content, job, search


@pytest.fixture
def served(start: Start, tmp_path: Path) -> Iterator[Running]:
    """A server whose library is empty."""
    with start(library=tmp_path / "library", bounds=Bounds(upload_bytes=100_000)) as found:
        yield found


def send(server: Running, name: str, data: Any, **headers: str) -> httpx.Response:
    return server.client.post("/v1/library/files", params={"name": name}, content=data, headers=headers)


def kept(server: Running) -> set[str]:
    """Everything in the folder of uploads, hidden files too."""
    folder = server.app.shelf.uploads
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def test_an_upload_is_found_and_deleted(served: Running) -> None:
    answer = send(served, "walrus.txt", b"the walrus and the carpenter")
    assert answer.status_code == 201, answer.text
    file = answer.json()
    assert (file["path"], file["folder"], file["kind"], file["state"]) == ("walrus.txt", "uploads", "text", "done")
    hit = search(served, "walrus carpenter", all=True)["results"][0]
    assert (hit["name"], hit["folder"]) == ("walrus.txt", "uploads")
    assert content(served, "walrus.txt").content == b"the walrus and the carpenter"
    again = send(served, "walrus.txt", png(seed=5))
    assert (again.status_code, again.json()["path"], again.json()["kind"]) == (201, "walrus (2).txt", "image")
    assert content(served, "walrus.txt").content == b"the walrus and the carpenter", "nothing is written over"
    assert kept(served) == {"walrus.txt", "walrus (2).txt"}
    for each in (file, again.json()):
        assert served.client.delete(f"/v1/library/files/{each['id']}").status_code == 204
    assert kept(served) == set()
    assert search(served, "walrus carpenter", all=True)["results"] == []
    assert served.client.delete(f"/v1/library/files/{file['id']}").status_code == 404
    assert served.client.get("/v1/library").json()["folders"] == []


def test_what_cannot_be_read_is_not_kept(served: Running) -> None:
    for name, data in (("a.pdf", b"%PDF-1.4\nnothing else"), ("b.bin", bytes(range(256)) * 4), ("c.png", png()[:99])):
        answer = send(served, name, data)
        assert (answer.status_code, answer.json()["error"]["code"]) == (400, "file_not_readable")
        assert name in answer.json()["error"]["message"]
        assert str(served.app.shelf.uploads.parent) not in answer.text
    assert send(served, "empty.txt", b"").status_code == 400
    assert kept(served) == set()
    assert served.client.get("/v1/library/files").json()["data"] == []


def test_names_become_one_component(served: Running) -> None:
    for name in ("../../climb.txt", "..\\..\\climb.txt", "/etc/climb.txt", "C:\\climb.txt"):
        assert send(served, name, b"text " + name.encode()).status_code == 201
    assert kept(served) == {"climb.txt", "climb (2).txt", "climb (3).txt", "climb (4).txt"}
    for name in ("..", "/", "...", "a/", "\\", " "):
        assert send(served, name, b"text").status_code == 400, name
    answer = send(served, "a" * 300 + "." + "🍎" * 20, b"\0" * 9)
    assert (answer.status_code, answer.json()["error"]["code"]) == (400, "file_not_readable")


@pytest.mark.parametrize(
    ("name", "clean"),
    [
        ("a\x00b.txt", "a_b.txt"),
        ("a\nb.txt", "a_b.txt"),
        (".hidden.txt", "hidden.txt"),
        ("x. . ", "x"),
        ("con.txt", "_con.txt"),
        ("NUL", "_NUL"),
        ("a:b|c?.png", "a_b_c_.png"),
        ("\u202egpj.exe", "_gpj.exe"),
        ("e\u0301.txt", "\u00e9.txt"),
        ("\ud800.txt", "_.txt"),
        ("\u4f60" * 300 + ".pdf", "\u4f60" * 65 + ".pdf"),
        ("a" * 300, "a" * 200),
        ("a" * 300 + "." + "🍎" * 20, "a" * 119 + "." + "🍎" * 20),  # its end takes four bytes a character
        ("é" * 300 + ".jpeg", "é" * 97 + ".jpeg"),
        ("a." + "🍎" * 60, "a." + "🍎" * 49),  # too long for an ending
    ],
)
def test_clean_names(name: str, clean: str) -> None:
    assert clean_name(name) == clean
    assert len(clean.encode()) <= 201


def test_names_that_are_none() -> None:
    for name in ("..", "_", "/", "\x00", ". ."):
        with pytest.raises(Fault):
            clean_name(name)


def test_what_is_too_large_is_refused_while_it_comes(served: Running) -> None:
    assert send(served, "a.txt", b"a" * 100_001).status_code == 413
    largest = 0

    def unannounced() -> Iterator[bytes]:
        nonlocal largest
        for _ in range(200):
            yield b"a" * 10_000
            for path in served.app.shelf.uploads.glob(".*"):
                with suppress(FileNotFoundError):  # it goes as soon as it is too large
                    largest = max(largest, path.stat().st_size)

    assert send(served, "b.txt", unannounced()).status_code == 413
    assert largest <= 100_000
    until(lambda: kept(served) == set())
    assert send(served, "c.txt", b"a " * 50_000).status_code == 201, "exactly as large as allowed"


def test_a_client_that_leaves_leaves_nothing(served: Running) -> None:
    def half() -> Iterator[bytes]:
        yield b"a" * 10
        until(lambda: len(kept(served)) == 1)
        raise RuntimeError("left")

    with pytest.raises(RuntimeError):
        send(served, "a.txt", half())
    until(lambda: kept(served) == set())
    assert served.client.get("/v1/library").status_code == 200


def test_jobs(served: Running, tmp_path: Path) -> None:
    begun = served.client.post("/v1/library/index")
    assert (begun.status_code, begun.json()["state"]) == (202, "running")
    until(lambda: job(served)["state"] == "done")
    assert served.post("/v1/library/index", {"retry": True}).status_code == 202
    until(lambda: job(served)["state"] == "done")
    assert served.client.delete("/v1/library/index").json()["state"] == "done"
    assert served.post("/v1/library/index", {"retry": "yes"}).status_code == 400


def test_a_job_stops_and_makes_way(start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It waits at a batch: a second one is refused, an upload has its turn, and a stop ends it."""
    root = tmp_path / "many"
    root.mkdir()
    for number in range(40):
        (root / f"{number}.txt").write_text(f"text {number}", encoding="utf-8")
    at, go = threading.Event(), threading.Event()
    with start(library=tmp_path / "library") as server:
        indexing = server.app.shelf.indexing
        indexing._folders = (root,)
        teller = indexing._teller

        def slow(before: Any) -> Any:
            tell = teller(before)

            def told(progress: Any) -> None:
                at.set()
                assert go.wait(100)
                tell(progress)

            return told

        monkeypatch.setattr(indexing, "_teller", slow)
        assert server.client.post("/v1/library/index").status_code == 202
        assert at.wait(100)
        assert server.client.post("/v1/library/index").status_code == 409
        assert search(server, "text 1", rerank=False), "searched while it runs"
        answers: list[httpx.Response] = []
        sending = threading.Thread(target=lambda: answers.append(send(server, "between.txt", b"between")))
        sending.start()
        until(lambda: indexing._wanting == 1)
        at.clear()
        go.set()
        sending.join(100)
        assert answers[0].status_code == 201
        go.clear()
        until(lambda: at.is_set() or job(server)["state"] == "done")
        stopped = server.client.delete("/v1/library/index")
        go.set()
        assert stopped.status_code == 200
        until(lambda: job(server)["state"] != "running")
        assert job(server)["state"] in ("stopped", "done")
        assert server.client.post("/v1/library/index").status_code == 202
        until(lambda: job(server)["state"] == "done")
        assert server.client.get("/v1/library").json()["files"] == 41
        files = server.client.get("/v1/library/files").json()["data"]
        ids = {folder: next(file["id"] for file in files if file["folder"] == folder) for folder in ("many", "uploads")}
        statuses = {folder: server.client.delete(f"/v1/library/files/{id}").status_code for folder, id in ids.items()}
        assert statuses == {"many": 409, "uploads": 204}


def test_an_indexed_file_is_not_deleted(start: Start, tmp_path: Path) -> None:
    root = tmp_path / "mine"
    root.mkdir()
    (root / "a.txt").write_text("dear", encoding="utf-8")
    with start(library=tmp_path / "library", folders=(root,)) as server:
        until(lambda: job(server)["state"] == "done")
        file = server.client.get("/v1/library/files").json()["data"][0]
        answer = server.client.delete(f"/v1/library/files/{file['id']}")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "not_an_upload")
    assert (root / "a.txt").exists()


def test_a_library_at_an_address_is_searched_and_brought_up_to_date_but_keeps_no_files(
    start: Start, tmp_path: Path
) -> None:
    root = tmp_path / "mine"
    root.mkdir()
    (root / "a.txt").write_text("the walrus and the carpenter", encoding="utf-8")
    with start(library=f"file://{tmp_path / 'library'}", folders=(root,)) as server:
        until(lambda: job(server)["state"] == "done")
        hit = search(server, "walrus", all=True)["results"][0]
        assert (hit["name"], hit["folder"]) == ("a.txt", "mine")
        assert content(server, "a.txt").content == b"the walrus and the carpenter"
        answer = send(server, "b.txt", b"hello")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "no_uploads")
        file = server.client.get("/v1/library/files").json()["data"][0]
        assert server.client.delete(f"/v1/library/files/{file['id']}").status_code == 409
        assert server.client.post("/v1/library/index").status_code == 202


def hold(folder: str, held: Any, over: Any) -> None:
    """Another process that writes."""
    with Store.open(folder).write():
        held.set()
        over.wait(100)


def test_a_library_that_another_process_writes(served: Running) -> None:
    context = multiprocessing.get_context("spawn")
    held, over = context.Event(), context.Event()
    other = context.Process(target=hold, args=(served.app.shelf.library.store.folder, held, over))
    other.start()
    assert held.wait(100)
    try:
        answer = send(served, "a.txt", b"hello")
        assert (answer.status_code, answer.json()["error"]["code"]) == (409, "library_locked")
        assert kept(served) == set()
        assert search(served, "hello")["results"] == [], "it is read all the same"
    finally:
        over.set()
        other.join(100)
    assert send(served, "a.txt", b"hello").status_code == 201


def test_a_disk_that_takes_nothing(served: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whichever step finds it so, a full one is no lock and no fault of the server, and nothing is kept."""
    full, denied = OSError(errno.ENOSPC, "No space left on device"), PermissionError(errno.EACCES, "Permission denied")
    barred = unwritable(Path("/secret/place"), denied)
    barred.__cause__ = denied

    def fails(error: Exception) -> Any:
        def failing(*_: Any, **__: Any) -> Any:
            raise error

        return failing

    class Closing(io.FileIO):
        def close(self) -> None:
            super().close()
            raise full

    opened = os.open

    def open_(path: Any, *rest: Any, **more: Any) -> int:
        if str(path).endswith(".part"):
            raise full
        return opened(path, *rest, **more)

    folder = type(served.app.shelf.uploads)
    cases: list[tuple[Any, str, Any, int]] = [
        (folder, "mkdir", fails(denied), 409),
        (os, "open", open_, 507),
        (os, "fdopen", lambda handle, mode: Closing(handle, mode), 507),
        (Writer, "flush", fails(full), 507),
        (Store, "write", fails(barred), 409),
    ]
    for owner, name, wrong, status in cases:
        with monkeypatch.context() as patched:
            patched.setattr(owner, name, wrong)
            answer = send(served, "a.txt", b"hello")
        found = (answer.status_code, answer.json()["error"]["code"])
        assert found == (status, "disk_full" if status == 507 else "not_writable"), name
        assert "secret" not in answer.text
        assert kept(served) == set(), name
    file = send(served, "a.txt", b"hello").json()
    with monkeypatch.context() as patched:
        patched.setattr(folder, "unlink", fails(denied))
        assert served.client.delete(f"/v1/library/files/{file['id']}").status_code == 409
    assert served.client.delete(f"/v1/library/files/{file['id']}").status_code == 204


def test_an_unknown_file_takes_no_turn(served: Running) -> None:
    """It is looked up while somebody else writes."""
    with served.app.shelf.indexing._turn(first=True):
        assert served.client.delete(f"/v1/library/files/{'0' * 32}", timeout=60).status_code == 404


def test_a_full_queue_is_told_to_who_searches_and_waited_for_by_who_sends(
    start: Start, models: Models, tmp_path: Path
) -> None:
    with start(library=tmp_path / "library", bounds=Bounds(queue_tokens=60)) as live:
        assert send(live, "a.txt", b"hello").status_code == 201
        queue, asking, answers = live.app.engine._queue, Asking(live), list[httpx.Response]()
        sending = threading.Thread(target=lambda: answers.append(send(live, "b.txt", b"other")))
        until(lambda: not live.app.door.inside)
        with held(models):
            asking.post({"input": "first"})
            until(lambda: not len(queue))
            asking.post({"input": "word " * 50})
            until(lambda: len(queue) == 1)
            sending.start()
            until(lambda: live.app.shelf.indexing._writing)
            answer = live.post("/v1/search", {"query": "word " * 50}, timeout=60)
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "queue_full")
            assert 1 <= int(answer.headers["Retry-After"]) <= 60
            assert not answers
        asking.join()
        sending.join(100)
        assert answers[0].status_code == 201


def test_roles(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "keys.json"
    read, write = add_key(path, "ann", "read"), add_key(path, "bob", "write")
    with start(library=tmp_path / "library", keys=path) as server:
        document = server.client.get("/openapi.json", headers={"Authorization": f"Bearer {read}"}).json()
        changes = [
            (method.upper(), address)
            for address, operations in document["paths"].items()
            for method in operations
            if method in ("post", "put", "patch", "delete") and address.startswith("/v1/library")
        ]
        assert len(changes) == 4
        for method, address in changes:
            asked = address.replace("{id}", "0" * 32)
            for key, expected in ((None, 401), (read, 403)):
                headers = {"Authorization": f"Bearer {key}"} if key else {}
                answer = server.client.request(method, asked, headers=headers, params={"name": "a"}, content=b"x")
                assert answer.status_code == expected, (method, address)
        for address in ("/v1/library", "/v1/library/files", "/v1/library/things/a.0", "/v1/search"):
            assert server.client.get(address).status_code == 401
        sent = send(server, "a.txt", b"hello", Authorization=f"Bearer {write}")
        assert sent.status_code == 201
        server.client.post("/v1/session", headers={"Authorization": f"Bearer {write}"})
        assert send(server, "b.txt", b"hello").status_code == 403, "a cookie without the page's Origin"
        assert send(server, "b.txt", b"other", Origin=server.url).status_code == 201
        thing = hit_content(server, read)
        assert server.client.get(thing).status_code == 200, "a picture or film is shown by the cookie alone"


def hit_content(server: Running, key: str) -> str:
    answer = server.client.post(
        "/v1/search", json={"query": "hello", "all": True}, headers={"Authorization": f"Bearer {key}"}
    )
    return str(answer.json()["results"][0]["content"])
