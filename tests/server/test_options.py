"""Options that would leave the door open are refused before anything listens."""

from pathlib import Path

import pytest

from anyseek.errors import ConfigError
from anyseek.server import Bounds, ServerOptions, add_key, listening
from anyseek.server.options import MOST_ITEMS, is_loopback
from tests.server.conftest import Start


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_loopback_needs_no_keys(host: str) -> None:
    assert is_loopback(host)
    assert ServerOptions(host=host).keys is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "10.0.0.1", "192.168.1.1", "8.8.8.8"])
def test_other_addresses_are_refused_without_keys(host: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="keys are needed"):
        ServerOptions(host=host)
    keys = tmp_path / "keys.json"
    add_key(keys, "ann", "read")
    assert ServerOptions(host=host, keys=keys).host == host


def test_the_address_is_judged_again_when_it_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name may lead elsewhere the second time."""
    options = ServerOptions(port=0)
    monkeypatch.setattr("anyseek.server.run.is_loopback", lambda host: False)
    with pytest.raises(ConfigError, match="keys are needed"):
        listening(options)


def test_a_taken_port(tmp_path: Path) -> None:
    with listening(ServerOptions(port=0)) as first, pytest.raises(ConfigError, match="cannot listen"):
        listening(ServerOptions(port=first.getsockname()[1]))


def test_an_unknown_host() -> None:
    with pytest.raises(ConfigError, match="no address"):
        ServerOptions(host="no.such.host.invalid")


@pytest.mark.parametrize("origin", ["*", "null", "example.org", "https://example.org/", "https://a/b", "file:///", ""])
def test_origins_are_named_one_by_one(origin: str) -> None:
    with pytest.raises(ConfigError, match="origin"):
        ServerOptions(origins=(origin,))
    assert ServerOptions(origins=("https://example.org:8443",)).origins


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ("https://example.org", "https://example.org"),
        ("HTTPS://App.Example.ORG", "https://app.example.org"),
        ("https://example.org:443", "https://example.org"),
        ("http://Example.org:80", "http://example.org"),
        ("http://example.org:443", "http://example.org:443"),
        ("https://[::1]:443", "https://[::1]"),
        ("http://[::1]:8000", "http://[::1]:8000"),
    ],
)
def test_origins_become_what_browsers_send(given: str, sent: str) -> None:
    assert ServerOptions(origins=(given,)).origins == (sent,)


@pytest.mark.parametrize(
    "origin", ["https://*", "https://u@a", "https://a:99999", "https://[::1", "https://a?b", "http://:80"]
)
def test_what_browsers_never_send_is_no_origin(origin: str) -> None:
    with pytest.raises(ConfigError, match="origin"):
        ServerOptions(origins=(origin,))


def test_hosts_are_lower_case(start: Start) -> None:
    assert ServerOptions(host="LocalHost").host == "localhost"
    with start(hosts=("MyBox.lan",)) as live:
        for host in ("mybox.lan:8000", "MyBox.lan"):
            assert live.client.get("/health", headers={"Host": host}).status_code == 200


ASKED = {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang,x-stainless-retry-count",
}


def test_a_named_page_may_send_what_official_clients_send(start: Start) -> None:
    """`openai` in a browser adds headers of its own, which the browser asks for one by one."""
    with start(origins=("HTTPS://App.example.org:443",)) as live:
        preflight = live.client.options("/v1/embeddings", headers={"Origin": "https://app.example.org", **ASKED})
        assert preflight.status_code == 200
        assert preflight.headers["access-control-allow-origin"] == "https://app.example.org"
        allowed = preflight.headers["access-control-allow-headers"].split(",")
        assert {name.strip().lower() for name in allowed} >= set(ASKED["Access-Control-Request-Headers"].split(","))
        assert "access-control-allow-credentials" not in preflight.headers


def test_a_refused_preflight_is_an_answer_as_others_are(start: Start) -> None:
    with start(origins=("https://app.example.org",)) as live:
        for origin, method, code in (
            ("https://example.com", "POST", "origin_not_allowed"),
            ("https://app.example.org", "PUT", "preflight_refused"),
        ):
            asked = {**ASKED, "Origin": origin, "Access-Control-Request-Method": method}
            refused = live.client.options("/v1/embeddings", headers=asked)
            assert (refused.status_code, refused.json()["error"]["code"]) == (403, code)
            assert "access-control-allow-origin" not in refused.headers
            assert "Origin" in refused.headers["vary"]


@pytest.mark.parametrize("name", list(Bounds.__slots__))
def test_bounds_are_positive(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Bounds(**{name: 0})


def test_no_server_lets_in_more_items_than_the_schema() -> None:
    assert Bounds(items=MOST_ITEMS).parts >= MOST_ITEMS
    with pytest.raises(ConfigError, match="at most 65,536"):
        Bounds(items=MOST_ITEMS + 1)


def test_other_numbers() -> None:
    for wrong in ({"held_bytes": -1}, {"port": 70_000}, {"port": -1}, {"batch_tokens": 0}, {"batch_seconds": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            ServerOptions(**wrong)
