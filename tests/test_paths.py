"""Paths as people write them."""

from pathlib import Path

import pytest

from anyseek.errors import CheckpointError
from anyseek.index import weights_sample
from anyseek.model.hub import TINY, bundled, locate
from anyseek.paths import expanded


def test_the_users_own_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert expanded("~/a") == tmp_path / "a"
    assert expanded(Path("a") / "~") == Path("a/~")


def test_a_user_that_there_is_not_is_a_name() -> None:
    assert expanded("~nobodyxyz/a") == Path("~nobodyxyz/a")
    with pytest.raises(CheckpointError, match="no model folder '~nobodyxyz/a'"):
        locate("~nobodyxyz/a", "embedding")


def test_an_adapter_that_is_not_there_has_no_sample() -> None:
    with pytest.raises(CheckpointError, match=r"cannot read adapter_config\.json of the adapter ~nobodyxyz/a"):
        weights_sample(bundled(TINY["embedding"]), Path("~nobodyxyz/a"))
