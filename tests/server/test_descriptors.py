"""Files that may be open: connections leave some for everything else, and what finds none is told so."""

import errno
import json
import os
import re
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from anyseek.server import Bounds
from anyseek.server.audit import Audit, Entry
from anyseek.server.descriptors import RESERVE, fitting
from anyseek.server.faults import fault_of, unkept
from tests.server.conftest import until

resource = pytest.importorskip("resource")

SERVE = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from anyseek.cli.main import main
main(["serve", "--port", "0", "--model", "tiny", "--no-rerank", "--no-keys", "--audit", {audit!r}])
"""


@pytest.mark.parametrize(
    ("soft", "hard", "raised", "connections"),
    [
        (1024, 1 << 20, 2048 + RESERVE, 2048),
        (1024, -1, 2048 + RESERVE, 2048),
        (1024, 1024, 1024, 1024 - RESERVE),
        (1024, 1500, 1500, 1500 - RESERVE),
        (100, 100, 100, 50),
        (1 << 16, 1 << 20, 1 << 16, 2048),
        (-1, -1, -1, 2048),
    ],
)
def test_as_many_connections_as_may_be_open(
    monkeypatch: pytest.MonkeyPatch, soft: int, hard: int, raised: int, connections: int
) -> None:
    limits = [soft, hard]
    monkeypatch.setattr(resource, "RLIM_INFINITY", -1)
    monkeypatch.setattr(resource, "getrlimit", lambda _: tuple(limits))
    monkeypatch.setattr(resource, "setrlimit", lambda _, wanted: limits.__setitem__(slice(None), wanted))
    assert fitting(Bounds()).connections == connections
    assert limits == [raised, hard]


def test_a_system_that_refuses_more(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise ValueError("current limit exceeds maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 1 << 20))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert fitting(Bounds()).connections == 1024 - RESERVE


def test_connections_that_ask_nothing_take_no_files_from_others(tmp_path: Path) -> None:
    audit = tmp_path / "audit.jsonl"
    code = SERVE.format(soft=256, hard=600, audit=str(audit))
    with (tmp_path / "log").open("w+", encoding="utf-8") as log, ExitStack() as stack:
        process = stack.enter_context(subprocess.Popen([sys.executable, "-c", code], stderr=log, text=True))
        stack.callback(process.kill)
        until(lambda: "listening on" in (tmp_path / "log").read_text(encoding="utf-8"))
        said = (tmp_path / "log").read_text(encoding="utf-8")
        url = re.search(r"listening on (http://\S+)", said)[1]  # type: ignore[index]
        until(lambda: httpx.get(f"{url}/ready", trust_env=False).status_code == 200)
        bound = httpx.get(f"{url}/info", trust_env=False).json()["bounds"]["connections"]
        assert bound == 600 - RESERVE
        host, port = url.removeprefix("http://").split(":")
        asking = stack.enter_context(httpx.Client(base_url=url, trust_env=False))
        assert asking.get("/health").status_code == 200
        idle = [stack.enter_context(socket.create_connection((host, int(port)))) for _ in range(900)]
        until(lambda: closed(idle[-1]))  # the last of those too many, all of which came before
        assert asking.get("/info").status_code == 200
        assert asking.post("/v1/embeddings", json={"input": "a"}).status_code == 200
        for one in idle:
            one.close()
        until(lambda: httpx.get(f"{url}/health", trust_env=False).status_code == 200)
        assert "Traceback" not in (tmp_path / "log").read_text(encoding="utf-8")
        assert "cannot be written" not in (tmp_path / "log").read_text(encoding="utf-8")
    endpoints = [json.loads(line)["endpoint"] for line in audit.read_text(encoding="utf-8").splitlines()]
    assert "POST /v1/embeddings" in endpoints


def closed(connection: socket.socket) -> bool:
    """Whether the other side has closed it."""
    connection.setblocking(False)
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except ConnectionError:
        return True


def test_what_finds_no_descriptor_is_not_a_full_disk() -> None:
    for error in (OSError(errno.EMFILE, "Too many open files"), OSError(errno.ENFILE, "Too many open files in system")):
        for fault in (unkept(error), fault_of(error)):
            assert (fault.status, fault.code, fault.retry_after) == (503, "server_full", 2)
    assert unkept(OSError(errno.ENOSPC, "No space left on device")).status == 507
    assert fault_of(OSError(errno.EIO, "Input/output error")).status == 500


def test_the_audit_log_stays_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A line is written when no file can be opened; one that was moved away is not written to any more."""

    def full(*_: object) -> int:
        raise OSError(errno.EMFILE, "Too many open files")

    def lines(path: Path) -> list[str]:
        return [json.loads(line)["id"] for line in path.read_text(encoding="utf-8").splitlines()]

    path, moved = tmp_path / "audit.jsonl", tmp_path / "audit.jsonl.1"
    audit = Audit(path)
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", full)
        audit.write(Entry("a"))
    path.rename(moved)
    audit.write(Entry("b"))
    moved.unlink()
    audit.close()
    audit.write(Entry("c"))
    audit.close()
    assert lines(path) == ["b", "c"]
