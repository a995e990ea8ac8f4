"""The page's files and sessions: an allow-list, a strict policy, a cookie that only the page's own requests may use."""

from pathlib import Path

import httpx
import pytest

from anyseek.server import add_key, remove_key
from anyseek.server.keys import Key
from anyseek.server.sessions import COOKIE, MOST, SECONDS, Sessions, cookie, token_of
from tests.server.conftest import Running, Start

KEY = Key(name="ann", role="read", sha256="0" * 64, created=0)


def test_files_of_the_page(live: Running) -> None:
    page = live.client.get("/")
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html; charset=utf-8")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    again = live.client.get("/", headers={"If-None-Match": page.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    script = live.client.get("/page/main.js")
    assert (script.status_code, script.headers["content-type"]) == (200, "text/javascript; charset=utf-8")
    for name in ("../keys.py", "..%2fkeys.py", "%2e%2e%2fkeys.py", "main.js%00", "/etc/passwd", "none.js", ".", "%00"):
        answer = live.client.get(f"/page/{name}")
        assert answer.status_code in (400, 404), name
        assert "import" not in answer.text


def test_sessions_end() -> None:
    now = [0.0]
    sessions = Sessions(lambda: now[0])
    token = sessions.begin(KEY)
    assert sessions.find(token) == KEY
    assert token not in str(vars(sessions))
    assert sessions.find(token + "x") is None
    now[0] = SECONDS - 1.0
    assert sessions.find(token) == KEY
    now[0] = SECONDS + 1.0
    assert sessions.find(token) is None
    first = sessions.begin(KEY)
    sessions.end(first)
    assert sessions.find(first) is None
    oldest = sessions.begin(KEY)
    for _ in range(MOST):
        last = sessions.begin(KEY)
    assert (sessions.find(oldest), sessions.find(last)) == (None, KEY)


def test_cookies() -> None:
    said = cookie("abc", secure=True)
    assert {"HttpOnly", "SameSite=Strict", "Path=/", "Secure"} <= set(said.split("; "))
    assert "Secure" not in cookie("abc", secure=False).split("; ")
    assert "Max-Age=0" in cookie("", secure=False)
    assert token_of(f"other=1; {COOKIE}=abc") == "abc"
    assert token_of("=;;\x00") is token_of(None) is None


def test_without_keys_no_session_is_needed(live: Running) -> None:
    assert live.client.get("/v1/session").json() == {"keys": False, "role": "admin"}
    answer = live.client.post("/v1/session")
    assert (answer.json(), "set-cookie" in answer.headers) == ({"keys": False, "role": "admin"}, False)


@pytest.fixture
def guarded(start: Start, tmp_path: Path) -> tuple[Start, Path, str]:
    path = tmp_path / "keys.json"
    return start, path, add_key(path, "ann", "read")


def test_a_session_stands_for_its_key(guarded: tuple[Start, Path, str]) -> None:
    start, path, secret = guarded
    with start(keys=path) as server, httpx.Client(base_url=server.url, trust_env=False) as browser:
        assert browser.get("/").status_code == 200
        assert browser.get("/v1/session").json() == {"keys": True, "role": None}
        assert browser.get("/v1/models").status_code == 401
        assert browser.post("/v1/session").status_code == 401
        assert browser.post("/v1/session", headers={"Authorization": "Bearer no"}).status_code == 401
        opened = browser.post("/v1/session", headers={"Authorization": f"Bearer {secret}"})
        assert opened.json() == {"keys": True, "role": "read"}
        assert "HttpOnly" in opened.headers["set-cookie"]
        assert browser.get("/v1/session").json()["role"] == "read"
        assert browser.get("/v1/models").status_code == 200
        own, other = {"Origin": server.url}, {"Origin": "http://localhost:1"}
        body = {"input": "a"}
        assert browser.post("/v1/embeddings", json=body, headers=own).status_code == 200
        assert browser.post("/v1/embeddings", json=body).status_code == 403, "no Origin"
        assert browser.post("/v1/embeddings", json=body, headers=other).status_code == 403
        assert browser.get("/v1/models", headers={"Sec-Fetch-Site": "same-site"}).status_code == 403
        assert browser.get("/v1/models", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200
        assert browser.get("/metrics").status_code == 403, "the role is that of the key"
        wrong = {"Authorization": "Bearer wrong"}
        assert browser.get("/v1/models", headers=wrong).status_code == 401, "a wrong key is not mended by a cookie"
        token = browser.cookies[COOKIE]
        assert browser.delete("/v1/session", headers=own).status_code == 204
        assert browser.get("/v1/models", headers={"Cookie": f"{COOKIE}={token}"}).status_code == 401


def test_a_key_that_is_taken_away_ends_its_sessions(guarded: tuple[Start, Path, str]) -> None:
    start, path, secret = guarded
    with start(keys=path) as server, httpx.Client(base_url=server.url, trust_env=False) as browser:
        browser.post("/v1/session", headers={"Authorization": f"Bearer {secret}"})
        assert browser.get("/v1/models").status_code == 200
        remove_key(path, "ann")
        assert browser.get("/v1/models").status_code == 401
        assert browser.get("/v1/session").json()["role"] is None
