"""Options that would leave the door open are refused before anything listens."""

from pathlib import Path

import pytest

from anyseek.errors import ConfigError
from anyseek.server import Bounds, ServerOptions, add_key, listening
from anyseek.server.options import is_loopback


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


@pytest.mark.parametrize("name", list(Bounds.__slots__))
def test_bounds_are_positive(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Bounds(**{name: 0})


def test_other_numbers() -> None:
    for wrong in ({"hold": True}, {"port": 70_000}, {"port": -1}, {"batch_tokens": 0}, {"batch_seconds": 0}):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            ServerOptions(**wrong)
