"""Keys: only hashes are kept, files of others are refused, and a change is seen by a running server."""

import hashlib
import json
import logging
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from anyseek.errors import ConfigError
from anyseek.server.keys import Key, Keys, add_key, read_keys, remove_key
from anyseek.server.sessions import COOKIE, cookie, token_of


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "more" / "keys.json"


def test_only_a_hash_is_kept(path: Path) -> None:
    secret = add_key(path, "ann", "read")
    text = path.read_text(encoding="utf-8")
    assert secret not in text
    (kept,) = json.loads(text)["keys"]
    assert kept["sha256"] == hashlib.sha256(secret.encode()).hexdigest()
    assert path.stat().st_mode & 0o777 == 0o600


def test_keys_are_random_and_long(path: Path) -> None:
    secrets = {add_key(path, f"key{number}", "read") for number in range(5)}
    assert len(secrets) == 5
    assert all(len(secret) >= 43 + len("anyseek-") for secret in secrets)


def test_find(path: Path) -> None:
    ann, bob = add_key(path, "ann", "read"), add_key(path, "bob", "admin")
    keys = Keys(path)
    assert keys.find(ann).name == "ann"
    assert keys.find(bob).role == "admin"
    for wrong in ("", "x", ann[:-1], ann + "x", ann.upper(), "\udcff", "anyseek-"):
        assert keys.find(wrong) is None


def test_every_key_is_compared_whichever_is_asked_for(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No early end: the first key takes as many comparisons as the last, and as none of them."""
    secrets = [add_key(path, f"key{number}", "read") for number in range(4)]
    keys, compared = Keys(path), []

    def compare(a: str, b: str) -> bool:
        compared.append(a)
        return a == b

    monkeypatch.setattr("anyseek.server.keys.hmac.compare_digest", compare)
    for secret in (*secrets, "none of them"):
        compared.clear()
        keys.find(secret)
        assert len(compared) == 4


def test_roles() -> None:
    read, write, admin = (Key(name="a", role=role, sha256="0" * 64, created=0) for role in ("read", "write", "admin"))
    allowed = {key.role: [role for role in ("read", "write", "admin") if key.may(role)] for key in (read, write, admin)}
    assert allowed == {"read": ["read"], "write": ["read", "write"], "admin": ["read", "write", "admin"]}


def test_a_running_server_sees_changes(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    ann = add_key(path, "ann", "read")
    keys = Keys(path)
    bob = add_key(path, "bob", "read")
    assert keys.find(bob).name == "bob"
    remove_key(path, "ann")
    assert keys.find(ann) is None
    good = path.read_bytes()
    path.write_text("nonsense", encoding="utf-8")
    with caplog.at_level(logging.ERROR):
        assert keys.find(bob) is None  # damaged: nobody, rather than who was allowed before
    assert "damaged" in caplog.text
    path.write_bytes(good)
    assert keys.find(bob).name == "bob"
    path.unlink()
    assert keys.find(bob) is None


@pytest.mark.parametrize(
    "text",
    [
        "nonsense",
        "[]",
        "{}",
        '{"keys": [{"name": "a"}]}',
        '{"keys": [{"name": "a", "role": "root", "sha256": "' + "0" * 64 + '", "created": 0}]}',
        '{"keys": [{"name": "a", "role": "read", "sha256": "short", "created": 0}]}',
        '{"keys": [{"name": "a\\nb", "role": "read", "sha256": "' + "0" * 64 + '", "created": 0}]}',
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "keys.json"
    path.write_text(text, encoding="utf-8")
    path.chmod(0o600)
    with pytest.raises(ConfigError, match="damaged"):
        read_keys(path)


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize("mode", [0o620, 0o602])
def test_a_file_that_others_may_write_is_refused(path: Path, mode: int) -> None:
    add_key(path, "ann", "read")
    path.chmod(mode)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_keys(path)


def test_names(path: Path) -> None:
    add_key(path, "ann@example.org", "read")
    with pytest.raises(ConfigError, match="already"):
        add_key(path, "ann@example.org", "read")
    for name in ("", "a b", "-a", "a" * 65, "a\n", "é"):
        with pytest.raises(ConfigError, match="1 to 64"):
            add_key(path, name, "read")
    with pytest.raises(ConfigError, match="no key 'bob'; it has ann@example.org"):
        remove_key(path, "bob")


def test_keys_that_are_added_at_once_are_all_kept(path: Path) -> None:
    names = [f"key{number}" for number in range(16)]
    with ThreadPoolExecutor(len(names)) as threads:
        secrets = dict(zip(names, threads.map(lambda name: add_key(path, name, "read"), names), strict=True))
    keys = Keys(path)
    assert {name: keys.find(secret).name for name, secret in secrets.items()} == {name: name for name in names}
    with ThreadPoolExecutor(len(names)) as threads:
        list(threads.map(lambda name: remove_key(path, name), names[1:]))
    assert [key.name for key in read_keys(path)] == names[:1]


def test_nothing_is_made_beside_keys_that_are_not_there(path: Path) -> None:
    with pytest.raises(ConfigError, match="is missing"):
        remove_key(path, "ann")
    assert not path.parent.exists()


def test_a_missing_file_says_how_to_make_one(path: Path) -> None:
    with pytest.raises(ConfigError, match="anyseek serve keys add"):
        Keys(path)


@pytest.mark.parametrize(
    "others",
    ["a=b; {0}", "{0}; a=b", 'theme={{"dark": true}}; {0}', "a b; {0}", "na[me]=1; {0}", "x=é,; {0}; ===", ";;{0};"],
)
def test_cookies_of_other_programs_do_not_end_a_session(others: str) -> None:
    """Whatever runs at localhost, on any port, has its cookies sent along."""
    own = cookie("abc-_1", secure=False).split(";")[0]
    assert token_of(others.format(own)) == "abc-_1"


@pytest.mark.parametrize("header", [None, "", "a=b", f"not_{COOKIE}=a", f"x={COOKIE}"])
def test_no_cookie_of_ours(header: str | None) -> None:
    assert token_of(header) is None
